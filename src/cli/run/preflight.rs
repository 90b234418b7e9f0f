//! The rehearsal before training: whatever a run will do is done once, small, so that hour three cannot fail for a reason that
//! minute one could have told. It works on copies, and leaves no trace in weights, caches or figures.

use super::recorder::Recorder;
use crate::{
    check::Plan,
    data::{Feed, InputPipeline},
    diagnostic::{Diagnostic, Result},
    distributed::Group,
    evaluate::{Inquiry, answers, steps},
    evaluation::{Split, StepResult},
    model::{Model, computation},
    report::render,
    run::{EpochRecord, EvaluationRecord, Record, Status},
    source::{Dataset, Subset},
    stage::Stage,
    train::{Session, Training},
};
use std::{collections::BTreeMap, sync::Arc, thread::JoinHandle};

/// Evaluation steps are rehearsed on so many examples.
const EXAMPLES: usize = 64;

/// One training step, one batch of the evaluation at its real size, a checkpoint written and read back, the evaluation steps on
/// a few examples; and the report that comes of it, on another thread.
///
/// # Errors
/// What would have ended the run later.
pub fn rehearse(
    training: &Training<'_>,
    plan: &Plan,
    dataset: &Dataset,
    class_counts: &[usize],
    workers: usize,
    recorder: &mut Recorder,
) -> Result<()> {
    let copy = copy(training)?;
    let trial = Training { model: &copy, ..*training };
    let mut session = Session::new(&trial);
    let mut epoch = session.rehearse()?;
    recorder.rehearse_checkpoint(&session)?;
    let evaluation = evaluate(&trial, plan, dataset, class_counts, workers, &epoch)?;
    if training.validation.is_some() {
        let validated =
            evaluation.metrics.iter().filter_map(|(name, value)| Some((name.strip_prefix("test_")?, *value)));
        epoch.figures.extend(validated.map(|(name, value)| (format!("val_{name}"), value)));
    }
    recorder.rehearsal = Some(report(recorder.directory.read()?, epoch, evaluation));
    Ok(())
}

/// What a process does meanwhile that follows the one that rehearses: its part of the training step.
///
/// # Errors
/// As above.
pub fn first_step(training: &Training<'_>) -> Result<()> {
    let copy = copy(training)?;
    Session::new(&Training { model: &copy, ..*training }).rehearse().map(|_| ())
}

fn copy(training: &Training<'_>) -> Result<Model> {
    training.model.copy().map_err(|error| computation(&error, "copying the model"))
}

/// Renders the report of a run that came out so.
fn report(mut record: Record, epoch: EpochRecord, evaluation: EvaluationRecord) -> JoinHandle<Result<()>> {
    record.history.push(epoch);
    record.evaluation = Some(evaluation);
    record.info.status = Status::Completed;
    std::thread::spawn(move || render(&record).map(|_| ()))
}

/// One batch of the evaluation, and its steps. `class_counts` are those of the training examples.
fn evaluate(
    trial: &Training<'_>,
    plan: &Plan,
    dataset: &Dataset,
    class_counts: &[usize],
    workers: usize,
    epoch: &EpochRecord,
) -> Result<EvaluationRecord> {
    let Training { pipeline, model, stop, .. } = *trial;
    // Whatever else stands in the list could leave nothing of a single batch, and a cache would keep it.
    let batch: Vec<Stage> =
        pipeline.dataset.evaluate.iter().filter(|stage| stage.batch_size().is_some()).cloned().collect();
    let size = batch.iter().find_map(|stage| stage.batch_size()).unwrap_or(1).min(dataset.test.len());
    let first = |count: usize| Arc::new(Subset::new(dataset.test.clone(), (0..count).collect()));
    let feed = Feed::new(dataset, first(size), "test");
    let data = InputPipeline::new(feed, &batch, "dataset.evaluate", pipeline.seed, workers);
    let (figures, said) = answers(pipeline, model, &data, &dataset.classes, "test_", &Group::alone())?;
    let few = size.min(EXAMPLES);
    let said = said.part(0, few);
    let mut quick = pipeline.clone();
    quick.evaluation.retain(|step| step.is_quick());
    let split = |name: &str, per_class| Split { name: name.to_owned(), per_class };
    let inquiry = Inquiry {
        pipeline: &quick,
        plan,
        model,
        examples: first(few),
        features: &dataset.features,
        splits: vec![split("train", class_counts.to_vec()), split("test", dataset.class_counts(&*dataset.test))],
        history: std::slice::from_ref(epoch),
        best_epoch: None,
        stop,
    };
    let mut record = EvaluationRecord {
        examples: few,
        metrics: figures.into_iter().collect(),
        intervals: BTreeMap::new(),
        figures: BTreeMap::new(),
        steps: Vec::new(),
    };
    steps(&inquiry, &said, &mut record.steps)?;
    record.figures = record.steps.iter().flat_map(StepResult::figures).collect();
    Ok(record)
}

/// What the rehearsal of the report came to.
///
/// # Errors
/// Where the report could not be rendered.
pub fn heard(rehearsal: JoinHandle<Result<()>>) -> Result<()> {
    let outcome = rehearsal.join().unwrap_or_else(|_| {
        let message = "the program made a mistake while it rehearsed the report";
        Err(Box::new(Diagnostic::error(crate::diagnostic::Code::COMPUTATION, message)))
    });
    outcome.map_err(|problem| {
        let told = *problem;
        Box::new(told.fact("found by a rehearsal with made-up results, before anything was lost"))
    })
}
