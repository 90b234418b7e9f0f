//! `trainyard lr-find`

use super::{
    Ending, PipelineArguments,
    context::{Output, set_up_means, set_up_threads, stop_flag},
    opening::{class_weights, open_data, splits},
    run::{Beginning, build},
};
use crate::{
    check::{self, Options},
    data::{Feed, InputPipeline},
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    distributed::Group,
    report,
    run::{RangeTest, write_atomically},
    text::brief,
    train::{Session, Training},
};
use std::{path::PathBuf, sync::atomic::Ordering};

/// `trainyard lr-find FILE`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard lr-find pipelines/cifar10.yaml\n  trainyard lr-find pipelines/cifar10.yaml --end-lr 1 \
                  --steps 200 --html lr.html"
)]
pub struct Arguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// The rate of the first step.
    #[arg(long, default_value_t = 1e-7, value_name = "RATE", value_parser = rate)]
    start_lr: f64,
    /// The rate of the last step, where the loss lets it come that far.
    #[arg(long, default_value_t = 10.0, value_name = "RATE", value_parser = rate)]
    end_lr: f64,
    /// How many steps lead from the one to the other, each multiplying the rate by the same.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    steps: u32,
    /// Write a page with the chart of loss and rate.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn rate(text: &str) -> std::result::Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 1e6);
    rate.ok_or_else(|| "a number above 0 and up to 1000000 is wanted".to_owned())
}

/// Raises the learning rate step by step, and says at which one the loss falls fastest. Nothing is kept of what is trained.
pub fn lr_find(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let Arguments { pipeline: PipelineArguments { file, .. }, start_lr, end_lr, steps, html } = arguments;
    if start_lr >= end_lr {
        let problem =
            Diagnostic::error(Code::INVALID_VALUE, format!("`--start-lr` is {start_lr} and `--end-lr` {end_lr}"));
        output.tell(&SourceMap::default(), &problem.help("the first rate must be the lower one"));
        return Ok(Ending::Invalid);
    }
    let options = arguments.pipeline.options();
    let checked = output.with_surroundings(None, |surroundings| {
        output.check(file, &Options { surroundings: Some(surroundings), ..options })
    });
    let (Some(sound), Some(plan)) = (checked.pipeline.as_ref().filter(|_| checked.is_sound()), &checked.plan) else {
        return Ok(Ending::Invalid);
    };
    let pipeline = &sound.pipeline;
    // One process sees whole batches, which is what several would do together.
    let group = Group::alone();
    let threads = set_up_threads(pipeline, None, group.placement());
    let means = set_up_means(pipeline, true, group.placement())?;
    let (dataset, _) = output.with_surroundings(None, |surroundings| open_data(pipeline, surroundings))?;
    let (train, ..) = splits(pipeline, &dataset);
    let weights = class_weights(pipeline, &dataset.classes, &dataset.class_counts(&*train), means.device)?;
    let feed = Feed::new(&dataset, train, "train");
    let data = InputPipeline::new(feed, &pipeline.dataset.train, "dataset.train", pipeline.seed, threads);
    let data = output.with_surroundings(None, |surroundings| data.with_cache(surroundings))?;
    let initial_weights = check::initial_weights(sound, &checked.sources);
    let beginning = Beginning { data: &data, initial_weights: initial_weights.as_deref() };
    let model = build(pipeline, plan, means, Some(beginning))?;
    let training = Training {
        pipeline,
        plan,
        model: &model,
        data: &data,
        validation: None,
        class_weights: weights.as_ref(),
        group: &group,
        stop: stop_flag(),
    };
    let step = (end_lr / start_lr).powf(1.0 / f64::from(steps - 1));
    let rates: Vec<f64> = (0..*steps).map(|at| start_lr * step.powf(f64::from(at))).collect();
    let test = Session::new(&training).range_test(&rates)?;
    if stop_flag().load(Ordering::Relaxed) {
        return Ok(Ending::Interrupted);
    }
    if let Some(path) = html {
        write_atomically(path, report::range_test_page(&pipeline.name, &test)?.as_bytes())?;
    }
    let key = format!("training.optimizer.{}.learning_rate", pipeline.training.optimizer.name());
    if output.json {
        let told = serde_json::json!({ "suggestion": test.suggestion(), "key": key, "range_test": test });
        println!("{}", serde_json::to_string_pretty(&told).expect("plain data"));
        return Ok(Ending::Done);
    }
    print!("{}", told(&test, &key));
    if let Some(path) = html {
        println!("chart: {}", path.display());
    }
    Ok(Ending::Done)
}

/// What a test came to, in sentences.
fn told(test: &RangeTest, key: &str) -> String {
    let rate = |rate: f64| report::figure::rate(rate);
    let mut text = String::new();
    if let Some((at, loss)) = test.lowest() {
        let (loss, at) = (brief(loss), rate(at));
        text.push_str(&format!(
            "{} steps; the loss, smoothed, was lowest at a rate of {at}: {loss}\n",
            test.steps.len()
        ));
    }
    if let Some(last) = test.steps.last().filter(|_| test.diverged) {
        text.push_str(&format!("it grew too much at {}\n", rate(last.learning_rate)));
    }
    match test.suggestion() {
        Some(suggestion) => text.push_str(&format!(
            "it fell fastest at {}, which is a rate to begin with: --set {key}={suggestion}\n",
            rate(suggestion)
        )),
        None => text.push_str("it fell nowhere: begin lower with `--start-lr`, or take more `--steps`\n"),
    }
    text
}
