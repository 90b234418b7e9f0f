//! `trainyard evaluate`, and the evaluation at the end of `run`.

use super::{
    Ending,
    context::{Output, open_run},
    opening::{open_data, splits},
    report::write_report,
};
use crate::{
    check::Plan,
    data::{Feed, InputPipeline},
    diagnostic::{Code, Diagnostic, Result},
    distributed::Group,
    evaluate::{Inquiry, answers, steps},
    evaluation::{
        Answers, Split, StepResult, estimates,
        statistics::{interval_of, mean_interval, true_probabilities, wilson},
    },
    gate::judge,
    model::Model,
    progress::figure,
    run::{EpochRecord, EvaluationRecord, RunDirectory, Status, store, write_predictions},
    source::{Dataset, Subset, Surroundings},
    spec::Pipeline,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// `trainyard evaluate RUN`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard evaluate runs/digits/20261123-230512-7f3a")]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
}

/// What of a training the evaluation tells about.
pub struct Trained<'a> {
    /// The trained model.
    pub model: &'a Model,
    /// Its layers.
    pub plan: &'a Plan,
    /// The epochs.
    pub history: &'a [EpochRecord],
    /// The epoch, from 1, whose weights were kept, where they aren't the last ones.
    pub best_epoch: Option<usize>,
    /// The processes that trained it.
    pub group: &'a Group,
}

/// The test data. A file that keeps them is written by the first process of a machine.
fn test_data(
    pipeline: &Pipeline,
    dataset: &Dataset,
    workers: usize,
    group: &Group,
    surroundings: &Surroundings<'_>,
) -> Result<InputPipeline> {
    group.first_on_each_machine(|| {
        let feed = Feed::new(dataset, dataset.test.clone(), "test");
        let stages = &pipeline.dataset.evaluate;
        InputPipeline::new(feed, stages, "dataset.evaluate", pipeline.seed, workers).with_cache(surroundings)
    })
}

/// Helps the first process with its [`evaluate_into`]: takes its turns with the batches, and leaves the rest to it.
pub fn help_evaluate(
    pipeline: &Pipeline,
    trained: &Trained<'_>,
    dataset: &Dataset,
    workers: usize,
    surroundings: &Surroundings<'_>,
) -> Result<()> {
    let data = test_data(pipeline, dataset, workers, trained.group, surroundings)?;
    answers(pipeline, trained.model, &data, &dataset.classes, "test_", trained.group).map(|_| ())
}

/// Evaluates a model on the test data and writes `predictions.parquet` and `evaluation.json`. Of several processes only the first
/// one does; the others help.
pub fn evaluate_into(
    directory: &RunDirectory,
    pipeline: &Pipeline,
    trained: &Trained<'_>,
    dataset: &Dataset,
    workers: usize,
    surroundings: &Surroundings<'_>,
) -> Result<EvaluationRecord> {
    let data = test_data(pipeline, dataset, workers, trained.group, surroundings)?;
    let (figures, answers) = answers(pipeline, trained.model, &data, &dataset.classes, "test_", trained.group)?;
    write_predictions(&directory.file("predictions.parquet"), &answers)?;
    let (train, validation, _) = splits(pipeline, dataset);
    let named = [("train", Some(train)), ("validation", validation), ("test", Some(dataset.test.clone()))];
    let counted = named.into_iter().filter_map(|(name, examples)| {
        Some(Split { name: name.to_owned(), per_class: dataset.class_counts(&*examples?) })
    });
    let inquiry = Inquiry {
        pipeline,
        plan: trained.plan,
        model: trained.model,
        // The stages may leave some out, or put them into another order.
        examples: Arc::new(Subset::new(dataset.test.clone(), data.indices())),
        features: &dataset.features,
        splits: counted.collect(),
        history: trained.history,
        best_epoch: trained.best_epoch,
        stop: surroundings.stop,
    };
    let mut record = EvaluationRecord {
        examples: answers.len(),
        intervals: intervals(pipeline, trained.model, &figures, &answers),
        // What isn't defined, such as a correlation where all predictions are the same, is left out.
        metrics: figures.into_iter().filter(|(name, value)| name == "test_loss" || !value.is_nan()).collect(),
        figures: BTreeMap::new(),
        steps: Vec::new(),
    };
    // What is known by now stays known, whatever becomes of the steps.
    directory.write_json("evaluation.json", &record)?;
    let outcome = steps(&inquiry, &answers, &mut record.steps);
    record.figures = record.steps.iter().flat_map(StepResult::figures).collect();
    directory.write_json("evaluation.json", &record)?;
    outcome.map(|()| record)
}

/// The 95% intervals of accuracy, loss and errors, by name.
fn intervals(
    pipeline: &Pipeline,
    model: &Model,
    figures: &[(String, f64)],
    answers: &Answers,
) -> BTreeMap<String, (f64, f64)> {
    let examples = answers.len();
    let loss = &pipeline.training.loss;
    let losses = || -> Option<Vec<f64>> {
        match answers {
            Answers::Classes(predictions) => {
                let logits = model.gives_logits();
                true_probabilities(predictions)?.into_iter().map(|p| loss.of_probability(p, logits)).collect()
            }
            Answers::Numbers(estimates) => {
                estimates.residuals().into_iter().map(|residual| loss.of_residual(residual)).collect()
            }
        }
    };
    let interval = |name: &str, value: f64| match name {
        "test_accuracy" => (examples > 0).then(|| wilson(value, examples)),
        "test_loss" => mean_interval(&losses()?, value),
        _ => {
            let figure = estimates::figure(name.strip_prefix("test_")?)?;
            interval_of(examples, |count| figure(answers.estimates(), &count))
        }
    };
    let known = |(name, value): &(String, f64)| Some((name.clone(), interval(name, *value)?));
    figures.iter().filter(|(_, value)| value.is_finite()).filter_map(known).collect()
}

/// Prints the figures of an evaluation.
pub fn print_metrics(record: &EvaluationRecord) {
    for (name, value) in &record.metrics {
        let interval = record.intervals.get(name);
        let interval =
            interval.map(|(low, high)| format!(" (95% interval {} to {})", figure(name, *low), figure(name, *high)));
        println!("{name}: {}{}", figure(name, *value), interval.unwrap_or_default());
    }
}

/// Evaluates a run's model again.
pub fn evaluate(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let _lock = output.find_run(&arguments.run)?.lock()?;
    let run = open_run(&arguments.run, output)?;
    let recorded = run.info.provenance.data_directory.clone().map(PathBuf::from);
    let directory = output.data_directory.clone().or(recorded);
    let history = run.directory.read_history()?;
    let best_epoch = run.info.training.best_epoch;
    let record = output.with_surroundings(directory, |surroundings| {
        let (dataset, _) = open_data(&run.pipeline, surroundings)?;
        if run.info.data.as_ref().is_some_and(|data| data.digest != dataset.digest) {
            let message = format!("the data in {} aren't those that the run was trained with", dataset.location);
            let problem = Diagnostic::error(Code::DATA_CHANGED, message);
            return Err(Box::new(problem.help("bring them back, or train on the new ones")));
        }
        let group = &Group::alone();
        let trained = Trained { model: &run.model, plan: &run.plan, history: &history, best_epoch, group };
        evaluate_into(&run.directory, &run.pipeline, &trained, &dataset, run.threads, surroundings)
    })?;
    let mut info = run.info;
    let training = &info.training;
    // A run that was stopped only while it was evaluated is now done.
    if info.status != Status::Completed && (training.stopped_early || training.epochs_done >= training.epochs) {
        (info.status, info.reason, info.details) = (Status::Completed, None, Vec::new());
    }
    info.expectations = judge(&run.pipeline, &record, store::kept_epoch(&info, &history), &info.baselines);
    run.directory.write_json("run.json", &info)?;
    write_report(&run.directory)?;
    if output.json {
        println!("{}", serde_json::to_string_pretty(&record).expect("records are plain data"));
    } else {
        print_metrics(&record);
    }
    Ok(Ending::Done)
}
