//! `trainyard data list | fetch | inspect | verify`

use super::{
    Ending, PipelineArguments,
    context::{Output, stop_flag},
    opening::splits,
};
use crate::{
    check::Options,
    data::{Feed, Split, Statistics, augmented, inspect, strips, unreadable},
    diagnostic::{Code, Diagnostic, Result, SourceMap, nearest},
    model::normalized,
    report,
    run::{Inspection, Values, write_atomically},
    source::{Dataset, Source},
    spec::{
        Pipeline,
        reference::{Role, reference},
    },
    text::{Table, brief, printable, thousands},
};
use std::{fmt::Write, path::PathBuf};

/// `trainyard data ...`
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the sources that there are.
    List,
    /// Find a source's data, or download them, and say where they lie.
    #[command(after_help = "Example:\n  trainyard data fetch cifar10 --data-dir data")]
    Fetch {
        /// The source, such as `cifar10`.
        name: String,
    },
    /// Look at the data of a pipeline: counts, values, copies, some images.
    #[command(after_help = "Example:\n  trainyard data inspect pipelines/cifar10.yaml --html data.html")]
    Inspect {
        #[command(flatten)]
        pipeline: PipelineArguments,
        /// Write a page with images, too.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Read every example of a pipeline's data and name those that cannot be read.
    #[command(after_help = "Example:\n  trainyard data verify pipelines/cifar10-folder.yaml")]
    Verify {
        #[command(flatten)]
        pipeline: PipelineArguments,
    },
}

/// Shows, fetches or checks data.
pub fn data(arguments: &Arguments, output: &Output) -> Result<Ending> {
    match &arguments.what {
        What::List => list(output),
        What::Fetch { name } => fetch(name, output),
        What::Inspect { pipeline, html } => inspect_pipeline(pipeline, html.as_ref(), output),
        What::Verify { pipeline } => verify(pipeline, output),
    }
}

fn list(output: &Output) -> Result<Ending> {
    let sources = reference().items.iter().filter(|item| item.role == Role::Member("source"));
    if output.json {
        let all: Vec<_> =
            sources.map(|item| serde_json::json!({ "name": item.name(), "what": item.description() })).collect();
        println!("{}", serde_json::to_string_pretty(&all).expect("plain data"));
        return Ok(Ending::Done);
    }
    let mut table = Table::bare("<<");
    for item in sources {
        table.row(&[item.name(), item.description().split("\n\n").next().unwrap_or_default()]);
    }
    print!("{table}");
    Ok(Ending::Done)
}

/// A source of that name with the defaults of its arguments.
fn source(name: &str) -> Result<Source> {
    let item = serde_json::json!({ name: {} });
    serde_json::from_value(item).map_err(|_| {
        let known = Source::NAMES.contains(&name);
        let problem = match known {
            true => Diagnostic::error(Code::MISSING_KEY, format!("`{name}` needs arguments"))
                .help(format!("`trainyard explain {name}` lists them; `data inspect FILE` looks at a pipeline's data")),
            false => Diagnostic::error(Code::UNKNOWN_SOURCE, format!("unknown source `{name}`")),
        };
        Box::new(match nearest(name, Source::NAMES.iter().copied()).filter(|_| !known) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("`trainyard data list` lists the sources"),
        })
    })
}

fn fetch(name: &str, output: &Output) -> Result<Ending> {
    let source = match source(name) {
        Ok(source) => source,
        Err(problem) => {
            output.tell(&SourceMap::default(), &problem);
            return Ok(Ending::Invalid);
        }
    };
    let dataset = output.with_surroundings(None, |surroundings| source.open(surroundings))?;
    if output.json {
        let found = serde_json::json!({
            "source": name, "location": dataset.location, "digest": dataset.digest, "classes": dataset.classes,
            "target": dataset.target,
            "shape": dataset.form.shape(), "train": dataset.train.len(), "test": dataset.test.len(),
        });
        println!("{}", serde_json::to_string_pretty(&found).expect("plain data"));
    } else {
        print!("{}", facts(name, &dataset));
    }
    Ok(Ending::Done)
}

fn facts(name: &str, dataset: &Dataset) -> String {
    let mut table = Table::bare("<<");
    table.row(&["source", name]);
    table.row(&["location", if dataset.location.is_empty() { "built in" } else { &dataset.location }]);
    table.row(&["digest", &format!("sha256:{}", dataset.digest)]);
    table.row(&["shape", &format!("{:?}, {}", dataset.form.shape(), dataset.form.dtype())]);
    match &dataset.target {
        Some(target) => table.row(&["predicted", target]),
        None => table.row(&["classes", &dataset.classes.len().to_string()]),
    }
    table.row(&["training", &thousands(dataset.train.len() as u64)]);
    table.row(&["test", &thousands(dataset.test.len() as u64)]);
    table.to_string()
}

/// The pipeline with its data, or nothing where it isn't sound.
fn opened(arguments: &PipelineArguments, output: &Output) -> Result<Option<(Pipeline, Dataset)>> {
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(&arguments.file, &Options { surroundings: Some(surroundings), ..arguments.options() })
    });
    let sound = checked.is_sound();
    let Some(pipeline) = checked.pipeline.filter(|_| sound).map(|sound| sound.pipeline) else { return Ok(None) };
    let dataset = output.with_surroundings(None, |surroundings| pipeline.dataset.source.open(surroundings))?;
    Ok(Some((pipeline, dataset)))
}

/// Looks at the splits that a run of `pipeline` would use.
///
/// # Errors
/// Where the user wants to stop.
pub fn look(pipeline: &Pipeline, dataset: &Dataset, thoroughly: bool) -> Result<Inspection> {
    let (train, validation, kind) = splits(pipeline, dataset);
    let mut all: Vec<Split<'_>> = vec![("train", &*train)];
    all.extend(validation.as_deref().filter(|_| kind != "test").map(|examples| ("validation", examples)));
    all.push(("test", &*dataset.test));
    let mut inspection = inspect(dataset, &all, thoroughly, stop_flag())?;
    if let Some(values) = inspection.splits.first().and_then(|split| split.values.as_ref()).map(Statistics::from) {
        for split in &mut inspection.splits {
            let own = split.values.as_ref().map(Statistics::from);
            split.normalized = own.and_then(|own| normalized(&pipeline.model.layers, &own, &values)).map(Values::from);
        }
    }
    if let Some(split) = inspection.splits.first_mut() {
        let stages = &pipeline.dataset.train;
        let feed = Feed::new(dataset, train.clone(), "train");
        split.augmented = augmented(&feed, stages, "dataset.train", pipeline.seed, &split.sample);
        split.strips = strips(&feed, stages, "dataset.train", pipeline.seed, &split.sample);
    }
    Ok(inspection)
}

fn inspect_pipeline(arguments: &PipelineArguments, html: Option<&PathBuf>, output: &Output) -> Result<Ending> {
    let Some((pipeline, dataset)) = opened(arguments, output)? else { return Ok(Ending::Invalid) };
    let inspection = look(&pipeline, &dataset, true)?;
    if let Some(path) = html {
        write_atomically(path, report::data_page(&pipeline.name, &inspection)?.as_bytes())?;
    }
    if output.json {
        println!("{}", serde_json::to_string_pretty(&inspection).expect("plain data"));
        return Ok(Ending::Done);
    }
    println!("{}", facts(pipeline.dataset.source.name(), &dataset));
    print!("{}", shown(&inspection));
    if let Some(path) = html {
        println!("\nimages: {}", path.display());
    }
    Ok(Ending::Done)
}

/// An inspection as text.
fn shown(inspection: &Inspection) -> String {
    let mut text = String::new();
    if inspection.features.is_empty() {
        let mut splits = Table::new(&["split", "examples", "values", "mean", "standard deviation"], "<><<<");
        let list = |values: &[f64]| values.iter().map(|&value| brief(value)).collect::<Vec<_>>().join(", ");
        for split in &inspection.splits {
            let mut row = |name: &str, examples: String, values: Option<&Values>| {
                let values = values.cloned().unwrap_or_default();
                let range = values.range();
                let range = if values.least.is_empty() {
                    String::new()
                } else {
                    format!("{} to {}", brief(range[0]), brief(range[1]))
                };
                splits.row(&[name, &examples, &range, &list(&values.mean), &list(&values.deviation)]);
            };
            row(&split.name, thousands(split.examples as u64), split.values.as_ref());
            if split.normalized.is_some() {
                row("  to the model", String::new(), split.normalized.as_ref());
            }
        }
        let _ = write!(text, "{splits}");
    } else {
        let _ = write!(text, "{}", feature_table(inspection));
    }
    if inspection.splits.iter().any(|split| split.sizes.is_some()) {
        text.push('\n');
    }
    for split in &inspection.splits {
        let Some([small, large]) = &split.sizes else { continue };
        let sizes = match small.size() == large.size() {
            true => format!("all {}", small.size()),
            false => format!("{} ({}) to {} ({})", small.size(), small.name, large.size(), large.name),
        };
        let _ = writeln!(text, "sizes in {}: {sizes}", split.name);
    }
    let labels = if inspection.target.is_some() { targets(inspection) } else { balance(inspection) };
    let _ = write!(text, "\n{labels}");
    if let Some(found) = &inspection.duplicates {
        let _ = writeln!(text, "\ncopies: {}", found.summary());
        for example in &found.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    for split in inspection.splits.iter().filter(|split| split.unreadable > 0) {
        let _ = writeln!(text, "\nunreadable in {}: {}", split.name, split.unreadable);
        for reason in &split.reasons {
            let _ = writeln!(text, "  {reason}");
        }
    }
    text
}

/// The features of a table, as the training data have them.
fn feature_table(inspection: &Inspection) -> Table {
    let mut table = Table::new(&["feature", "least", "most", "mean", "standard deviation"], "<>>>>");
    let values = inspection.splits.first().and_then(|split| split.values.clone()).unwrap_or_default();
    for (index, name) in inspection.features.iter().enumerate() {
        let of = |list: &[f64]| list.get(index).map(|&value| brief(value)).unwrap_or_default();
        table.row(&[name, &of(&values.least), &of(&values.most), &of(&values.mean), &of(&values.deviation)]);
    }
    table
}

/// The numbers that are to be predicted, with their histogram in the first split.
fn targets(inspection: &Inspection) -> String {
    let name = inspection.target.as_deref().unwrap_or_default();
    let headings =
        [name, "examples", "mean", "standard deviation", "least", "lower quartile", "median", "upper quartile", "most"];
    let mut table = Table::new(&headings, "<>>>>>>>>");
    for split in &inspection.splits {
        let Some(targets) = &split.targets else { continue };
        let numbers = [targets.mean, targets.deviation].into_iter().chain(targets.quartiles).map(brief);
        let cells: Vec<String> =
            [split.name.clone(), thousands(split.examples as u64)].into_iter().chain(numbers).collect();
        table.row(&cells);
    }
    let mut text = table.to_string();
    if let Some(targets) = inspection.splits.first().and_then(|split| split.targets.as_ref()) {
        let most = targets.histogram.counts.iter().copied().max().unwrap_or(0).max(1);
        let mut bars = Table::new(&[name, "examples", ""], "<><");
        for ((from, to), count) in targets.histogram.bins() {
            let bar = "#".repeat((count as usize * BAR).div_ceil(most as usize));
            bars.row(&[format!("{} to {}", brief(from), brief(to)), thousands(count), bar]);
        }
        let _ = write!(text, "\n{bars}");
    }
    text
}

/// The longest bar, in characters.
const BAR: usize = 30;

/// The counts of the classes, with a bar for the first split.
fn balance(inspection: &Inspection) -> String {
    let mut headings = vec!["class"];
    headings.extend(inspection.splits.iter().map(|split| split.name.as_str()));
    headings.push("");
    let alignment = match inspection.splits.len() {
        1 => "<><",
        2 => "<>><",
        _ => "<>>><",
    };
    let mut table = Table::new(&headings, alignment);
    let first = inspection.splits.first().map(|split| split.per_class.as_slice()).unwrap_or_default();
    let most = first.iter().copied().max().unwrap_or(0).max(1);
    for (class, name) in inspection.classes.iter().enumerate() {
        let counts = inspection.splits.iter().map(|split| thousands(split.per_class[class] as u64));
        let bar = "#".repeat((first.get(class).copied().unwrap_or(0) * BAR).div_ceil(most));
        let cells: Vec<String> = std::iter::once(name.clone()).chain(counts).chain([bar]).collect();
        table.row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table.to_string()
}

fn verify(arguments: &PipelineArguments, output: &Output) -> Result<Ending> {
    let Some((_, dataset)) = opened(arguments, output)? else { return Ok(Ending::Invalid) };
    let mut all = 0;
    let mut broken = Vec::new();
    for (name, examples) in dataset.splits() {
        all += examples.len();
        broken.extend(unreadable(&**examples, dataset.form, stop_flag())?.into_iter().map(|reason| (name, reason)));
    }
    let readable = all - broken.len();
    if output.json {
        let told: Vec<_> =
            broken.iter().map(|(split, reason)| serde_json::json!({ "split": split, "reason": reason })).collect();
        let result = serde_json::json!({ "examples": all, "readable": readable, "unreadable": told });
        println!("{}", serde_json::to_string_pretty(&result).expect("plain data"));
    } else {
        broken.iter().for_each(|(name, reason)| println!("{}", printable(&format!("{name}: {reason}"))));
        println!("{} of {} examples can be read", thousands(readable as u64), thousands(all as u64));
    }
    Ok(if broken.is_empty() { Ending::Done } else { Ending::Failed })
}
