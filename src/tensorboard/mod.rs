//! TensorBoard's event files as an observer.
//!
//! They lie as Keras' callback `TensorBoard` lays them out, so that TensorBoard shows runs of both side by side: `train/`
//! and `validation/` hold `epoch_loss` and so on, by the epoch from 0, and `batch_loss` by the step where that is wanted;
//! `validation/` and `test/` hold `evaluation_loss_vs_iterations`, by the steps made so far. `train/` also holds the layers
//! as a graph, and some images.

mod file;
mod graph;
mod message;
mod wire;

use crate::{
    callback::tensorboard::UpdateFreq,
    check::Plan,
    diagnostic::Result,
    layer::Layer,
    run::{EpochRecord, EvaluationRecord, Inspection, Thumbnail},
    text::from_base64,
    train::{Event, Observer},
};
use file::RecordFile;
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Writes event files while a run is under way.
pub struct EventFiles {
    directory: PathBuf,
    freq: UpdateFreq,
    train: RecordFile,
    /// From the first validation on.
    validation: Option<RecordFile>,
    /// Steps made before this epoch.
    steps_before: u64,
    /// Steps of this epoch.
    steps: u64,
}

impl EventFiles {
    /// Begins with the graph of `layers`, which `plan` is the plan of, in `directory`.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn new(directory: &Path, freq: UpdateFreq, layers: &[Layer], plan: &Plan) -> Result<Self> {
        let mut train = begin(directory, "train")?;
        train.append(&message::graph(wall_time(), &graph::nodes(layers, plan)))?;
        train.sync()?;
        Ok(EventFiles { directory: directory.to_owned(), freq, train, validation: None, steps_before: 0, steps: 0 })
    }

    /// The sample of the training data, as it is and augmented.
    fn data_seen(&mut self, data: &Inspection) -> Result<()> {
        let (Some(split), [height, width, _]) = (data.splits.first(), &data.shape[..]) else { return Ok(()) };
        for (tag, thumbnails) in [("sample", &split.sample), ("sample_augmented", &split.augmented)] {
            let png = |thumbnail: &Thumbnail| from_base64(&thumbnail.png);
            let pngs: Vec<Vec<u8>> = thumbnails.iter().filter_map(png).collect();
            if !pngs.is_empty() {
                self.train.append(&message::images(wall_time(), tag, [*height, *width], &pngs))?;
            }
        }
        self.train.sync()
    }

    fn step_ended(&mut self, step: usize, figures: &[(String, f64)]) -> Result<()> {
        self.steps = step as u64;
        let all = self.steps_before + self.steps;
        if matches!(self.freq, UpdateFreq::Steps(freq) if all.is_multiple_of(freq)) {
            for (name, value) in figures {
                self.train.append(&message::scalar(wall_time(), all, &format!("batch_{name}"), *value))?;
            }
        }
        Ok(())
    }

    fn epoch_ended(&mut self, record: &EpochRecord) -> Result<()> {
        let now = wall_time();
        let epoch = record.epoch as u64 - 1;
        self.steps_before += std::mem::take(&mut self.steps);
        for (name, value) in &record.figures {
            match name.strip_prefix("val_") {
                None => self.train.append(&message::scalar(now, epoch, &format!("epoch_{name}"), *value))?,
                Some(name) => {
                    let file = match &mut self.validation {
                        Some(file) => file,
                        none => none.insert(begin(&self.directory, "validation")?),
                    };
                    file.append(&message::scalar(now, epoch, &format!("epoch_{name}"), *value))?;
                    file.append(&message::scalar(now, self.steps_before, &evaluated(name), *value))?;
                }
            }
        }
        for (name, value) in &record.watched {
            self.train.append(&message::scalar(now, epoch, &format!("epoch_{name}"), *value))?;
        }
        self.train.append(&message::scalar(now, epoch, "epoch_learning_rate", record.learning_rate))?;
        self.train.sync()?;
        self.validation.as_ref().map_or(Ok(()), RecordFile::sync)
    }

    fn test_ended(&mut self, evaluation: &EvaluationRecord) -> Result<()> {
        let mut file = begin(&self.directory, "test")?;
        for (name, value) in &evaluation.metrics {
            let name = name.strip_prefix("test_").unwrap_or(name);
            file.append(&message::scalar(wall_time(), self.steps_before, &evaluated(name), *value))?;
        }
        file.sync()
    }
}

impl Observer for EventFiles {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::DataSeen(data) => self.data_seen(data),
            Event::EpochStarted { before, .. } => {
                self.steps_before = *before;
                Ok(())
            }
            Event::StepEnded { step, figures, .. } => self.step_ended(*step, figures),
            Event::EpochEnded(record) => self.epoch_ended(record),
            Event::WeightsWanted { .. } => Ok(()),
            Event::Evaluated(evaluation) => self.test_ended(evaluation),
        }
    }
}

/// Keras' tag of a figure that an evaluation gave, by the steps made until then.
fn evaluated(figure: &str) -> String {
    format!("evaluation_{figure}_vs_iterations")
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// A new event file in `directory/part`. TensorBoard knows it by its name and reads several in the order of their names.
fn begin(directory: &Path, part: &str) -> Result<RecordFile> {
    let now = wall_time();
    let name = format!("events.out.tfevents.{:010}.{}.trainyard.v2", now as u64, std::process::id());
    let mut file = RecordFile::create(&directory.join(part).join(name))?;
    file.append(&message::version(now))?;
    Ok(file)
}
