//! How long a prediction takes.

use super::{EvaluationStep, StepResult, Subject};
use crate::{diagnostic::Result, task::Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long the model takes for one example and for a batch, from bytes in memory to probabilities; with median, 99th percentile and examples a second. It is
/// measured, so that it isn't the same each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("examples" = [{}, {"batch_sizes": [1, 8, 64]}]))]
pub struct Latency {
    /// Examples at once: 1 and the batch of the evaluation where none are given.
    #[schemars(length(max = 16), inner(range(min = 1, max = 65536)), extend("examples" = [[1, 64]]))]
    pub batch_sizes: Vec<usize>,
    /// How often each is measured, after some that don't count; or for two seconds, whatever ends first.
    #[schemars(range(min = 3, max = 100000))]
    pub repetitions: usize,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { batch_sizes: Vec::new(), repetitions: 200 }
    }
}

/// No size is measured for longer.
const LONGEST: Duration = Duration::from_secs(2);
/// Measurements that don't count.
const WARM_UP: usize = 5;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By size.
    pub batches: Vec<OfBatch>,
}

/// The measurements of one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfBatch {
    /// Examples at once.
    pub batch_size: usize,
    /// How often it was measured.
    pub repetitions: usize,
    /// Median, in seconds.
    pub median: f64,
    /// 99th percentile, in seconds: the smallest time that 99 of 100 don't exceed; nothing where it was measured less often.
    pub p99: Option<f64>,
    /// Examples a second, over all measurements.
    pub examples_per_second: f64,
}

impl Latency {
    fn measure(&self, subject: &dyn Subject, batch_size: usize) -> Result<Option<OfBatch>> {
        let count = subject.examples();
        if count == 0 {
            return Ok(None);
        }
        let mut examples = Vec::new();
        for place in 0..batch_size {
            match place < count {
                true => examples.extend(subject.example(place)?),
                // A small split is used again and again.
                false => examples.extend_from_within(..(examples.len() / place).min(examples.len())),
            }
        }
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < WARM_UP + 3 || (times.len() < WARM_UP + self.repetitions && start.elapsed() < LONGEST) {
            let begin = Instant::now();
            subject.probabilities(&examples)?;
            times.push(begin.elapsed().as_secs_f64());
        }
        let mut times = times.split_off(WARM_UP);
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let p99 = (times.len() >= 100).then(|| times[(times.len() * 99).div_ceil(100) - 1]);
        let examples_per_second = (batch_size * times.len()) as f64 / times.iter().sum::<f64>();
        Ok(Some(OfBatch { batch_size, repetitions: times.len(), median, p99, examples_per_second }))
    }
}

impl EvaluationStep for Latency {
    fn suits(&self, _: Task) -> bool {
        true
    }

    /// It measures for seconds, however many examples there are.
    fn is_quick(&self) -> bool {
        false
    }

    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let mut sizes = match self.batch_sizes.is_empty() {
            true => vec![1, subject.batch_size()],
            false => self.batch_sizes.clone(),
        };
        sizes.dedup();
        let mut batches = Vec::new();
        for size in sizes {
            batches.extend(self.measure(subject, size)?);
        }
        Ok(Outcome { batches }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    #[test]
    fn one_and_a_batch_are_measured() {
        let trial = Trial::new(&[(0, [1.0, 0.0, 0.0])]);
        let step = Latency { repetitions: 100, ..Latency::default() };
        let StepResult::Latency(outcome) = step.compute(&trial).unwrap() else { panic!() };
        assert_eq!(outcome.batches.iter().map(|batch| batch.batch_size).collect::<Vec<_>>(), [1, 2]);
        assert!(outcome.batches.iter().all(|b| b.repetitions == 100 && Some(b.median) <= b.p99 && b.median > 0.0));
    }
}
