//! `trainyard predict`

use super::{
    Ending,
    context::{OpenedRun, Output, open_run},
};
use crate::{
    data::{Feed, InputPipeline},
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    evaluate::probabilities,
    picture::thumbnail,
    report::{Prediction, predictions_page},
    run::write_atomically,
    source::{Examples, GivenImages},
    stage::{Batch, Prefetch, Stage},
    text::Table,
};
use std::{fmt::Write, path::PathBuf, sync::Arc};

/// `trainyard predict RUN IMAGE...`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard predict runs/cifar10-cnn/20261123-230512-7f3a cat.jpg photos --html photos.html\n  \
                  curl -s https://example.org/cat.jpg | trainyard predict runs/cifar10-cnn/20261123-230512-7f3a - --json"
)]
pub struct Arguments {
    /// The run: its directory, or NAME for the latest one of that name.
    run: PathBuf,
    /// Images of any size; directories, of which all images are taken; `-` for an image on stdin.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// How many classes to name.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    /// Print CSV: path, class, probability, then the other classes in the same manner.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write a page with the images, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
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
    let mut problems = Vec::new();
    let mut images = GivenImages::new(reader);
    for image in &arguments.images {
        let added = match image.to_str() {
            Some("-") => images.add_stream("-", std::io::stdin().lock()),
            _ => images.add_path(image),
        };
        problems.extend(added.err().map(|problem| *problem));
    }
    let images = Arc::new(images);
    let top = usize::try_from(arguments.top).unwrap_or(usize::MAX);
    let predictions = predictions(&run, &images, top, arguments.html.is_some())?;
    problems.extend(images.problems());
    for problem in &problems {
        output.tell(&SourceMap::default(), problem);
    }
    if output.json {
        println!("{}", as_json(&predictions));
    } else if arguments.csv {
        print!("{}", as_csv(&predictions));
    } else {
        print!("{}", as_table(&predictions));
    }
    if let Some(path) = &arguments.html {
        let left_out: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        let page = predictions_page(&run.info.name, &run.info.id, &predictions, &left_out)?;
        write_atomically(path, page.as_bytes())?;
        if !output.json && !arguments.csv {
            println!("\npage: {}", path.display());
        }
    }
    Ok(if problems.is_empty() { Ending::Done } else { Ending::Failed })
}

/// What the model says of the images that can be read: the `top` most probable classes; with pictures where they are wanted.
fn predictions(run: &OpenedRun, images: &Arc<GivenImages>, top: usize, pictures: bool) -> Result<Vec<Prediction>> {
    let classes = run.info.data.as_ref().map(|data| data.classes.clone()).unwrap_or_default();
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let form = run.plan.input;
    let reader = run.pipeline.dataset.source.reader();
    let feed =
        Feed { examples: images.clone(), form, classes: classes.len(), digest: String::new(), reader, part: "given" };
    let batch_size = run.pipeline.dataset.evaluate.iter().find_map(|stage| stage.batch_size()).unwrap_or(1);
    // The pipeline's own stages might leave images out.
    let stages = [Stage::Batch(Batch { batch_size, drop_remainder: false }), Stage::Prefetch(Prefetch::default())];
    let data = InputPipeline::new(feed, &stages, "predict", run.pipeline.seed, run.threads);
    let mut predictions = Vec::with_capacity(images.len());
    let mut index = 0;
    probabilities(&run.pipeline, &run.model, &data, |batch, probabilities| {
        let rows = probabilities.chunks_exact(probabilities.len() / batch.labels.len());
        for (row, values) in rows.zip(batch.examples.chunks_exact(form.bytes())) {
            if images.was_readable(index) {
                let mut ranked: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
                ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                ranked.truncate(top);
                let picture = form.image().filter(|_| pictures).and_then(|shape| thumbnail(values, shape));
                predictions.push(Prediction {
                    image: images.describe(index),
                    png: picture.unwrap_or_default(),
                    top: ranked.into_iter().map(|(class, probability)| (name(class), probability)).collect(),
                });
            }
            index += 1;
        }
    })?;
    Ok(predictions)
}

fn as_json(predictions: &[Prediction]) -> String {
    let one = |prediction: &Prediction| {
        let top = prediction.top.iter();
        let top: Vec<_> = top.map(|(class, p)| serde_json::json!({ "class": class, "probability": p })).collect();
        serde_json::json!({ "image": prediction.image, "top": top })
    };
    let all: Vec<_> = predictions.iter().map(one).collect();
    serde_json::to_string_pretty(&all).expect("plain data")
}

/// A line for each image.
fn as_table(predictions: &[Prediction]) -> String {
    if predictions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["image", "class", "probability", "then"], "<<><");
    for Prediction { image, top, .. } in predictions {
        let percent = |probability: f32| format!("{:.1}%", 100.0 * probability);
        let others: Vec<String> = top[1..].iter().map(|(class, p)| format!("{class} {}", percent(*p))).collect();
        table.row(&[image, &top[0].0, &percent(top[0].1), &others.join(", ")]);
    }
    table.to_string()
}

/// A row for each image, below one of names.
fn as_csv(predictions: &[Prediction]) -> String {
    let mut text = "path,class,probability".to_owned();
    let most = predictions.iter().map(|prediction| prediction.top.len()).max().unwrap_or(1);
    for rank in 2..=most {
        let _ = write!(text, ",class_{rank},probability_{rank}");
    }
    text.push('\n');
    for Prediction { image, top, .. } in predictions {
        text.push_str(&quoted(image));
        for (class, probability) in top {
            let _ = write!(text, ",{},{probability}", quoted(class));
        }
        text.push('\n');
    }
    text
}

/// A field of CSV, in quotes where RFC 4180 wants them.
fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        for (field, wanted) in [("cat", "cat"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\"")] {
            assert_eq!(quoted(field), wanted);
        }
        let top = vec![("cat".to_owned(), 0.75), ("a \"dog\"".to_owned(), 0.25)];
        let one = Prediction { image: "a, b.png".to_owned(), png: String::new(), top };
        let wanted = "path,class,probability,class_2,probability_2\n\"a, b.png\",cat,0.75,\"a \"\"dog\"\"\",0.25\n";
        assert_eq!(as_csv(&[one]), wanted);
        assert_eq!(as_csv(&[]), "path,class,probability\n");
    }
}
