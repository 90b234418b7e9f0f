//! How several processes would share the work, and what adding up their gradients would cost.

use super::{
    bandwidth,
    past::{self, Past},
    step::{Link, Shared, Step},
};
use crate::{
    check::Plan,
    device, machine,
    spec::Pipeline,
    text::{bytes, counted},
};
use serde::Serialize;
use std::path::PathBuf;

/// How several processes share the work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Sharing {
    /// How many there are.
    pub processes: usize,
    /// The threads of each.
    pub threads: usize,
    /// Whether all of them are on this machine, and not on one each.
    pub is_here: bool,
    /// The processors that all of them compute with; nothing where each has a machine or an accelerator of its own.
    pub processors: Option<usize>,
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
    /// Seconds in which the gradients of a step travel, hidden or not.
    pub transfer: f64,
    /// Where a step's seconds go, by the model.
    pub step: Option<Step>,
    /// The past run that the model goes out from.
    pub from: Option<PathBuf>,
    /// Seconds of a step of a past run by the same processes on this machine.
    pub measured: Option<f64>,
}

impl Sharing {
    /// That of `processes` with so many threads each: on machines of their own with the `carrier`'s links of `bandwidth`, or all on this machine where
    /// that isn't given. `past` are runs on this machine.
    pub fn new(
        pipeline: &Pipeline,
        plan: &Plan,
        (processes, threads): (usize, usize),
        (carrier, bandwidth): (&'static str, Option<f64>),
        past: &[Past],
    ) -> Self {
        let batch = pipeline.batch_size();
        let trained = plan.parameters(&pipeline.model.layers).into_iter().filter(|(_, parameter)| parameter.trainable);
        let gradients = 4 * trained.map(|(_, parameter)| parameter.shape.iter().product::<i64>() as u64).sum::<u64>();
        let is_here = bandwidth.is_none();
        let processors = (is_here && device::is_processor(&pipeline.device)).then(machine::processors);
        let shared = Shared { processes, threads, processors, batch, gradients };
        let link = Link {
            bandwidth: bandwidth.or_else(machine::loopback_bandwidth).unwrap_or(1e10),
            message: machine::message_time().unwrap_or(5e-5),
        };
        let same = past::latest(past, (processes, threads), batch).filter(|_| is_here);
        let (step, from) = shared.step(past, link).map(|(step, run)| (step, run.run.clone())).unzip();
        Sharing {
            processes,
            threads,
            is_here,
            processors,
            local_batch: [batch / processes, batch.div_ceil(processes)],
            gradients,
            sent: shared.sent(),
            carrier,
            bandwidth: link.bandwidth,
            transfer: shared.transfer(link),
            step,
            from,
            measured: same.map(|run| run.seconds(batch)),
        }
    }

    /// Name and value of each line about it.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let Sharing { processes, threads, local_batch: [least, most], .. } = *self;
        let share = if least == most { String::new() } else { format!("{least} or ") };
        let place = match self.processors {
            None if !self.is_here => "on a machine like this one each".to_owned(),
            Some(there) if self.is_crowded() => format!("crowded on {}", counted(there, "processor", "processors")),
            _ => "on this machine".to_owned(),
        };
        let how_many = format!(
            "{} of {}, {share}{} of a batch each, {place}",
            counted(processes, "process", "processes"),
            counted(threads, "thread", "threads"),
            counted(most, "example", "examples")
        );
        let sends = format!(
            "each sends {} a step over {}, and receives as much, for {} of gradients",
            bytes(self.sent),
            self.carrier,
            bytes(self.gradients)
        );
        vec![("processes", how_many), ("communication", sends), ("efficiency", self.efficiency())]
    }

    fn efficiency(&self) -> String {
        let within = match (self.is_here, self.carrier) {
            (false, _) => "",
            (true, "NCCL") => {
                " (measured between this machine's processors; NCCL's links are another matter: `--bandwidth`)"
            }
            (true, _) => " (measured within this machine)",
        };
        let link = format!("{}{within}", bandwidth::shown(self.bandwidth));
        let milliseconds = |seconds: f64| format!("{:.2} ms", 1e3 * seconds);
        let sums = milliseconds(self.transfer);
        match (self.step, self.measured) {
            (Some(step), None) => format!(
                "about {:.0}%: {} of computing a step, {} of waiting for each other, {} of messages, and of the {sums} that the sums \
                 take at {link} the {} that aren't hidden{}",
                100.0 * step.efficiency,
                milliseconds(step.computing),
                milliseconds(step.waiting),
                milliseconds(step.messages),
                milliseconds(step.adding_up),
                if self.is_crowded() { "; that they wait for their turn at the processors comes on top" } else { "" }
            ),
            (Some(step), Some(measured)) => format!(
                "about {:.0}%: a step took {}, and would take {} without the others",
                100.0 * (step.efficiency * step.total / measured).min(1.0),
                milliseconds(measured),
                milliseconds(step.efficiency * step.total)
            ),
            (None, Some(measured)) => format!(
                "not known: a step took {}, and no past run of one process tells what it would take without the others",
                milliseconds(measured)
            ),
            (None, None) => format!(
                "not known: no past run of one process with {} tells how long computing takes; the sums take about {sums} a step at \
                 {link}",
                self.asked()
            ),
        }
    }

    /// Whether there are more threads than processors.
    fn is_crowded(&self) -> bool {
        self.processors.is_some_and(|there| self.processes * self.threads > there)
    }

    /// The threads of a run of one process that would tell what a step takes.
    fn asked(&self) -> String {
        let all = self.processors.map(|there| (self.processes * self.threads).min(there));
        let mut asked = vec![self.threads];
        asked.extend(all.filter(|all| *all != self.threads));
        let last = asked.last().copied().unwrap_or(1);
        let listed: Vec<String> = asked.iter().map(usize::to_string).collect();
        format!("{} {}", listed.join(" or "), if last == 1 { "thread" } else { "threads" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing() -> Sharing {
        let step = Step {
            computing: 0.012,
            waiting: 0.0004,
            messages: 0.0001,
            adding_up: 0.0075,
            total: 0.02,
            efficiency: 0.6,
        };
        Sharing {
            processes: 2,
            threads: 1,
            is_here: false,
            processors: None,
            local_batch: [1, 1],
            gradients: 1 << 20,
            sent: 1 << 20,
            carrier: "Gloo",
            bandwidth: 1e9,
            transfer: 0.01,
            step: Some(step),
            from: None,
            measured: None,
        }
    }

    fn told(sharing: &Sharing) -> String {
        sharing.rows().into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    #[test]
    fn what_is_modelled_measured_and_unknown_is_said_to_be() {
        let modelled = sharing();
        assert_eq!(
            told(&modelled),
            "processes: 2 processes of 1 thread, 1 example of a batch each, on a machine like this one each\n\
             communication: each sends 1.0 MiB a step over Gloo, and receives as much, for 1.0 MiB of gradients\n\
             efficiency: about 60%: 12.00 ms of computing a step, 0.40 ms of waiting for each other, 0.10 ms of messages, and of the \
             10.00 ms that the sums take at 1.0 Gbit/s the 7.50 ms that aren't hidden\n"
        );
        let here =
            Sharing { is_here: true, processors: Some(1), measured: Some(0.024), local_batch: [16, 17], ..modelled };
        let text = told(&here);
        let crowded = told(&Sharing { measured: None, ..here.clone() });
        assert!(
            crowded.contains("(measured within this machine) the 7.50 ms that aren't hidden; that they wait for"),
            "{crowded}"
        );
        assert!(
            text.contains("2 processes of 1 thread, 16 or 17 examples of a batch each, crowded on 1 processor\n"),
            "{text}"
        );
        assert!(
            text.contains("efficiency: about 50%: a step took 24.00 ms, and would take 12.00 ms without"),
            "{text}"
        );
        let unknown = Sharing { step: None, measured: None, processors: Some(2), ..here };
        assert!(told(&unknown).contains("no past run of one process with 1 or 2 threads tells"), "{}", told(&unknown));
        let apart = Sharing { is_here: false, processors: None, ..unknown };
        assert!(told(&apart).contains("with 1 thread tells how long computing takes; the sums take about 10.00 ms"));
    }
}
