//! `trainyard report`

use super::{Ending, context::Output};
use crate::{diagnostic::Result, report::render, run::RunDirectory};
use std::path::PathBuf;

/// `trainyard report RUN`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard report runs/digits/20261123-230512-7f3a")]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
}

/// Renders `report.html` from the run's record.
pub fn write_report(directory: &RunDirectory) -> Result<PathBuf> {
    directory.write("report.html", render(&directory.read()?)?.as_bytes())?;
    Ok(directory.file("report.html"))
}

/// Renders the report again.
pub fn report(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let path = write_report(&output.find_run(&arguments.run)?)?;
    if output.json {
        println!("{}", serde_json::json!({ "report": path }));
    } else {
        println!("{}", path.display());
    }
    Ok(Ending::Done)
}
