//! Kills the real program at every write, sync and rename and at random instants, and fills its disk: resumed, each run must
//! end with the same bytes as one that nothing happened to.
//!
//! `make torture` runs it; it needs the feature `faults`.

mod bench;

use bench::{
    Bench,
    net::{NET, assert_same, info, only_run, reference, runs},
};
use std::{fs, path::Path, process::Command, time::Duration};

/// What makes the run short: there are some hundred places in it.
const SHORT: [&str; 2] = ["training.epochs=2", "training.checkpoint.steps=13"];

fn arguments() -> Vec<&'static str> {
    let mut arguments = vec!["run", "--quiet", "net.yaml"];
    SHORT.iter().for_each(|set| arguments.extend(["--set", *set]));
    arguments
}

/// Goes on with what is there, or begins anew where no run was begun.
fn go_on(bench: &Bench, what: &str) {
    let begun = runs(bench, "net").iter().any(|run| run.join("run.json").exists());
    if !begun {
        let _ = fs::remove_dir_all(bench.path("runs"));
        assert_eq!(bench.call(&arguments()).0, 0, "{what}");
    } else if info(&only_run(bench))["status"] != "completed" {
        let (code, _, stderr) = bench.call(&["run", "--quiet", "--resume", "net"]);
        assert_eq!(code, 0, "{what}: {stderr}");
    }
}

/// Nothing is left of what was being written but in directories of their own.
fn assert_tidy(run: &Path, what: &str) {
    let kept = fs::read_dir(run.join("checkpoint")).unwrap().count();
    assert!(kept <= 2, "{what}: {kept} checkpoints");
    assert_eq!(info(run)["status"], "completed", "{what}");
}

#[test]
fn killed_at_each_write_sync_and_rename() {
    let (_whole, whole) = reference(&SHORT);
    let mut place = 0;
    loop {
        place += 1;
        let what = format!("killed at place {place}");
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        let mut command = bench.command(&arguments());
        let output = command.env("TRAINYARD_FAULT", format!("kill:{place}")).output().unwrap();
        let killed = output.status.code().is_none();
        assert!(killed || output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        go_on(&bench, &what);
        let run = only_run(&bench);
        assert_same(&run, &whole, &what);
        assert_tidy(&run, &what);
        if !killed {
            break;
        }
    }
    assert!(place > 100, "only {place} places");
    println!("killed at {} places", place - 1);
}

#[test]
fn killed_while_it_is_resumed() {
    let (_whole, whole) = reference(&SHORT);
    for place in (5..200).step_by(13) {
        let what = format!("killed at 60, then at {place}");
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        bench.command(&arguments()).env("TRAINYARD_FAULT", "kill:120").output().unwrap();
        let mut again = bench.command(&["run", "--quiet", "--resume", "last"]);
        again.env("TRAINYARD_FAULT", format!("kill:{place}")).output().unwrap();
        go_on(&bench, &what);
        assert_same(&only_run(&bench), &whole, &what);
    }
}

#[test]
fn killed_at_random_instants() {
    let (_whole, whole) = reference(&SHORT);
    let took = info(&whole)["timings"]["total"].as_f64().unwrap();
    for turn in 0..100 {
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        let mut child = bench.process(&arguments()).stdout(std::process::Stdio::null()).spawn().unwrap();
        while runs(&bench, "net").is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // The golden ratio spreads the instants.
        std::thread::sleep(Duration::from_secs_f64(took * (f64::from(turn) * 0.618_034).fract()));
        let _ = child.kill();
        child.wait().unwrap();
        let what = format!("turn {turn}");
        go_on(&bench, &what);
        assert_same(&only_run(&bench), &whole, &what);
    }
}

#[test]
fn a_full_disk_at_each_place_loses_nothing() {
    let (_whole, whole) = reference(&SHORT);
    for place in (1..).step_by(3) {
        let what = format!("full from place {place} on");
        let bench = Bench::new();
        bench.write("net.yaml", NET);
        let output = bench.command(&arguments()).env("TRAINYARD_FAULT", format!("full:{place}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("made a mistake") && !said.contains("panicked"), "{what}: {said}");
        let code = output.status.code();
        if code == Some(0) {
            break;
        }
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("no space left on the disk"), "{what}: {said}");
        assert!(
            said.contains("runs/net") && (said.contains(" bytes") || !said.contains("cannot write")),
            "{what}: {said}"
        );
        go_on(&bench, &what);
        assert_same(&only_run(&bench), &whole, &what);
    }
}

#[test]
fn a_worker_that_panics_ends_one_run_and_nothing_else() {
    let (_whole, whole) = reference(&SHORT);
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    bench.write("next.yaml", NET.replace("name: net", "name: next"));
    let mut command = bench.command(&[&arguments()[..], &["next.yaml"]].concat());
    // Later than the rehearsal, and within the first epoch.
    let output = command.env("TRAINYARD_FAULT", "panic:12").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a fault that was wanted") && said.contains("= note: after step "), "{said}");
    let run = only_run(&bench);
    assert_eq!(info(&run)["status"], "failed");
    assert!(run.join("report.html").exists());
    assert_eq!(info(&runs(&bench, "next")[0])["status"], "completed", "the next one is run all the same");
    go_on(&bench, "a panic");
    assert_same(&run, &whole, "a panic");
}

/// A real small disk, where this process may make one.
#[test]
fn a_small_disk_that_is_full_loses_nothing() {
    let bench = Bench::new();
    bench.write("net.yaml", NET);
    let disk = bench.path("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("no file system can be mounted here: a small disk wasn't tried");
        return;
    }
    // Large enough for the first records, too small for all of them.
    let mut filled = false;
    for size in [600, 700, 800, 900, 1000, 1200, 1500, 2000] {
        let resized = Command::new("mount").args(["-o", &format!("remount,size={size}k")]).arg(&disk).status().unwrap();
        assert!(resized.success());
        let _ = fs::remove_dir_all(disk.join("net"));
        let mut command = bench.command(&["--runs-dir", "disk", "run", "--quiet", "net.yaml"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("made a mistake"), "{said}");
        if output.status.code() == Some(1) {
            filled = true;
            assert!(said.contains("no space left on the disk") && said.contains(" bytes"), "{size}: {said}");
        }
    }
    let unmounted = Command::new("umount").arg(&disk).status().unwrap();
    assert!(filled && unmounted.success());
}
