//! The command line: the only place that prints results.

// Whoever read our output may have gone away, `| head`; that is no mistake, and no reason to end a run. These take the place
// of the standard library's, which end the process.
macro_rules! println {
    ($($text:tt)*) => {{ use std::io::Write as _; let _ = writeln!(std::io::stdout(), $($text)*); }};
}
macro_rules! print {
    ($($text:tt)*) => {{ use std::io::Write as _; let _ = write!(std::io::stdout(), $($text)*); }};
}
macro_rules! eprint {
    ($($text:tt)*) => {{ use std::io::Write as _; let _ = write!(std::io::stderr(), $($text)*); }};
}
macro_rules! eprintln {
    ($($text:tt)*) => {{ use std::io::Write as _; let _ = writeln!(std::io::stderr(), $($text)*); }};
}

mod check;
mod compare;
mod context;
mod data;
mod diff;
mod evaluate;
mod explain;
mod lock;
mod lr_find;
mod new;
mod opening;
mod outcome;
mod plan;
mod predict;
mod report;
mod reproduce;
mod run;
mod runs;
mod schema;
mod summary;

use crate::{
    check::Options,
    device,
    diagnostic::{Code, Diagnostic, SourceMap},
};
use clap::{Args, Parser, Subcommand};
use context::{Output, stopped_by};
use std::{io::Write, path::PathBuf};

/// Image-classification experiments from one YAML file: checked, trained with libtorch, reported.
#[derive(Parser)]
#[command(
    name = "trainyard",
    version,
    after_help = "Example:\n  trainyard run pipelines/digits.yaml\n\nExit codes: 0 done; 1 failed; 2 the pipeline or the command line is \
                  invalid; 3 an expectation or a \
                  reproduction was not met; 130 \
                  interrupted (143 by `kill`), with a checkpoint saved."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Say nothing but results and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Where data is looked for and downloaded to.
    #[arg(long, global = true, env = "TRAINYARD_DATA", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where runs are kept.
    #[arg(long, global = true, default_value = "runs", value_name = "DIR")]
    runs_dir: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Write a commented pipeline to begin from.
    New(new::Arguments),
    /// Find every mistake of pipelines before training.
    Check(check::Arguments),
    /// Say what a key of the language or the code of a message means.
    Explain(explain::Arguments),
    /// Say what a run would do: resolved values, shapes, steps, memory, time.
    Plan(plan::Arguments),
    /// Check, train, evaluate and report.
    Run(run::Arguments),
    /// Write the lock of a run: what a pipeline must reproduce.
    Lock(lock::Arguments),
    /// Run a pipeline again and compare it with its lock, bit for bit or within tolerances.
    Reproduce(reproduce::Arguments),
    /// Raise the learning rate step by step and propose one to train with.
    LrFind(lr_find::Arguments),
    /// Show the layers with their shapes, parameters and operations.
    Summary(summary::Arguments),
    /// Show what differs between two pipelines by meaning.
    Diff(diff::Arguments),
    /// Compare finished runs: what differs, figures, curves, and whether the difference is more than chance.
    Compare(compare::Arguments),
    /// List, show, choose and prune runs.
    Runs(runs::Arguments),
    /// Print the JSON schema of pipelines.
    Schema(schema::Arguments),
    /// List, fetch, inspect and verify data.
    Data(data::Arguments),
    /// Render the report of a run again.
    Report(report::Arguments),
    /// Say what is on images, by the model of a run.
    Predict(predict::Arguments),
    /// Evaluate the model of a run on its test data.
    Evaluate(evaluate::Arguments),
}

/// A pipeline file with what overrides it.
#[derive(Args)]
struct PipelineArguments {
    /// The pipeline.
    file: PathBuf,
    /// Override a value: `training.epochs=5`, `model.layers[1].conv2d.filters=64`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    lints: LintArguments,
}

/// Which warnings are told, and which are errors.
#[derive(Args)]
struct LintArguments {
    /// Don't tell the warnings of this code: `validation-on-test`.
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Make errors of the warnings of this code, or of all: `--deny warnings`.
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,
}

impl PipelineArguments {
    fn options(&self) -> Options<'_> {
        Options { sets: &self.set, ..self.lints.options() }
    }
}

impl LintArguments {
    fn options(&self) -> Options<'_> {
        Options { allow: &self.allow, deny: &self.deny, ..Options::default() }
    }
}

/// How a command ended; of several, the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Done,
    NotMet,
    Invalid,
    Failed,
    Interrupted,
}

impl Ending {
    /// How a command ended that failed so.
    fn of(problem: &Diagnostic) -> Self {
        match problem.code {
            Code::CANNOT_RESUME | Code::WORLD_SIZE => Ending::Invalid,
            Code::LOCK_DRIFT => Ending::NotMet,
            _ if stopped_by() != 0 => Ending::Interrupted,
            _ => Ending::Failed,
        }
    }
}

/// Runs the program.
pub fn main() -> ! {
    let arguments = Arguments::parse();
    quiet_panics();
    let output = Output {
        rank: 0,
        quiet: arguments.quiet,
        json: arguments.json,
        data_directory: arguments.data_dir,
        runs_directory: arguments.runs_dir,
    };
    let result = match arguments.command {
        Command::New(a) => new::new(&a, &output),
        Command::Check(a) => check::check(&a, &output),
        Command::Explain(a) => explain::explain(&a, &output),
        Command::Plan(a) => plan::plan(&a, &output),
        Command::Run(a) => run::run(&a, &output),
        Command::Lock(a) => lock::lock(&a, &output),
        Command::Reproduce(a) => reproduce::reproduce(&a, &output),
        Command::LrFind(a) => lr_find::lr_find(&a, &output),
        Command::Summary(a) => summary::summary(&a, &output),
        Command::Diff(a) => diff::diff(&a, &output),
        Command::Compare(a) => compare::compare(&a, &output),
        Command::Runs(a) => runs::runs(&a, &output),
        Command::Schema(a) => schema::schema(&a),
        Command::Data(a) => data::data(&a, &output),
        Command::Report(a) => report::report(&a, &output),
        Command::Predict(a) => predict::predict(&a, &output),
        Command::Evaluate(a) => evaluate::evaluate(&a, &output),
    };
    let ending = result.unwrap_or_else(|problem: Box<Diagnostic>| {
        output.tell(&SourceMap::default(), &problem);
        Ending::of(&problem)
    });
    let code = match ending {
        Ending::Done => 0,
        Ending::Failed => 1,
        Ending::Invalid => 2,
        Ending::NotMet => 3,
        Ending::Interrupted => 128 + stopped_by() as u8,
    };
    // A pipe that nobody reads any more is no reason to say anything.
    let _ = std::io::stdout().flush();
    device::leave(code)
}

/// A panic is a mistake of ours: say so in a sentence, without a backtrace.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        eprintln!("error: trainyard made a mistake: {}{place}", text.lines().next().unwrap_or_default());
        eprintln!("  = help: please report this line with the pipeline that led to it");
    }));
}
