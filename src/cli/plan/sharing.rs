//! How several processes would share the work, and what adding up their gradients would cost.

use super::Estimate;
use crate::{
    check::Plan,
    machine,
    spec::Pipeline,
    text::{bytes, thousands},
};
use serde::Serialize;

/// How several processes share the work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sharing {
    /// How many there are.
    pub processes: usize,
    /// The threads of each.
    pub threads: usize,
    /// The fewest examples of a whole batch that one of them has, and the most.
    pub local_batch: [usize; 2],
    /// Bytes of all gradients.
    pub gradients: u64,
    /// Bytes that each process sends in a step, and receives.
    pub sent: u64,
    /// What carries the gradients: `Gloo` or `NCCL`.
    pub carrier: &'static str,
    /// Bits a second from one process to the next.
    pub bandwidth: f64,
    /// Whether it was measured: within this machine, by way of its processors.
    pub is_measured: bool,
    /// Seconds a step.
    pub step: Option<Step>,
}

/// Where a step's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    /// Seconds that a process computes with its share.
    pub computing: f64,
    /// Seconds in which gradients travel. Some of it is hidden behind the way back, which isn't counted on.
    pub adding_up: f64,
    /// What is left of the speed of as many processes that needn't tell each other anything.
    pub efficiency: f64,
}

impl Sharing {
    /// That of `processes` with so many threads each, over the `carrier`'s links of `bandwidth`, which is measured where it isn't given.
    pub fn new(
        pipeline: &Pipeline,
        plan: &Plan,
        (processes, threads): (usize, usize),
        (carrier, bandwidth): (&'static str, Option<f64>),
        past: Option<&Estimate>,
    ) -> Self {
        let batch = pipeline.batch_size();
        let trained = plan.parameters(&pipeline.model.layers).into_iter().filter(|(_, parameter)| parameter.trainable);
        let gradients = 4 * trained.map(|(_, parameter)| parameter.shape.iter().product::<i64>() as u64).sum::<u64>();
        let sent = sent(processes, gradients);
        let given = bandwidth;
        let bandwidth = given.or_else(machine::loopback_bandwidth).unwrap_or(1e10);
        let step = past.map(|past| {
            // Threads are taken to be as good as they were, however many there are.
            let speed = past.images_per_second * threads as f64 / past.threads.max(1) as f64;
            let computing = batch.div_ceil(processes) as f64 / speed;
            let adding_up = 8.0 * sent as f64 / bandwidth;
            let ideal = batch as f64 / processes as f64 / speed;
            Step { computing, adding_up, efficiency: ideal / (computing + adding_up) }
        });
        Sharing {
            processes,
            threads,
            local_batch: [batch / processes, batch.div_ceil(processes)],
            gradients,
            sent,
            carrier,
            bandwidth,
            is_measured: given.is_none(),
            step,
        }
    }

    /// Name and value of each line about it.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let Sharing { processes, threads, local_batch: [least, most], .. } = *self;
        let share = if least == most { format!("{most}") } else { format!("{least} or {most}") };
        let link = format!(
            "{}bit/s{}",
            rounded(self.bandwidth),
            match (self.is_measured, self.carrier) {
                (false, _) => "",
                (true, "NCCL") =>
                    ", measured between this machine's processors; NCCL's links are another matter (`--bandwidth`)",
                (true, _) => ", measured within this machine",
            }
        );
        let efficiency = match self.step {
            Some(Step { computing, adding_up, efficiency }) => format!(
                "at least {:.0}%: {:.2} ms of computing a step and {:.2} ms for the sums at {link}, none of it hidden",
                100.0 * efficiency,
                1000.0 * computing,
                1000.0 * adding_up
            ),
            None => format!(
                "no past run tells how long a step takes; the sums take {:.2} ms at {link}",
                8e3 * self.sent as f64 / self.bandwidth
            ),
        };
        vec![
            (
                "processes",
                format!("{} of {} threads, {share} examples of a batch each", thousands(processes as u64), threads),
            ),
            (
                "communication",
                format!(
                    "each sends {} a step over {}, and receives as much, for {} of gradients",
                    bytes(self.sent),
                    self.carrier,
                    bytes(self.gradients)
                ),
            ),
            ("efficiency", efficiency),
        ]
    }
}

/// Bytes that each of so many processes sends where all add up so many in a ring: each hands on every part but its own, first the
/// sums that grow and then those that are complete (Patarasuk and Yuan, 2009).
fn sent(processes: usize, bytes: u64) -> u64 {
    let others = processes.saturating_sub(1) as u64;
    (2 * others).saturating_mul(bytes) / processes.max(1) as u64
}

/// Bits a second in a few digits: `10 G`.
fn rounded(bits: f64) -> String {
    let (value, unit) = match bits {
        _ if bits >= 1e9 => (bits / 1e9, "G"),
        _ if bits >= 1e6 => (bits / 1e6, "M"),
        _ => (bits / 1e3, "k"),
    };
    if value >= 10.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Reads `10Gbit/s`, `100 Mbit/s` or `1.25GB/s`: bits a second.
pub(super) fn bandwidth(text: &str) -> Result<f64, String> {
    let wanted = || "a bandwidth, such as `10Gbit/s` or `1.25GB/s`".to_owned();
    let plain: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let plain = plain.strip_suffix("/s").unwrap_or(&plain);
    let (number, each) = match (plain.strip_suffix("bit"), plain.strip_suffix('B')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 8.0),
        (None, None) => return Err(wanted()),
    };
    let units = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];
    let found = units.iter().find_map(|(unit, times)| Some((number.strip_suffix(unit)?, *times)));
    let (number, times) = found.unwrap_or((number, 1.0));
    let value: f64 = number.parse().map_err(|_| wanted())?;
    let bits = value * times * each;
    if bits.is_finite() && bits >= 1.0 { Ok(bits) } else { Err(wanted()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_sends_less_than_twice_all() {
        assert_eq!([1, 2, 4, 512].map(|processes| sent(processes, 1024)), [0, 1024, 1536, 2044]);
    }

    #[test]
    fn bandwidths_are_read() {
        let read = |text: &str| bandwidth(text).ok();
        assert_eq!(read("10Gbit/s"), Some(1e10));
        assert_eq!(read("100 Mbit/s"), Some(1e8));
        assert_eq!(read("1.25GB/s"), Some(1e10));
        assert_eq!(read("500kbit"), Some(5e5));
        for wrong in ["", "10", "Gbit/s", "0Gbit/s", "-1GB/s", "nan GB/s", "10Gb/s"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
        assert_eq!([1e10, 2.5e9, 1e8, 5e5].map(rounded), ["10 G", "2.5 G", "100 M", "500 k"]);
    }
}
