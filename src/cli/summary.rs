//! `trainyard summary`, and the layer table that `run` shows too.

use super::{Ending, PipelineArguments, context::Output};
use crate::{
    check::{Options, Plan},
    device,
    diagnostic::Result,
    layer::{display_shape, expanded},
    model::{Means, Model, OperationRow, computation},
    spec::{Model as Design, Pipeline, plain},
    text::{Table, bytes, thousands},
};
use std::collections::BTreeMap;

/// `trainyard summary FILE`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard summary pipelines/cifar10.yaml\n  trainyard summary --optimized pipelines/cifar10.yaml\n  trainyard summary --expand pipelines/resnet20.yaml > layers.yaml"
)]
pub struct Arguments {
    /// Show what is computed instead: the operations that the passes over the model leave, for training and for inference.
    #[arg(long)]
    optimized: bool,
    /// Print the pipeline instead, with the layers that a name such as `resnet` stands for in its place.
    #[arg(long, conflicts_with = "optimized")]
    expand: bool,
    #[command(flatten)]
    pipeline: PipelineArguments,
}

/// The layer table as text.
pub fn layer_table(plan: &Plan) -> String {
    let mut table =
        Table::new(&["layer", "line", "output shape", "dtype", "parameters", "FLOPs", "activations"], "<><<>>>");
    let input = plan.input.bytes() as u64;
    table.row(&["input", "", &display_shape(&plan.input.shape()), plan.input.dtype(), "", "", &bytes(input)]);
    for layer in &plan.rows() {
        table.row(&[
            &format!("{:indent$}{}", "", layer.name, indent = 2 * layer.depth),
            &layer.place(),
            &display_shape(&layer.output_shape),
            "float32",
            &thousands(layer.parameters),
            &thousands(layer.flops),
            &bytes(layer.activation_bytes),
        ]);
    }
    let activations = plan.total(|row| row.activation_bytes).saturating_add(input);
    table.row(&[
        "total",
        "",
        "",
        "",
        &thousands(plan.total(|row| row.parameters)),
        &thousands(plan.total(|row| row.flops)),
        &bytes(activations),
    ]);
    table.to_string()
}

/// Shows the operations that the passes over the model leave.
fn optimized(pipeline: &Pipeline, plan: &Plan, output: &Output) -> Result<Ending> {
    let means = Means::of(pipeline, device::open(&pipeline.device)?, true);
    let failed = |error| computation(&error, "building the model");
    let model = Model::new(&pipeline.model.layers, plan, pipeline.seed, means).map_err(failed)?;
    let both = [("training", model.operations()), ("inference", model.frozen().map_err(failed)?.operations())];
    if output.json {
        let both: BTreeMap<&str, &Vec<OperationRow>> = both.iter().map(|(name, rows)| (*name, rows)).collect();
        println!("{}", serde_json::to_string_pretty(&both).expect("rows are plain data"));
        return Ok(Ending::Done);
    }
    for (at, (name, rows)) in both.iter().enumerate() {
        let mut table = Table::new(&[name, "operation"], "<<");
        for row in rows {
            let layers = format!("{:indent$}{}", "", row.layers.join(" + "), indent = 2 * row.depth);
            table.row(&[&layers, &row.operation]);
        }
        print!("{}{table}", if at > 0 { "\n" } else { "" });
    }
    Ok(Ending::Done)
}

/// Prints the pipeline with all its layers written out.
fn expand(pipeline: &Pipeline, output: &Output) -> Ending {
    let layers = expanded(&pipeline.model.layers);
    let expanded = Pipeline { model: Design { layers, ..pipeline.model.clone() }, ..pipeline.clone() };
    if output.json {
        println!("{}", serde_json::to_string_pretty(&expanded).expect("a pipeline is plain data"));
    } else {
        print!("{}", plain(&expanded));
    }
    Ending::Done
}

/// Shows the layers.
pub fn summary(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let (file, options) = (&arguments.pipeline.file, arguments.pipeline.options());
    let mut checked = output.check(file, &options);
    if checked.is_sound() && checked.plan.is_none() {
        // Only the data tell what an example is.
        checked = output.with_surroundings(None, |surroundings| {
            output.check(file, &Options { surroundings: Some(surroundings), ..options })
        });
    }
    let Some(plan) = checked.plan.as_ref().filter(|_| checked.is_sound()) else { return Ok(Ending::Invalid) };
    if let Some(sound) = checked.pipeline.as_ref().filter(|_| arguments.expand) {
        return Ok(expand(&sound.pipeline, output));
    }
    if let Some(sound) = checked.pipeline.as_ref().filter(|_| arguments.optimized) {
        return optimized(&sound.pipeline, plan, output);
    }
    if output.json {
        println!("{}", serde_json::to_string_pretty(&plan.rows()).expect("rows are plain data"));
    } else {
        print!("{}", layer_table(plan));
    }
    Ok(Ending::Done)
}
