//! An empty directory, and the real program called in it.

#[allow(dead_code)] // not every test interrupts
pub mod net;

use assert_cmd::Command;
use std::{fs, path::PathBuf, process};

/// Threads that wait for each other by spinning take from the other tests what these compute with.
pub const WAITING: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

/// The program; another binary, where these tests are carried to another machine.
fn program() -> PathBuf {
    std::env::var_os("TRAINYARD").map_or_else(|| assert_cmd::cargo::cargo_bin("trainyard"), PathBuf::from)
}

/// A pipeline that trains in a fraction of a second.
#[allow(dead_code)] // not every test runs it
pub const SMALL: &str = "\
version: 1
name: small
threads: 1
dataset:
  source: digits
  validation: {split: 0.2}
  train: [cache, shuffle, {batch: 64}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 10}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
";

/// An empty directory to work in.
pub struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Bench { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, and the folders around it; gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        Command::from_std(self.process(arguments))
    }

    /// The program as a process that can be started and left to itself, to be killed or told to stop.
    pub fn process(&self, arguments: &[&str]) -> process::Command {
        let mut command = process::Command::new(program());
        command.current_dir(self.directory.path()).env_remove("TRAINYARD_DATA").args(arguments);
        // Nobody listens there, and nothing is kept there.
        command.env("TRAINYARD_MIRROR", "http://127.0.0.1:1").env("XDG_CACHE_HOME", self.path("cache"));
        command.env(WAITING.0, WAITING.1);
        command
    }

    /// Exit code, stdout, stderr.
    pub fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}
