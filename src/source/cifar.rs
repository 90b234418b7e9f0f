//! What CIFAR-10 and CIFAR-100 share: their official binary layout, from the disk or by download.

use super::{
    Dataset, Declared, Held, ImageReader, Parts, Surroundings,
    download::{Download, MIRROR, Offer, fetch, sync_directory},
};
use crate::diagnostic::{Code, Diagnostic, Result, io_error};
use flate2::read::GzDecoder;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const SIDE: usize = 32;
/// Of an example.
pub(super) const SHAPE: [usize; 3] = [SIDE, SIDE, 3];
const PLANE: usize = SIDE * SIDE;
const SIZE: usize = 3 * PLANE;
/// Records that a file can have: a hundred times those of an official one.
const MAX_RECORDS: u64 = 1_000_000;
/// Records that are read in one go.
const RECORDS_AT_ONCE: usize = 256;

/// Bytes that a file of names can have.
const NAMES_LIMIT: u64 = 4096;

const HOST: &str = "https://www.cs.toronto.edu/~kriz";

/// How one of the two is laid out.
pub(super) struct Layout {
    /// The source's name, and that of its place in the data directory and in the cache.
    pub source: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The folder that holds the files.
    pub folder: &'static str,
    /// Files of records for training.
    pub train: &'static [&'static str],
    /// The file of records for testing.
    pub test: &'static str,
    /// Of each of the labels that a record begins with, how many classes there are, and the file that names them.
    pub labels: &'static [(usize, &'static str)],
    /// Which of these labels counts.
    pub label: usize,
    /// The archive's name, SHA-256 and size.
    pub archive: (&'static str, &'static str, u64),
}

/// An archive, where it is, and what it should be.
struct Archive {
    url: String,
    sha256: String,
    bytes: u64,
}

impl Archive {
    fn official(layout: &Layout, mirror: Option<&str>) -> Self {
        let (name, sha256, bytes) = layout.archive;
        let host = mirror.map(|mirror| mirror.trim_end_matches('/')).filter(|mirror| !mirror.is_empty());
        Archive { url: format!("{}/{name}", host.unwrap_or(HOST)), sha256: sha256.to_owned(), bytes }
    }
}

impl Layout {
    fn record(&self) -> usize {
        self.labels.len() + SIZE
    }

    fn classes(&self) -> usize {
        self.labels[self.label].0
    }

    fn names_file(&self) -> &'static str {
        self.labels[self.label].1
    }

    /// What is known without looking.
    pub fn declare(&self) -> Declared {
        Declared {
            classes: Some(self.classes()),
            train: Some(50_000),
            test: Some(10_000),
            ..Declared::of_images(SHAPE)
        }
    }

    /// Finds the files or fetches them, and reads them.
    pub fn open(&self, reader: ImageReader, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let folder = match self.find(surroundings) {
            Some(folder) => folder,
            None => self.obtain(&Archive::official(self, std::env::var(MIRROR).ok().as_deref()), surroundings)?,
        };
        self.read(&folder, reader, surroundings.stop)
    }

    /// What the sizes of the files tell.
    pub fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let Some(folder) = self.find(surroundings) else { return Ok(self.declare()) };
        let (names, _) = self.read_names(&folder)?;
        let mut train = 0;
        for name in self.train {
            train += self.count(&folder.join(name))?;
        }
        let test = self.count(&folder.join(self.test))?;
        Ok(Declared { names: Some(names), train: Some(train), test: Some(test), ..self.declare() })
    }

    /// Where the files may lie, in the order of looking.
    fn places(&self, surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
        let mut places = Vec::new();
        if let Some(data) = &surroundings.data_directory {
            places.push(data.join(self.folder));
            places.push(data.join(self.source).join(self.folder));
        }
        places.push(surroundings.cache_directory.join(self.source).join(self.folder));
        places
    }

    fn find(&self, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
        self.places(surroundings).into_iter().find(|place| place.is_dir())
    }

    fn read(&self, folder: &Path, reader: ImageReader, stop: &AtomicBool) -> Result<Dataset> {
        let (names, names_bytes) = self.read_names(folder)?;
        let files: Vec<PathBuf> = self.train.iter().chain([&self.test]).map(|name| folder.join(name)).collect();
        let counts = files.iter().map(|file| self.count(file)).collect::<Result<Vec<usize>>>()?;
        let train_count: usize = counts[..self.train.len()].iter().sum();
        let hold = |count: usize| Held { labels: vec![0; count], values: vec![0; count * SIZE], size: SIZE };
        let (mut train, mut test) = (hold(train_count), hold(counts[self.train.len()]));

        // Every file fills its own part, at the same time as the others.
        let mut parts = Vec::new();
        let mut rest = (train.labels.as_mut_slice(), train.values.as_mut_slice());
        for (file, &count) in files.iter().zip(&counts[..self.train.len()]) {
            let (labels, labels_left) = rest.0.split_at_mut(count);
            let (values, values_left) = rest.1.split_at_mut(count * SIZE);
            parts.push((file, labels, values));
            rest = (labels_left, values_left);
        }
        parts.push((&files[self.train.len()], &mut test.labels, &mut test.values));
        let read = parts.into_par_iter().map(|(file, labels, values)| self.read_records(file, labels, values, stop));
        let read: Vec<Result<[u8; 32]>> = read.collect();

        let mut digest = Parts::new(self.source);
        digest.add(self.names_file().as_bytes());
        digest.add(&names_bytes);
        for (file, hash) in self.train.iter().chain([&self.test]).zip(read) {
            digest.add(file.as_bytes());
            digest.add(&hash?);
        }
        let location = folder.display().to_string();
        Ok(Dataset::of_images(reader, names, [Arc::new(train), Arc::new(test)], location, digest.finish()))
    }

    fn bad_data(&self, message: String) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(Code::BAD_DATA, message).help(format!(
            "put the unaltered files of the {} binary version there, or remove `{}` to have it downloaded anew",
            self.title, self.folder
        )))
    }

    fn open_file(&self, path: &Path) -> Result<File> {
        // To open a pipe would mean to wait for somebody who writes into it.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(self.bad_data(format!("{} is no file", path.display())));
        }
        File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let message = format!("{} is incomplete: {} is missing", self.title, path.display());
                Box::new(Diagnostic::error(Code::DATA_NOT_FOUND, message).help(format!(
                    "add the file of the {} binary version, or remove `{}` to have it downloaded anew",
                    self.title, self.folder
                )))
            }
            _ => io_error("read", path, &error),
        })
    }

    /// How many records a file holds, by its size.
    fn count(&self, path: &Path) -> Result<usize> {
        let metadata = self.open_file(path)?.metadata().map_err(|error| io_error("read", path, &error))?;
        let length = metadata.len();
        let (shown, record, title) = (path.display(), self.record() as u64, self.title);
        if length == 0 {
            return Err(self.bad_data(format!("{shown} is empty")));
        }
        if !length.is_multiple_of(record) {
            return Err(self.bad_data(format!(
                "{shown} has {length} bytes, and a whole number of {title} records of {record} bytes was expected"
            )));
        }
        if length / record > MAX_RECORDS {
            return Err(self.bad_data(format!("{shown} has {length} bytes, far more than {title} has")));
        }
        Ok((length / record) as usize)
    }

    /// Class names, and the bytes of the file that they come from.
    fn read_names(&self, folder: &Path) -> Result<(Vec<String>, Vec<u8>)> {
        let path = folder.join(self.names_file());
        let mut bytes = Vec::new();
        self.open_file(&path)?
            .take(NAMES_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| io_error("read", &path, &error))?;
        let (shown, classes) = (path.display(), self.classes());
        if bytes.len() as u64 > NAMES_LIMIT {
            return Err(self.bad_data(format!("{shown} is too long for the names of {classes} classes")));
        }
        let text = str::from_utf8(&bytes).map_err(|_| self.bad_data(format!("{shown} isn't text in UTF-8")))?;
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.len() != classes {
            return Err(self.bad_data(format!("{shown} names {} classes, and {classes} were expected", names.len())));
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(self.bad_data(format!("{shown} names the class `{twice}` twice")));
        }
        Ok((names, bytes))
    }

    /// Reads as many records as there are labels, from channels first to channels last. Gives the file's SHA-256.
    fn read_records(&self, path: &Path, labels: &mut [u32], values: &mut [u8], stop: &AtomicBool) -> Result<[u8; 32]> {
        let record_size = self.record();
        let mut file = self.open_file(path)?;
        let mut hash = Sha256::new();
        let mut block = vec![0; RECORDS_AT_ONCE * record_size];
        let blocks = labels.chunks_mut(RECORDS_AT_ONCE).zip(values.chunks_mut(RECORDS_AT_ONCE * SIZE));
        for (number, (labels, values)) in blocks.enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Err(Box::new(Diagnostic::error(
                    Code::IO,
                    format!("reading {} was interrupted", path.display()),
                )));
            }
            let block = &mut block[..labels.len() * record_size];
            file.read_exact(block).map_err(|error| io_error("read", path, &error))?;
            hash.update(&*block);
            let records = block.chunks_exact(record_size).zip(labels).zip(values.chunks_exact_mut(SIZE));
            for (index, ((record, label), example)) in records.enumerate() {
                let (found, pixels) = record.split_at(self.labels.len());
                let wrong =
                    found.iter().zip(self.labels).find(|&(&label, &(classes, _))| usize::from(label) >= classes);
                if let Some((label, (classes, _))) = wrong {
                    return Err(self.bad_data(format!(
                        "record {} of {} (counted from 0) has the label {label}, and {}'s are 0 to {}",
                        number * RECORDS_AT_ONCE + index,
                        path.display(),
                        self.title,
                        classes - 1
                    )));
                }
                *label = u32::from(found[self.label]);
                let (red, others) = pixels.split_at(PLANE);
                let (green, blue) = others.split_at(PLANE);
                for (pixel, ((r, g), b)) in example.chunks_exact_mut(3).zip(red.iter().zip(green).zip(blue)) {
                    pixel.copy_from_slice(&[*r, *g, *b]);
                }
            }
        }
        Ok(hash.finalize().into())
    }

    /// Downloads and unpacks the archive, and says where.
    fn obtain(&self, archive: &Archive, surroundings: &Surroundings<'_>) -> Result<PathBuf> {
        let (name, ..) = self.archive;
        let root = surroundings.keep().join(self.source);
        let offer = Offer {
            what: self.title,
            folder: self.folder,
            looked: self.places(surroundings),
            help: vec![
                format!(
                    "fetch {HOST}/{name} elsewhere, unpack it, and put its folder `{}` into {}",
                    self.folder,
                    root.display()
                ),
                format!("or name the directory that holds `{}` by --data-dir or TRAINYARD_DATA", self.folder),
                format!("or set {MIRROR} to the address of a directory that offers {name}"),
            ],
            root,
        };
        let partials = offer.root.clone();
        offer.take(surroundings.stop, |workshop, folder| {
            let packed = workshop.join(name);
            let Archive { url, sha256, bytes } = archive;
            let download = Download { url, sha256, size_limit: *bytes, partials: &partials };
            fetch(&download, &packed, surroundings.progress, surroundings.stop)?;
            self.unpack(&packed, folder, surroundings.stop)
        })
    }

    /// Unpacks the expected files into the new directory `target`, and nothing else.
    fn unpack(&self, archive: &Path, target: &Path, stop: &AtomicBool) -> Result<()> {
        let bad = |what: String| {
            let message = format!("the archive of {} isn't what it should be: {what}", self.title);
            Box::new(Diagnostic::error(Code::BAD_DATA, message))
        };
        let names: Vec<&str> = self.labels.iter().map(|(_, names)| *names).collect();
        let unreadable = |error: io::Error| bad(error.to_string());
        fs::create_dir(target).map_err(|error| io_error("create", target, &error))?;
        let file = File::open(archive).map_err(|error| io_error("read", archive, &error))?;
        // Twice of what is in there, so that a small archive can't become a large one.
        let bounded = GzDecoder::new(io::BufReader::new(file)).take(2 * 60_000 * self.record() as u64);
        let mut missing: Vec<&str> =
            self.train.iter().copied().chain([self.test]).chain(names.iter().copied()).collect();
        for entry in tar::Archive::new(bounded).entries().map_err(unreadable)? {
            if stop.load(Ordering::Relaxed) {
                return Err(Box::new(Diagnostic::error(
                    Code::DOWNLOAD,
                    format!("unpacking {} was interrupted", self.title),
                )));
            }
            let mut entry = entry.map_err(unreadable)?;
            let path = entry.path().map_err(unreadable)?.into_owned();
            let Some(at) = missing.iter().position(|name| path == Path::new(self.folder).join(name)) else { continue };
            let name = missing.swap_remove(at);
            if entry.header().entry_type() != tar::EntryType::Regular {
                return Err(bad(format!("{name} is no plain file")));
            }
            let limit = if names.contains(&name) { NAMES_LIMIT } else { 50_000 * self.record() as u64 };
            if entry.size() > limit {
                return Err(bad(format!("{name} has {} bytes, and at most {limit} were expected", entry.size())));
            }
            let path = target.join(name);
            let failed = |error| io_error("write", &path, &error);
            let mut file = File::create_new(&path).map_err(failed)?;
            io::copy(&mut entry, &mut file).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        if !missing.is_empty() {
            missing.sort_unstable();
            return Err(bad(format!("it lacks {}", missing.join(", "))));
        }
        sync_directory(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        Cifar10, Cifar100, SourceDefinition,
        cifar100::Labels,
        download::tests::{answer, serve, sha256},
        tests::{surrounded, wording},
    };
    use flate2::{Compression, write::GzEncoder};

    const TEN: &Layout = &crate::source::cifar10::LAYOUT;
    const RECORD: usize = 1 + SIZE;
    const FOLDER: &str = TEN.folder;
    const TRAIN_FILES: &[&str] = TEN.train;
    const TEST_FILE: &str = TEN.test;
    const NAMES_FILE: &str = TEN.labels[0].1;
    const ARCHIVE: &str = TEN.archive.0;
    const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

    /// Records whose labels are these; a pixel's channels are its position, its label, and 200.
    fn records(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| {
                let red = (0..PLANE).map(|i| i as u8);
                std::iter::once(label).chain(red).chain([label; PLANE]).chain([200; PLANE]).collect::<Vec<u8>>()
            })
            .collect()
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        let mut files = vec![(NAMES_FILE.to_owned(), NAMES.as_bytes().to_vec())];
        for (i, name) in TRAIN_FILES.iter().enumerate() {
            files.push(((*name).to_owned(), records(&[i as u8, 9])));
        }
        files.push((TEST_FILE.to_owned(), records(&[3, 4, 5])));
        files
    }

    fn lay_out(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (name, bytes) in files() {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }

    fn read(folder: &Path) -> Result<Dataset> {
        TEN.read(folder, Cifar10::default().reader().unwrap(), &AtomicBool::new(false))
    }

    fn archive(entries: &[(String, Vec<u8>)], kind: tar::EntryType) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(0o644);
            if kind == tar::EntryType::Regular {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, format!("{FOLDER}/{name}"), bytes.as_slice()).unwrap();
            } else {
                header.set_size(0);
                builder.append_link(&mut header, format!("{FOLDER}/{name}"), "/etc/passwd").unwrap();
            }
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn official_files_are_read_wherever_they_may_lie() {
        let directory = tempfile::tempdir().unwrap();
        let (data, cache) = (directory.path().join("data"), directory.path().join("cache"));
        let folders = [cache.join("cifar10").join(FOLDER), data.join("cifar10").join(FOLDER), data.join(FOLDER)];
        let mut digests = Vec::new();
        // The later ones win.
        for folder in folders {
            lay_out(&folder);
            surrounded(Some(data.clone()), cache.clone(), |around| {
                let source = Cifar10::default();
                let found = source.look(around).unwrap();
                assert_eq!((found.train, found.test, found.classes), (Some(10), Some(3), Some(10)));
                let opened = source.open(around).unwrap();
                assert_eq!(opened.location, folder.display().to_string());
                assert_eq!(opened.classes[9], "truck");
                assert_eq!(opened.train.labels().classes(), [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
                assert_eq!(opened.test.labels().classes(), [3, 4, 5]);
                assert!(opened.train.in_memory());
                let mut example = vec![0; SIZE];
                opened.train.read(8, &mut example).unwrap();
                assert_eq!(example[..6], [0, 4, 200, 1, 4, 200]);
                assert_eq!(example[SIZE - 3..], [255, 4, 200]);
                digests.push(opened.digest);
            });
        }
        assert!(digests.iter().all(|digest| *digest == digests[0] && digest.len() == 64));
    }

    #[test]
    fn the_digest_tells_a_changed_byte() {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let digest = || read(directory.path()).unwrap().digest;
        let before = digest();
        let mut bytes = records(&[3, 4, 5]);
        bytes[100] ^= 1;
        fs::write(directory.path().join(TEST_FILE), bytes).unwrap();
        assert_ne!(digest(), before);
    }

    #[test]
    fn damaged_files_are_named() {
        let truncated = records(&[1])[..3000].to_vec();
        let mut wrong_label = records(&vec![0; 300]);
        wrong_label[257 * RECORD] = 12;
        for (name, bytes, want) in [
            ("data_batch_2.bin", truncated, "data_batch_2.bin has 3000 bytes"),
            ("data_batch_3.bin", wrong_label, "data_batch_3.bin (counted from 0) has the label 12"),
            ("data_batch_3.bin", Vec::new(), "data_batch_3.bin is empty"),
            (NAMES_FILE, b"cat\ndog\n".to_vec(), "names 2 classes"),
            (NAMES_FILE, b"a\nb\nc\nd\ne\nf\ng\nh\ni\na\n".to_vec(), "`a` twice"),
            (NAMES_FILE, vec![0xFF; 20], "UTF-8"),
            (NAMES_FILE, vec![b'a'; 5000], "too long"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            lay_out(directory.path());
            fs::write(directory.path().join(name), bytes).unwrap();
            let complaint = read(directory.path()).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_DATA);
            assert!(complaint.message.contains(want), "{complaint}");
        }
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        fs::remove_file(directory.path().join(TEST_FILE)).unwrap();
        let complaint = read(directory.path()).unwrap_err();
        assert_eq!(complaint.code, Code::DATA_NOT_FOUND);
        assert!(complaint.message.ends_with("test_batch.bin is missing"), "{complaint}");
    }

    #[test]
    fn what_is_not_here_is_downloaded() {
        let mut entries = files();
        entries.push(("readme.html".to_owned(), b"not wanted".to_vec()));
        let packed = archive(&entries, tar::EntryType::Regular);
        for with_data_directory in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("{}/{ARCHIVE}", serve(vec![answer("200 OK", packed.len(), &packed)]));
            let official = Archive { url, sha256: sha256(&packed), bytes: packed.len() as u64 };
            let data = directory.path().join("data");
            let cache = directory.path().join("cache");
            let root = if with_data_directory { data.join("cifar10") } else { cache.join("cifar10") };
            surrounded(with_data_directory.then_some(data), cache, |around| {
                assert_eq!(Cifar10::default().look(around).unwrap(), Cifar10::default().declare());
                assert_eq!(TEN.obtain(&official, around).unwrap(), root.join(FOLDER));
                assert_eq!(Cifar10::default().open(around).unwrap().test.len(), 3);
            });
            assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "only the folder is left");
            assert_eq!(fs::read_dir(root.join(FOLDER)).unwrap().count(), 7);
        }
    }

    #[test]
    fn a_failed_download_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let (data, cache) = (directory.path().join("data"), directory.path().join("cache"));
        let official = Archive::official(TEN, Some(&serve(vec![answer("404 Not Found", 0, b"")])));
        let complaint =
            surrounded(Some(data.clone()), cache.clone(), |around| TEN.obtain(&official, around).unwrap_err());
        let text = wording(&complaint);
        assert_eq!(complaint.code, Code::DOWNLOAD);
        for want in [
            "the server answers with status 404".to_owned(),
            data.join(FOLDER).display().to_string(),
            cache.join("cifar10").join(FOLDER).display().to_string(),
            format!("put its folder `{FOLDER}` into {}", data.join("cifar10").display()),
            "TRAINYARD_MIRROR".to_owned(),
        ] {
            assert!(text.contains(&want), "{want} isn't in\n{text}");
        }
        assert!(!data.exists());
    }

    #[test]
    fn the_mirror_replaces_the_directory() {
        assert_eq!(Archive::official(TEN, None).url, "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz");
        assert_eq!(Archive::official(TEN, Some("http://m/x/")).url, "http://m/x/cifar-10-binary.tar.gz");
    }

    #[test]
    fn hostile_archives_are_refused() {
        let mut incomplete = files();
        incomplete.pop();
        let mut large = files();
        large[0].1 = vec![b'x'; 5000];
        for (packed, want) in [
            (archive(&incomplete, tar::EntryType::Regular), "lacks test_batch.bin"),
            (archive(&large, tar::EntryType::Regular), "at most 4096"),
            (archive(&files(), tar::EntryType::Symlink), "no plain file"),
            (b"no archive at all".to_vec(), "isn't what it should be"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.tar.gz");
            fs::write(&path, packed).unwrap();
            let stop = AtomicBool::new(false);
            let complaint = TEN.unpack(&path, &directory.path().join("target"), &stop).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_DATA);
            assert!(complaint.message.contains(want), "{complaint}");
        }
    }

    /// A hundred classes named `f0` to `f99` in twenty groups, `c0` to `c19`.
    #[test]
    fn cifar_100_has_labels_of_two_kinds() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("cifar-100-binary");
        fs::create_dir_all(&folder).unwrap();
        let record = |coarse: u8, fine: u8| [vec![coarse, fine], vec![fine; SIZE]].concat();
        let names = |prefix: &str, count: usize| (0..count).map(|i| format!("{prefix}{i}\n")).collect::<String>();
        fs::write(folder.join("train.bin"), [record(19, 99), record(0, 4), record(0, 5)].concat()).unwrap();
        fs::write(folder.join("test.bin"), record(3, 7)).unwrap();
        fs::write(folder.join("fine_label_names.txt"), names("f", 100)).unwrap();
        fs::write(folder.join("coarse_label_names.txt"), names("c", 20)).unwrap();
        let source = |labels| Cifar100 { labels, ..Cifar100::default() };
        let open = |labels| {
            surrounded(Some(directory.path().to_owned()), "cache".into(), |around| {
                let looked = source(labels).look(around)?;
                let opened = source(labels).open(around)?;
                assert_eq!(looked.classes, Some(opened.classes.len()));
                assert_eq!((looked.train, looked.test), (Some(3), Some(1)));
                Ok(opened)
            })
        };
        let (fine, coarse): (Dataset, Dataset) = (open(Labels::Fine).unwrap(), open(Labels::Coarse).unwrap());
        assert_eq!((fine.train.labels().classes(), fine.test.labels().classes()), (&[99, 4, 5][..], &[7][..]));
        assert_eq!((coarse.train.labels().classes(), coarse.test.labels().classes()), (&[19, 0, 0][..], &[3][..]));
        assert_eq!((fine.classes[99].as_str(), coarse.classes[19].as_str()), ("f99", "c19"));
        assert_eq!(coarse.class_counts(&*coarse.train)[0], 2);
        assert_ne!(fine.digest, coarse.digest);
        let mut example = vec![0; SIZE];
        fine.train.read(1, &mut example).unwrap();
        assert_eq!(example, vec![4; SIZE]);
        for (coarse, fine, want) in [(20, 0, "the label 20, and CIFAR-100's are 0 to 19"), (0, 100, "0 to 99")] {
            fs::write(folder.join("test.bin"), record(coarse, fine)).unwrap();
            let complaint: Box<Diagnostic> = open(Labels::Fine).map(|_: Dataset| ()).unwrap_err();
            assert!(complaint.message.contains(want), "{complaint}");
        }
    }

    #[test]
    fn the_same_images_as_files_in_folders_have_the_same_class_counts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        lay_out(&root.join(FOLDER));
        surrounded(Some(root.to_owned()), root.join("cache"), |around| {
            let binary = Cifar10::default().open(around).unwrap();
            // Every class needs a folder and an image to be known at all.
            let present: Vec<u32> = (0..10).filter(|class| binary.train.labels().classes().contains(class)).collect();
            for (split, examples) in [("train", &binary.train), ("test", &binary.test)] {
                for (index, &label) in
                    examples.labels().classes().iter().enumerate().filter(|(_, label)| present.contains(label))
                {
                    let mut values = vec![0; SIZE];
                    examples.read(index, &mut values).unwrap();
                    let folder = root.join(split).join(&binary.classes[label as usize]);
                    fs::create_dir_all(&folder).unwrap();
                    let image = image::RgbImage::from_raw(SIDE as u32, SIDE as u32, values).unwrap();
                    image.save(folder.join(format!("{index}.png"))).unwrap();
                }
            }
            let arguments = serde_json::json!({ "train": "train", "test": "test", "image_size": 32 });
            let folders: crate::source::ImageFolder = serde_json::from_value(arguments).unwrap();
            let folders = match folders.open(around) {
                Ok(data) => data,
                Err(complaint) => panic!("{complaint}"),
            };
            assert_eq!(
                folders.classes,
                present.iter().map(|&c| binary.classes[c as usize].clone()).collect::<Vec<_>>()
            );
            let of_present = |counts: Vec<usize>| present.iter().map(|&c| counts[c as usize]).collect::<Vec<_>>();
            assert_eq!(folders.class_counts(&*folders.train), of_present(binary.class_counts(&*binary.train)));
        });
    }
}
