//! Images that somebody names one by one: files, all in a folder, what comes through a pipe.

use super::{
    Examples, ImageReader, Labels,
    image_file::read_stream,
    image_folder::{images_below, no_images},
};
use crate::diagnostic::{Diagnostic, Result};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Images without labels, in the order in which they were named. One that cannot be read is black, and told of afterwards:
/// it doesn't keep the others from being read.
pub struct GivenImages {
    reader: ImageReader,
    names: Vec<String>,
    contents: Vec<Content>,
    /// All 0.
    labels: Vec<u32>,
    problems: Mutex<BTreeMap<usize, Diagnostic>>,
}

/// Where the bytes of an image are.
enum Content {
    File(PathBuf),
    Here(Vec<u8>),
}

impl GivenImages {
    /// None yet; `reader` will make examples of them.
    pub fn new(reader: ImageReader) -> Self {
        GivenImages { reader, names: vec![], contents: vec![], labels: vec![], problems: Mutex::default() }
    }

    fn add(&mut self, name: String, content: Content) {
        self.names.push(name);
        self.contents.push(content);
        self.labels.push(0);
    }

    /// Adds a file, whatever it is called; or the files in a folder and in those within it whose names end as images' do, in
    /// the order of their names.
    ///
    /// # Errors
    /// Where a folder cannot be read, or holds no images. Whether a file can be read is seen later.
    pub fn add_path(&mut self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        if !path.is_dir() {
            self.add(name, Content::File(path.to_owned()));
            return Ok(());
        }
        let mut images = images_below(name.trim_end_matches('/'), path.to_owned())?;
        if images.is_empty() {
            return Err(Box::new(no_images(path)));
        }
        images.sort_unstable();
        images.into_iter().for_each(|(name, path)| self.add(name, Content::File(path)));
        Ok(())
    }

    /// Adds the one image that `stream` consists of.
    ///
    /// # Errors
    /// Where it cannot be read, or is larger than an image reasonably is.
    pub fn add_stream(&mut self, name: &str, stream: impl Read) -> Result<()> {
        let bytes = read_stream(stream, 0, Path::new(name))?;
        self.add(name.to_owned(), Content::Here(bytes));
        Ok(())
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<usize, Diagnostic>> {
        // No code that holds it can panic halfway.
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an image, which was read before, could be read.
    pub fn was_readable(&self, index: usize) -> bool {
        !self.found().contains_key(&index)
    }

    /// What was wrong with the images that could not be read, in their order.
    pub fn problems(&self) -> Vec<Diagnostic> {
        self.found().values().cloned().collect()
    }
}

impl Examples for GivenImages {
    fn labels(&self) -> Labels<'_> {
        Labels::Classes(&self.labels)
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        let example = match &self.contents[index] {
            Content::File(path) => self.reader.read_file(path),
            Content::Here(bytes) => self.reader.decode(bytes, Path::new(&self.names[index])),
        };
        match example {
            Ok(example) => into.copy_from_slice(&example),
            Err(problem) => {
                into.fill(0);
                self.found().insert(index, *problem);
            }
        }
        Ok(())
    }

    fn describe(&self, index: usize) -> String {
        self.names[index].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Interpolation;
    use image::{ImageBuffer, Luma};
    use std::fs;

    #[test]
    fn images_come_in_order_and_broken_ones_keep_nobody_from_the_rest() {
        let home = tempfile::tempdir().unwrap();
        let place = |name: &str| home.path().join(name);
        fs::create_dir_all(place("folder/within")).unwrap();
        for (name, value) in [("folder/b.png", 2u8), ("folder/within/a.PNG", 3), ("folder/a.png", 1), ("one.png", 9)] {
            let file = &mut fs::File::create(place(name)).unwrap();
            ImageBuffer::from_pixel(2, 2, Luma([value])).write_to(file, image::ImageFormat::Png).unwrap();
        }
        fs::write(place("folder/notes.txt"), "no image").unwrap();
        fs::write(place("folder/c.png"), "no image").unwrap();
        fs::create_dir(place("empty")).unwrap();

        let mut images = GivenImages::new(ImageReader::stretching([1, 1, 1], Interpolation::Nearest));
        images.add_stream("-", &fs::read(place("one.png")).unwrap()[..]).unwrap();
        images.add_path(&place("folder/")).unwrap();
        images.add_path(&place("nowhere.png")).unwrap();
        assert!(images.add_path(&place("empty")).is_err_and(|problem| problem.message.contains("no images in")));

        let mut got = Vec::new();
        for index in 0..images.len() {
            let mut example = [77];
            images.read(index, &mut example).unwrap();
            let name = images.describe(index);
            let name = name.strip_prefix(&format!("{}/", home.path().display())).unwrap_or(&name).to_owned();
            got.push((name, images.was_readable(index).then_some(example[0])));
        }
        let wanted = [
            ("-", Some(9)),
            ("folder/a.png", Some(1)),
            ("folder/b.png", Some(2)),
            ("folder/c.png", None),
            ("folder/within/a.PNG", Some(3)),
            ("nowhere.png", None),
        ];
        assert_eq!(got, wanted.map(|(name, value)| (name.to_owned(), value)));
        let told: Vec<_> = images.problems().iter().map(|problem| problem.code.name()).collect();
        assert_eq!(told, ["bad-image", "io"]);
    }
}
