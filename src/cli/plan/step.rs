//! How long a step of several processes takes: the model of `docs/scaling.md`.

use super::past::{self, Past};
use serde::Serialize;

/// Seconds that two processes wait for each other in a step, and each doubling of them adds: the last of many comes later; as measured for the smaller network of `docs/scaling.md`.
const WAITING: f64 = 2.3e-3;
/// The share of a transfer that is hidden behind the way back; as measured there. Larger networks hide more.
const HIDDEN: f64 = 0.26;

/// Where the seconds of a step go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// A process computes with its share.
    pub computing: f64,
    /// It waits for the others.
    pub waiting: f64,
    /// Messages go around the ring and back, whatever is in them.
    pub messages: f64,
    /// Gradients travel, and nothing is computed meanwhile.
    pub adding_up: f64,
    /// All of that.
    pub total: f64,
    /// What is left of the speed of as many processes that needn't tell each other anything, from 0 to 1.
    pub efficiency: f64,
}

/// What joins the processes.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bits a second from one process to the next.
    pub bandwidth: f64,
    /// Seconds until a small message is there.
    pub message: f64,
}

/// Several processes at work on a batch.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    pub processes: usize,
    /// Of each.
    pub threads: usize,
    /// The processors that all of them compute with; nothing where each has a machine or an accelerator of its own.
    pub processors: Option<usize>,
    /// Examples of all together.
    pub batch: usize,
    /// Bytes of all gradients.
    pub gradients: u64,
}

impl Shared {
    /// Bytes that each process sends where all add up their gradients in a ring: each hands on every part but its own, first the
    /// sums that grow and then those that are complete (Patarasuk and Yuan, 2009).
    pub fn sent(&self) -> u64 {
        let others = self.processes.saturating_sub(1) as u64;
        (2 * others).saturating_mul(self.gradients) / self.processes.max(1) as u64
    }

    /// Seconds in which these bytes travel.
    pub fn transfer(&self, link: Link) -> f64 {
        8.0 * self.sent() as f64 / link.bandwidth
    }

    /// Messages of a step that follow each other: gradients travel in a bucket of 128 KiB and others of a mebibyte each, every one
    /// around the ring and back.
    fn messages(&self) -> f64 {
        let buckets = 1 + self.gradients.saturating_sub(128 << 10).div_ceil(1 << 20);
        (buckets * 2 * self.processes.saturating_sub(1) as u64) as f64
    }

    /// What a step takes, as a past run of one process tells, and that run; nothing where none does.
    ///
    /// On one machine a process with as many threads as all of them together tells what the processors come to when all compute;
    /// one with the threads of each tells less. On machines of their own the latter tells it.
    pub fn step<'p>(&self, past: &'p [Past], link: Link) -> Option<(Step, &'p Past)> {
        let Shared { processes, threads, batch, .. } = *self;
        let share = batch.div_ceil(processes);
        let together = self.processors.and_then(|processors| {
            let run = past::latest(past, (1, (processes * threads).min(processors)), batch)?;
            Some((run.seconds(batch), run))
        });
        // Seconds for a whole batch by all processes, each as fast as it would be without the others.
        let (whole, run) = together.or_else(|| {
            let run = past::latest(past, (1, threads), share)?;
            let crowd = self.processors.map_or(1.0, |there| (processes * threads) as f64 / there as f64).max(1.0);
            Some((run.seconds(batch) / processes as f64 * crowd, run))
        })?;
        let computing = whole * (share * processes) as f64 / batch as f64;
        let messages = self.messages() * link.message;
        let adding_up = (1.0 - HIDDEN) * self.transfer(link);
        let waiting = WAITING * (processes as f64).log2();
        let total = computing + waiting + messages + adding_up;
        Some((Step { computing, waiting, messages, adding_up, total, efficiency: whole / total }, run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(threads: usize, milliseconds: f64) -> Past {
        Past {
            run: format!("runs/{threads}").into(),
            processes: 1,
            threads,
            batch: 256,
            examples_a_second: 256.0 / milliseconds * 1e3,
            around: 0.0,
        }
    }

    fn tutorial(processes: usize, processors: Option<usize>) -> Shared {
        Shared { processes, threads: 1, processors, batch: 256, gradients: 640_000 }
    }

    const LINK: Link = Link { bandwidth: 1e9, message: 6e-6 };

    #[test]
    fn a_ring_sends_less_than_twice_all() {
        let sent = |processes| Shared { gradients: 1024, ..tutorial(processes, None) }.sent();
        assert_eq!([1, 2, 4, 512].map(sent), [0, 1024, 1536, 2044]);
    }

    #[test]
    fn a_step_is_what_docs_scaling_md_says() {
        // The tutorial's network there: 12.1 ms with two threads, 18.8 ms by the model with two processes at 1 Gbit/s. Half a batch
        // takes a little more than half the time.
        let runs = [past(2, 12.1), past(1, 20.4)];
        let (step, run) = tutorial(2, Some(2)).step(&runs, LINK).unwrap();
        assert!((1e3 * step.total - 18.8).abs() < 1.0, "{step:?}");
        assert_eq!(run.threads, 2);
        // With 100 Mbit/s, 53.2 ms.
        let (slow, _) = tutorial(2, Some(2)).step(&runs, Link { bandwidth: 1e8, ..LINK }).unwrap();
        assert!((1e3 * slow.total - 53.2).abs() < 1.0, "{slow:?}");
        // On machines of their own nothing is crowded.
        let (apart, run) = tutorial(2, None).step(&runs, LINK).unwrap();
        assert!((1e3 * apart.computing - 10.2).abs() < 1e-9 && run.threads == 1);
        // Four processes of two processors take what two take, and more messages.
        let (four, _) = tutorial(4, Some(2)).step(&runs, LINK).unwrap();
        assert!((four.computing - step.computing).abs() < 1e-9 && four.messages > 2.9 * step.messages);
        assert!(four.efficiency < step.efficiency && step.efficiency < 1.0);
    }

    #[test]
    fn only_runs_that_tell_it_are_asked() {
        assert!(tutorial(2, None).step(&[past(2, 14.1)], LINK).is_none());
        // With 1000 threads on two processors, nothing is known of one thread or of two.
        assert!(tutorial(2, Some(2)).step(&[past(1000, 900.0)], LINK).is_none());
        let runs = [past(1, 23.8)];
        let (step, run) = tutorial(32, Some(2)).step(&runs, LINK).unwrap();
        assert!((1e3 * step.computing - 11.9).abs() < 1e-9 && run.threads == 1, "{step:?}");
    }
}
