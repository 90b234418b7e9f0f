//! Checkpoints: what resuming a run needs, each in a directory of its own, `checkpoint/000012/`.
//!
//! A manifest with the size and the SHA-256 of every file is written last, and the directory gets its name only when all of it
//! is synced. The last two are kept, so that where the latest is torn or altered, the one before it is there.

use super::{
    EpochRecord, RunDirectory,
    files::{WRITING, remove_directory, write_directory},
    sha256_hex,
};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    exact::{self, Exact},
    text::thousands,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The directory of checkpoints in a run's directory.
pub const CHECKPOINTS: &str = "checkpoint";
/// Says what belongs to a checkpoint.
const MANIFEST: &str = "manifest.json";
/// The largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 1 << 20;
/// What one is called that is only tried out.
const TRIAL: &str = ".trial";
/// How many are kept.
const KEPT: usize = 2;

/// The files of a checkpoint, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The file that holds the [`Position`].
pub const POSITION: &str = "position.json";

/// Where training stood; nothing where that cannot be read.
pub fn position(files: &Files) -> Option<Position> {
    serde_json::from_slice(files.get(POSITION)?).ok()
}

/// Where training stands, but for its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Version of this form: 1.
    pub format: u32,
    /// Whole epochs done.
    pub epochs: usize,
    /// Steps done of the epoch under way.
    pub step: usize,
    /// All optimizer steps done.
    pub steps: u64,
    /// The sums over the epoch under way that its figures are means of, in the order of the figures.
    pub sums: Vec<Exact>,
    /// Examples in these sums.
    pub examples: usize,
    /// The sums over the epoch under way of the gradients' norms, where these are watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gradient_norms: Vec<Exact>,
    /// Seconds that the epoch under way has taken so far.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Seconds of these that were spent waiting for data.
    #[serde(with = "exact")]
    pub data_wait_seconds: f64,
    /// Whether a callback has ended training.
    pub stopped_early: bool,
    /// Why it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What callbacks have multiplied the learning rate by, where they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_factor: Option<Exact>,
    /// How the loss is scaled, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<Scaling>,
    /// The epoch, from 1, whose weights are the best ones so far.
    pub best_epoch: Option<usize>,
    /// What each callback remembers, in the pipeline's order.
    pub callbacks: Vec<serde_json::Value>,
    /// The epochs that are done.
    pub history: Vec<EpochRecord>,
}

/// The scale of a loss, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The scale.
    pub scale: f64,
    /// Steps since it last changed.
    pub steps: u32,
    /// Steps that were left out, for a gradient wasn't finite.
    pub skipped: u64,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Version of this form: 1.
    format: u32,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// What was found of a run's checkpoints.
#[derive(Debug, Default)]
pub struct Found {
    /// The files of the latest one that is whole.
    pub files: Option<Files>,
    /// What is wrong with later ones.
    pub passed_over: Vec<String>,
}

/// The names of the checkpoints that were begun and named, the oldest first; those behind a link are none of ours.
fn numbered(directory: &Path) -> Vec<(u64, PathBuf)> {
    if !is_own(directory) {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let number = |entry: &fs::DirEntry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().into_string().ok().filter(|_| is_directory)?;
        name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse::<u64>().ok())?
    };
    let mut found: Vec<_> = entries.filter_map(|entry| Some((number(&entry)?, entry.path()))).collect();
    found.sort();
    found
}

/// Whether a directory is there and no link.
fn is_own(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|it| it.is_dir())
}

impl RunDirectory {
    /// Keeps `files` as the run's latest checkpoint, and of the earlier ones the latest. Only for whoever holds the lock.
    ///
    /// # Errors
    /// Where the file system refuses; the checkpoints before it are then as they were.
    pub fn write_checkpoint(&self, files: &Files) -> Result<()> {
        let directory = self.checkpoints()?;
        let before = numbered(&directory);
        let next = before.last().map_or(1, |(number, _)| number.saturating_add(1));
        write(&directory.join(format!("{next:06}")), files)?;
        // It stands; that something old cannot be removed, such as what a killed process left, does no harm.
        let left = fs::read_dir(&directory).into_iter().flatten().flatten();
        for entry in left.filter(|entry| entry.file_name().to_string_lossy().starts_with(WRITING)) {
            let _ = fs::remove_dir_all(entry.path());
        }
        for (_, old) in before.iter().rev().skip(KEPT - 1) {
            let _ = remove_directory(old);
        }
        Ok(())
    }

    /// Writes a checkpoint, reads it back, and removes it again.
    ///
    /// # Errors
    /// Where the file system refuses, or gives back something else.
    pub fn rehearse_checkpoint(&self, files: &Files) -> Result<()> {
        let path = self.checkpoints()?.join(TRIAL);
        // One that a killed process left.
        let _ = fs::remove_dir_all(&path);
        write(&path, files)?;
        let same = read(&path).is_ok_and(|back| back == *files);
        let removed = remove_directory(&path).map_err(|error| io_error("remove", &path, &error));
        self.hold_room(files)?;
        if !same {
            let message = format!("{} gave back something else than was written", path.display());
            return Err(Box::new(
                Diagnostic::error(Code::IO, message).help("keep runs on another disk: `--runs-dir DIR`"),
            ));
        }
        removed
    }

    /// Refuses to begin where the disk hasn't room for what the run will leave: the checkpoints that are kept, one more while
    /// it is written, and as much again as a checkpoint for all else.
    fn hold_room(&self, files: &Files) -> Result<()> {
        let checkpoint: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        let needed = checkpoint * (KEPT as u64 + 2);
        // Where nobody can say, it is tried.
        let Ok(disk) = rustix::fs::statvfs(self.path()) else { return Ok(()) };
        let room = disk.f_bavail.saturating_mul(disk.f_frsize);
        if room >= needed {
            return Ok(());
        }
        let (needed, room) = (thousands(needed), thousands(room));
        let message = format!("no space left on the disk for {}: the run takes {needed} bytes", self.path().display());
        let problem = Diagnostic::error(Code::IO, message).fact(format!("{room} bytes are left"));
        Err(Box::new(problem.help("make room, or keep runs on another disk: `--runs-dir DIR`")))
    }

    fn checkpoints(&self) -> Result<PathBuf> {
        let directory = self.file(CHECKPOINTS);
        if directory.is_symlink() {
            let message = format!("{} is a link, which no run makes", directory.display());
            return Err(Box::new(Diagnostic::error(Code::BAD_RUN, message).help("remove it")));
        }
        fs::create_dir_all(&directory).map_err(|error| io_error("make the directory", &directory, &error))?;
        Ok(directory)
    }

    /// Whether there is a checkpoint, whole or not.
    pub fn has_checkpoint(&self) -> bool {
        !numbered(&self.file(CHECKPOINTS)).is_empty()
    }

    /// The latest checkpoint that is whole.
    pub fn read_checkpoint(&self) -> Found {
        let mut found = Found::default();
        for (_, path) in numbered(&self.file(CHECKPOINTS)).iter().rev() {
            match read(path) {
                Ok(files) => {
                    found.files = Some(files);
                    break;
                }
                Err(reason) => found.passed_over.push(format!("{}: {reason}", path.display())),
            }
        }
        found
    }
}

/// Writes one, with its manifest behind the files that it tells of.
fn write(path: &Path, files: &Files) -> Result<()> {
    let entry = |bytes: &Vec<u8>| Entry { bytes: bytes.len() as u64, sha256: sha256_hex(bytes) };
    let manifest =
        Manifest { format: 1, files: files.iter().map(|(name, bytes)| (name.clone(), entry(bytes))).collect() };
    let manifest = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    let mut all: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    all.push((MANIFEST, &manifest));
    write_directory(path, &all)
}

/// The largest file of a checkpoint that is read, in bytes: no model of this program is larger.
const MAX_FILE: u64 = 64 << 30;

/// The files of one checkpoint, or what is wrong with it.
fn read(path: &Path) -> Result<Files, String> {
    let manifest = path.join(MANIFEST);
    let size = fs::metadata(&manifest).map_err(|_| "it has no manifest".to_owned())?.len();
    if size > MAX_MANIFEST {
        return Err("its manifest is damaged".to_owned());
    }
    let manifest = fs::read(&manifest).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_| "its manifest is damaged".to_owned())?;
    if manifest.format != 1 {
        return Err("another version of the program wrote it".to_owned());
    }
    let mut files = Files::new();
    for (name, Entry { bytes, sha256 }) in manifest.files {
        if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            return Err("its manifest is damaged".to_owned());
        }
        let file = path.join(&name);
        // No more is read than is there, and nothing where that isn't what was written.
        let there = fs::symlink_metadata(&file).ok().filter(|it| it.is_file()).map(|it| it.len());
        match there {
            None => return Err(format!("it lacks `{name}`")),
            Some(there) if there != bytes || there > MAX_FILE => {
                return Err(format!("`{name}` has {there} bytes instead of {bytes}"));
            }
            Some(_) => {}
        }
        let content = fs::read(&file).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        if sha256_hex(&content) != sha256 {
            return Err(format!("`{name}` isn't what was written"));
        }
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        [("model.safetensors".to_owned(), text.as_bytes().to_vec()), ("empty".to_owned(), Vec::new())].into()
    }

    fn run() -> (tempfile::TempDir, RunDirectory) {
        let home = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(home.path());
        (home, directory)
    }

    #[test]
    fn the_last_two_are_kept() {
        let (home, directory) = run();
        assert!(directory.read_checkpoint().files.is_none());
        for text in ["one", "two", "three"] {
            directory.write_checkpoint(&files(text)).unwrap();
            let found = directory.read_checkpoint();
            assert_eq!((found.files.unwrap(), found.passed_over.len()), (files(text), 0));
        }
        let names: Vec<u64> = numbered(&home.path().join(CHECKPOINTS)).iter().map(|(number, _)| *number).collect();
        assert_eq!(names, [2, 3]);
    }

    #[test]
    fn whatever_is_torn_or_altered_is_passed_over() {
        let text = "some weights that are longer than a sector of nothing";
        type Damage = (&'static str, fn(&Path));
        let damages: [Damage; 9] = [
            ("it has no manifest", |path| fs::remove_file(path.join(MANIFEST)).unwrap()),
            ("its manifest is damaged", |path| fs::write(path.join(MANIFEST), "{").unwrap()),
            ("its manifest is damaged", |path| fs::write(path.join(MANIFEST), "").unwrap()),
            ("its manifest is damaged", |path| {
                let entry = r#"{"format": 1, "files": {"../x": {"bytes": 1, "sha256": ""}}}"#;
                fs::write(path.join(MANIFEST), entry).unwrap();
            }),
            ("another version", |path| fs::write(path.join(MANIFEST), r#"{"format": 2, "files": {}}"#).unwrap()),
            ("it lacks `empty`", |path| fs::remove_file(path.join("empty")).unwrap()),
            ("has 1 bytes instead of 0", |path| fs::write(path.join("empty"), "x").unwrap()),
            ("has 3 bytes", |path| fs::write(path.join("model.safetensors"), "som").unwrap()),
            ("isn't what was written", |path| {
                let file = path.join("model.safetensors");
                let mut bytes = fs::read(&file).unwrap();
                bytes[20] ^= 1;
                fs::write(file, bytes).unwrap();
            }),
        ];
        for (said, damage) in damages {
            let (home, directory) = run();
            directory.write_checkpoint(&files("before")).unwrap();
            directory.write_checkpoint(&files(text)).unwrap();
            damage(&home.path().join("checkpoint/000002"));
            let found = directory.read_checkpoint();
            assert_eq!(found.files.unwrap(), files("before"), "{said}");
            assert!(found.passed_over[0].contains(said), "{:?}", found.passed_over);
            // The next one doesn't take the place of what is sound.
            directory.write_checkpoint(&files("after")).unwrap();
            assert_eq!(directory.read_checkpoint().files.unwrap(), files("after"));
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_recognised() {
        let (home, directory) = run();
        directory.write_checkpoint(&files("before")).unwrap();
        directory.write_checkpoint(&files("the latest")).unwrap();
        let path = home.path().join("checkpoint/000002");
        for name in ["model.safetensors", MANIFEST] {
            let file = path.join(name);
            let sound = fs::read(&file).unwrap();
            for length in 0..sound.len() {
                fs::write(&file, &sound[..length]).unwrap();
                assert_ne!(directory.read_checkpoint().files.unwrap(), files("the latest"), "{name} cut to {length}");
            }
            for bit in 0..8 * sound.len() {
                let mut bytes = sound.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(&file, bytes).unwrap();
                // What a flipped bit leaves of the manifest may still say the same: spaces, the case of a digit.
                let found = directory.read_checkpoint().files.unwrap();
                assert!(found == files("before") || (name == MANIFEST && found == files("the latest")), "{name} {bit}");
            }
            fs::write(&file, &sound).unwrap();
            assert_eq!(directory.read_checkpoint().files.unwrap(), files("the latest"));
        }
    }
}
