//! Image files in folders named by class.

use super::{
    ColorMode, Dataset, Declared, ImageReader, ImageSize, Interpolation, Resize, SourceDefinition, Surroundings, TestPart,
    files::{self, Found, Splits},
    place,
};
use crate::diagnostic::{Code, Diagnostic, Result, io_error, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Image files, one folder a class: `train/cat/001.jpg`, `train/dog/a/002.png`.
///
/// Class names are the folders', and sorted by name; images are found in folders below them too. Read are `.jpg`,
/// `.jpeg`, `.png`, `.webp` and `.bmp`, turned upright as their Exif data say, and brought to `image_size`. Left out
/// are other files, names that begin with a dot, and links to folders below a class's.
///
/// The order is a fixed permutation, the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"train": "data/train", "test": "data/test", "image_size": 64},
    {"train": "photos", "test": {"split": 0.2}, "image_size": 128, "resize": "crop"},
    {"train": "scans/train", "validation": "scans/val", "test": "scans/test", "image_size": [120, 160], "color_mode": "grayscale"},
]))]
pub struct ImageFolder {
    /// The folder with a folder a class for training. A relative path is looked for in the data directory
    /// (`--data-dir`, `TRAINYARD_DATA`) where one is named, else in the current directory.
    #[schemars(length(min = 1))]
    pub train: PathBuf,
    /// The same for validation, where there is one; `dataset.validation` is then `official` by itself. Its classes must be
    /// among those for training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-known-as" = ["val"]))]
    pub validation: Option<PathBuf>,
    /// The same for testing; or `{split: 0.2}`, which keeps that share of the images in `train`, the same of every class, for
    /// testing.
    pub test: TestPart,
    /// Height and width that every image is brought to; one number stands for both.
    #[serde(default)]
    pub image_size: ImageSize,
    /// Channels of an example.
    #[serde(default)]
    pub color_mode: ColorMode,
    /// How images of another size are brought to `image_size`.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// What becomes of the proportions of images that have others.
    #[serde(default)]
    pub resize: Resize,
}

const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];
/// Folders within folders, at most.
const MAX_DEPTH: usize = 64;
/// Keys the permutation. Another one would change the numbers of every run.
const ORDER: &[u8] = b"trainyard image_folder 1";

/// The images of one split.
struct Listing {
    root: PathBuf,
    /// Class names, sorted.
    classes: Vec<String>,
    /// In the order of the examples; labels are indices into the listing's classes.
    images: Vec<Found>,
}

/// What there is of all splits.
struct Listings {
    classes: Vec<String>,
    splits: Splits,
    /// Where they lie, for people.
    location: String,
}

impl SourceDefinition for ImageFolder {
    fn declare(&self) -> Declared {
        Declared::of_images(self.images().shape)
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let Listings { classes, splits, location } = self.list(surroundings)?;
        files::open("image_folder", location, &classes, splits, self.images(), surroundings)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let Listings { classes, splits, .. } = self.list(surroundings)?;
        Ok(splits.declare(self.images(), &classes))
    }
}

impl ImageFolder {
    fn images(&self) -> ImageReader {
        ImageReader::new(self.image_size, self.color_mode, self.interpolation, self.resize)
    }

    /// What there is for training, validation and testing.
    fn list(&self, surroundings: &Surroundings<'_>) -> Result<Listings> {
        let train = list(place::folder(&self.train, surroundings)?)?;
        for (class, name) in train.classes.iter().enumerate() {
            if !train.images.iter().any(|image| image.label as usize == class) {
                let complaint = no_images(&train.root.join(name));
                return Err(Box::new(complaint.help("every folder beside it is taken for a class, too")));
            }
        }
        let mut places = vec![train.root.display().to_string()];
        let mut other = |path: &Path| -> Result<Vec<Found>> {
            let listing = list(place::folder(path, surroundings)?)?;
            places.push(listing.root.display().to_string());
            relabelled(listing, &train)
        };
        let validation = self.validation.as_deref().map(&mut other).transpose()?;
        let test = self.test.open(|path| other(Path::new(path)))?;
        let Listing { classes, images, .. } = train;
        Ok(Listings { classes, splits: Splits { train: images, validation, test, columns: Vec::new() }, location: places.join(", ") })
    }
}

/// The images of `listing` with the labels that its classes have in `train`.
fn relabelled(listing: Listing, train: &Listing) -> Result<Vec<Found>> {
    let mut labels = Vec::with_capacity(listing.classes.len());
    for name in &listing.classes {
        let Ok(label) = train.classes.binary_search(name) else {
            let message =
                format!("the class `{name}` in {} has no folder in {}", listing.root.display(), train.root.display());
            let complaint = Diagnostic::error(Code::BAD_DATA, message);
            return Err(Box::new(match nearest(name, train.classes.iter().map(String::as_str)) {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint.help("a model can be tested only on classes that it was trained on"),
            }));
        };
        labels.push(label as u32);
    }
    let relabel = |image: Found| Found { label: labels[image.label as usize], ..image };
    Ok(listing.images.into_iter().map(relabel).collect())
}

pub(super) fn no_images(folder: &Path) -> Diagnostic {
    Diagnostic::error(Code::BAD_DATA, format!("no images in {}", folder.display()))
        .fact(format!("images are files that end in .{}", EXTENSIONS.join(", .")))
}

fn list(root: PathBuf) -> Result<Listing> {
    let mut classes = Vec::new();
    let mut stray_images = false;
    for (name, path) in entries(&root)? {
        // A class's folder may be a link.
        if path.is_dir() {
            classes.push(name);
        } else {
            stray_images |= is_image(&name);
        }
    }
    if classes.is_empty() {
        let complaint = Diagnostic::error(Code::BAD_DATA, format!("no folders of classes in {}", root.display()));
        let fact = if stray_images { "there are images, but in no class's folder" } else { "hidden ones don't count" };
        return Err(Box::new(complaint.fact(fact).help("put the images of every class into a folder with its name")));
    }
    classes.sort_unstable();

    let mut images = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let below = images_below(name, root.join(name))?.into_iter();
        images.extend(below.map(|(name, path)| Found { name, path, label: class as u32, beside: Vec::new() }));
    }
    if images.is_empty() {
        return Err(Box::new(no_images(&root)));
    }
    images.sort_by_cached_key(|image| -> [u8; 32] {
        Sha256::new().chain_update(ORDER).chain_update(image.name.as_bytes()).finalize().into()
    });
    Ok(Listing { root, classes, images })
}

/// The image files in `folder`, which is called `name`, and in those within it: what each is called, and where it is; in no
/// particular order.
///
/// # Errors
/// Where a folder cannot be read, or they lie too deep.
pub(super) fn images_below(name: &str, folder: PathBuf) -> Result<Vec<(String, PathBuf)>> {
    let mut images = Vec::new();
    let mut folders = vec![(name.to_owned(), folder, 1)];
    while let Some((relative, folder, depth)) = folders.pop() {
        if depth > MAX_DEPTH {
            let message = format!("folders lie more than {MAX_DEPTH} deep in {}", folder.display());
            return Err(Box::new(Diagnostic::error(Code::BAD_DATA, message)));
        }
        for (name, path) in entries(&folder)? {
            let below = format!("{relative}/{name}");
            // Links to folders aren't followed: they could lead in circles.
            let metadata = path.symlink_metadata().map_err(|error| io_error("read", &path, &error))?;
            if metadata.is_dir() {
                folders.push((below, path, depth + 1));
            } else if is_image(&name) && !path.is_dir() {
                // A link to nowhere is an image that cannot be read.
                images.push((below, path));
            }
        }
    }
    Ok(images)
}

/// What lies in a folder and isn't hidden, in no particular order.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |error| io_error("read", folder, &error);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| {
            let message = format!("the name of {} isn't UTF-8", path.display());
            Box::new(Diagnostic::error(Code::BAD_DATA, message).help("rename it"))
        })?;
        if !name.starts_with('.') {
            all.push((name, path));
        }
    }
    Ok(all)
}

fn is_image(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Form, tests::{surrounded, wording}};
    use image::{ImageBuffer, Rgb};
    use std::collections::HashSet;

    fn put(path: &Path, red: u8) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        ImageBuffer::from_pixel(6, 4, Rgb([red, 0, 255])).save(path).unwrap();
    }

    fn source(train: &str, test: &str) -> ImageFolder {
        serde_json::from_value(serde_json::json!({ "train": train, "test": test, "image_size": [2, 3] })).unwrap()
    }

    /// Cats are red 10, dogs 20.
    fn lay_out(root: &Path) {
        for i in 0..20 {
            put(&root.join(format!("train/cat/{i}.png")), 10);
            put(&root.join(format!("train/dog/deeper/still/{i}.PNG")), 20);
        }
        put(&root.join("test/dog/a.bmp"), 20);
        put(&root.join("test/dog/.hidden.png"), 99);
        put(&root.join("train/.hidden/x.png"), 99);
        fs::write(root.join("train/cat/notes.txt"), "no image").unwrap();
        fs::write(root.join("train/list.csv"), "no folder").unwrap();
    }

    fn open(root: &Path, source: &ImageFolder) -> Result<Dataset> {
        surrounded(Some(root.to_owned()), root.join("cache"), |around| source.open(around))
    }

    #[test]
    fn folders_are_classes_and_their_images_examples() {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let source = source("train", "test");
        let data = open(directory.path(), &source).unwrap();
        assert_eq!(data.classes, ["cat", "dog"]);
        assert_eq!((data.train.len(), data.test.len()), (40, 1));
        assert_eq!(data.test.labels().classes(), [1]);
        assert_eq!(data.form, Form::Image([2, 3, 3]));
        assert!(!data.train.in_memory());
        let mut example = [0; 18];
        for (index, &label) in data.train.labels().classes().iter().enumerate() {
            data.train.read(index, &mut example).unwrap();
            assert_eq!(example, [(label as u8 + 1) * 10, 0, 255].repeat(6)[..]);
        }
        let looked = surrounded(Some(directory.path().to_owned()), "cache".into(), |around| source.look(around));
        let looked = looked.unwrap();
        assert_eq!((looked.classes, looked.train, looked.test), (Some(2), Some(40), Some(1)));
        let grey = ImageFolder { color_mode: ColorMode::Grayscale, ..source };
        // 0.299 * 20 + 0.114 * 255 = 35.05
        let data = open(directory.path(), &grey).unwrap();
        data.test.read(0, &mut example[..6]).unwrap();
        assert_eq!(example[..6], [35; 6]);
    }

    #[test]
    fn the_order_mixes_classes_and_hangs_on_names_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        lay_out(&one);
        lay_out(&two);
        let source = source("train", "test");
        let first = open(&one, &source).unwrap();
        assert!(first.train.labels().classes()[..10].iter().collect::<HashSet<_>>().len() == 2, "{:?}", first.train.labels().classes());
        let second = open(&two, &source).unwrap();
        assert_eq!((first.train.labels().classes(), &first.digest), (second.train.labels().classes(), &second.digest));
        put(&two.join("train/cat/7.png"), 11);
        let changed = open(&two, &source).unwrap();
        assert_eq!(changed.train.labels().classes(), first.train.labels().classes());
        assert_ne!(changed.digest, first.digest);
        put(&two.join("train/cat/7.png"), 10);
        assert_eq!(open(&two, &source).unwrap().digest, first.digest);
        fs::rename(two.join("test/dog/a.bmp"), two.join("test/dog/b.bmp")).unwrap();
        assert_ne!(open(&two, &source).unwrap().digest, first.digest);
    }

    #[test]
    fn mistakes_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        lay_out(root);
        put(&root.join("more/dogs/a.png"), 1);
        put(&root.join("flat/a.png"), 1);
        fs::create_dir_all(root.join("empty/cat")).unwrap();
        put(&root.join("half/cat/a.png"), 1);
        fs::create_dir_all(root.join("half/dog")).unwrap();
        for (train, test, code, want) in [
            ("absent", "test", Code::DATA_NOT_FOUND, "the folder absent doesn't exist"),
            ("train/list.csv", "test", Code::DATA_NOT_FOUND, "is no folder"),
            ("train", "absent", Code::DATA_NOT_FOUND, "looked for"),
            ("flat", "test", Code::BAD_DATA, "in no class's folder"),
            ("empty", "test", Code::BAD_DATA, "no images in"),
            ("half", "test", Code::BAD_DATA, "half/dog"),
            ("train", "more", Code::BAD_DATA, "did you mean `dog`?"),
        ] {
            let complaint = open(root, &source(train, test)).unwrap_err();
            let text = wording(&complaint);
            assert_eq!(complaint.code, code, "{text}");
            assert!(text.contains(want), "{text}");
        }
    }

    #[test]
    fn an_image_that_is_none_is_named() {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        fs::write(directory.path().join("test/dog/a.bmp"), "BM but no bitmap").unwrap();
        let data = open(directory.path(), &source("train", "test")).unwrap();
        let complaint = data.test.read(0, &mut [0; 18]).unwrap_err();
        assert_eq!(complaint.code, Code::BAD_IMAGE);
        assert!(complaint.message.contains("test/dog/a.bmp"), "{complaint}");
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_in_circles() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        lay_out(root);
        symlink(root.join("train"), root.join("train/cat/circle")).unwrap();
        symlink(root.join("test/dog"), root.join("train/horse")).unwrap();
        let data = open(root, &source("train", "test")).unwrap();
        assert_eq!(data.classes, ["cat", "dog", "horse"]);
        assert_eq!(data.train.len(), 41);
        symlink(root.join("nowhere"), root.join("train/cat/gone.jpg")).unwrap();
        let data = open(root, &source("train", "test")).unwrap();
        let gone = (0..data.train.len()).find(|index| data.train.describe(*index) == "cat/gone.jpg").unwrap();
        assert!(data.train.read(gone, &mut [0; 18]).unwrap_err().message.contains("no such file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_must_be_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let name = std::ffi::OsStr::from_bytes(b"\xff.png");
        fs::write(directory.path().join("train/cat").join(name), "").unwrap();
        let complaint = open(directory.path(), &source("train", "test")).unwrap_err();
        assert!(complaint.message.contains("isn't UTF-8"), "{complaint}");
    }
}
