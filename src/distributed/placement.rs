//! The place of a process among those that work on one run, as whoever started it says.

use crate::{
    device::Reached,
    diagnostic::{Code, Diagnostic, Result},
    machine,
};
use std::net::UdpSocket;

/// The place of a process among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Who started it, for messages.
    pub starter: &'static str,
    /// From 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// From 0, on this machine.
    pub local_rank: usize,
    /// How many there are on this machine.
    pub local_size: usize,
    /// Where all meet.
    host: String,
    port: u16,
    /// Whether somebody other than rank 0 keeps the store, and keeps it when the processes are started again.
    pub store_is_kept: bool,
    /// How often they were started again.
    pub attempt: u64,
    /// The process that started this one and ends it with itself.
    pub parent: Option<u32>,
    /// The processors that are meant for this process, where its surroundings say so.
    processors: Option<usize>,
}

/// How a process that this program started knows who did.
pub(super) const PARENT: &str = "TRAINYARD_PARENT";

/// A variable of the environment, where it is set and not empty.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Placement {
    /// That of a process on its own.
    pub fn alone() -> Self {
        Placement {
            starter: "nobody",
            rank: 0,
            size: 1,
            local_rank: 0,
            local_size: 1,
            host: String::new(),
            port: 0,
            store_is_kept: false,
            attempt: 0,
            parent: None,
            processors: None,
        }
    }

    /// That of one of so many processes on this machine.
    pub fn among(size: usize) -> Self {
        Placement { size, local_size: size, ..Self::alone() }
    }

    /// That of one of so many processes on a machine each.
    pub fn apart(size: usize) -> Self {
        Placement { size, ..Self::alone() }
    }

    /// What the environment says: torchrun's variables, or Slurm's; nothing where there are neither.
    ///
    /// # Errors
    /// Where they are incomplete or contradict each other.
    pub fn read() -> Result<Option<Self>> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    pub(super) fn of(variable: Variables<'_>) -> Result<Option<Self>> {
        let found = if variable("RANK").is_some() && variable("WORLD_SIZE").is_some() {
            Self::of_torchrun(variable)?
        } else if variable("SLURM_PROCID").is_some() && variable("SLURM_STEP_ID").is_some() {
            Self::of_slurm(variable)?
        } else {
            return Ok(None);
        };
        let places = [("", found.rank, found.size), (" on this machine", found.local_rank, found.local_size)];
        match places.into_iter().find(|(_, rank, size)| rank >= size) {
            Some((place, rank, size)) => {
                let message = format!("the environment says that this is rank {rank} of {size} processes{place}");
                Err(Box::new(Diagnostic::error(Code::WORLD_SIZE, message).help("ranks begin at 0")))
            }
            None => Ok(Some(found)),
        }
    }

    /// What is wrong where the environment has only one of RANK and WORLD_SIZE: then this process counts as one on its own.
    pub fn half() -> Option<Diagnostic> {
        Self::half_of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn half_of(variable: Variables<'_>) -> Option<Diagnostic> {
        let names = ["RANK", "WORLD_SIZE"];
        let (set, missing) = match names.map(|name| variable(name).is_some()) {
            [true, false] => (names[0], names[1]),
            [false, true] => (names[1], names[0]),
            _ => return None,
        };
        if variable("SLURM_PROCID").is_some() && variable("SLURM_STEP_ID").is_some() {
            return None;
        }
        let value = variable(set).unwrap_or_default();
        let message = format!("{set} is `{value}` in the environment, and {missing} isn't set");
        let problem = Diagnostic::error(Code::WORLD_SIZE, message);
        Some(problem.help(format!("set both for one of several processes; `unset {set}` for a process on its own")))
    }

    fn of_torchrun(variable: Variables<'_>) -> Result<Self> {
        let parent = variable(PARENT).and_then(|parent| parent.parse().ok());
        let local_rank = number(variable, "LOCAL_RANK")?.unwrap_or(0);
        Ok(Placement {
            starter: if parent.is_some() { "trainyard" } else { "the environment (RANK, WORLD_SIZE)" },
            rank: needed(number(variable, "RANK")?, "RANK")?,
            size: needed(number(variable, "WORLD_SIZE")?, "WORLD_SIZE")?,
            local_rank,
            local_size: number(variable, "LOCAL_WORLD_SIZE")?.unwrap_or(local_rank + 1),
            host: needed(variable("MASTER_ADDR"), "MASTER_ADDR")?,
            port: needed(port(variable)?, "MASTER_PORT")?,
            store_is_kept: variable("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True"),
            attempt: number(variable, "TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0),
            parent,
            processors: None,
        })
    }

    fn of_slurm(variable: Variables<'_>) -> Result<Self> {
        let size = number(variable, "SLURM_STEP_NUM_TASKS")?.or(number(variable, "SLURM_NTASKS")?);
        let local_rank = number(variable, "SLURM_LOCALID")?.unwrap_or(0);
        let nodes = variable("SLURM_STEP_NODELIST").or_else(|| variable("SLURM_JOB_NODELIST"));
        let first = nodes.as_deref().map(first_host).or_else(|| variable("SLURM_LAUNCH_NODE_IPADDR"));
        // Steps of one job may run at the same time.
        let (job, step): (u64, u64) =
            (number(variable, "SLURM_JOB_ID")?.unwrap_or(0), number(variable, "SLURM_STEP_ID")?.unwrap_or(0));
        let tasks = variable("SLURM_STEP_TASKS_PER_NODE").or_else(|| variable("SLURM_TASKS_PER_NODE"));
        let node: usize = number(variable, "SLURM_NODEID")?.unwrap_or(0);
        let local_size = tasks.and_then(|tasks| tasks_of_nodes(&tasks).into_iter().nth(node));
        Ok(Placement {
            starter: "Slurm",
            rank: needed(number(variable, "SLURM_PROCID")?, "SLURM_PROCID")?,
            size: needed(size, "SLURM_NTASKS")?,
            local_rank,
            local_size: local_size.unwrap_or(local_rank + 1),
            host: needed(variable("MASTER_ADDR").or(first), "MASTER_ADDR")?,
            // Below the ports that systems give away on their own.
            port: port(variable)?.unwrap_or(12_000 + ((job.wrapping_mul(31) + step) % 18_000) as u16),
            store_is_kept: false,
            attempt: 0,
            parent: None,
            processors: Some(number(variable, "SLURM_CPUS_PER_TASK")?.unwrap_or(1)),
        })
    }

    /// The processors of this machine that this process can use, and the processes that share them.
    pub fn shared(&self) -> (usize, usize) {
        self.processors.map_or_else(|| (machine::processors(), self.local_size), |own| (own, 1))
    }

    /// The processors of this machine that are this process' share.
    pub fn processors(&self) -> usize {
        self.processors.unwrap_or_else(|| machine::processors() / self.local_size).max(1)
    }

    /// The host and the port where all meet.
    pub(super) fn meeting_place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Where the others reach this process: where it stands itself when it looks at where all meet. GLOO_SOCKET_IFNAME names
    /// another network interface, as with PyTorch.
    pub(super) fn reached(&self) -> Reached {
        if let Some(interface) = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty()) {
            return Reached::Interface(interface.split(',').next().unwrap_or_default().to_owned());
        }
        // No packet is sent: the system only looks up the way.
        let looked = ["0.0.0.0:0", "[::]:0"].iter().find_map(|own| {
            let socket = UdpSocket::bind(own).ok()?;
            socket.connect((self.host.as_str(), self.port)).ok()?;
            Some(socket.local_addr().ok()?.ip().to_string())
        });
        Reached::Address(looked.unwrap_or_else(|| self.host.clone()))
    }
}

fn number<T: std::str::FromStr>(variable: Variables<'_>, name: &str) -> Result<Option<T>> {
    let Some(value) = variable(name) else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| {
        let why = match value.trim().parse::<i128>() {
            Ok(_) => "out of range",
            Err(_) => "no whole number",
        };
        wrong(name, &value, why)
    })
}

/// MASTER_PORT, where it is set.
fn port(variable: Variables<'_>) -> Result<Option<u16>> {
    const NAME: &str = "MASTER_PORT";
    match number(variable, NAME)? {
        Some(0) => Err(wrong(NAME, "0", "out of range")),
        port => Ok(port),
    }
}

fn wrong(name: &str, value: &str, why: &str) -> Box<Diagnostic> {
    let problem =
        Diagnostic::error(Code::WORLD_SIZE, format!("{name} is `{value}` in the environment, which is {why}"));
    Box::new(problem.help(match name {
        "MASTER_PORT" => "a port is a number from 1 to 65535; take one that is free where rank 0 runs, such as 29500",
        "RANK" => "RANK is the number of this process among all, from 0 to WORLD_SIZE - 1",
        "WORLD_SIZE" => "WORLD_SIZE is how many processes there are in all",
        "LOCAL_RANK" => "LOCAL_RANK is the number of this process on its machine, from 0 to LOCAL_WORLD_SIZE - 1",
        "LOCAL_WORLD_SIZE" => "LOCAL_WORLD_SIZE is how many processes there are on this machine",
        _ => "it takes a whole number, as whoever starts processes sets it",
    }))
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| {
        let message = format!("this is one of several processes, but {name} isn't set in the environment");
        Box::new(
            Diagnostic::error(Code::WORLD_SIZE, message)
                .help("torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"),
        )
    })
}

/// The first host of Slurm's list, such as `gpu[03-07,12],login`.
fn first_host(list: &str) -> String {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (name, rest) = list.split_at(end);
    match rest.strip_prefix('[') {
        Some(numbers) => {
            let number = numbers.split([',', '-', ']']).next().unwrap_or_default();
            let behind = numbers.split_once(']').map_or("", |(_, behind)| behind);
            format!("{name}{number}{}", behind.split(',').next().unwrap_or_default())
        }
        None => name.to_owned(),
    }
}

/// How many tasks each node has, of a text such as `2(x3),1`.
fn tasks_of_nodes(text: &str) -> Vec<usize> {
    let parts = text.split(',').filter_map(|part| {
        let (tasks, times) = part.split_once("(x").unwrap_or((part, "1"));
        Some(vec![tasks.parse().ok()?; times.trim_end_matches(')').parse().ok()?])
    });
    parts.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Placement>> {
        let all: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Placement::of(&move |name| all.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn torchrun_says_all_that_is_needed() {
        let variables = [
            ("RANK", "3"),
            ("WORLD_SIZE", "4"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "2"),
            ("MASTER_ADDR", "10.0.0.1"),
            ("MASTER_PORT", "29500"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
        ];
        let found = of(&variables).unwrap().unwrap();
        assert_eq!((found.rank, found.size, found.local_rank, found.local_size), (3, 4, 1, 2));
        assert_eq!((found.host.as_str(), found.port, found.store_is_kept, found.attempt), ("10.0.0.1", 29500, true, 2));
        for missing in ["MASTER_ADDR", "MASTER_PORT"] {
            let without: Vec<_> = variables.into_iter().filter(|(name, _)| *name != missing).collect();
            let problem = of(&without).unwrap_err();
            assert!(problem.message.contains(missing), "{problem}");
        }
        for (name, value, told) in [
            ("RANK", "4", "the environment says that this is rank 4 of 4 processes"),
            ("LOCAL_RANK", "2", "the environment says that this is rank 2 of 2 processes on this machine"),
            ("RANK", "x", "RANK is `x` in the environment, which is no whole number"),
            ("WORLD_SIZE", "many", "WORLD_SIZE is `many` in the environment, which is no whole number"),
            ("WORLD_SIZE", "-1", "WORLD_SIZE is `-1` in the environment, which is out of range"),
            ("MASTER_PORT", "99999", "MASTER_PORT is `99999` in the environment, which is out of range"),
            ("MASTER_PORT", "0", "MASTER_PORT is `0` in the environment, which is out of range"),
        ] {
            let mut wrong = variables;
            wrong.iter_mut().find(|(key, _)| *key == name).unwrap().1 = value;
            let problem = of(&wrong).unwrap_err();
            assert_eq!((problem.message.as_str(), problem.notes.len(), problem.help.len()), (told, 0, 1));
        }
    }

    #[test]
    fn slurm_says_where_a_task_stands() {
        let variables = [
            ("SLURM_PROCID", "2"),
            ("SLURM_STEP_ID", "0"),
            ("SLURM_JOB_ID", "4711"),
            ("SLURM_STEP_NUM_TASKS", "3"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_NODEID", "1"),
            ("SLURM_STEP_TASKS_PER_NODE", "2,1"),
            ("SLURM_STEP_NODELIST", "node[07-08]"),
            ("SLURM_CPUS_PER_TASK", "6"),
        ];
        let found = of(&variables).unwrap().unwrap();
        assert_eq!((found.rank, found.size, found.local_rank, found.local_size), (2, 3, 0, 1));
        assert_eq!((found.host.as_str(), found.processors()), ("node07", 6));
        assert!((12_000..30_000).contains(&found.port));
        // A batch script itself is no task of a step.
        let script: Vec<_> = variables.into_iter().filter(|(name, _)| *name != "SLURM_STEP_ID").collect();
        assert_eq!(of(&script).unwrap(), None);
    }

    #[test]
    fn a_process_on_its_own_is_alone() {
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[("WORLD_SIZE", "2")]).unwrap(), None);
    }

    #[test]
    fn half_an_environment_is_noticed() {
        let half = |names: &'static [&str]| {
            let problem = Placement::half_of(&|name| names.contains(&name).then(|| "2".to_owned()));
            problem.map(|problem| problem.message)
        };
        assert_eq!(half(&["RANK"]).unwrap(), "RANK is `2` in the environment, and WORLD_SIZE isn't set");
        assert_eq!(half(&["WORLD_SIZE"]).unwrap(), "WORLD_SIZE is `2` in the environment, and RANK isn't set");
        for whole in [&[][..], &["RANK", "WORLD_SIZE"], &["WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_ID"]] {
            assert_eq!(half(whole), None);
        }
    }

    #[test]
    fn lists_of_slurm_are_understood() {
        let hosts =
            [("node1", "node1"), ("node1,node2", "node1"), ("gpu[03-07,12],login", "gpu03"), ("a[1,3]-ib,b", "a1-ib")];
        for (list, first) in hosts {
            assert_eq!(first_host(list), first, "{list}");
        }
        assert_eq!(tasks_of_nodes("2(x3),1"), [2, 2, 2, 1]);
        assert_eq!(tasks_of_nodes("4"), [4]);
    }
}
