//! What a strategy comes to on the machine at hand: how many processes there are, of how many threads each.

use super::{Count, DataParallel, Strategy};
use crate::{device, distributed::Placement, machine};

impl DataParallel {
    /// How many processes compute on `device` where nobody has started them; at least 1.
    pub fn processes_here(&self, device: &str) -> usize {
        let automatic = || match (device::is_processor(device), self.threads_per_process.fixed()) {
            (false, _) => device::accelerators(),
            (true, Some(threads)) => machine::processors() / threads,
            (true, None) => machine::memory_nodes().min(machine::processors()),
        };
        self.processes.fixed().unwrap_or_else(automatic).max(1)
    }
}

impl Strategy {
    /// The threads of a process so placed, of a pipeline that says `threads`: `recorded` where both leave them open, and else its
    /// share of what the machine allows; at least 1.
    pub fn threads(&self, threads: Count, recorded: Option<usize>, placement: &Placement) -> usize {
        let own = self.data_parallel().and_then(|strategy| strategy.threads_per_process.fixed());
        let share = || threads.fixed().map(|threads| (threads / placement.local_size).max(1));
        own.or_else(share).or(recorded).unwrap_or_else(|| placement.processors())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_what_is_said_of_a_process_or_its_share() {
        let strategy = |processes, threads| {
            Strategy::DataParallel(DataParallel {
                processes: Count::Fixed(processes),
                threads_per_process: threads,
                ..DataParallel::default()
            })
        };
        let [alone, four] = [Placement::alone(), Placement::among(4)];
        // One process has what is said of each, too.
        assert_eq!(strategy(1, Count::Fixed(3)).threads(Count::Auto, Some(7), &alone), 3);
        assert_eq!(strategy(4, Count::Fixed(3)).threads(Count::Fixed(8), None, &four), 3);
        assert_eq!(strategy(4, Count::Auto).threads(Count::Fixed(8), Some(7), &four), 2);
        assert_eq!(strategy(4, Count::Auto).threads(Count::Fixed(2), None, &four), 1);
        assert_eq!(strategy(4, Count::Auto).threads(Count::Auto, Some(7), &four), 7);
        assert_eq!(Strategy::default().threads(Count::Auto, None, &alone), machine::processors());
    }

    #[test]
    fn as_many_processes_as_fit_where_nothing_is_said() {
        let automatic = |threads| DataParallel { threads_per_process: threads, ..DataParallel::default() };
        assert_eq!(automatic(Count::Fixed(1)).processes_here("cpu"), machine::processors());
        assert_eq!(automatic(Count::Fixed(1000)).processes_here("cpu"), 1);
        assert_eq!(DataParallel { processes: Count::Fixed(5), ..automatic(Count::Auto) }.processes_here("cpu"), 5);
    }
}
