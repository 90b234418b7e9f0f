//! `trainyard compare`

use super::{Ending, context::Output};
use crate::{
    diagnostic::Result,
    report::{
        comparison::{self, Compared, Comparison, Form},
        guarded,
    },
    run::write_atomically,
};
use std::path::PathBuf;

/// `trainyard compare RUN RUN...`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard compare runs/digits/20261123-230512-7f3a runs/digits/20261124-081403-c0de\n  trainyard \
                  compare baseline wider --html comparison.html\n\nNAME is the latest run of that name."
)]
pub struct Arguments {
    /// The runs, each by its directory or by NAME; the others are set against the first.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Write a page with charts, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print Markdown.
    #[arg(long, conflicts_with = "json")]
    md: bool,
    /// How many examples that changed sides to name, in each direction; the page has up to ten times as many.
    #[arg(long, default_value_t = 5, value_name = "N")]
    examples: usize,
}

/// Sets runs against the first of them.
pub fn compare(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let read = |wanted: &PathBuf| Compared::read(&output.find_run(wanted)?);
    let runs = arguments.runs.iter().map(read).collect::<Result<Vec<_>>>()?;
    let comparison = guarded(|| Ok(Comparison::new(&runs)))?;
    if let Some(path) = &arguments.html {
        let page = guarded(|| comparison::page(&comparison, arguments.examples.saturating_mul(10)))?;
        write_atomically(path, page.as_bytes())?;
    }
    if output.json {
        println!("{}", serde_json::to_string_pretty(&comparison).expect("plain data"));
        return Ok(Ending::Done);
    }
    let form = if arguments.md { Form::Markdown } else { Form::Terminal };
    print!("{}", guarded(|| Ok(comparison::text(&comparison, form, arguments.examples)))?);
    if let Some(path) = arguments.html.as_ref().filter(|_| !arguments.md) {
        println!("\npage: {}", path.display());
    }
    Ok(Ending::Done)
}
