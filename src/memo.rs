//! SHA-256 of files, remembered as long as the files stay as they are.
//!
//! A file counts as the one it was where the numbers of its device and of its inode, its size, and the times of its last
//! changes are the same, to the nanosecond: the time of its content, which programs may set, and the system's own, which
//! they may not. What was changed shortly before it was looked at isn't remembered, since another change could leave the
//! same times. Whatever is odd about a memo is passed over, and the files are read.
//!
//! A memo begins with 16 bytes that name the form and the SHA-256 of the rest. Numbers are little-endian.

use crate::text::hexadecimal;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

const FORM: &[u8; 16] = b"trainyard sums 1";
/// Bytes of the head.
const HEAD: usize = FORM.len() + 32;
/// Bytes of an entry.
const ENTRY: usize = 7 * 8 + 32;
/// Files that a memo knows at most.
const MOST_FILES: usize = 1 << 21;
/// Bytes of all memos together.
const MOST_BYTES: u64 = 512 << 20;
/// File systems keep times to two seconds, at worst.
const SETTLED: Duration = Duration::from_secs(2);

/// A SHA-256.
pub type Sum = [u8; 32];

/// The numbers of a file's device and inode.
type Identity = [u64; 2];

/// What tells that a file was changed: its size, and seconds and nanoseconds of the last change of its content and of
/// anything about it.
type State = [u64; 5];

fn identity(metadata: &Metadata) -> Identity {
    [metadata.dev(), metadata.ino()]
}

fn state(metadata: &Metadata) -> State {
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let [modified, modified_nanos, changed, changed_nanos] = times.map(i64::cast_unsigned);
    [metadata.len(), modified, modified_nanos, changed, changed_nanos]
}

/// The sums of the files of one place.
pub struct Memo {
    /// Where it is kept; nothing where it isn't.
    file: Option<PathBuf>,
    known: HashMap<Identity, (State, Sum)>,
    /// What was taken anew.
    taken: Mutex<HashMap<Identity, (State, Sum)>>,
    /// Only what was last changed before that second is remembered.
    settled: i64,
}

impl Memo {
    /// The memo for the files of `place`. It is kept below `cache_directory`, unless that is relative: it would be another
    /// one wherever the program is called.
    pub fn of(place: &Path, cache_directory: &Path) -> Self {
        let place = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        let name = hexadecimal(&Sha256::digest(place.as_os_str().as_encoded_bytes())[..16]);
        let file = cache_directory.is_absolute().then(|| cache_directory.join("digests").join(name));
        let known = file.as_deref().and_then(read).unwrap_or_default();
        Memo { file, known, taken: Mutex::default(), settled: settled(SystemTime::now()) }
    }

    /// The sum of the file at `path`: the remembered one, or what `take` makes of the file.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn sum<E>(&self, path: &Path, take: impl FnOnce() -> Result<Sum, E>) -> Result<Sum, E> {
        let look = || path.metadata().ok().filter(Metadata::is_file);
        let before = look();
        let known =
            before.as_ref().and_then(|file| self.known.get(&identity(file)).filter(|(at, _)| *at == state(file)));
        if let Some((_, sum)) = known {
            return Ok(*sum);
        }
        let sum = take()?;
        if let Some((before, after)) = before.zip(look())
            && (identity(&before), state(&before)) == (identity(&after), state(&after))
            && after.mtime().max(after.ctime()) < self.settled
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.insert(identity(&after), (state(&after), sum));
        }
        Ok(sum)
    }

    /// Keeps what was taken anew for the next start. Where that fails, files will be read again, and nothing is lost.
    pub fn keep(self) {
        let taken = self.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = self.file.filter(|_| !taken.is_empty()) {
            let old = self.known.into_iter().filter(|(identity, _)| !taken.contains_key(identity));
            let entries = taken.iter().map(|(identity, entry)| (*identity, *entry)).chain(old);
            let _ = write(&file, entries.take(MOST_FILES));
        }
    }
}

/// Changes before that second lie far enough back.
fn settled(now: SystemTime) -> i64 {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(SETTLED).as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn read(file: &Path) -> Option<HashMap<Identity, (State, Sum)>> {
    let length = file.metadata().ok()?.len();
    if length > (HEAD + MOST_FILES * ENTRY) as u64 {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(length).read_to_end(&mut bytes).ok()?;
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (entries, left) = rest.as_chunks::<ENTRY>();
    if head[..FORM.len()] != *FORM || head[FORM.len()..] != *Sha256::digest(rest) || !left.is_empty() {
        return None;
    }
    let entry = |entry: &[u8; ENTRY]| {
        let (numbers, sum) = entry.split_at(7 * 8);
        let numbers: Vec<u64> = numbers.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect();
        Some((numbers[..2].try_into().ok()?, (numbers[2..].try_into().ok()?, sum.try_into().ok()?)))
    };
    entries.iter().map(entry).collect()
}

/// Writes a memo beside its place and renames it: another program finds all of it, or that from before. It isn't synced,
/// since a torn one is recognised.
fn write(file: &Path, entries: impl Iterator<Item = (Identity, (State, Sum))>) -> io::Result<()> {
    let mut rest = Vec::new();
    for (identity, (state, sum)) in entries {
        rest.extend(identity.iter().chain(&state).flat_map(|number| number.to_le_bytes()));
        rest.extend(sum);
    }
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    make_room(directory, MOST_BYTES.saturating_sub((HEAD + rest.len()) as u64))?;
    let mut new = tempfile::Builder::new().prefix(".writing-").tempfile_in(directory)?;
    new.write_all(FORM)?;
    new.write_all(&Sha256::digest(&rest))?;
    new.write_all(&rest)?;
    new.persist(file)?;
    Ok(())
}

/// Removes the oldest memos, and what killed programs left, until the rest has at most so many bytes.
fn make_room(directory: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.extend(metadata.is_file().then(|| (metadata.mtime(), metadata.len(), entry.path())));
    }
    files.sort();
    let mut all: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if all <= most {
            break;
        }
        fs::remove_file(path)?;
        all -= length;
    }
    Ok(())
}

/// The SHA-256 of all that `content` gives.
///
/// # Errors
/// Where it cannot be read.
pub fn sum_of(mut content: impl Read) -> io::Result<Sum> {
    let (mut digest, mut part) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match content.read(&mut part) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(count) => digest.update(&part[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The SHA-256 of the program that runs, in hexadecimal; nothing where the system doesn't show its file.
pub fn program_digest(cache_directory: &Path) -> Option<String> {
    let named = std::env::current_exe().ok()?;
    // That is the file that runs even where another one was put into its place.
    let file = Some(PathBuf::from("/proc/self/exe")).filter(|file| file.exists()).unwrap_or_else(|| named.clone());
    let memo = Memo::of(&named, cache_directory);
    let sum = memo.sum(&file, || sum_of(File::open(&file)?)).ok()?;
    memo.keep();
    Some(hexadecimal(&sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, os::unix::fs::PermissionsExt};

    /// A file `data/file` that was changed long ago, as far as a memo can tell, and the cache beside it.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Place(tempfile::tempdir().unwrap());
            fs::create_dir(place.path("data")).unwrap();
            fs::write(place.path("data/file"), "one").unwrap();
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// The memo, to which `later` is now.
        fn memo(&self, later: Duration) -> Memo {
            let memo = Memo::of(&self.path("data"), &self.path("cache"));
            Memo { settled: settled(SystemTime::now() + later), ..memo }
        }

        /// The sum of the file as a start that is so much later has it, and whether the file was read for it.
        fn start(&self, later: Duration) -> (String, bool) {
            let (memo, file, taken) = (self.memo(later), self.path("data/file"), Cell::new(false));
            let take = || {
                taken.set(true);
                sum_of(File::open(&file)?)
            };
            let sum = memo.sum(&file, take).unwrap();
            memo.keep();
            assert_eq!(sum, *Sha256::digest(fs::read(&file).unwrap()));
            (hexadecimal(&sum[..2]), taken.get())
        }

        /// The file of the memo.
        fn kept(&self) -> PathBuf {
            let mut all = fs::read_dir(self.path("cache/digests")).unwrap();
            let first = all.next().unwrap().unwrap().path();
            assert!(all.next().is_none());
            first
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_unchanged_file_is_read_once() {
        let place = Place::new();
        assert_eq!(place.start(HOUR), ("7692".into(), true));
        assert_eq!(place.start(HOUR), ("7692".into(), false));
        let memo = place.memo(HOUR);
        assert!(memo.sum(&place.path("data/none"), || Err(7)).is_err());
        assert_eq!(fs::metadata(place.kept()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_changed_just_now_is_not_remembered() {
        let place = Place::new();
        assert!(place.start(Duration::ZERO).1 && place.start(Duration::ZERO).1);
        assert!(!place.path("cache").exists());
        assert_eq!(settled(SystemTime::UNIX_EPOCH - HOUR), 0);
        assert_eq!(settled(SystemTime::UNIX_EPOCH + HOUR), 3598);
    }

    #[test]
    fn a_changed_file_is_read_again_even_where_size_and_time_were_kept() {
        let place = Place::new();
        let file = place.path("data/file");
        place.start(HOUR);
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&file, "two").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(place.start(HOUR), ("3fc4".into(), true));
        assert_eq!(place.start(HOUR), ("3fc4".into(), false));
        // Another file in its place, of the same size and time.
        fs::write(place.path("data/new"), "six").unwrap();
        File::options().write(true).open(place.path("data/new")).unwrap().set_modified(time).unwrap();
        fs::rename(place.path("data/new"), &file).unwrap();
        assert!(place.start(HOUR).1);
    }

    #[test]
    fn an_odd_memo_is_passed_over_and_mended() {
        let place = Place::new();
        place.start(HOUR);
        let kept = place.kept();
        let sound = fs::read(&kept).unwrap();
        let forged = [&sound[..HEAD], &[0xff; ENTRY]].concat();
        let odd: [&[u8]; 6] =
            [b"", b"trainyard sums 1", &sound[..sound.len() - 1], &[&sound[..], b"x"].concat(), &forged, &[7; 4096]];
        for bytes in odd {
            fs::write(&kept, bytes).unwrap();
            assert!(place.start(HOUR).1, "{bytes:?}");
            assert!(!place.start(HOUR).1);
        }
        fs::remove_file(&kept).unwrap();
        fs::create_dir(&kept).unwrap();
        assert!(place.start(HOUR).1 && place.start(HOUR).1);
    }

    #[test]
    fn no_memo_is_kept_in_a_relative_place_or_beyond_the_room_there_is() {
        let place = Place::new();
        let memo = Memo { settled: i64::MAX, ..Memo::of(&place.path("data"), Path::new("cache")) };
        memo.sum(&place.path("data/file"), || Ok::<Sum, ()>([0; 32])).unwrap();
        memo.keep();
        assert!(!Path::new("cache").exists());
        for (name, age) in [("old", 30), ("older", 40), ("new", 20)] {
            fs::write(place.path("data").join(name), "12345").unwrap();
            let file = File::options().write(true).open(place.path("data").join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        make_room(&place.path("data"), 10).unwrap();
        let left = ["file", "new", "old", "older"].map(|name| place.path("data").join(name).exists());
        assert_eq!(left, [true, true, false, false]);
    }

    #[test]
    fn the_program_has_a_digest() {
        let place = Place::new();
        let digest = program_digest(&place.path("cache")).unwrap();
        assert_eq!(digest.len(), 64);
        assert_eq!(program_digest(&place.path("cache")), Some(digest));
    }
}
