//! `trainyard evaluate`, and the evaluation at the end of `run`.

use super::{
    Ending,
    context::{Output, open_run},
    report::write_report,
    run::open_data,
};
use crate::{
    data::{Feed, InputPipeline},
    diagnostic::{Code, Diagnostic, Result},
    evaluate::predictions,
    evaluation::significance::wilson,
    model::Model,
    progress::figure,
    run::{EvaluationRecord, RunDirectory, write_predictions},
    source::{Dataset, Surroundings},
    spec::Pipeline,
};
use std::path::PathBuf;

/// `trainyard evaluate RUN`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard evaluate runs/digits/20261123-230512-7f3a")]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
}

/// Evaluates `model` on the test data and writes `predictions.parquet` and `evaluation.json`.
pub fn evaluate_into(
    directory: &RunDirectory,
    pipeline: &Pipeline,
    model: &Model,
    dataset: &Dataset,
    workers: usize,
    surroundings: &Surroundings<'_>,
) -> Result<EvaluationRecord> {
    let stages = &pipeline.dataset.evaluate;
    let path = "dataset.evaluate";
    let feed = Feed::new(dataset, dataset.test.clone(), "test");
    let data = InputPipeline::new(feed, stages, path, pipeline.seed, workers).with_cache(surroundings)?;
    let (figures, predictions) = predictions(pipeline, model, &data, &dataset.classes, "test_")?;
    let examples = predictions.labels.len();
    let interval = |(name, value): &(String, f64)| {
        (name == "test_accuracy" && examples > 0).then(|| (name.clone(), wilson(*value, examples)))
    };
    let record = EvaluationRecord {
        examples,
        intervals: figures.iter().filter_map(interval).collect(),
        metrics: figures.into_iter().collect(),
        steps: pipeline.evaluation.iter().map(|step| step.compute(&predictions)).collect(),
    };
    write_predictions(&directory.file("predictions.parquet"), &predictions)?;
    directory.write_json("evaluation.json", &record)?;
    Ok(record)
}

/// Prints the figures of an evaluation.
pub fn print_metrics(record: &EvaluationRecord) {
    for (name, value) in &record.metrics {
        println!("{name}: {}", figure(name, *value));
    }
}

/// Evaluates a run's model again.
pub fn evaluate(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let run = open_run(&arguments.run, output)?;
    let recorded = run.info.provenance.data_directory.clone().map(PathBuf::from);
    let directory = output.data_directory.clone().or(recorded);
    let record = output.with_surroundings(directory, |surroundings| {
        let (dataset, _) = open_data(&run.pipeline, surroundings)?;
        if run.info.data.as_ref().is_some_and(|data| data.digest != dataset.digest) {
            let message = format!("the data in {} aren't those that the run was trained with", dataset.location);
            let problem = Diagnostic::error(Code::DATA_CHANGED, message);
            return Err(Box::new(problem.help("bring them back, or train on the new ones")));
        }
        evaluate_into(&run.directory, &run.pipeline, &run.model, &dataset, run.threads, surroundings)
    })?;
    write_report(&run.directory)?;
    if output.json {
        println!("{}", serde_json::to_string_pretty(&record).expect("records are plain data"));
    } else {
        print_metrics(&record);
    }
    Ok(Ending::Done)
}
