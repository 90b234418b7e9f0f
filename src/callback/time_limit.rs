//! Stops training when its time is over.

use super::{Callback, CallbackDefinition, Ended, Verdict};
use crate::exact::Exact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Stops training before an epoch that would probably end behind this time; the first epoch is always trained. Where that cuts a
/// training short, another machine cuts it elsewhere, and the same file no longer gives the same numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "minutes", "x-known-as" = ["Timer", "TimeStopping", "max_time"], "examples" = [{"minutes": 30}]))]
pub struct TimeLimit {
    /// How long training may take, validation included.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000000, "examples" = [30]))]
    pub minutes: f64,
}

impl CallbackDefinition for TimeLimit {
    fn can_act(&self, epochs: usize) -> bool {
        epochs > 1
    }

    fn start(&self, _larger_is_better: bool) -> Option<Box<dyn Callback>> {
        Some(Box::new(Clock { minutes: self.minutes, before: 0.0, since: Instant::now() }))
    }
}

struct Clock {
    minutes: f64,
    /// Seconds taken before this process.
    before: f64,
    since: Instant,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.since.elapsed().as_secs_f64()
    }
}

impl Callback for Clock {
    fn epoch_ended(&mut self, ended: &Ended<'_>) -> Verdict {
        let seconds = self.seconds();
        let of_epoch = seconds / (ended.epoch + 1) as f64;
        let is_over = seconds + of_epoch > 60.0 * self.minutes;
        let minutes = self.minutes;
        Verdict { stop: is_over.then(|| format!("another epoch would take more than {minutes} min")), ..Verdict::default() }
    }

    fn memory(&self) -> serde_json::Value {
        serde_json::to_value(Exact(self.seconds())).expect("plain data")
    }

    fn recall(&mut self, memory: &serde_json::Value) -> bool {
        let before = Exact::deserialize(memory);
        self.before = before.as_ref().map_or(0.0, |seconds| seconds.0);
        before.is_ok()
    }
}
