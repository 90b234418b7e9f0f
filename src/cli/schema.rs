//! `trainyard schema`

use super::Ending;
use crate::{diagnostic::Result, run::write_atomically, spec::schema};
use std::path::PathBuf;

/// `trainyard schema [--output FILE]`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard schema --output schemas/pipeline.schema.json")]
pub struct Arguments {
    /// Write it to a file instead.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints the schema.
pub fn schema(arguments: &Arguments) -> Result<Ending> {
    let text = schema::published();
    match &arguments.output {
        Some(path) => write_atomically(path, text.as_bytes())?,
        None => print!("{text}"),
    }
    Ok(Ending::Done)
}
