//! CIFAR-10 in its official binary layout, from the disk or by download.

use super::{
    Dataset, Declared, Held, ImageReader, Interpolation, Parts, SourceDefinition, Surroundings,
    download::{fetch, sync_directory},
};
use crate::diagnostic::{Code, Diagnostic, Result, io_error};
use flate2::read::GzDecoder;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// CIFAR-10: 60,000 colour photographs of 32 by 32 pixels in ten classes, 50,000 for training and 10,000 for testing.
///
/// `cifar-10-batches-bin`, the official binary version, is taken from the data directory where it lies there (or in
/// `cifar10` there), else from the cache. Where it is in neither, it is downloaded once (170 MB) and its checksum
/// verified.
///
/// Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}, {"interpolation": "nearest"}]))]
pub struct Cifar10 {
    /// How an image file that the model is to classify later is brought to 32 by 32 pixels.
    #[serde(default)]
    pub interpolation: Interpolation,
}

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const SIZE: usize = 3 * PLANE;
const RECORD: usize = 1 + SIZE;
const CLASSES: usize = 10;
/// Records that a file can have: a hundred times those of an official one.
const MAX_RECORDS: u64 = 1_000_000;
/// Records that are read in one go.
const RECORDS_AT_ONCE: usize = 256;

const FOLDER: &str = "cifar-10-batches-bin";
const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST_FILE: &str = "test_batch.bin";
const NAMES_FILE: &str = "batches.meta.txt";
const NAMES_LIMIT: u64 = 4096;

const HOST: &str = "https://www.cs.toronto.edu/~kriz";
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const ARCHIVE_SHA256: &str = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
const ARCHIVE_BYTES: u64 = 170_052_171;
/// Names another place to download from.
const MIRROR: &str = "TRAINYARD_MIRROR";

/// An archive, where it is, and what it should be.
struct Archive {
    url: String,
    sha256: String,
    bytes: u64,
}

impl Archive {
    fn official(mirror: Option<&str>) -> Self {
        let host = mirror.map(|mirror| mirror.trim_end_matches('/')).filter(|mirror| !mirror.is_empty());
        Archive {
            url: format!("{}/{ARCHIVE}", host.unwrap_or(HOST)),
            sha256: ARCHIVE_SHA256.to_owned(),
            bytes: ARCHIVE_BYTES,
        }
    }
}

impl SourceDefinition for Cifar10 {
    fn declare(&self) -> Declared {
        Declared { shape: [SIDE, SIDE, 3], classes: Some(CLASSES), train: Some(50_000), test: Some(10_000) }
    }

    fn reader(&self) -> ImageReader {
        ImageReader { shape: [SIDE, SIDE, 3], interpolation: self.interpolation }
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let folder = match find(surroundings) {
            Some(folder) => folder,
            None => obtain(&Archive::official(std::env::var(MIRROR).ok().as_deref()), surroundings)?,
        };
        self.read(&folder, surroundings.stop)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let Some(folder) = find(surroundings) else { return Ok(self.declare()) };
        read_names(&folder)?;
        let mut train = 0;
        for name in TRAIN_FILES {
            train += count(&folder.join(name))?;
        }
        let test = count(&folder.join(TEST_FILE))?;
        Ok(Declared { train: Some(train), test: Some(test), ..self.declare() })
    }
}

/// Where the files may lie, in the order of looking.
fn places(surroundings: &Surroundings<'_>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(data) = &surroundings.data_directory {
        places.push(data.join(FOLDER));
        places.push(data.join("cifar10").join(FOLDER));
    }
    places.push(surroundings.cache_directory.join("cifar10").join(FOLDER));
    places
}

fn find(surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    places(surroundings).into_iter().find(|place| place.is_dir())
}

impl Cifar10 {
    fn read(&self, folder: &Path, stop: &AtomicBool) -> Result<Dataset> {
        let (names, names_bytes) = read_names(folder)?;
        let files: Vec<PathBuf> =
            TRAIN_FILES.iter().chain([&TEST_FILE]).map(|name| folder.join(name)).collect();
        let counts = files.iter().map(|file| count(file)).collect::<Result<Vec<usize>>>()?;
        let train_count: usize = counts[..TRAIN_FILES.len()].iter().sum();
        let hold = |count: usize| Held { labels: vec![0; count], values: vec![0; count * SIZE], size: SIZE };
        let (mut train, mut test) = (hold(train_count), hold(counts[TRAIN_FILES.len()]));

        // Every file fills its own part, at the same time as the others.
        let mut parts = Vec::new();
        let mut rest = (train.labels.as_mut_slice(), train.values.as_mut_slice());
        for (file, &count) in files.iter().zip(&counts[..TRAIN_FILES.len()]) {
            let (labels, labels_left) = rest.0.split_at_mut(count);
            let (values, values_left) = rest.1.split_at_mut(count * SIZE);
            parts.push((file, labels, values));
            rest = (labels_left, values_left);
        }
        parts.push((&files[TRAIN_FILES.len()], &mut test.labels, &mut test.values));
        let read = parts.into_par_iter().map(|(file, labels, values)| read_records(file, labels, values, stop));
        let read: Vec<Result<[u8; 32]>> = read.collect();

        let mut digest = Parts::new("cifar10");
        digest.add(NAMES_FILE.as_bytes());
        digest.add(&names_bytes);
        for (file, hash) in TRAIN_FILES.iter().chain([&TEST_FILE]).zip(read) {
            digest.add(file.as_bytes());
            digest.add(&hash?);
        }
        Ok(Dataset {
            classes: names,
            shape: [SIDE, SIDE, 3],
            train: Arc::new(train),
            test: Arc::new(test),
            location: folder.display().to_string(),
            digest: digest.finish(),
            reader: self.reader(),
        })
    }
}

fn bad_data(message: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::BAD_DATA, message).help(format!(
        "put the unaltered files of the CIFAR-10 binary version there, or remove `{FOLDER}` to have it downloaded anew"
    )))
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Box::new(
            Diagnostic::error(Code::DATA_NOT_FOUND, format!("CIFAR-10 is incomplete: {} is missing", path.display()))
                .help(format!(
                    "add the file of the CIFAR-10 binary version, or remove `{FOLDER}` to have it downloaded anew"
                )),
        ),
        _ => io_error("read", path, &error),
    })
}

/// How many records a file holds, by its size.
fn count(path: &Path) -> Result<usize> {
    let metadata = open_file(path)?.metadata().map_err(|error| io_error("read", path, &error))?;
    let length = metadata.len();
    let shown = path.display();
    if !metadata.is_file() {
        return Err(bad_data(format!("{shown} is no file")));
    }
    if length == 0 {
        return Err(bad_data(format!("{shown} is empty")));
    }
    if length % RECORD as u64 != 0 {
        return Err(bad_data(format!(
            "{shown} has {length} bytes, and a whole number of CIFAR-10 records of {RECORD} bytes was expected"
        )));
    }
    if length / RECORD as u64 > MAX_RECORDS {
        return Err(bad_data(format!("{shown} has {length} bytes, far more than CIFAR-10 has")));
    }
    Ok((length / RECORD as u64) as usize)
}

/// Class names, and the bytes of the file that they come from.
fn read_names(folder: &Path) -> Result<(Vec<String>, Vec<u8>)> {
    let path = folder.join(NAMES_FILE);
    let mut bytes = Vec::new();
    open_file(&path)?
        .take(NAMES_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error("read", &path, &error))?;
    let shown = path.display();
    if bytes.len() as u64 > NAMES_LIMIT {
        return Err(bad_data(format!("{shown} is too long for the names of {CLASSES} classes")));
    }
    let text = str::from_utf8(&bytes).map_err(|_| bad_data(format!("{shown} isn't text in UTF-8")))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.len() != CLASSES {
        return Err(bad_data(format!("{shown} names {} classes, and {CLASSES} were expected", names.len())));
    }
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(bad_data(format!("{shown} names the class `{twice}` twice")));
    }
    Ok((names, bytes))
}

/// Reads as many records as there are labels, from channels first to channels last. Gives the file's SHA-256.
fn read_records(path: &Path, labels: &mut [u32], values: &mut [u8], stop: &AtomicBool) -> Result<[u8; 32]> {
    let mut file = open_file(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; RECORDS_AT_ONCE * RECORD];
    let blocks = labels.chunks_mut(RECORDS_AT_ONCE).zip(values.chunks_mut(RECORDS_AT_ONCE * SIZE));
    for (number, (labels, values)) in blocks.enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(Box::new(Diagnostic::error(Code::IO, format!("reading {} was interrupted", path.display()))));
        }
        let block = &mut block[..labels.len() * RECORD];
        file.read_exact(block).map_err(|error| io_error("read", path, &error))?;
        hash.update(&*block);
        let records = block.chunks_exact(RECORD).zip(labels).zip(values.chunks_exact_mut(SIZE));
        for (index, ((record, label), example)) in records.enumerate() {
            if usize::from(record[0]) >= CLASSES {
                return Err(bad_data(format!(
                    "record {} of {} (counted from 0) has the label {}, and CIFAR-10's are 0 to {}",
                    number * RECORDS_AT_ONCE + index,
                    path.display(),
                    record[0],
                    CLASSES - 1
                )));
            }
            *label = u32::from(record[0]);
            let (red, others) = record[1..].split_at(PLANE);
            let (green, blue) = others.split_at(PLANE);
            for (pixel, ((r, g), b)) in example.chunks_exact_mut(3).zip(red.iter().zip(green).zip(blue)) {
                pixel.copy_from_slice(&[*r, *g, *b]);
            }
        }
    }
    Ok(hash.finalize().into())
}

/// Downloads and unpacks the archive, and says where.
fn obtain(archive: &Archive, surroundings: &Surroundings<'_>) -> Result<PathBuf> {
    let root = match &surroundings.data_directory {
        Some(data) => data.join("cifar10"),
        None => surroundings.cache_directory.join("cifar10"),
    };
    let new: Vec<&Path> = root.ancestors().take_while(|folder| !folder.exists()).collect();
    let result = obtain_in(&root, archive, surroundings);
    if result.is_err() {
        // Fails where there is something in it, and is right to.
        new.into_iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
    result.map_err(|why| {
        if why.code != Code::DOWNLOAD || surroundings.stop.load(Ordering::Relaxed) {
            return why;
        }
        let looked = places(surroundings).iter().map(|place| place.display().to_string()).collect::<Vec<_>>();
        let mut complaint =
            Diagnostic::error(Code::DOWNLOAD, "CIFAR-10 isn't here and cannot be downloaded")
                .fact(why.message.clone());
        complaint.notes.extend(why.notes.iter().cloned());
        let complaint = complaint
            .fact(format!("looked for it in {}", looked.join(", ")))
            .help(format!(
                "fetch {HOST}/{ARCHIVE} elsewhere, unpack it, and put its folder `{FOLDER}` into {}",
                root.display()
            ))
            .help(format!("or name the directory that holds `{FOLDER}` by --data-dir or TRAINYARD_DATA"))
            .help(format!("or set {MIRROR} to the address of a directory that offers {ARCHIVE}"));
        Box::new(complaint)
    })
}

fn obtain_in(root: &Path, archive: &Archive, surroundings: &Surroundings<'_>) -> Result<PathBuf> {
    fs::create_dir_all(root).map_err(|error| io_error("create", root, &error))?;
    // Removed with all that is in it, whatever happens.
    let workshop = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(root)
        .map_err(|error| io_error("write to", root, &error))?;
    let packed = workshop.path().join(ARCHIVE);
    fetch(&archive.url, &archive.sha256, archive.bytes, &packed, surroundings.progress, surroundings.stop)?;
    let unpacked = workshop.path().join(FOLDER);
    unpack(&packed, &unpacked, surroundings.stop)?;

    let target = root.join(FOLDER);
    match fs::rename(&unpacked, &target) {
        Ok(()) => sync_directory(root)?,
        // Somebody else was faster.
        Err(_) if target.is_dir() => (),
        Err(error) => return Err(io_error("create", &target, &error)),
    }
    Ok(target)
}

/// Unpacks the expected files into the new directory `target`, and nothing else.
fn unpack(archive: &Path, target: &Path, stop: &AtomicBool) -> Result<()> {
    let bad = |what: String| {
        Box::new(Diagnostic::error(Code::BAD_DATA, format!("the archive of CIFAR-10 isn't what it should be: {what}")))
    };
    let unreadable = |error: io::Error| bad(error.to_string());
    fs::create_dir(target).map_err(|error| io_error("create", target, &error))?;
    let file = File::open(archive).map_err(|error| io_error("read", archive, &error))?;
    // Twice of what is in there, so that a small archive can't become a large one.
    let bounded = GzDecoder::new(io::BufReader::new(file)).take(2 * 60_000 * RECORD as u64);
    let mut missing: Vec<&str> = TRAIN_FILES.iter().copied().chain([TEST_FILE, NAMES_FILE]).collect();
    for entry in tar::Archive::new(bounded).entries().map_err(unreadable)? {
        if stop.load(Ordering::Relaxed) {
            return Err(Box::new(Diagnostic::error(Code::DOWNLOAD, "unpacking CIFAR-10 was interrupted")));
        }
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let Some(at) = missing.iter().position(|name| path == Path::new(FOLDER).join(name)) else { continue };
        let name = missing.swap_remove(at);
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(bad(format!("{name} is no plain file")));
        }
        let limit = if name == NAMES_FILE { NAMES_LIMIT } else { 10_000 * RECORD as u64 };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        download::tests::{answer, serve, sha256},
        tests::{surrounded, wording},
    };
    use flate2::{Compression, write::GzEncoder};

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
                assert_eq!(opened.train.labels(), [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
                assert_eq!(opened.test.labels(), [3, 4, 5]);
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
        let stop = AtomicBool::new(false);
        lay_out(directory.path());
        let digest = || Cifar10::default().read(directory.path(), &stop).unwrap().digest;
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
            let complaint = Cifar10::default().read(directory.path(), &AtomicBool::new(false)).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_DATA);
            assert!(complaint.message.contains(want), "{complaint}");
        }
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        fs::remove_file(directory.path().join(TEST_FILE)).unwrap();
        let complaint = Cifar10::default().read(directory.path(), &AtomicBool::new(false)).unwrap_err();
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
                assert_eq!(obtain(&official, around).unwrap(), root.join(FOLDER));
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
        let official = Archive::official(Some(&serve(vec![answer("404 Not Found", 0, b"")])));
        let complaint = surrounded(Some(data.clone()), cache.clone(), |around| obtain(&official, around).unwrap_err());
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
        assert_eq!(Archive::official(None).url, "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz");
        assert_eq!(Archive::official(Some("http://m/x/")).url, "http://m/x/cifar-10-binary.tar.gz");
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
            let complaint = unpack(&path, &directory.path().join("target"), &stop).unwrap_err();
            assert_eq!(complaint.code, Code::BAD_DATA);
            assert!(complaint.message.contains(want), "{complaint}");
        }
    }
}
