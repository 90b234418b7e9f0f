//! `trainyard diff`

use super::{Ending, context::Output};
use crate::{
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    run::RunDirectory,
    spec::{
        self,
        difference::{Difference, Side, differences},
        load::Sound,
        schema,
        tree::{Step, display_path},
    },
};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

/// `trainyard diff A B`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard diff pipelines/cifar10.yaml pipelines/cifar10-folder.yaml\n  trainyard diff \
                        runs/digits/20261123-230512-7f3a pipelines/digits.yaml"
)]
pub struct Arguments {
    /// A pipeline; or a run, by its directory or by NAME for the latest one of that name.
    a: PathBuf,
    /// Another one.
    b: PathBuf,
    /// Override a value of B: `training.epochs=5`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// End with exit code 1 where they differ.
    #[arg(long)]
    exit_code: bool,
}

/// A pipeline with the texts that it was read from.
struct Opened {
    sources: SourceMap,
    sound: Sound,
}

/// Shows what differs between two pipelines by meaning.
pub fn diff(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let (a, b) = (open(&arguments.a, &[], output), open(&arguments.b, &arguments.set, output));
    let (Some(a), Some(b)) = (a, b) else { return Ok(Ending::Invalid) };
    let value = |opened: &Opened| serde_json::to_value(&opened.sound.pipeline).expect("a pipeline is plain data");
    let mut found = differences(&value(&a), &value(&b), schema::full());
    // Names that only the files' names give mean nothing.
    found.retain(|difference| difference.path() != [Step::from("name")] || [&a, &b].iter().any(|o| o.names_itself()));
    if output.json {
        let all: Vec<Json> = found.iter().map(|difference| entry(difference, &a, &b)).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "differences": all })).expect("plain data"));
    } else if found.is_empty() {
        println!("no difference in meaning");
    } else {
        for difference in &found {
            let places: Vec<String> =
                [difference.before().map(|side| a.shown(side)), difference.after().map(|s| b.shown(s))]
                    .into_iter()
                    .flatten()
                    .collect();
            println!("{difference}   ({})", places.join(" -> "));
        }
    }
    Ok(if arguments.exit_code && !found.is_empty() { Ending::Failed } else { Ending::Done })
}

/// Reads a pipeline, or tells what is wrong with it.
fn open(path: &Path, sets: &[String], output: &Output) -> Option<Opened> {
    let run = if path.is_file() { None } else { output.find_run(path).ok() };
    let file = match run {
        Some(run) => pipeline_of(run.path()),
        None if path.is_dir() => pipeline_of(path),
        None => Ok(path.to_owned()),
    };
    let file = file.map_err(|problem| output.tell(&SourceMap::default(), &problem)).ok()?;
    let loaded = spec::load(&file, sets);
    for problem in &loaded.problems {
        output.tell(&loaded.sources, problem);
    }
    Some(Opened { sources: loaded.sources, sound: loaded.pipeline? })
}

/// The resolved pipeline of a run.
fn pipeline_of(run: &Path) -> Result<PathBuf> {
    let file = RunDirectory::open(run)?.file("resolved.yaml");
    if file.is_file() {
        return Ok(file);
    }
    let problem = Diagnostic::error(Code::BAD_RUN, format!("{} has no resolved.yaml", run.display()));
    Err(Box::new(problem.help("name a pipeline file instead, such as the `pipeline.yaml` in there")))
}

impl Opened {
    /// Where the value at `path` was written, by the text's name and the line; `None` for a default.
    fn written(&self, path: &[Step]) -> Option<(&str, Option<usize>)> {
        let mut node = &self.sound.tree;
        for step in path {
            // What loading filled in stands at the place of the whole.
            if let Step::Key(key) = step
                && node.entry(key).is_some_and(|entry| entry.key_place == self.sound.tree.place)
            {
                return None;
            }
            node = node.step(step)?;
        }
        let place = self.sound.tree.place_of(path).place;
        let text = self.sources.text(place.text);
        Some((&text.name, text.path.is_some().then(|| self.sources.line(place))))
    }

    fn names_itself(&self) -> bool {
        self.written(&[Step::from("name")]).is_some()
    }

    fn shown(&self, side: &Side) -> String {
        match self.written(&side.path) {
            None => "default".to_owned(),
            Some((name, None)) => name.to_owned(),
            Some((name, Some(line))) => format!("{name}:{line}"),
        }
    }

    fn entry(&self, side: &Side) -> Json {
        let written = self.written(&side.path).map(|(file, line)| json!({ "file": file, "line": line }));
        json!({ "path": display_path(&side.path), "value": side.value, "written": written })
    }
}

/// A difference for other programs: `old` is null where something was added, `new` where it was removed.
fn entry(difference: &Difference, a: &Opened, b: &Opened) -> Json {
    json!({
        "path": display_path(difference.path()),
        "old": difference.before().map(|side| a.entry(side)),
        "new": difference.after().map(|side| b.entry(side)),
    })
}
