//! The examples in the codes' documentation, tried out.

use super::{Checked, Options, check_all};
use crate::{
    diagnostic::{EXAMPLE_BASE, Example},
    source::Surroundings,
};
use std::{fs, io, path::PathBuf};

/// What a check says of an example; names in it are those of the example. The machine and the data are looked at where
/// there are `surroundings`.
///
/// # Errors
/// Where the files of the example cannot be written.
pub fn try_out(example: &Example, surroundings: Option<&Surroundings<'_>>) -> io::Result<Vec<Checked>> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str| directory.path().join(name);
    let (pipeline, command) = match example {
        Example::Pipeline(text) => (text.as_str(), "trainyard check example.yaml"),
        Example::Command(command) => ("", command.trim()),
    };
    let extends = if pipeline.starts_with("extends:") { "" } else { "extends: base.yaml\n" };
    fs::write(file("base.yaml"), EXAMPLE_BASE)?;
    fs::write(file("example.yaml"), format!("{extends}{pipeline}"))?;
    let mut words = command.split(' ').skip(2);
    let (mut files, mut sets): (Vec<PathBuf>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word {
            "--set" => sets.extend(words.next().map(str::to_owned)),
            name => files.push(file(name)),
        }
    }
    let runs = file("runs");
    let runs = surroundings.is_some().then_some(&*runs);
    let mut all = check_all(&files, &Options { sets: &sets, surroundings, runs, ..Options::default() });
    for checked in &mut all {
        checked.sources.call_relative_to(directory.path());
        for problem in &mut checked.problems {
            problem.message = problem.message.replace(&format!("{}/", directory.path().display()), "");
        }
    }
    Ok(all)
}
