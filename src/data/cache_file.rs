//! Examples in a file that survives runs.
//!
//! The file is named by the digest of all that decides about its bytes, so a stale one is never found. It is written beside
//! its place and renamed once it is whole; a lock lets the second of two runs wait for the first one's. A file that was
//! cut off or altered is recognised by its length and its checksums, and made anew; a single example that was altered is read
//! from the source instead. While a run uses the file, it may be removed, but not be shortened.
//!
//! Numbers are little-endian: 16 bytes that name the form, the key (32), the number of examples (8), the bytes of each
//! (8), a CRC-32 for each example (4 each), the SHA-256 of all that came so far (32), and the examples.

use crate::{
    device::map_file,
    diagnostic::{Code, Diagnostic, Result, io_error},
    source::{Progress, Surroundings},
    text::hexadecimal,
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, TryLockError},
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const FORM: &[u8; 16] = b"trainyard cache1";
/// The bytes of the head before the checksums.
const FIXED: usize = 16 + 32 + 8 + 8;
/// Bytes of examples, about, that are read between two writes.
const PART_BYTES: usize = 64 << 20;

/// The digest of all that decides about the bytes.
pub type Key = [u8; 32];

/// An opened file.
pub struct CacheFile {
    /// All of it; the system reads what is asked for, and keeps it as long as there is room.
    bytes: memmap2::Mmap,
    /// CRC-32 of each example.
    checksums: Vec<u32>,
    /// Whether an example was compared with its checksum already: what the system holds in memory doesn't decay.
    compared: Vec<AtomicBool>,
    example_bytes: usize,
    /// Where the first example begins.
    start: usize,
}

/// What a file is to hold.
pub struct Content<'a> {
    /// The digest of all that decides about it.
    pub key: Key,
    /// How many examples.
    pub examples: usize,
    /// Bytes of each.
    pub example_bytes: usize,
    /// Reads one of them.
    pub read: &'a (dyn Fn(usize, &mut [u8]) -> Result<()> + Sync),
}

impl CacheFile {
    /// Opens the file with that content in `directory`, or writes it first.
    ///
    /// # Errors
    /// Where an example cannot be read, the directory cannot be written to, or the user wants to stop.
    pub fn find_or_make(
        directory: &Path,
        content: &Content<'_>,
        workers: &rayon::ThreadPool,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self> {
        let name = hexadecimal(&content.key[..16]);
        let path = directory.join(format!("{name}.examples"));
        if let Some(found) = Self::open(&path, content) {
            return Ok(found);
        }
        fs::create_dir_all(directory).map_err(|error| io_error("make the directory", directory, &error))?;
        let _lock = lock(&directory.join(format!("{name}.lock")), surroundings)?;
        // Whoever held the lock may have made it.
        if let Some(found) = Self::open(&path, content) {
            return Ok(found);
        }
        let prefix = format!(".filling-{name}-");
        // What a killed run left: whoever holds the lock is the only one that fills it.
        for left in fs::read_dir(directory).into_iter().flatten().flatten() {
            if left.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(left.path());
            }
        }
        let made = make(&path, &prefix, content, workers, surroundings);
        (surroundings.progress)(Progress::ReadingDone);
        made?;
        Self::open(&path, content).ok_or_else(|| {
            let message = format!("{} was changed by another program", path.display());
            Box::new(Diagnostic::error(Code::IO, message).help("try again"))
        })
    }

    /// The file, where it is whole and holds what is wanted.
    fn open(path: &Path, content: &Content<'_>) -> Option<Self> {
        let file = File::open(path).ok()?;
        let start = head_bytes(content.examples);
        let whole = start as u64 + content.examples as u64 * content.example_bytes as u64;
        // The length is what we expect, so no more is allocated than the examples themselves call for.
        if file.metadata().ok()?.len() != whole {
            return None;
        }
        let bytes = map_file(&file).ok()?;
        let (said, digest) = bytes.get(..start)?.split_at(start - 32);
        if said[..FIXED] != fixed_head(content) || Sha256::digest(said)[..] != *digest {
            return None;
        }
        let checksums: Vec<u32> = said[FIXED..].as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let compared = (0..content.examples).map(|_| AtomicBool::new(false)).collect();
        Some(CacheFile { bytes, checksums, compared, example_bytes: content.example_bytes, start })
    }

    /// The bytes of an example; nothing where what is in the file isn't what was written.
    pub fn example(&self, index: usize) -> Option<&[u8]> {
        let at = self.start + index * self.example_bytes;
        let example = self.bytes.get(at..at + self.example_bytes)?;
        if !self.compared[index].load(Ordering::Relaxed) {
            if crc32fast::hash(example) != self.checksums[index] {
                return None;
            }
            self.compared[index].store(true, Ordering::Relaxed);
        }
        Some(example)
    }
}

fn head_bytes(examples: usize) -> usize {
    FIXED + 4 * examples + 32
}

fn fixed_head(content: &Content<'_>) -> Vec<u8> {
    let mut head = FORM.to_vec();
    head.extend(content.key);
    head.extend((content.examples as u64).to_le_bytes());
    head.extend((content.example_bytes as u64).to_le_bytes());
    head
}

/// Waits until no other run writes the same file.
fn lock(path: &Path, surroundings: &Surroundings<'_>) -> Result<File> {
    let failed = |error| io_error("lock", path, &error);
    let file = File::create(path).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if surroundings.stop.load(Ordering::Relaxed) => return Err(interrupted()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn interrupted() -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::INTERRUPTED, "filling the cache was interrupted"))
}

/// As files usually are; temporary ones aren't, and other users are to find it, too.
fn readable_by_others() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

fn make(
    path: &Path,
    prefix: &str,
    content: &Content<'_>,
    workers: &rayon::ThreadPool,
    surroundings: &Surroundings<'_>,
) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| {
        let needed = crate::text::bytes(content.examples as u64 * content.example_bytes as u64);
        let problem = io_error("write", path, &error);
        Box::new(problem.fact(format!("the examples take {needed}")).help("name another directory in `cache`"))
    };
    let mut file = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(readable_by_others())
        .tempfile_in(directory)
        .map_err(failed)?;
    let start = head_bytes(content.examples);
    file.as_file_mut().seek(SeekFrom::Start(start as u64)).map_err(failed)?;
    let mut checksums = Vec::with_capacity(content.examples);
    let step = (PART_BYTES / content.example_bytes.max(1)).clamp(1, 1024);
    for first in (0..content.examples).step_by(step) {
        if surroundings.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        let count = step.min(content.examples - first);
        let mut part = vec![0; count * content.example_bytes];
        let read = |(index, into): (usize, &mut [u8])| {
            (content.read)(first + index, into)?;
            Ok(crc32fast::hash(into))
        };
        let examples = part.par_chunks_exact_mut(content.example_bytes).enumerate();
        checksums.extend(workers.install(|| examples.map(read).collect::<Result<Vec<u32>>>())?);
        file.write_all(&part).map_err(failed)?;
        let (done, total) = ((first + count) as u64, content.examples as u64);
        (surroundings.progress)(Progress::Reading { what: "examples into the cache".to_owned(), done, total });
    }
    let mut head = fixed_head(content);
    head.extend(checksums.iter().flat_map(|checksum| checksum.to_le_bytes()));
    head.extend(Sha256::digest(&head));
    file.as_file_mut().seek(SeekFrom::Start(0)).map_err(failed)?;
    file.write_all(&head).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{path::PathBuf, sync::atomic::AtomicUsize};

    struct Fixture {
        directory: tempfile::TempDir,
        workers: rayon::ThreadPool,
        /// How many examples were read.
        reads: AtomicUsize,
        stop: AtomicBool,
    }

    const EXAMPLES: usize = 3000;

    impl Fixture {
        fn new() -> Self {
            Fixture {
                directory: tempfile::tempdir().unwrap(),
                workers: rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap(),
                reads: AtomicUsize::new(0),
                stop: AtomicBool::new(false),
            }
        }

        fn open(&self, key: u8) -> Result<CacheFile> {
            let read = |index: usize, into: &mut [u8]| {
                self.reads.fetch_add(1, Ordering::Relaxed);
                into.copy_from_slice(&(index as u64 + u64::from(key)).to_le_bytes());
                Ok(())
            };
            let content = Content { key: [key; 32], examples: EXAMPLES, example_bytes: 8, read: &read };
            let surroundings = Surroundings {
                data_directory: None,
                cache_directory: PathBuf::new(),
                progress: &|_| (),
                stop: &self.stop,
            };
            CacheFile::find_or_make(self.directory.path(), &content, &self.workers, &surroundings)
        }

        fn reads(&self) -> usize {
            self.reads.swap(0, Ordering::Relaxed)
        }

        fn files(&self) -> Vec<PathBuf> {
            let mut all: Vec<PathBuf> =
                fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            all.retain(|path| path.extension().is_none_or(|extension| extension != "lock"));
            all
        }
    }

    fn value(file: &CacheFile, index: usize) -> Option<u64> {
        file.example(index).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn a_file_is_made_once_and_found_again() {
        let fixture = Fixture::new();
        let left = fixture.directory.path().join(format!(".filling-{}-left", "01".repeat(16)));
        fs::write(&left, "by a killed run").unwrap();
        let file = fixture.open(1).unwrap();
        assert!(!left.exists());
        assert_eq!(fixture.reads(), EXAMPLES);
        assert_eq!([0, 1, 2999].map(|index| value(&file, index)), [Some(1), Some(2), Some(3000)]);
        let again = fixture.open(1).unwrap();
        assert_eq!((fixture.reads(), value(&again, 7)), (0, Some(8)));
        // Another key is another file.
        assert_eq!(value(&fixture.open(2).unwrap(), 7), Some(9));
        assert_eq!(fixture.files().len(), 2);
    }

    #[test]
    fn a_torn_or_altered_file_is_made_anew() {
        let fixture = Fixture::new();
        fixture.open(1).unwrap();
        let path = fixture.files().remove(0);
        let whole = fs::read(&path).unwrap();
        fixture.reads();
        let mut other_form = whole.clone();
        other_form[15] = b'9';
        let mut other_checksum = whole.clone();
        other_checksum[FIXED + 5] ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &[], &other_form, &other_checksum] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(value(&fixture.open(1).unwrap(), 5), Some(6));
            assert_eq!(fixture.reads(), EXAMPLES);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
        // A single example is noticed when it is read.
        let mut altered = whole.clone();
        *altered.last_mut().unwrap() ^= 1;
        fs::write(&path, altered).unwrap();
        let file = fixture.open(1).unwrap();
        assert_eq!((value(&file, EXAMPLES - 1), value(&file, 0)), (None, Some(1)));
    }

    #[test]
    fn runs_at_the_same_time_share_one_file() {
        let fixture = Fixture::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(value(&fixture.open(1).unwrap(), 5), Some(6)));
            }
        });
        assert_eq!(fixture.reads(), EXAMPLES);
    }

    #[test]
    fn an_interruption_leaves_nothing() {
        let fixture = Fixture::new();
        fixture.stop.store(true, Ordering::Relaxed);
        assert!(fixture.open(1).is_err());
        assert_eq!(fixture.files().len(), 0);
    }
}
