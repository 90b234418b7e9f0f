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

    /// How to go on with the run, as users are told.
    fn command(&self) -> String {
        format!("trainyard run --resume {}\n", self.run.display())
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
    assert!(!fs::read_to_string(first.join("run.json")).unwrap().contains("TRAINYARD_PARENT"), "it is no user's");
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
    assert!(stderr.contains(&format!("it was process {}", underway.ranks[0])), "{stderr}");
    assert!(stderr.contains(&underway.command()), "{stderr}");
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
    assert!(stderr.contains(&format!("it was process {}", underway.ranks[0])), "{stderr}");
    assert!(stderr.contains("rank 1 waited for ") && stderr.contains(&underway.command()), "{stderr}");
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
    let last = format!("ended at once; go on with it: {}", underway.command());
    assert!(stderr.ends_with(&last), "{stderr}");
    let (_, listed, _) = underway.bench.call(&["runs", "list", "--status", "failed"]);
    assert!(listed.contains("net/"), "{listed}");
    underway.assert_resumes();
}

#[test]
fn a_second_ctrl_c_in_a_terminal_is_told_once() {
    let mut underway = Underway::new(TWO);
    let all: Vec<u32> = underway.ranks.iter().copied().chain([underway.parent.id()]).collect();
    // The last one hears nothing and keeps the others from an end in order.
    signal("-STOP", all[1]);
    for process in all.iter().chain(&all) {
        signal("-INT", *process);
    }
    let (code, stderr) = underway.end(AT_ONCE);
    assert_eq!((code, stderr.matches("ended at once").count()), (Some(130), 1), "{stderr}");
    assert!(stderr.contains(&underway.command()), "{stderr}");
}

#[test]
fn a_signal_to_one_process_ends_all_with_its_exit_code() {
    for (name, rank, code) in [("-TERM", 1, 143), ("-INT", 1, 130), ("-HUP", 0, 129)] {
        let mut underway = Underway::new(TWO);
        signal(name, underway.ranks[rank]);
        let (found, stderr) = underway.end(60);
        assert_eq!(found, Some(code), "{name} {stderr}");
        assert_eq!(info(&underway.run)["status"], "interrupted");
    }
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

/// Waits for the end of one of several; gives its exit code and what it said.
fn end_of(bench: &Bench, rank: usize, child: &mut Child, seconds: u64) -> (Option<i32>, String) {
    let code = wait_for(seconds, "the end", || child.try_wait().unwrap()).code();
    (code, fs::read_to_string(bench.path(&format!("stderr-{rank}"))).unwrap())
}

/// Something that listens at a port of this machine and never says a word.
fn silent_listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

#[test]
fn where_the_ranks_do_not_meet_is_told_in_time_and_without_a_stack_trace() {
    let bench = net();
    let (_listener, answering) = silent_listener();
    let address = |host: &str| ("MASTER_ADDR", host.to_owned());
    for (host, port, told) in [
        ("127.0.0.1", answering, "is no meeting place of the ranks"),
        ("127.0.0.1", free_port(), "connection refused"),
        ("no.such.host.invalid", free_port(), "rank 1 cannot find the host `no.such.host.invalid`"),
    ] {
        let variables = [("MASTER_PORT", port), address(host)];
        let mut child = started(&bench, 1, 2, &variables, &["strategy={data_parallel: {timeout: 2}}"]);
        let (code, stderr) = end_of(&bench, 1, &mut child, 2 + AT_ONCE);
        assert!(code == Some(1) && stderr.starts_with("error[rank-failed]: "), "{code:?} {stderr}");
        assert!(stderr.contains(told) && stderr.contains(" 2 s") && stderr.contains("= help: "), "{stderr}");
        assert!(!stderr.contains("c10d") && !stderr.contains("frame"), "{stderr}");
    }
}

#[test]
fn one_that_waits_for_the_others_ends_with_the_first_signal() {
    let bench = net();
    let set = "strategy={data_parallel: {timeout: 600}}";
    // It has found something else, and hears no word of it.
    let (listener, answering) = silent_listener();
    let mut child = started(&bench, 1, 2, &[("MASTER_PORT", answering)], &[set]);
    let _connections = [listener.accept().unwrap(), listener.accept().unwrap()];
    signal("-TERM", child.id());
    let (code, stderr) = end_of(&bench, 1, &mut child, AT_ONCE);
    assert!(code == Some(143) && stderr.contains("error[interrupted]: "), "{code:?} {stderr}");
    // It keeps the meeting place, and nobody comes.
    let port = free_port();
    let mut child = started(&bench, 0, 2, &[("MASTER_PORT", port.clone())], &[set]);
    let place = format!("127.0.0.1:{port}");
    wait_for(60, "the meeting place", || std::net::TcpStream::connect(&place).ok());
    signal("-INT", child.id());
    let (code, stderr) = end_of(&bench, 0, &mut child, AT_ONCE);
    assert!(code == Some(130) && stderr.contains("error[interrupted]: "), "{code:?} {stderr}");
    // Whoever keeps it hangs.
    let variables = [("MASTER_PORT", free_port())];
    let mut all: Vec<Child> = (0..2).map(|rank| started(&bench, rank, 3, &variables, &[set])).collect();
    sleep(Duration::from_secs(2));
    signal("-STOP", all[0].id());
    signal("-TERM", all[1].id());
    let (code, stderr) = end_of(&bench, 1, &mut all[1], AT_ONCE);
    assert!(code == Some(143) && stderr.contains("error[interrupted]: "), "{code:?} {stderr}");
    all[0].kill().unwrap();
    all[0].wait().unwrap();
}

#[test]
fn without_the_first_process_another_says_how_to_go_on() {
    let bench = net();
    let variables = [("MASTER_PORT", free_port())];
    let mut all: Vec<Child> = (0..2).map(|rank| started(&bench, rank, 2, &variables, &[AUTO, ENDLESS])).collect();
    let run = wait_for(240, "a checkpoint", || {
        runs(&bench, "net").into_iter().find(|run| run.join("checkpoint/000001").is_dir())
    });
    all[0].kill().unwrap();
    all[0].wait().unwrap();
    let (code, stderr) = end_of(&bench, 1, &mut all[1], AT_ONCE);
    assert!(code == Some(1) && stderr.contains("the meeting place of the ranks is gone"), "{code:?} {stderr}");
    assert!(stderr.contains("rank 0 kept it"), "{stderr}");
    assert!(stderr.contains(&format!("go on with it: trainyard run --resume {}\n", run.display())), "{stderr}");
}

#[test]
fn a_taken_port_is_told() {
    let bench = net();
    let taken = TcpListener::bind(("::", 0)).or_else(|_| TcpListener::bind(("0.0.0.0", 0))).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut child = started(&bench, 0, 2, &[("MASTER_PORT", port.clone())], &[AUTO]);
    let (code, stderr) = end_of(&bench, 0, &mut child, 60);
    assert!(code == Some(1) && stderr.contains(&format!("at port {port}: address in use")), "{code:?} {stderr}");
    assert!(stderr.contains("set MASTER_PORT to a port that is free") && !stderr.contains("os error"), "{stderr}");
}

#[test]
fn half_an_environment_is_told() {
    let bench = net();
    let call = |variable: (&str, &str), set: &str| {
        let status = command(&bench, &[set, "training.epochs=1"]).env(variable.0, variable.1).status().unwrap();
        (status.code(), said(&bench))
    };
    for (variable, told) in [
        (("RANK", "0"), "[world-size]: RANK is `0` in the environment, and WORLD_SIZE isn't set"),
        (("WORLD_SIZE", "2"), "[world-size]: WORLD_SIZE is `2` in the environment, and RANK isn't set"),
    ] {
        let (code, stderr) = call(variable, AUTO);
        assert!(code == Some(2) && stderr.contains(&format!("error{told}")), "{code:?} {stderr}");
        let (code, stderr) = call(variable, "strategy=single");
        assert!(code == Some(0) && stderr.contains(&format!("warning{told}")), "{code:?} {stderr}");
    }
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
