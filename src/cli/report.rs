//! `trainyard report`

use super::{Ending, context::Output};
use crate::{
    diagnostic::{Result, io_error},
    report::{markdown, render, results},
    run::RunDirectory,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// `trainyard report RUN`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  trainyard report runs/digits/20261123-230512-7f3a --open\n  \
                        trainyard report runs/digits/20261123-230512-7f3a --format md >> $GITHUB_STEP_SUMMARY")]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
    /// `html` writes `report.html` into the run; `md` and `json` go to stdout.
    #[arg(long, default_value = "html", value_name = "FORMAT")]
    format: Format,
    /// Show it in the browser.
    #[arg(long, conflicts_with = "format")]
    open: bool,
}

/// What the report is written as.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Html,
    Md,
    Json,
}

/// Renders `report.html` from the run's record.
pub fn write_report(directory: &RunDirectory) -> Result<PathBuf> {
    directory.write("report.html", render(&directory.read()?)?.as_bytes())?;
    Ok(directory.file("report.html"))
}

/// Renders the report again.
pub fn report(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let directory = output.find_run(&arguments.run)?;
    match arguments.format {
        Format::Md => print!("{}", markdown(&directory.read()?)?),
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(&results(&directory.read()?)).expect("plain data"));
        }
        Format::Html => {
            let path = write_report(&directory)?;
            match output.json {
                true => println!("{}", serde_json::json!({ "report": path.display().to_string() })),
                false => println!("{}", path.display()),
            }
            if arguments.open {
                open(&path)?;
            }
        }
    }
    Ok(Ending::Done)
}

/// Hands a file to the program that the user shows such files with.
fn open(path: &Path) -> Result<()> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = Command::new(program).arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.map(|_| ()).map_err(|error| {
        let problem = io_error("open", path, &error);
        Box::new(problem.help(format!("`{program}` shows it where it is installed; or open the file in a browser")))
    })
}
