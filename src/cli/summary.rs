//! `trainyard summary`, and the layer table that `run` shows too.

use super::{Ending, PipelineArguments, context::Output};
use crate::{check::Plan, diagnostic::Result, layer::display_shape};

/// `trainyard summary FILE`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  trainyard summary pipelines/cifar10.yaml")]
pub struct Arguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The layer table as text.
pub fn layer_table(plan: &Plan) -> String {
    let mut rows = vec![["layer", "line", "output shape", "parameters", "FLOPs"].map(str::to_owned)];
    rows.push(["input".to_owned(), String::new(), display_shape(&plan.input), String::new(), String::new()]);
    rows.extend(plan.layers.iter().map(|layer| {
        [
            layer.name.clone(),
            layer.line.to_string(),
            display_shape(&layer.output_shape),
            thousands(layer.parameters),
            thousands(layer.flops),
        ]
    }));
    let sum = |value: fn(&crate::run::LayerRow) -> u64| thousands(plan.layers.iter().map(value).sum());
    rows.push(["total".to_owned(), String::new(), String::new(), sum(|l| l.parameters), sum(|l| l.flops)]);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 5]| {
        let text = format!(
            "{:<a$}  {:>b$}  {:<c$}  {:>d$}  {:>e$}",
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4],
        );
        text.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Shows the layers.
pub fn summary(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let checked = output.check(&arguments.pipeline.file, &arguments.pipeline.set, None);
    let Some(plan) = checked.plan.as_ref().filter(|_| checked.is_sound()) else { return Ok(Ending::Invalid) };
    if output.json {
        println!("{}", serde_json::to_string_pretty(&plan.layers).expect("rows are plain data"));
    } else {
        print!("{}", layer_table(plan));
    }
    Ok(Ending::Done)
}
