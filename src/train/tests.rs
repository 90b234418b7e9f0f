//! Members of a group, on threads of one process, train what a single process would.

use super::{Event, Moment, Observer, Outcome, Session, Training};
use crate::{
    check::Plan,
    data::{Feed, InputPipeline},
    diagnostic::{Code, Result},
    distributed::{
        Group,
        trial::{together, together_linked},
    },
    evaluate,
    evaluation::Answers,
    model::{Model, weights_bytes},
    run::{EpochRecord, checkpoint::Files},
    source::{Subset, Surroundings},
    spec::{Pipeline, load},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tch::{Device, Tensor};

/// Something of all that hangs on an example's place, on the size of the batch, or on all examples together.
const PIPELINE: &str = "\
version: 1
name: net
seed: 3
dataset:
  source: digits
  validation: none
  train: [{take: 210}, cache, shuffle, {augment: [random_flip, {gaussian_noise: {stddev: 5}}]}, {batch: 64}, {mixup: {}}]
  evaluate: [{take: 100}, {batch: 16}]
model:
  layers:
    - rescaling: 1/255
    - gaussian_noise: {stddev: 0.1}
    - conv2d: {filters: 8, kernel_size: 3, padding: same, kernel_regularizer: {l2: 0.01}}
    - max_pooling2d
    - activation: relu
    - residual: {layers: [{conv2d: {filters: 8, kernel_size: 3, padding: same}}, {stochastic_depth: 0.3}]}
    - flatten
    - dropout: 0.25
    - dense: 10
training:
  loss: sparse_categorical_crossentropy
  optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9, global_clipnorm: 1, gradient_accumulation_steps: 2}}
  metrics: [accuracy, auc, f1_score]
  class_weight: {'3': 2.0, '5': 0.5}
  epochs: 3
  watch: [gradient_norm, dead_activations]
";

/// What a training came to.
struct Trained {
    losses: Vec<f64>,
    history: Vec<EpochRecord>,
    weights: Vec<u8>,
    outcome: Outcome,
    figures: Vec<(String, f64)>,
    answers: Answers,
}

/// Notes the losses, and does something after each step.
struct Notes<'a> {
    losses: Vec<f64>,
    then: &'a mut dyn FnMut(usize, &Tensor, &AtomicBool),
    at_rest: &'a mut dyn FnMut(&Session<'_>),
    first_weights: Tensor,
    stop: &'a AtomicBool,
}

impl Observer for Notes<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        if let Event::StepEnded { loss, .. } = event {
            self.losses.push(*loss);
            (self.then)(self.losses.len(), &self.first_weights, self.stop);
        }
        Ok(())
    }

    fn at_rest(&mut self, session: &Session<'_>, _: Moment) -> Result<()> {
        (self.at_rest)(session);
        Ok(())
    }
}

fn pipeline(text: &str, sets: &[&str]) -> Pipeline {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net.yaml");
    std::fs::write(&file, text).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let loaded = load(&file, &sets);
    loaded.pipeline.unwrap_or_else(|| panic!("{:?}", loaded.problems)).pipeline
}

fn train_and(
    pipeline: &Pipeline,
    group: &Group,
    files: Option<&Files>,
    mut then: impl FnMut(usize, &Tensor, &AtomicBool),
    mut at_rest: impl FnMut(&Session<'_>),
) -> Result<Trained> {
    let stop = AtomicBool::new(false);
    let surroundings =
        Surroundings { data_directory: None, cache_directory: "cache".into(), progress: &|_| (), stop: &stop };
    let dataset = pipeline.dataset.source.open(&surroundings)?;
    let feed = |examples, part| Feed::new(&dataset, examples, part);
    let input = |feed, stages, path| InputPipeline::new(feed, stages, path, pipeline.seed, 1);
    let data = input(feed(dataset.train.clone(), "train"), &pipeline.dataset.train, "dataset.train");
    let held_out = Arc::new(Subset::new(dataset.test.clone(), (0..100).collect()));
    let validation = input(feed(held_out.clone(), "validation"), &pipeline.dataset.evaluate, "dataset.evaluate");
    let test = input(feed(held_out, "test"), &pipeline.dataset.evaluate, "dataset.evaluate");
    let layers = &pipeline.model.layers;
    let plan = Plan::new(layers, dataset.form).unwrap_or_else(|error| panic!("{}", error.message));
    // Of several members only the first begins with the weights that count.
    let model = Model::new(layers, &plan, pipeline.seed + group.rank() as u64, Device::Cpu).unwrap();
    let weights = pipeline.training.class_weight.as_ref().map(|wanted| {
        let weights = wanted.of(&dataset.classes, &dataset.class_counts(&*dataset.train)).unwrap();
        Tensor::from_slice(&weights.into_iter().map(|weight| weight as f32).collect::<Vec<_>>())
    });
    let training = Training {
        pipeline,
        plan: &plan,
        model: &model,
        data: &data,
        validation: Some(&validation),
        class_weights: weights.as_ref(),
        stop: &stop,
        group,
    };
    let mut session = Session::new(&training);
    if let Some(files) = files {
        session.restore(files, false)?;
    }
    let mut notes = Notes {
        losses: Vec::new(),
        then: &mut then,
        at_rest: &mut at_rest,
        first_weights: model.trainable().next().unwrap().tensor.detach(),
        stop: &stop,
    };
    let outcome = session.train(&mut notes)?;
    let (figures, answers) = evaluate::answers(pipeline, &model, &test, &dataset.classes, "test_", group)?;
    Ok(Trained {
        losses: notes.losses,
        history: session.history().to_vec(),
        weights: weights_bytes(&model).unwrap(),
        outcome,
        figures,
        answers,
    })
}

fn train(pipeline: &Pipeline, group: &Group) -> Trained {
    train_and(pipeline, group, None, |_, _, _| (), |_| ()).unwrap_or_else(|problem| panic!("{problem}"))
}

fn assert_near(one: f64, other: f64, what: &str) {
    assert!((one - other).abs() <= 1e-5 * one.abs().max(1.0), "{what}: {one} and {other}");
}

/// Trains with one member and with each of `sizes`, and compares.
fn compare(pipeline: &Pipeline, sizes: &[usize]) {
    compare_with(pipeline, sizes, |size| together(size, |group| train(pipeline, group)));
}

/// As [`compare`], with members that are linked.
fn compare_linked(pipeline: &Pipeline, sizes: &[usize]) {
    compare_with(pipeline, sizes, |size| together_linked(size, |group| train(pipeline, group)));
}

fn compare_with(pipeline: &Pipeline, sizes: &[usize], trained: impl Fn(usize) -> Vec<Trained>) {
    let alone = train(pipeline, &Group::alone());
    for &size in sizes {
        let all = trained(size);
        let first = &all[0];
        for (step, (one, other)) in alone.losses.iter().zip(&first.losses).enumerate() {
            assert_near(*one, *other, &format!("the loss of step {step} of {size} members"));
        }
        assert_eq!(alone.losses.len(), first.losses.len());
        for (one, other) in alone.history.iter().zip(&first.history) {
            for figures in [(&one.figures, &other.figures), (&one.watched, &other.watched)] {
                assert_eq!(figures.0.len(), figures.1.len());
                for ((name, one), (same, other)) in figures.0.iter().zip(figures.1) {
                    assert_eq!(name, same);
                    assert_near(*one, *other, &format!("{name} of {size} members"));
                }
            }
        }
        for ((name, one), (_, other)) in alone.figures.iter().zip(&first.figures) {
            assert_near(*one, *other, &format!("{name} of {size} members"));
        }
        assert_eq!(alone.answers.predictions().labels, first.answers.predictions().labels);
        assert_eq!(alone.answers.predictions().predicted, first.answers.predictions().predicted);
        for (rank, member) in all.iter().enumerate() {
            assert_eq!(member.weights, first.weights, "the weights of member {rank} of {size}");
            assert_eq!(member.losses, first.losses);
            assert_eq!((&member.figures, &member.answers), (&first.figures, &first.answers));
            let figures = |it: &Trained| it.history.iter().map(|epoch| epoch.figures.clone()).collect::<Vec<_>>();
            assert_eq!(figures(member), figures(first));
            assert_eq!(member.outcome, first.outcome);
        }
    }
}

#[test]
fn several_members_train_what_one_would() {
    // The last of four batches has 18 examples.
    compare(&pipeline(PIPELINE, &[]), &[2, 3, 4]);
}

#[test]
fn what_a_link_carries_is_the_same_and_for_one_member_bit_by_bit() {
    let pipeline = pipeline(PIPELINE, &[]);
    compare_linked(&pipeline, &[1, 3]);
    let linked = together_linked(1, |group| train(&pipeline, group));
    let alone = train(&pipeline, &Group::alone());
    assert_eq!((&linked[0].weights, &linked[0].losses), (&alone.weights, &alone.losses));
    // One member has no example of the last batch.
    let sets = ["dataset.train[0].take=129", "training.epochs=2", "training.watch=[]"];
    compare_linked(&self::pipeline(PIPELINE, &sets), &[3]);
}

#[test]
fn a_member_without_an_example_takes_part() {
    // The last batch has a single one.
    let sets = ["dataset.train[0].take=129", "training.epochs=2", "training.watch=[]"];
    compare(&pipeline(PIPELINE, &sets), &[3]);
}

const NORMALIZED: &str = "model.layers=[{rescaling: 1/255}, {conv2d: {filters: 6, kernel_size: 3}}, \
    {batch_normalization: {synchronized: true, momentum: 0.9}}, {activation: relu}, flatten, {dense: 12}, \
    {batch_normalization: {synchronized: true, scale: false}}, {activation: relu}, {dense: 10}]";

#[test]
fn synchronized_normalization_is_that_of_the_whole_batch() {
    let plain = ["training.optimizer={sgd: {learning_rate: 0.05}}", "training.epochs=2", "training.watch=[]"];
    let with = |more: &[&'static str]| pipeline(PIPELINE, &[&[NORMALIZED][..], &plain, more].concat());
    compare(&with(&[]), &[2, 3]);
    compare_linked(&with(&[]), &[2]);
    // With a batch of two examples, one of three members has none; moments of two are no constants.
    compare(&with(&["dataset.train[0].take=130"]), &[3]);
    compare_linked(&with(&["dataset.train[0].take=130"]), &[3]);
}

#[test]
fn normalized_by_parts_members_keep_the_same_weights() {
    let local = NORMALIZED.replace("synchronized: true, ", "");
    let pipeline = pipeline(PIPELINE, &[&local, "dataset.train[0].take=129", "training.watch=[]"]);
    let all = together(3, |group| train(&pipeline, group));
    assert!(all.iter().all(|member| member.weights == all[0].weights && member.figures == all[0].figures));
    let again = together(3, |group| train(&pipeline, group));
    assert_eq!(again[0].weights, all[0].weights);
    assert_ne!(train(&pipeline, &Group::alone()).losses[0], all[0].losses[0]);
}

#[test]
fn all_stop_at_the_step_at_which_one_wants_to() {
    let pipeline = pipeline(PIPELINE, &[]);
    let all = together(3, |group| {
        let stop_after_two = |step: usize, _: &Tensor, stop: &AtomicBool| {
            if group.rank() == 2 && step == 2 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        train_and(&pipeline, group, None, stop_after_two, |_| ()).unwrap_or_else(|problem| panic!("{problem}"))
    });
    for member in &all {
        assert!(member.outcome.interrupted);
        assert_eq!((member.outcome.steps, member.losses.len()), (3, 3));
        assert_eq!(member.weights, all[0].weights);
    }
}

#[test]
fn linked_members_stop_at_the_same_step_and_hear_of_what_is_no_number() {
    let all = together_linked(2, |group| {
        let stop_after_two = |step: usize, _: &Tensor, stop: &AtomicBool| {
            if group.rank() == 1 && step == 2 {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let stopped = train_and(&pipeline(PIPELINE, &[]), group, None, stop_after_two, |_| ());
        stopped.unwrap_or_else(|problem| panic!("{problem}"))
    });
    for member in &all {
        // They hear of it a step later.
        assert_eq!((member.outcome.interrupted, member.outcome.steps, member.losses.len()), (true, 4, 4));
        assert_eq!(member.weights, all[0].weights);
    }
    let overflows = pipeline(PIPELINE, &["model.layers[0].rescaling.scale=1.0e+38"]);
    let all = together_linked(2, |group| {
        let trained = train_and(&overflows, group, None, |_, _, _| (), |_| ());
        let problem = trained.err().expect("it fails");
        (problem.message.clone(), problem.code == Code::RANK)
    });
    let told = "the loss became NaN at step 1 (epoch 1)".to_owned();
    assert_eq!(all, [(told.clone(), false), (told, true)]);
}

#[test]
fn the_first_member_decides_what_callbacks_want() {
    // As if the others had another clock: they would go on.
    let stops = pipeline(PIPELINE, &["training.callbacks=[{target_metric: {monitor: loss, target: 1000}}]"]);
    let goes_on = pipeline(PIPELINE, &["training.callbacks=[{target_metric: {monitor: loss, target: 0.0001}}]"]);
    let all = together(3, |group| train(if group.is_first() { &stops } else { &goes_on }, group));
    for member in &all {
        assert_eq!(member.outcome, all[0].outcome);
        assert_eq!((member.outcome.epochs, member.outcome.stop_reason.is_some()), (1, true));
    }
}

#[test]
fn a_member_with_other_weights_is_named() {
    let pipeline = pipeline(PIPELINE, &["training.epochs=1"]);
    let all = together(3, |group| {
        let damage = |step: usize, weights: &Tensor, _: &AtomicBool| {
            if group.rank() == 1 && step == 2 {
                let _ = weights.shallow_clone().fill_(0.5);
            }
        };
        train_and(&pipeline, group, None, damage, |_| ()).err().expect("it fails").message.clone()
    });
    assert_eq!(all, ["rank 1 of 3 has other weights after step 4"; 3]);
}

#[test]
fn what_a_checkpoint_keeps_goes_on_bit_by_bit() {
    let callback = "training.callbacks=[{early_stopping: {patience: 5, restore_best_weights: true}}]";
    let pipeline = pipeline(PIPELINE, &["training.optimizer={adam: {use_ema: true}}", callback]);
    let kept = std::sync::Mutex::new(Vec::new());
    let whole = together(2, |group| {
        let keep = |session: &Session<'_>| {
            // Within the second epoch, and at its end.
            if group.is_first() && [6, 8].contains(&session.steps()) {
                kept.lock().unwrap().push(session.files().unwrap_or_else(|problem| panic!("{problem}")));
            }
        };
        train_and(&pipeline, group, None, |_, _, _| (), keep).unwrap_or_else(|problem| panic!("{problem}"))
    });
    let kept = kept.into_inner().unwrap();
    assert_eq!(kept.len(), 2);
    for files in &kept {
        let again = together(2, |group| {
            let trained = train_and(&pipeline, group, Some(files), |_, _, _| (), |_| ());
            trained.unwrap_or_else(|problem| panic!("{problem}"))
        });
        let steps = again[0].losses.len();
        assert_eq!(again[0].losses, whole[0].losses[12 - steps..]);
        assert_eq!(again[0].weights, whole[0].weights);
        assert_eq!(again[0].answers, whole[0].answers);
        let figures = |it: &Trained| it.history.iter().map(|epoch| epoch.figures.clone()).collect::<Vec<_>>();
        assert_eq!(figures(&again[0]), figures(&whole[0]));
    }
}

#[test]
fn a_loss_that_is_no_number_ends_all_alike() {
    let pipeline = pipeline(PIPELINE, &["model.layers[0].rescaling.scale=1.0e+38"]);
    let all = together(2, |group| {
        let trained = train_and(&pipeline, group, None, |_, _, _| (), |_| ());
        let problem = trained.err().expect("it fails");
        (problem.message.clone(), problem.notes.clone())
    });
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0].0, "the loss became NaN at step 1 (epoch 1)");
    assert_eq!(all[0].1[0], "what leaves `rescaling` is the first that isn't finite");
}
