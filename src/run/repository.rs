//! The state of the git repository around a pipeline.
//!
//! git reads the repository and nothing else: it runs no hook, no filter and no other program that a configuration names,
//! asks nobody, fetches nothing, and writes nothing, its index included. A repository may be one that somebody unpacked.

use std::{
    ffi::OsStr,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// All questions together may take so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer.
const MOST_BYTES: usize = 1 << 20;

/// What git says of a repository.
#[derive(Debug, PartialEq)]
pub struct Repository {
    /// The commit that is checked out.
    pub commit: String,
    /// The branch; nothing where none is checked out.
    pub branch: Option<String>,
    /// What differs from the commit.
    pub changes: Changes,
}

/// What differs in the tracked files from the commit.
#[derive(Debug, PartialEq)]
pub enum Changes {
    /// Nothing.
    None,
    /// As `git diff` shows it, and whether some of it was cut off.
    Diff(Vec<u8>, bool),
    /// git took too long to say, or failed.
    Unknown,
}

impl Repository {
    /// The repository around `directory`, where there is one and git is at hand.
    pub fn around(directory: &Path) -> Option<Self> {
        let mut git = Git { directory, settings: Vec::new(), end: Instant::now() + PATIENCE };
        let commit = git.line(&["rev-parse", "--verify", "--quiet", "HEAD"])?;
        let branch = git.line(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
        let changes =
            git.without_filters().and_then(|()| git.ask(&DIFF)).map_or(Changes::Unknown, |answer| match answer {
                Answer { sound: false, cut: false, .. } => Changes::Unknown,
                Answer { bytes, .. } if bytes.is_empty() => Changes::None,
                Answer { bytes, cut: false, .. } => Changes::Diff(bytes, false),
                Answer { mut bytes, .. } => {
                    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
                    bytes.extend(format!("[cut off: the changes take more than {MOST_BYTES} bytes]\n").into_bytes());
                    Changes::Diff(bytes, true)
                }
            });
        Some(Repository { commit, branch, changes })
    }
}

/// What differs, in a form that hangs on no configuration.
const DIFF: [&str; 11] = [
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    // In a submodule, its own configuration would count.
    "--ignore-submodules=dirty",
    "--submodule=short",
    "HEAD",
    "--",
];

/// What git printed.
struct Answer {
    bytes: Vec<u8>,
    /// Whether there was more of it.
    cut: bool,
    /// Whether git was content.
    sound: bool,
}

/// Asks git.
struct Git<'a> {
    directory: &'a Path,
    /// `KEY=VALUE`, before which those of all files stand back.
    settings: Vec<String>,
    end: Instant,
}

impl Git<'_> {
    /// Takes all filters for files out of the configuration; nothing where that cannot be done.
    fn without_filters(&mut self) -> Option<()> {
        let names = self.ask(&["config", "--null", "--name-only", "--get-regexp", r"^filter\."])?;
        if names.cut {
            return None;
        }
        let names = String::from_utf8(names.bytes).ok()?;
        for (filter, _) in names.split_terminator('\0').filter_map(|name| name.rsplit_once('.')) {
            // A key ends at the first of these.
            if filter.contains('=') {
                return None;
            }
            self.settings
                .extend(["clean=", "smudge=", "process=", "required=false"].map(|rest| format!("{filter}.{rest}")));
        }
        Some(())
    }

    /// The one line that git prints; nothing where it fails.
    fn line(&self, arguments: &[&str]) -> Option<String> {
        let answer = self.ask(arguments).filter(|answer| answer.sound)?;
        Some(String::from_utf8_lossy(&answer.bytes).trim().to_owned()).filter(|line| !line.is_empty())
    }

    fn ask(&self, arguments: &[&str]) -> Option<Answer> {
        let mut command = Command::new("git");
        // Where git runs inside of another repository's hook, its variables name that one.
        let inherited = std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_git(name));
        inherited.for_each(|name| {
            command.env_remove(name);
        });
        command
            .envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_LAZY_FETCH", "1")])
            .envs([("GIT_ALLOW_PROTOCOL", "none"), ("LC_ALL", "C")])
            .arg("-C")
            .arg(self.directory)
            .args(["--no-pager", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null"])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut git = Ended(command.spawn().ok()?);
        let output = git.0.stdout.take()?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes);
            let _ = sender.send(read.map(|_| bytes));
        });
        let left = self.end.saturating_duration_since(Instant::now());
        let mut bytes = receiver.recv_timeout(left).ok()?.ok()?;
        let cut = bytes.len() > MOST_BYTES;
        bytes.truncate(MOST_BYTES);
        let sound = !cut && git.is_content(self.end);
        Some(Answer { bytes, cut, sound })
    }
}

fn is_of_git(variable: &OsStr) -> bool {
    variable.as_encoded_bytes().starts_with(b"GIT_") && variable != "GIT_CEILING_DIRECTORIES"
}

/// A process that is ended with this.
struct Ended(Child);

impl Ended {
    /// Whether it ends well until then.
    fn is_content(&mut self, end: Instant) -> bool {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
                _ => return false,
            }
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A repository with one commit, where git is at hand.
    fn repository() -> Option<tempfile::TempDir> {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a.yaml"), "one\n").unwrap();
        let sound =
            git(place.path(), &["init", "--quiet", "--initial-branch=trunk"]) && git(place.path(), &["add", "."]);
        (sound && git(place.path(), &["commit", "--quiet", "--message=first"])).then_some(place)
    }

    fn git(place: &Path, arguments: &[&str]) -> bool {
        let mut command = Command::new("git");
        command.current_dir(place).args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    #[test]
    fn a_repository_is_told_with_what_was_changed() {
        let Some(place) = repository() else { return };
        let clean = Repository::around(place.path()).unwrap();
        assert_eq!((clean.commit.len(), clean.branch.as_deref(), clean.changes), (40, Some("trunk"), Changes::None));
        fs::write(place.path().join("new.yaml"), "untracked\n").unwrap();
        assert_eq!(Repository::around(place.path()).unwrap().changes, Changes::None);
        fs::write(place.path().join("a.yaml"), "two\n").unwrap();
        let Changes::Diff(diff, false) = Repository::around(place.path()).unwrap().changes else { panic!() };
        let diff = String::from_utf8(diff).unwrap();
        assert!(diff.contains("+++ b/a.yaml\n") && diff.ends_with("-one\n+two\n"), "{diff}");
        assert!(git(place.path(), &["checkout", "--quiet", "--detach"]));
        assert_eq!(Repository::around(place.path()).unwrap().branch, None);
        assert_eq!(Repository::around(Path::new("/")), None);
        assert_eq!(Repository::around(&place.path().join("nowhere")), None);
    }

    #[test]
    fn much_is_cut_off_at_a_line() {
        let Some(place) = repository() else { return };
        fs::write(place.path().join("a.yaml"), "a line\n".repeat(1 << 18)).unwrap();
        let Changes::Diff(diff, true) = Repository::around(place.path()).unwrap().changes else { panic!() };
        let diff = String::from_utf8(diff).unwrap();
        assert!(diff.ends_with("+a line\n[cut off: the changes take more than 1048576 bytes]\n"));
        assert!(diff.len() < MOST_BYTES + 100);
    }

    #[test]
    fn a_repository_runs_no_program_of_its_own() {
        let Some(place) = repository() else { return };
        let (root, trap) = (place.path(), place.path().join("sprung"));
        let script = root.join("trap");
        fs::write(&script, format!("#!/bin/sh\ntouch '{}'\ncat\n", trap.display())).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let program = script.to_str().unwrap();
        for hook in ["post-index-change", "fsmonitor-watchman", "pre-commit"] {
            fs::create_dir_all(root.join(".git/hooks")).unwrap();
            fs::copy(&script, root.join(".git/hooks").join(hook)).unwrap();
        }
        fs::write(root.join(".git/info/attributes"), "* filter=trap diff=trap\n").unwrap();
        for (key, value) in [
            ("filter.trap.clean", program),
            ("filter.trap.process", program),
            ("filter.trap.required", "true"),
            ("diff.trap.command", program),
            ("diff.trap.textconv", program),
            ("diff.external", program),
            ("core.fsmonitor", program),
            ("core.pager", program),
            ("core.hooksPath", ".git/hooks"),
        ] {
            assert!(git(root, &["config", key, value]));
        }
        fs::write(root.join("a.yaml"), "two\n").unwrap();
        assert!(matches!(Repository::around(root).unwrap().changes, Changes::Diff(_, false)));
        assert!(!trap.exists());
        assert!(git(root, &["config", "filter.a=b.clean", program]));
        assert_eq!(Repository::around(root).unwrap().changes, Changes::Unknown);
        assert!(!trap.exists());
    }

    #[test]
    fn git_is_not_waited_for() {
        let git = Git { directory: Path::new("."), settings: Vec::new(), end: Instant::now() };
        assert!(git.ask(&["help"]).is_none());
        let mut slow = Ended(Command::new("sleep").arg("60").spawn().unwrap());
        assert!(!slow.is_content(Instant::now() + Duration::from_millis(5)));
    }
}
