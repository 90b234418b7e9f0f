//! What MNIST and Fashion-MNIST share: four files in the idx format, gzipped or plain, from the disk or by download.

use super::{
    Dataset, Declared, Examples, Held, ImageReader, Parts, Surroundings,
    download::{Download, MIRROR, Offer, fetch, sync_directory},
};
use crate::diagnostic::{Code, Diagnostic, Result, io_error};
use flate2::read::GzDecoder;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

const SIDE: usize = 28;
/// Of an example.
pub(super) const SHAPE: [usize; 3] = [SIDE, SIDE, 1];
const SIZE: usize = SIDE * SIDE;
const CLASSES: usize = 10;
/// Examples that a file can have: more than sixteen times those of an official one.
const MAX_EXAMPLES: usize = 1_000_000;
/// Images and labels for training, images and labels for testing.
const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// One of the data sets in this format.
pub(super) struct Set {
    /// The source's name.
    pub source: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its folder in the data directory, in the cache, and at a mirror.
    pub folder: &'static str,
    /// Where in the data directory torchvision puts it.
    pub torchvision: &'static str,
    /// Where an operating system's package puts it.
    pub system: Option<&'static str>,
    /// The address of a directory that offers it.
    pub host: &'static str,
    /// SHA-256 and size of the gzipped files that are offered there.
    pub files: [(&'static str, u64); 4],
    /// Names of the classes.
    pub classes: [&'static str; CLASSES],
    /// Other ways to get it.
    pub help: &'static [&'static str],
}

impl Set {
    /// What is known without looking.
    pub fn declare(&self) -> Declared {
        Declared {
            classes: Some(CLASSES),
            names: Some(self.names()),
            train: Some(60_000),
            test: Some(10_000),
            ..Declared::of_images(SHAPE)
        }
    }

    fn names(&self) -> Vec<String> {
        self.classes.map(str::to_owned).to_vec()
    }

    /// Finds the files or fetches them, and reads them.
    pub fn open(&self, reader: ImageReader, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let folder = match self.find(surroundings) {
            Some(folder) => folder,
            None => self.obtain(&self.address(std::env::var(MIRROR).ok().as_deref()), &self.files, surroundings)?,
        };
        let mut digest = Parts::new(self.source);
        let mut halves: Vec<Arc<dyn Examples>> = Vec::new();
        for pair in FILES.chunks_exact(2) {
            let images = self.read(&folder, pair[0], &[SIDE, SIDE], surroundings)?;
            let labels = self.read(&folder, pair[1], &[], surroundings)?;
            self.same_count(&folder, pair, images.len() / SIZE, labels.len())?;
            if let Some(at) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
                return Err(self.bad(format!(
                    "label {at} of {} (counted from 0) is {}, and those of {} are 0 to {}",
                    folder.join(pair[1]).display(),
                    labels[at],
                    self.title,
                    CLASSES - 1
                )));
            }
            digest.add(&images);
            digest.add(&labels);
            let labels = labels.into_iter().map(u32::from).collect();
            halves.push(Arc::new(Held { labels, values: images, size: SIZE }));
        }
        let [train, test] = [halves[0].clone(), halves[1].clone()];
        Ok(Dataset::of_images(reader, self.names(), [train, test], folder.display().to_string(), digest.finish()))
    }

    /// What the headers tell.
    pub fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let Some(folder) = self.find(surroundings) else { return Ok(self.declare()) };
        let mut counts = Vec::new();
        for pair in FILES.chunks_exact(2) {
            let images = self.begin(&folder, pair[0], &[SIDE, SIDE])?.count;
            let labels = self.begin(&folder, pair[1], &[])?.count;
            self.same_count(&folder, pair, images, labels)?;
            counts.push(images);
        }
        Ok(Declared { train: Some(counts[0]), test: Some(counts[1]), ..self.declare() })
    }

    /// Where the files may lie, in the order of looking.
    fn places(&self, surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if let Some(data) = &surroundings.data_directory {
            places.extend([data.join(self.folder), data.join(self.torchvision), data.clone()]);
        }
        places.push(surroundings.cache_directory.join(self.folder));
        places.extend(self.system.map(PathBuf::from));
        places
    }

    /// The first place with any of the files: what is incomplete there is better told than passed over.
    fn find(&self, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
        self.places(surroundings).into_iter().find(|place| FILES.iter().any(|name| locate(place, name).is_some()))
    }

    fn bad(&self, message: String) -> Box<Diagnostic> {
        let help = format!("put the unaltered files of {} there, or remove these to have them downloaded", self.title);
        Box::new(Diagnostic::error(Code::BAD_DATA, message).help(help))
    }

    fn same_count(&self, folder: &Path, pair: &[&str], images: usize, labels: usize) -> Result<()> {
        if images == labels {
            return Ok(());
        }
        let folder = folder.display();
        Err(self.bad(format!("in {folder}, {} has {images} images, and {} has {labels} labels", pair[0], pair[1])))
    }

    /// Opens the file `name` and reads its header, whose items must be `item` large.
    fn begin(&self, folder: &Path, name: &str, item: &[usize]) -> Result<Opened> {
        let Some((path, packed)) = locate(folder, name) else {
            let message = format!("{} is incomplete: {} is missing", self.title, folder.join(name).display());
            let help = format!("add {name}.gz or {name}, or remove the others to have all downloaded");
            return Err(Box::new(Diagnostic::error(Code::DATA_NOT_FOUND, message).help(help)));
        };
        let failed = |error| io_error("read", &path, &error);
        let file = File::open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let file = io::BufReader::new(file);
        let mut content: Box<dyn Read> = if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };

        let shown = path.display();
        let mut header = vec![0; 4 * (2 + item.len())];
        content.read_exact(&mut header).map_err(|_| self.bad(format!("{shown} has no whole header")))?;
        let words: Vec<u32> =
            header.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect();
        // Two zeros, 8 for unsigned bytes, and the number of dimensions.
        let magic = 0x0800 + 1 + item.len() as u32;
        if words[0] != magic {
            return Err(self.bad(format!(
                "{shown} begins with {:#010x}, and idx files of this kind with {magic:#010x}",
                words[0]
            )));
        }
        if words[2..].iter().zip(item).any(|(&found, &want)| found as usize != want) {
            let size: Vec<String> = words[2..].iter().map(u32::to_string).collect();
            return Err(self.bad(format!("{shown} has images of {} pixels, not of {SIDE} x {SIDE}", size.join(" x "))));
        }
        let count = words[1] as usize;
        if !(1..=MAX_EXAMPLES).contains(&count) {
            return Err(self.bad(format!("{shown} claims to hold {count} examples; 1 to {MAX_EXAMPLES} are possible")));
        }
        let bytes = count * item.iter().product::<usize>();
        if !packed && length != (header.len() + bytes) as u64 {
            let want = header.len() + bytes;
            return Err(self.bad(format!("{shown} has {length} bytes, and its header speaks of {want}")));
        }
        Ok(Opened { path, content, count, bytes })
    }

    /// All that follows a file's header.
    fn read(&self, folder: &Path, name: &str, item: &[usize], surroundings: &Surroundings<'_>) -> Result<Vec<u8>> {
        if surroundings.stop.load(Ordering::Relaxed) {
            return Err(Box::new(Diagnostic::error(Code::IO, format!("reading {} was interrupted", self.title))));
        }
        let Opened { path, content, bytes, .. } = self.begin(folder, name, item)?;
        let shown = path.display();
        // The buffer grows with what really comes, whatever the header claims.
        let mut values = Vec::new();
        let failed = |error| self.bad(format!("{shown} cannot be unpacked: {error}"));
        content.take(bytes as u64 + 1).read_to_end(&mut values).map_err(failed)?;
        if values.len() == bytes {
            return Ok(values);
        }
        let length = if values.len() > bytes { "more".to_owned() } else { format!("only {}", values.len()) };
        Err(self.bad(format!("{shown} has {length} bytes behind its header, which speaks of {bytes}")))
    }

    fn address(&self, mirror: Option<&str>) -> String {
        match mirror.map(|mirror| mirror.trim_end_matches('/')).filter(|mirror| !mirror.is_empty()) {
            Some(mirror) => format!("{mirror}/{}", self.folder),
            None => self.host.to_owned(),
        }
    }

    /// Downloads the files, and says where to.
    fn obtain(&self, address: &str, files: &[(&str, u64); 4], surroundings: &Surroundings<'_>) -> Result<PathBuf> {
        let root = surroundings.keep().to_owned();
        let mut help: Vec<String> = self.help.iter().map(|&help| help.to_owned()).collect();
        help.push(format!(
            "or fetch {}.gz from {} elsewhere, and put them into {}",
            FILES.join(".gz, "),
            self.host,
            root.join(self.folder).display()
        ));
        help.push("or name the directory that holds them by --data-dir or TRAINYARD_DATA".to_owned());
        help.push(format!("or set {MIRROR} to the address of a directory with {}/{}.gz", self.folder, FILES[0]));
        let offer = Offer { what: self.title, root, folder: self.folder, looked: self.places(surroundings), help };
        let partials = offer.root.clone();
        offer.take(surroundings.stop, |_, folder| {
            fs::create_dir(folder).map_err(|error| io_error("create", folder, &error))?;
            for (name, (sha256, size)) in FILES.iter().zip(files) {
                let (url, target) = (format!("{address}/{name}.gz"), folder.join(format!("{name}.gz")));
                let download = Download { url: &url, sha256, size_limit: *size, partials: &partials };
                fetch(&download, &target, surroundings.progress, surroundings.stop)?;
            }
            sync_directory(folder)
        })
    }
}

/// A file whose header was read.
struct Opened {
    path: PathBuf,
    /// What follows the header.
    content: Box<dyn Read>,
    /// Items in it.
    count: usize,
    /// Bytes that should follow.
    bytes: usize,
}

/// The file `name` in `folder`, and whether it is gzipped.
fn locate(folder: &Path, name: &str) -> Option<(PathBuf, bool)> {
    // torchvision leaves both: the plain one is quicker to read.
    let plain = folder.join(name);
    let packed = folder.join(format!("{name}.gz"));
    if plain.is_file() { Some((plain, false)) } else { packed.is_file().then_some((packed, true)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        FashionMnist, Mnist, SourceDefinition,
        download::tests::{answer, serve, sha256},
        tests::{surrounded, wording},
    };
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn header(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn images(count: u32) -> Vec<u8> {
        let values = (0..count).flat_map(|image| vec![image as u8; SIZE]);
        header(&[0x803, count, 28, 28]).into_iter().chain(values).collect()
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        [&header(&[0x801, labels.len() as u32]), labels].concat()
    }

    fn files() -> [Vec<u8>; 4] {
        [images(3), labels(&[5, 0, 9]), images(2), labels(&[1, 1])]
    }

    fn lay_out(folder: &Path, packed: bool) {
        fs::create_dir_all(folder).unwrap();
        for (name, bytes) in FILES.iter().zip(files()) {
            match packed {
                true => fs::write(folder.join(format!("{name}.gz")), gzip(&bytes)).unwrap(),
                false => fs::write(folder.join(name), bytes).unwrap(),
            }
        }
    }

    fn open(data: &Path) -> Result<Dataset> {
        surrounded(Some(data.to_owned()), data.join("cache"), |around| Mnist::default().open(around))
    }

    #[test]
    fn files_are_read_wherever_they_may_lie_gzipped_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let (data, cache) = (directory.path().join("data"), directory.path().join("cache"));
        let mut digests = Vec::new();
        // The later ones win.
        for (folder, packed) in [
            (cache.join("mnist"), true),
            (data.clone(), false),
            (data.join("MNIST/raw"), false),
            (data.join("mnist"), true),
        ] {
            lay_out(&folder, packed);
            surrounded(Some(data.clone()), cache.clone(), |around| {
                let looked = Mnist::default().look(around).unwrap();
                assert_eq!((looked.train, looked.test), (Some(3), Some(2)));
                let opened = Mnist::default().open(around).unwrap();
                assert_eq!(opened.location, folder.display().to_string());
                assert_eq!(
                    (opened.train.labels().classes(), opened.test.labels().classes()),
                    (&[5, 0, 9][..], &[1, 1][..])
                );
                assert_eq!(opened.class_counts(&*opened.test), [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
                let mut example = [0; SIZE];
                opened.train.read(2, &mut example).unwrap();
                assert_eq!(example, [2; SIZE]);
                digests.push(opened.digest);
            });
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "packing changes nothing");
    }

    #[test]
    fn hostile_and_damaged_files_are_named() {
        let cut = images(3)[..2000].to_vec();
        let cases: Vec<(usize, Vec<u8>, &str)> = vec![
            (0, Vec::new(), "has no whole header"),
            (0, labels(&[1; 20]), "begins with 0x00000801, and idx files of this kind with 0x00000803"),
            (0, header(&[0x803, u32::MAX, 28, 28]), "claims to hold 4294967295 examples"),
            (0, header(&[0x803, 0, 28, 28]), "claims to hold 0 examples"),
            (0, header(&[0x803, 1_000_000, 28, 28]), "its header, which speaks of 784000000"),
            (0, header(&[0x803, 3, u32::MAX, u32::MAX]), "images of 4294967295 x 4294967295 pixels, not of 28 x 28"),
            (0, cut, "only 1984 bytes behind its header, which speaks of 2352"),
            (0, [images(3), vec![0]].concat(), "more bytes behind its header"),
            (2, images(3), "has 3 images, and t10k-labels-idx1-ubyte has 2 labels"),
            (1, labels(&[5, 10, 9]), "label 1 of"),
        ];
        for (at, bytes, want) in cases {
            let directory = tempfile::tempdir().unwrap();
            lay_out(directory.path(), true);
            fs::write(directory.path().join(format!("{}.gz", FILES[at])), gzip(&bytes)).unwrap();
            let complaint = open(directory.path()).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_DATA);
            assert!(complaint.message.contains(want), "{complaint}");
        }
        for (bytes, want) in [
            (images(3)[..99].to_vec(), "has 99 bytes, and its header speaks of 2368"),
            (header(&[0x803, 1_000_000, 28, 28]), "speaks of 784000016"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            lay_out(directory.path(), false);
            fs::write(directory.path().join(FILES[0]), bytes).unwrap();
            let complaint = open(directory.path()).unwrap_err();
            assert!(complaint.message.contains(want), "{complaint}");
        }
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path(), true);
        fs::write(directory.path().join("train-images-idx3-ubyte.gz"), "no gzip at all").unwrap();
        assert!(open(directory.path()).unwrap_err().message.contains("header"));
        fs::remove_file(directory.path().join("train-images-idx3-ubyte.gz")).unwrap();
        let complaint = open(directory.path()).unwrap_err();
        assert_eq!(complaint.code, Code::DATA_NOT_FOUND);
        assert!(complaint.message.ends_with("train-images-idx3-ubyte is missing"), "{complaint}");
    }

    #[test]
    fn what_is_not_here_is_downloaded_or_said_how_to_get() {
        let set = &crate::source::mnist::SET;
        let packed = files().map(|file| gzip(&file));
        let sums = packed.clone().map(|file| sha256(&file));
        let expected = [0, 1, 2, 3].map(|i| (sums[i].as_str(), packed[i].len() as u64));
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let address = serve(packed.iter().map(|file| answer("200 OK", file.len(), file)).collect());
        surrounded(Some(data.clone()), directory.path().join("cache"), |around| {
            assert_eq!(Mnist::default().look(around).unwrap(), Mnist::default().declare());
            assert_eq!(set.obtain(&address, &expected, around).unwrap(), data.join("mnist"));
            assert_eq!(Mnist::default().open(around).unwrap().train.len(), 3);
        });

        let other = directory.path().join("other");
        let address = serve(vec![answer("404 Not Found", 0, b"")]);
        let complaint = surrounded(Some(other.clone()), directory.path().join("cache"), |around| {
            set.obtain(&address, &expected, around).unwrap_err()
        });
        let text = wording(&complaint);
        for want in ["MNIST isn't here and cannot be downloaded", "status 404", "--data-dir", "TRAINYARD_MIRROR"] {
            assert!(text.contains(want), "{text}");
        }
        assert!(text.contains(&format!("put them into {}", other.join("mnist").display())), "{text}");
        assert!(!other.exists());
        assert_eq!(set.address(Some("http://m/")), "http://m/mnist");
    }

    /// Debian's package `dataset-fashion-mnist` has the real files; elsewhere there is nothing to read.
    #[test]
    fn the_real_fashion_mnist_is_read() {
        let set = &crate::source::fashion_mnist::SET;
        let folder = Path::new(set.system.unwrap());
        if !folder.is_dir() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        surrounded(None, directory.path().to_owned(), |around| {
            let source = FashionMnist::default();
            assert_eq!(source.look(around).unwrap(), source.declare());
            let data = source.open(around).unwrap();
            assert_eq!(data.location, folder.display().to_string());
            assert_eq!(data.class_counts(&*data.train), [6_000; 10]);
            assert_eq!(data.class_counts(&*data.test), [1_000; 10]);
            // The first training image is an ankle boot, the first test image too.
            assert_eq!((data.train.labels().classes()[0], data.test.labels().classes()[0]), (9, 9));
            let mut example = [0; SIZE];
            data.train.read(0, &mut example).unwrap();
            assert!(example[0] == 0 && example.iter().any(|&value| value > 200));
        });
    }
}
