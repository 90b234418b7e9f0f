//! Starts, joins, kills, stops and interrupts runs of several processes.
#![cfg(target_os = "linux")]

mod bench;

use bench::{
    Bench,
    net::{NET, assert_same, info, only_run, runs, signal},
};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

const TWO: &str = "strategy={data_parallel: {processes: 2, timeout: 120}}";
const ENDLESS: &str = "training.epochs=100000";

/// A process that fails or is killed ends all within so many seconds. It takes one; tests have little of the machine.
const AT_ONCE: u64 = 15;

fn net() -> Bench {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    bench
}

fn command(bench: &Bench, sets: &[&str]) -> Command {
    let mut command = bench.process(&["run", "net.yaml"]);
    command
        .args(sets.iter().flat_map(|set| ["--set", set]))
        .stdout(fs::File::create(bench.path("stdout")).unwrap())
        .stderr(fs::File::create(bench.path("stderr")).unwrap());
    command
}

fn said(bench: &Bench) -> String {
    fs::read_to_string(bench.path("stderr")).unwrap()
}

/// Waits until something is there, for no longer than so many seconds.
fn wait_for<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s");
        sleep(Duration::from_millis(20));
    }
}

fn variable(process: u32, name: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{process}/environ")).ok()?;
    let all = String::from_utf8_lossy(&bytes).into_owned();
    all.split('\0').find_map(|text| Some(text.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// The processes that `parent` started and that still live, by rank.
fn ranks(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = numbers.filter(|process| variable(*process, "TRAINYARD_PARENT") == Some(parent.to_string()));
    let mut found: Vec<(usize, u32)> =
        own.filter_map(|process| Some((variable(process, "RANK")?.parse().ok()?, process))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, process)| process).collect()
}

/// A run under way, all ranks of which train.
struct Underway {
    bench: Bench,
    parent: Child,
    ranks: Vec<u32>,
    port: u16,
    run: PathBuf,
}

impl Underway {
    fn new(strategy: &str) -> Self {
        let bench = net();
        let mut parent = command(&bench, &[strategy, ENDLESS]).spawn().unwrap();
        let run = wait_for(240, "a checkpoint", || {
            assert!(parent.try_wait().unwrap().is_none(), "it ended: {}", said(&bench));
            runs(&bench, "net").into_iter().find(|run| run.join("checkpoint/000001").is_dir())
        });
        let ranks = ranks(parent.id());
        let port = variable(ranks[0], "MASTER_PORT").unwrap().parse().unwrap();
        Underway { bench, parent, ranks, port, run }
    }

    /// Waits for the end; gives the exit code, and what was said. Nothing is left of it.
    fn end(&mut self, seconds: u64) -> (Option<i32>, String) {
        let parent = &mut self.parent;
        let status = wait_for(seconds, "the end", || parent.try_wait().unwrap());
        self.assert_nothing_is_left();
        (status.code(), said(&self.bench))
    }

    fn assert_nothing_is_left(&self) {
        let parent = self.parent.id();
        wait_for(AT_ONCE, "no process", || ranks(parent).is_empty().then_some(()));
        wait_for(AT_ONCE, "a closed port", || TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).ok());
    }

    fn assert_resumes(&self) {
        let done = info(&self.run)["training"]["epochs_done"].as_u64().unwrap();
        let more = format!("training.epochs={}", done + 2);
        let arguments = ["run", "--quiet", "--resume", "last", "--set", &more, "--allow", "training.epochs"];
        let (code, _, stderr) = self.bench.call(&arguments);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(info(&self.run)["status"], "completed");
        assert_eq!(info(&self.run)["provenance"]["processes"], 2);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

#[test]
fn two_processes_train_and_only_one_speaks() {
    let bench = net();
    let status = command(&bench, &[TWO]).status().unwrap();
    let stderr = said(&bench);
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(stderr.matches("trained for").count(), 1, "{stderr}");
    assert!(stderr.contains("2 processes of 1 thread each"), "{stderr}");
    assert_eq!(fs::read_to_string(bench.path("stdout")).unwrap().matches("report: ").count(), 1);
    let first = only_run(&bench);
    assert_eq!(info(&first)["status"], "completed");
    assert_eq!(info(&first)["provenance"]["processes"], 2);
    // Again, and the same bits.
    assert_eq!(command(&bench, &[TWO]).status().unwrap().code(), Some(0));
    let second = runs(&bench, "net").into_iter().find(|run| *run != first).unwrap();
    assert_same(&second, &first, "twice by two processes");
}

#[test]
fn a_mistake_is_told_once_and_starts_no_process() {
    let bench = net();
    let status = command(&bench, &[TWO, "training.optimizer=addam"]).status().unwrap();
    let stderr = said(&bench);
    assert_eq!((status.code(), stderr.matches("unknown-optimizer").count()), (Some(2), 1), "{stderr}");
    assert!(!bench.path("runs").exists());
}

#[test]
fn a_killed_process_ends_all_and_is_named() {
    let mut underway = Underway::new("strategy={data_parallel: {processes: 3, timeout: 120}}");
    signal("-KILL", underway.ranks[1]);
    let (code, stderr) = underway.end(AT_ONCE);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error[rank-failed]: rank 1 was ended by signal 9 (SIGKILL)"), "{stderr}");
    assert_eq!(info(&underway.run)["status"], "failed");
    assert_eq!(info(&underway.run)["reason"], "rank 1 was ended by signal 9 (SIGKILL)");
}

#[test]
fn a_run_whose_process_was_killed_goes_on() {
    let mut underway = Underway::new(TWO);
    signal("-KILL", underway.ranks[1]);
    assert_eq!(underway.end(AT_ONCE).0, Some(1));
    underway.assert_resumes();
}

#[test]
fn the_first_process_may_be_killed_too() {
    let mut underway = Underway::new(TWO);
    signal("-KILL", underway.ranks[0]);
    let (code, stderr) = underway.end(AT_ONCE);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error[rank-failed]: rank 0 was ended by signal 9 (SIGKILL)"), "{stderr}");
    underway.assert_resumes();
}

#[test]
fn a_hanging_process_ends_all_within_the_timeout() {
    let mut underway = Underway::new("strategy={data_parallel: {processes: 3, timeout: 5}}");
    signal("-STOP", underway.ranks[2]);
    let (code, stderr) = underway.end(5 + AT_ONCE);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error[rank-failed]: rank 2 gives no sign of life"), "{stderr}");
    assert!(stderr.contains(&format!("process {}", underway.ranks[2])), "{stderr}");
}

#[test]
fn where_the_first_process_hangs_the_others_say_so() {
    let mut underway = Underway::new("strategy={data_parallel: {processes: 2, timeout: 5}}");
    signal("-STOP", underway.ranks[0]);
    let (code, stderr) = underway.end(5 + AT_ONCE);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error[rank-failed]: rank 0 gives no sign of life"), "{stderr}");
    underway.assert_resumes();
}

#[test]
fn ctrl_c_ends_all_in_order_with_a_checkpoint() {
    let mut underway = Underway::new(TWO);
    signal("-INT", underway.parent.id());
    let (code, stderr) = underway.end(60);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("interrupted at step") && !stderr.contains("rank-failed"), "{stderr}");
    assert_eq!(info(&underway.run)["status"], "interrupted");
    underway.assert_resumes();
}

#[test]
fn ctrl_c_in_a_terminal_reaches_all_and_counts_once() {
    let mut underway = Underway::new(TWO);
    for process in underway.ranks.iter().chain([&underway.parent.id()]) {
        signal("-INT", *process);
    }
    let (code, stderr) = underway.end(60);
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(info(&underway.run)["status"], "interrupted");
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let mut underway = Underway::new(TWO);
    // One that hangs would otherwise be waited for.
    signal("-STOP", underway.ranks[1]);
    signal("-INT", underway.parent.id());
    sleep(Duration::from_millis(500));
    signal("-INT", underway.parent.id());
    let (code, stderr) = underway.end(AT_ONCE);
    assert_eq!(code, Some(130), "{stderr}");
}

#[test]
fn kill_ends_all() {
    let mut underway = Underway::new(TWO);
    signal("-TERM", underway.parent.id());
    let (code, stderr) = underway.end(60);
    assert_eq!(code, Some(143), "{stderr}");
    assert_eq!(info(&underway.run)["status"], "interrupted");
}

#[test]
fn no_process_outlives_the_one_that_started_it() {
    let mut underway = Underway::new(TWO);
    // Not even one that hangs.
    signal("-STOP", underway.ranks[1]);
    signal("-KILL", underway.parent.id());
    underway.parent.wait().unwrap();
    underway.assert_nothing_is_left();
}

/// Starts the ranks as something else than this program would.
fn started(bench: &Bench, rank: usize, size: usize, variables: &[(&str, String)], sets: &[&str]) -> Child {
    let mut command = command(bench, sets);
    command.stderr(fs::File::create(bench.path(&format!("stderr-{rank}"))).unwrap());
    command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string()).env("LOCAL_RANK", rank.to_string());
    command.env("LOCAL_WORLD_SIZE", size.to_string()).env("MASTER_ADDR", "127.0.0.1");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.spawn().unwrap()
}

fn free_port() -> String {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string()
}

const AUTO: &str = "strategy=data_parallel";

#[test]
fn processes_that_others_started_join_and_give_the_same() {
    let (bench, own) = (net(), net());
    let port = free_port();
    let variables = [("MASTER_PORT", port), ("OMP_NUM_THREADS", "1".to_owned())];
    let mut all: Vec<Child> = (0..2).map(|rank| started(&bench, rank, 2, &variables, &[AUTO])).collect();
    for (rank, child) in all.iter_mut().enumerate() {
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{}", fs::read_to_string(bench.path(&format!("stderr-{rank}"))).unwrap());
    }
    assert_eq!(fs::read_to_string(bench.path("stderr-1")).unwrap(), "");
    assert_eq!(command(&own, &[TWO]).status().unwrap().code(), Some(0), "{}", said(&own));
    assert_same(&only_run(&bench), &only_run(&own), "joined or started");
}

#[test]
fn slurm_starts_processes_too() {
    let bench = net();
    let (port, job) = (free_port(), "4711");
    let task = |rank: usize| {
        let mut command = command(&bench, &[AUTO]);
        let stderr = fs::File::create(bench.path(&format!("stderr-{rank}"))).unwrap();
        let variables = [
            ("SLURM_PROCID", rank.to_string()),
            ("SLURM_LOCALID", rank.to_string()),
            ("SLURM_NODEID", "0".to_owned()),
            ("SLURM_STEP_NUM_TASKS", "2".to_owned()),
            ("SLURM_STEP_TASKS_PER_NODE", "2".to_owned()),
            ("SLURM_STEP_NODELIST", "localhost".to_owned()),
            ("SLURM_STEP_ID", "0".to_owned()),
            ("SLURM_JOB_ID", job.to_owned()),
            ("MASTER_PORT", port.clone()),
        ];
        command.envs(variables).stderr(stderr).spawn().unwrap()
    };
    let mut all: Vec<Child> = (0..2).map(task).collect();
    for (rank, child) in all.iter_mut().enumerate() {
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{}", fs::read_to_string(bench.path(&format!("stderr-{rank}"))).unwrap());
    }
    assert_eq!(info(&only_run(&bench))["provenance"]["processes"], 2);
}

#[test]
fn another_number_of_processes_than_was_started_is_a_mistake() {
    let bench = net();
    for (set, told) in [
        ("strategy={data_parallel: 4}", "started 2 processes, and the pipeline says `processes: 4`"),
        ("strategy=single", "started 2 processes, and the pipeline is for a single one"),
    ] {
        let mut child = started(&bench, 0, 2, &[("MASTER_PORT", free_port())], &[set]);
        let code = wait_for(60, "the end", || child.try_wait().unwrap()).code();
        let stderr = fs::read_to_string(bench.path("stderr-0")).unwrap();
        assert!(code == Some(2) && stderr.contains(told) && stderr.contains("= help: "), "{code:?} {stderr}");
    }
}

#[test]
fn a_process_that_fails_is_quoted_by_the_first() {
    let bench = net();
    let port = free_port();
    let variables = |rank: usize| {
        let nowhere = ("TMPDIR", "/no/such/directory".to_owned());
        [("MASTER_PORT", port.clone()), if rank == 1 { nowhere } else { ("LANG", "C".to_owned()) }]
    };
    let mut all: Vec<Child> = (0..3).map(|rank| started(&bench, rank, 3, &variables(rank), &[AUTO, ENDLESS])).collect();
    let codes: Vec<Option<i32>> =
        all.iter_mut().map(|child| wait_for(60, "the end", || child.try_wait().unwrap()).code()).collect();
    let stderr = |rank: usize| fs::read_to_string(bench.path(&format!("stderr-{rank}"))).unwrap();
    assert_eq!(codes, [Some(1); 3], "{}", stderr(0));
    assert!(stderr(0).contains("error[rank-failed]: rank 1 failed: cannot make /no/such/directory"), "{}", stderr(0));
    assert!(stderr(1).contains("rank 1: error[io]"), "{}", stderr(1));
    assert_eq!(stderr(2), "");
    assert_eq!(info(&only_run(&bench))["status"], "failed");
}

#[test]
fn one_that_never_comes_is_missed() {
    let bench = net();
    let set = "strategy={data_parallel: {timeout: 3}}";
    let mut child = started(&bench, 0, 2, &[("MASTER_PORT", free_port())], &[set]);
    let code = wait_for(60, "the end", || child.try_wait().unwrap()).code();
    let stderr = fs::read_to_string(bench.path("stderr-0")).unwrap();
    assert!(code == Some(1) && stderr.contains("rank 1 didn't come within 3 s"), "{code:?} {stderr}");
}
