//! `trainyard check`

use super::{Ending, LintArguments, context::Output};
use crate::{
    check::Options,
    diagnostic::{Result, Severity},
};
use std::path::PathBuf;

/// `trainyard check FILE...`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard check pipelines/*.yaml")]
pub struct Arguments {
    /// The pipelines.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Override a value: `training.epochs=5`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
    /// Look at the data too: that it is there, its classes, its sizes.
    #[arg(long)]
    deep: bool,
}

/// Checks every file and tells everything that is wrong.
pub fn check(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let mut ending = Ending::Done;
    for file in &arguments.files {
        let options = Options { sets: &arguments.set, ..arguments.lints.options() };
        let checked = if arguments.deep {
            output.with_surroundings(None, |surroundings| {
                output.check(file, &Options { surroundings: Some(surroundings), ..options })
            })
        } else {
            output.check(file, &options)
        };
        if !checked.is_sound() {
            ending = Ending::Invalid;
        } else if !output.quiet {
            match checked.count(Severity::Warning) {
                0 => println!("{}: no mistakes found", file.display()),
                1 => println!("{}: no mistakes found, 1 warning", file.display()),
                n => println!("{}: no mistakes found, {n} warnings", file.display()),
            }
        }
    }
    Ok(ending)
}
