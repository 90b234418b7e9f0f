//! `trainyard predict`

use super::{
    Ending,
    context::{Output, open_run},
};
use crate::{
    data::HostBatch,
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    layer::Pass,
    model::{computation, in_layer, to_device},
};
use std::path::PathBuf;

/// `trainyard predict RUN IMAGE...`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard predict runs/cifar10-cnn/20261123-230512-7f3a cat.jpg")]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
    /// Images of any size.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// How many classes to name.
    #[arg(long, default_value_t = 5, value_name = "N")]
    top: usize,
}

/// Says what is on each image. What cannot be read is told and left out.
pub fn predict(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let run = open_run(&arguments.run, output)?;
    let source = &run.pipeline.dataset.source;
    let Some(reader) = source.reader() else {
        let message = format!("this run's model takes the rows of a `{}`, and no images", source.name());
        let problem = Diagnostic::error(Code::NOT_IMAGES, message);
        return Err(Box::new(problem.help("`trainyard evaluate` evaluates it on its test data")));
    };
    let classes = run.info.data.as_ref().map(|data| data.classes.clone()).unwrap_or_default();
    let failed = |error| computation(&error, "the prediction");
    let mut ending = Ending::Done;
    let mut results = Vec::new();
    for path in &arguments.images {
        let examples = match reader.read_file(path) {
            Ok(example) => example,
            Err(problem) => {
                output.tell(&SourceMap::default(), &problem);
                ending = Ending::Failed;
                continue;
            }
        };
        let probabilities: Vec<f32> = tch::no_grad(|| {
            let batch = HostBatch { examples: examples.into(), labels: vec![0], shares: None };
            let (images, _) = to_device(&batch, run.plan.input, run.model.device()).map_err(failed)?;
            let pass = Pass { training: false, seed: run.pipeline.seed, step: 0 };
            let outputs = run.model.forward(&images, &pass).map_err(|error| in_layer(&error))?;
            let probabilities = run.model.probabilities(&outputs).and_then(|p| p.f_to_device(tch::Device::Cpu));
            probabilities.and_then(|p| Vec::try_from(&p.f_view([-1])?)).map_err(failed)
        })?;
        let mut ranked: Vec<(usize, f32)> = probabilities.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.truncate(arguments.top.max(1));
        let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        let said: Vec<(String, f32)> = ranked.into_iter().map(|(class, p)| (name(class), p)).collect();
        if output.json {
            let top: Vec<_> =
                said.iter().map(|(class, p)| serde_json::json!({ "class": class, "probability": p })).collect();
            results.push(serde_json::json!({ "image": path, "top": top }));
        } else {
            let percent = |(class, p): &(String, f32)| format!("{:.1}% {class}", 100.0 * p);
            let others: Vec<String> = said[1..].iter().map(percent).collect();
            let others = if others.is_empty() { String::new() } else { format!("  ({})", others.join(", ")) };
            println!("{}: {}{others}", path.display(), percent(&said[0]));
        }
    }
    if output.json {
        println!("{}", serde_json::to_string_pretty(&results).expect("plain data"));
    }
    Ok(ending)
}
