//! Which runs are to go, and their deletion.

use super::{
    RunDirectory, SEEDS, Seeds, Status,
    directory::LOCK,
    store::{Listed, rank},
};
use crate::diagnostic::{Code, Diagnostic, Result, io_error};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::Path,
};

/// Deletes a run's directory. What lies in it as a link is removed, and not what it leads to. Its record goes last, so
/// that a deletion that was cut off can be repeated.
///
/// # Errors
/// Where it doesn't lie below `root`, is no run, a process is at work in it, or the file system refuses.
pub fn delete(root: &Path, run: &RunDirectory) -> Result<()> {
    let path = run.path();
    let refused =
        |why: &str| Box::new(Diagnostic::error(Code::BAD_RUN, format!("{} isn't deleted: {why}", path.display())));
    let failed = |error: std::io::Error| io_error("delete", path, &error);
    if !fs::symlink_metadata(path).map_err(failed)?.is_dir() {
        return Err(refused("it is no directory"));
    }
    let (inside, around) = (path.canonicalize().map_err(failed)?, root.canonicalize().map_err(failed)?);
    if inside == around || !inside.starts_with(&around) {
        return Err(refused(&format!("it lies outside of {}", root.display())));
    }
    if !fs::symlink_metadata(run.file("run.json")).is_ok_and(|file| file.is_file()) {
        return Err(refused("it is no run"));
    }
    run.read_info()?;
    let lock = run.lock_for_deletion().ok_or_else(|| refused("a process is at work in it"))?;
    let is_last = |name: &OsStr| name == "run.json" || name == LOCK;
    let remove = || -> std::io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false if is_last(&entry.file_name()) => {}
                false => fs::remove_file(entry.path())?,
            }
        }
        fs::remove_file(run.file("run.json"))?;
        fs::remove_dir_all(path)
    };
    let removed = remove().map_err(failed);
    drop(lock);
    removed
}

/// Removes the pages over runs with several seeds of which none is left.
pub fn delete_orphans(root: &Path) {
    for name in fs::read_dir(root).into_iter().flatten().flatten() {
        for group in fs::read_dir(name.path()).into_iter().flatten().flatten() {
            let is_own = group.file_type().is_ok_and(|kind| kind.is_dir());
            let record = group.path().join(SEEDS);
            let seeds = is_own.then(|| fs::read(&record).ok()).flatten();
            let Some(seeds) = seeds.and_then(|bytes| serde_json::from_slice::<Seeds>(&bytes).ok()) else { continue };
            let is_plain = |id: &str| !id.contains(['/', '\\']) && !id.starts_with('.');
            let mut ids = seeds.runs.iter().filter_map(|run| run.id.as_deref());
            if !ids.any(|id| !is_plain(id) || name.path().join(id).exists()) {
                // Only what the program itself wrote there.
                let _ = fs::remove_file(record).and_then(|()| fs::remove_file(group.path().join("report.html")));
                let _ = fs::remove_dir(group.path());
            }
        }
    }
}

/// The bytes of all files below `path`, links left out.
pub fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    sizes.sum()
}

/// Which runs are to go. A run goes where every condition that is set says so, and `keep` doesn't protect it.
#[derive(Clone, Debug, Default)]
pub struct Pruning {
    /// Only runs of this name.
    pub name: Option<String>,
    /// Only failed ones, killed ones among them.
    pub failed: bool,
    /// Only those that ended before this moment.
    pub before: Option<Timestamp>,
    /// So many of each name stay: the latest, or the best by `by`.
    pub keep: Option<usize>,
    /// The figure that says which are the best.
    pub by: Option<String>,
}

impl Pruning {
    /// The runs of `runs`, the latest first, that are to go. Neither running nor damaged ones ever do, and none where
    /// nothing but a name is asked.
    pub fn choose<'a>(&self, runs: &'a [Listed]) -> Vec<&'a Listed> {
        if !self.failed && self.before.is_none() && self.keep.is_none() {
            return Vec::new();
        }
        let sound = |run: &&'a Listed| {
            let info = run.contents.as_ref().ok().map(|contents| &contents.info);
            info.is_some_and(|info| {
                info.status != Status::Running && self.name.as_ref().is_none_or(|name| *name == info.name)
            })
        };
        let protected = self.protected(runs.iter().filter(sound).collect());
        let goes = |run: &&'a Listed| {
            let failed = run.contents.as_ref().is_ok_and(|contents| contents.info.status == Status::Failed);
            (!self.failed || failed)
                && self.before.is_none_or(|before| run.ended().is_some_and(|ended| ended < before))
                && !protected.contains(run.directory.path())
        };
        runs.iter().filter(sound).filter(goes).collect()
    }

    /// The paths of those that stay for their rank.
    fn protected<'a>(&self, mut runs: Vec<&'a Listed>) -> BTreeSet<&'a Path> {
        let Some(keep) = self.keep else { return BTreeSet::new() };
        if let Some(figure) = &self.by {
            rank(&mut runs, figure);
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        let stays = |run: &&'a Listed| {
            let name = run.contents.as_ref().map_or("", |contents| contents.info.name.as_str());
            let count = counts.entry(name).or_default();
            *count += 1;
            *count <= keep
        };
        // A closure that borrows names cannot outlive the list, hence the two steps.
        let kept: Vec<bool> = runs.iter().map(stays).collect();
        runs.iter().zip(kept).filter(|(_, stays)| *stays).map(|(run, _)| run.directory.path()).collect()
    }
}
