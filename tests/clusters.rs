//! Starts processes by the commands of `docs/distributed.md`, and says what users are told of processes and threads.
#![cfg(target_os = "linux")]

mod bench;

use bench::{
    Bench, WAITING,
    net::{NET, info, only_run, runs},
};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

/// Tests have little of the machine.
const LONG: Duration = Duration::from_secs(240);

fn documentation() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/distributed.md")).unwrap()
}

/// What the documentation has the containers of a job run.
fn script() -> String {
    let text = documentation();
    let (_, behind) = text.split_once("args:\n                - |\n").expect("a script");
    let lines = behind.lines().map_while(|line| line.strip_prefix("                  "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A container of a job of two, as the operator starts it.
fn container(bench: &Bench, rank: usize, port: u16) -> Child {
    let directory = bench.path("").canonicalize().unwrap();
    let (run, net) = (assert_cmd::cargo::cargo_bin("trainyard"), directory.join("net.yaml"));
    let script = script()
        .replace("/pipelines/cifar10.yaml", &net.display().to_string())
        .replace("/runs/cifar10", &directory.join("runs").display().to_string())
        .replace("exec trainyard", &format!("exec {}", run.display()));
    Command::new("sh")
        .args(["-c", &script])
        .current_dir(&directory)
        .env("XDG_CACHE_HOME", bench.path("cache"))
        .env(WAITING.0, WAITING.1)
        .envs([("RANK", rank.to_string()), ("MASTER_PORT", port.to_string())])
        .envs([("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")])
        .stdout(fs::File::create(bench.path("stdout")).unwrap())
        .stderr(fs::File::create(bench.path(&format!("stderr-{rank}"))).unwrap())
        .spawn()
        .unwrap()
}

fn end(child: &mut Child, bench: &Bench) -> i32 {
    let begin = Instant::now();
    while begin.elapsed() < LONG {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("it goes on: {}", fs::read_to_string(bench.path("stderr-0")).unwrap());
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn every_command_that_joins_processes_says_so() {
    let text = documentation().replace("\\\n", " ");
    let clusters = text.split_once("## torchrun").unwrap().1.split_once("## What every machine needs").unwrap().0;
    let commands: Vec<&str> = clusters.lines().filter(|line| line.contains("cifar10.yaml")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    assert!(commands.iter().all(|line| line.contains("strategy=")), "{commands:?}");
}

#[test]
fn containers_that_are_started_again_go_on_with_their_run() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("epochs: 5", "epochs: 30").replace("patience: 4", "patience: 30"));
    let port = free_port();
    let mut pods = [0, 1].map(|rank| container(&bench, rank, port));
    let begin = Instant::now();
    while !runs(&bench, "net").iter().any(|run| run.join("checkpoint/000002").is_dir()) {
        assert!(begin.elapsed() < LONG && pods[0].try_wait().unwrap().is_none());
        sleep(Duration::from_millis(20));
    }
    // One dies, and the other ends for that; both are started again where they were.
    pods[1].kill().unwrap();
    assert_eq!([end(&mut pods[1], &bench), end(&mut pods[0], &bench)], [-1, 1]);
    let run = only_run(&bench);
    assert_eq!(info(&run)["status"], "failed");
    let mut pods = [1, 0].map(|rank| container(&bench, rank, port));
    let said = |rank: usize| fs::read_to_string(bench.path(&format!("stderr-{rank}"))).unwrap();
    assert_eq!(end(&mut pods[1], &bench), 0, "{}", said(0));
    assert_eq!(end(&mut pods[0], &bench), 0, "{}", said(1));
    assert!(said(0).contains("going on with"), "{}", said(0));
    let record = info(&only_run(&bench));
    assert_eq!((&record["status"], &record["training"]["epochs_done"]), (&"completed".into(), &30.into()));
    // A run that is complete isn't run again.
    assert_eq!(end(&mut container(&bench, 0, port), &bench), 3);
}

#[test]
fn more_threads_than_processors_are_told_by_the_first_process() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("threads: 2\n", ""));
    let threads = std::thread::available_parallelism().unwrap().get();
    let crowded = format!("strategy={{data_parallel: {{processes: 2, threads_per_process: {threads}}}}}");
    let (code, _, stderr) = bench.call(&["run", "net.yaml", "--set", &crowded, "--set", "training.epochs=1"]);
    assert_eq!((code, stderr.matches("warning[too-many-threads]: 2 processes of ").count()), (0, 1), "{stderr}");
    let record = info(&only_run(&bench)).to_string();
    assert!(record.contains("warning[too-many-threads]"), "{record}");
}

#[test]
fn a_single_process_has_the_threads_that_are_said_of_each() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("threads: 2\n", ""));
    let one = "strategy={data_parallel: {processes: 1, threads_per_process: 1}}";
    let (code, _, stderr) = bench.call(&["run", "net.yaml", "--set", one, "--set", "training.epochs=1"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(info(&only_run(&bench))["provenance"]["threads"], 1);
}

#[test]
fn what_auto_comes_to_is_told_where_that_is_one_process() {
    let bench = Bench::new();
    bench.write("net.yaml", NET.replace("threads: 2\n", ""));
    let check = |strategy: &str| bench.call(&["check", "--deep", "net.yaml", "--set", strategy]);
    let (code, _, stderr) = check("strategy={data_parallel: {threads_per_process: 1024}}");
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("note[no-effect]: `processes: auto` is a single process here"), "{stderr}");
    assert!(stderr.contains("of 1,024 threads each"), "{stderr}");
    assert!(stderr.contains("warning[too-many-threads]: 1 process of 1,024 threads, and "), "{stderr}");
    let (_, _, stderr) = check("strategy={data_parallel: {processes: 1, threads_per_process: 1}}");
    assert!(!stderr.contains("no-effect") && !stderr.contains("too-many-threads"), "{stderr}");
}
