//! The epoch under way, as far as it has come.

use super::{Training, watch::GradientNorms};
use crate::{
    evaluate::Figures,
    run::{EpochRecord, checkpoint::Position},
    spec::Watch,
};
use std::time::Instant;

/// The epoch under way.
pub(super) struct Epoch {
    /// Steps done.
    pub step: usize,
    pub figures: Figures,
    /// Where they are watched.
    pub norms: Option<GradientNorms>,
    pub data_wait_seconds: f64,
    /// Seconds taken before this process, and since when it is at work.
    seconds: f64,
    since: Instant,
}

impl Epoch {
    /// One that begins now.
    pub fn new(training: &Training<'_>) -> Self {
        let figures = Figures::new("", &training.pipeline.training.metrics, training.data.classes());
        let watched = training.pipeline.training.watch.contains(&Watch::GradientNorm);
        let norms = watched.then(|| GradientNorms::new(training.model));
        Epoch { step: 0, figures, norms, data_wait_seconds: 0.0, seconds: 0.0, since: Instant::now() }
    }

    /// This process is at work on it from now on.
    pub fn go_on(&mut self) {
        self.since = Instant::now();
    }

    /// Puts it where a checkpoint left it, but for the sums of its figures.
    pub fn go_on_from(&mut self, position: &Position) {
        self.step = position.step;
        self.seconds = position.seconds;
        self.data_wait_seconds = position.data_wait_seconds;
    }

    /// Seconds taken so far.
    pub fn elapsed(&self) -> f64 {
        self.seconds + self.since.elapsed().as_secs_f64()
    }

    /// What is to be said of it: the `epoch`-th, from 1, whose last step was made at some rate.
    pub fn record(&self, epoch: usize, learning_rate: f64) -> EpochRecord {
        let seconds = self.elapsed();
        EpochRecord {
            epoch,
            figures: self.figures.values(),
            watched: self.norms.as_ref().map_or_else(Vec::new, |norms| norms.means(self.step)),
            learning_rate,
            seconds,
            images_per_second: self.figures.examples() as f64 / seconds,
            data_wait_seconds: self.data_wait_seconds,
        }
    }
}
