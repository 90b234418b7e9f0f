//! `trainyard check`

use super::{Ending, LintArguments, context::Output};
use crate::{
    check::{Checked, Options, check_all},
    diagnostic::{
        Result, Severity,
        format::{self, Findings},
    },
    source::Surroundings,
};
use std::path::{Path, PathBuf};

/// `trainyard check FILE...`
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  trainyard check pipelines/*.yaml\n  trainyard check --format sarif pipelines/*.yaml > check.sarif"
)]
pub struct Arguments {
    /// The pipelines.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Override a value: `training.epochs=5`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
    /// Look at the data too: that it is there, its classes, its sizes; and at what expectations are measured against.
    #[arg(long)]
    deep: bool,
    /// How to tell what was found; all but `human` go to standard output, as one document. `--json` means `json`.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// How findings are told.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    /// For people, in the look of rustc.
    Human,
    /// All that is known, as JSON.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
}

/// Checks every file and tells everything that is wrong.
pub fn check(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let format = arguments.format.unwrap_or(if output.json { Format::Json } else { Format::Human });
    let check = |surroundings: Option<&Surroundings<'_>>| {
        let runs = surroundings.is_some().then_some(&*output.runs_directory);
        check_all(&arguments.files, &Options { sets: &arguments.set, surroundings, runs, ..arguments.lints.options() })
    };
    let all = if arguments.deep { output.with_surroundings(None, |s| check(Some(s))) } else { check(None) };
    if format == Format::Human {
        arguments.files.iter().zip(&all).for_each(|(file, checked)| conclude(file, checked, output));
    } else {
        print!("{}", document(format, &arguments.files, &all));
    }
    Ok(if all.iter().all(Checked::is_sound) { Ending::Done } else { Ending::Invalid })
}

/// Tells people what was found in one file.
fn conclude(file: &Path, checked: &Checked, output: &Output) {
    output.tell_all(file, checked);
    if checked.is_sound() && !output.quiet {
        match checked.count(Severity::Warning) {
            0 => println!("{}: no mistakes found", file.display()),
            1 => println!("{}: no mistakes found, 1 warning", file.display()),
            n => println!("{}: no mistakes found, {n} warnings", file.display()),
        }
    }
}

/// Everything that was found, as one document; nothing for people, who are told otherwise.
fn document(format: Format, files: &[PathBuf], all: &[Checked]) -> String {
    let findings: Vec<Findings<'_>> = files
        .iter()
        .zip(all)
        .map(|(file, checked)| Findings {
            file,
            sound: checked.is_sound(),
            sources: &checked.sources,
            problems: &checked.problems,
        })
        .collect();
    let root = std::env::current_dir().unwrap_or_default();
    match format {
        Format::Human => String::new(),
        Format::Json => format::json(&findings),
        Format::Github => format::github(&findings, &root),
        Format::Sarif => format::sarif(&findings, &root),
    }
}
