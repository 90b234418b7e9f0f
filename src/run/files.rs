//! Writing that a crash cannot leave half done: a file, or a directory of files, appears whole or not at all.

use crate::{
    diagnostic::{Diagnostic, Result, io_error},
    fault,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes `bytes` beside `path`, syncs, and renames: whoever reads `path` sees all of the old or all of the new.
///
/// # Errors
/// Where the file system refuses; `path` is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(WRITING).tempfile_in(directory)?;
        fill(file.as_file_mut(), bytes)?;
        fault::point()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_directory(directory)
    };
    write().map_err(|error| refused(path, bytes.len(), &error))
}

/// What the names of files begin with that are being written.
pub(super) const WRITING: &str = ".writing-";

/// Writes `files`, in their order, into a new directory beside `path`, syncs them, and renames the directory.
///
/// # Errors
/// Where the file system refuses, or `path` is there already; there is then no such directory, or the one that was there.
pub(super) fn write_directory(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        fault::point()?;
        let made = tempfile::Builder::new().prefix(WRITING).tempdir_in(parent)?;
        set_mode(&File::open(made.path())?, 0o755)?;
        for (name, bytes) in files {
            fill(&mut File::create_new(made.path().join(name))?, bytes)?;
        }
        sync_directory(made.path())?;
        fault::point()?;
        fs::rename(made.path(), path)?;
        // It isn't where it was made any more, so there is nothing to remove.
        let _ = made.keep();
        sync_directory(parent)
    };
    write().map_err(|error| refused(path, files.iter().map(|(_, bytes)| bytes.len()).sum(), &error))
}

/// Removes a directory so that a crash leaves it whole, or not under its name.
///
/// # Errors
/// Where the file system refuses.
pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = path.with_file_name(format!("{WRITING}removing-{name}"));
    // A process that was killed may have left it.
    let _ = fs::remove_dir_all(&aside);
    fault::point()?;
    fs::rename(path, &aside)?;
    fault::point()?;
    fs::remove_dir_all(&aside)
}

/// Writes all of a new file and syncs it.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    fault::point()?;
    let (begin, end) = bytes.split_at(bytes.len() / 2);
    file.write_all(begin)?;
    fault::point()?;
    file.write_all(end)?;
    // Temporary files are private; what is kept can be read as other files can.
    set_mode(file, 0o644)?;
    fault::point()?;
    file.sync_all()
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    fault::point()?;
    File::open(directory)?.sync_all()
}

fn refused(path: &Path, bytes: usize, error: &io::Error) -> Box<Diagnostic> {
    let problem = io_error("write", path, error);
    let full =
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge);
    if !full {
        return problem;
    }
    let problem = problem.fact(format!("it takes {} bytes", crate::text::thousands(bytes as u64)));
    Box::new(problem.help("make room, and start again: what was written before is as it was"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_whole_or_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let problem = write_atomically(&home.path().join("nowhere/a"), b"three").unwrap_err();
        assert!(problem.message.contains("nowhere/a"), "{problem}");
        let whole = home.path().join("d");
        write_directory(&whole, &[("x", b"1"), ("y", b"")]).unwrap();
        assert!(write_directory(&whole, &[("x", b"2")]).is_err());
        assert_eq!(fs::read(whole.join("x")).unwrap(), b"1");
        fs::create_dir_all(home.path().join(".writing-removing-d/left")).unwrap();
        remove_directory(&whole).unwrap();
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a"]);
    }
}
