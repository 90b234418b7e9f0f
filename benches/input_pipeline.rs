//! How many images a second a pipeline's training stages deliver, without a model: for `benches/input`.
//!
//!     cargo bench --bench input_pipeline -- PIPELINE [--epochs N] [--set KEY=VALUE]...
//!
//! Relative paths start at the directory in `TRAINYARD_DATA`. A line of JSON for each epoch goes to stdout.

use std::{path::PathBuf, process::ExitCode, sync::atomic::AtomicBool, time::Instant};
use trainyard::{
    data::{Feed, InputPipeline},
    device,
    diagnostic::{Renderer, Result},
    source::Surroundings,
    spec::{self, Pipeline},
};

struct Arguments {
    file: PathBuf,
    epochs: u64,
    sets: Vec<String>,
}

fn arguments() -> Option<Arguments> {
    let (mut file, mut epochs, mut sets) = (None, 5, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--epochs" => epochs = words.next()?.parse().ok()?,
            "--set" => sets.push(words.next()?),
            _ if file.is_none() => file = Some(PathBuf::from(word)),
            _ => return None,
        }
    }
    Some(Arguments { file: file?, epochs, sets })
}

fn measure(pipeline: &Pipeline, epochs: u64) -> Result<()> {
    let threads = pipeline.threads.fixed().unwrap_or_else(device::available_threads);
    device::set_up(threads);
    let stop = AtomicBool::new(false);
    let surroundings = Surroundings {
        data_directory: std::env::var_os("TRAINYARD_DATA").map(PathBuf::from),
        cache_directory: Surroundings::default_cache_directory(),
        progress: &|_| (),
        stop: &stop,
    };
    let dataset = pipeline.dataset.source.open(&surroundings)?;
    let feed = Feed::new(&dataset, dataset.train.clone(), "train");
    let stages = &pipeline.dataset.train;
    let data = InputPipeline::new(feed, stages, "dataset.train", pipeline.seed, threads).with_cache(&surroundings)?;
    for epoch in 0..epochs {
        let start = Instant::now();
        let mut images = 0;
        for batch in data.epoch(epoch) {
            images += batch?.labels.len();
        }
        assert_eq!(images, dataset.train.len(), "every image comes");
        let seconds = start.elapsed().as_secs_f64();
        let speed = images as f64 / seconds;
        println!(r#"{{"epoch": {}, "images_per_second": {speed:.1}, "seconds": {seconds:.6}}}"#, epoch + 1);
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(Arguments { file, epochs, sets }) = arguments() else {
        eprintln!("usage: input_pipeline PIPELINE [--epochs N] [--set KEY=VALUE]...");
        return ExitCode::from(2);
    };
    let loaded = spec::load(&file, &sets);
    let Some(sound) = &loaded.pipeline else {
        for problem in &loaded.problems {
            eprintln!("{}", Renderer::plain().render(&loaded.sources, problem));
        }
        return ExitCode::from(2);
    };
    match measure(&sound.pipeline, epochs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{}", Renderer::plain().render(&loaded.sources, &problem));
            ExitCode::FAILURE
        }
    }
}
