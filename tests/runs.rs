//! Drives the commands that look at several runs: `compare` and `runs`.

mod bench;

use bench::{Bench, SMALL};
use serde_json::Value as Json;
use std::{fs, path::Path};

impl Bench {
    /// A run of the small pipeline; gives its directory as `run` names it.
    fn run(&self, sets: &[&str]) -> String {
        self.write("small.yaml", SMALL.replace("epochs: 2", "epochs: 3"));
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["run", "small.yaml", "--json", "--quiet"].into_iter().chain(sets).collect();
        let (_, stdout, stderr) = self.call(&arguments);
        let result: Json = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}\n{stderr}"));
        // Commands that look for runs name them from the working directory.
        let path = result["run"].as_str().unwrap();
        path[path.rfind("runs/").unwrap()..].to_owned()
    }

    /// What a command that ends well prints.
    fn said(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.call(arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
        stdout
    }

    fn json(&self, arguments: &[&str]) -> Json {
        let stdout = self.said(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}"))
    }
}

/// Makes a run look as if it had ended otherwise.
fn change(run: &Path, key: &str, value: Json) {
    let path = run.join("run.json");
    let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    info[key] = value;
    fs::write(&path, info.to_string()).unwrap();
}

#[test]
fn a_run_is_set_against_the_one_before_it() {
    let bench = Bench::new();
    let previous = |run: &str| -> Json {
        let info = fs::read(bench.path(run).join("run.json")).unwrap();
        serde_json::from_slice::<Json>(&info).unwrap()["previous"].clone()
    };
    let first = bench.run(&["training.epochs=1"]);
    assert_eq!(previous(&first), Json::Null);
    let again = bench.run(&["training.epochs=1"]);
    let id = |run: &str| run.rsplit('/').next().unwrap().to_owned();
    let against = previous(&again);
    assert_eq!(against["id"], id(&first));
    assert_eq!((&against["same_data"], &against["same_configuration"]), (&Json::Bool(true), &Json::Bool(true)));
    assert_eq!((&against["fixed"], &against["broken"], &against["p_value"]), (&0.into(), &0.into(), &1.0.into()));

    let better = bench.run(&["training.epochs=5"]);
    let against = previous(&better);
    assert_eq!((&against["id"], &against["same_configuration"]), (&id(&again).into(), &Json::Bool(false)));
    // The numbers are those of the comparison, to which the earlier run comes first.
    let sides = &bench.json(&["compare", &again, &better])["tests"][0]["outcome"]["tested"];
    let count = |side: &str| sides[side].as_array().unwrap().len();
    assert_eq!((&against["fixed"], &against["broken"]), (&count("gained").into(), &count("lost").into()));
    assert_eq!(against["p_value"], sides["p"]);
    assert!(count("gained") > count("lost"), "{sides}");
    let report = fs::read_to_string(bench.path(&better).join("report.html")).unwrap();
    assert!(report.contains("Against the previous run <code>") && report.contains("points higher"));

    let fewer = bench.run(&["training.epochs=1", "dataset.evaluate=[{take: 50}, {batch: 50}]"]);
    let against = previous(&fewer);
    assert_eq!((&against["same_data"], &against["p_value"]), (&Json::Bool(false), &Json::Null));
    assert_eq!(against["metrics"].as_object().unwrap().len(), 2);
}

#[test]
fn two_seeds_are_compared_in_every_form() {
    let bench = Bench::new();
    let (a, b) = (bench.run(&[]), bench.run(&["seed=5", "training.epochs=1"]));

    let document = bench.json(&["compare", &a, &b]);
    let settings: Vec<&str> =
        document["configuration"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(settings, ["seed", "training.epochs"]);
    let sides = &document["tests"][0]["outcome"]["tested"];
    let count =
        |key: &str| sides[key].as_array().map_or_else(|| sides[key].as_u64().unwrap(), |list| list.len() as u64);
    assert_eq!(count("both_right") + count("both_wrong") + count("lost") + count("gained"), 360);
    // The counts are those of the evaluation, and three epochs are better than one.
    let accuracy = |run: usize| document["metrics"][0]["values"][run]["value"].as_f64().unwrap();
    let near = |share: f64, right: u64| (share - right as f64 / 360.0).abs() < 1e-9;
    assert_eq!(document["metrics"][0]["name"], "test_accuracy");
    assert!(near(accuracy(0), count("both_right") + count("lost")));
    assert!(near(accuracy(1), count("both_right") + count("gained")));
    assert!(sides["significant"] == true && sides["p"].as_f64().unwrap() < 0.05, "{sides}");
    assert_eq!(document["metrics"][0]["values"][0]["best"], true);
    let interval = &document["metrics"][0]["values"][0]["interval"];
    assert!(interval[0].as_f64().unwrap() < accuracy(0) && accuracy(0) < interval[1].as_f64().unwrap());

    let text = bench.said(&["compare", &a, &b, "--html", "page.html", "--examples", "2"]);
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    assert!(place("What differs") < place("seed") && place("seed") < place("Figures"));
    assert!(place("A is better than B by") < place("Curves"));
    assert!(text.contains("Right in A, wrong in B, the most confidently wrong first; 2 of "), "{text}");
    assert!(text.ends_with("\npage: page.html\n"));
    let html = fs::read_to_string(bench.path("page.html")).unwrap();
    assert!(html.contains("A is better than B by") && html.contains("stroke=\"#101000\""));

    let markdown = bench.said(&["compare", "small", &a, "--md"]);
    assert!(markdown.starts_with("## Runs\n\n|  | run | status |"), "{markdown}");
    assert!(markdown.contains("| seed | 5 | 0 |"), "{markdown}");

    let (code, _, stderr) = bench.call(&["compare", &a]);
    assert_eq!(code, 2, "{stderr}");
    let (code, stdout, stderr) = bench.call(&["compare", &a, "smal"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("did you mean `small`"), "{stderr}");
}

#[test]
fn what_cannot_be_tested_is_said() {
    let bench = Bench::new();
    let (a, b) = (bench.run(&[]), bench.run(&["seed=5"]));
    let words = |first: &str, second: &str| {
        bench.json(&["compare", first, second])["tests"][0]["words"].as_str().unwrap().to_owned()
    };
    let run = bench.path(&b);
    fs::write(run.join("predictions.parquet"), "torn").unwrap();
    assert_eq!(words(&a, &b), "B isn't tested against A: B has predictions that are damaged.");
    fs::remove_file(run.join("predictions.parquet")).unwrap();
    fs::remove_file(run.join("evaluation.json")).unwrap();
    change(&run, "status", "failed".into());
    change(&run, "reason", "the loss is no number any more".into());
    assert_eq!(words(&a, &b), "B isn't tested against A: B failed before it was evaluated.");
    assert_eq!(words(&b, &a), "B isn't tested against A: A failed before it was evaluated.");
    fs::write(run.join("resolved.yaml"), "version: 7\n").unwrap();
    let text = bench.said(&["compare", &a, &b]);
    assert!(text.contains("failed: the loss is no number any more"), "{text}");
    assert!(text.contains("The configuration of B cannot be read"), "{text}");
    assert!(!text.contains("changed sides"), "{text}");
}

#[test]
fn runs_are_listed_shown_and_chosen_from() {
    let bench = Bench::new();
    assert_eq!(bench.json(&["runs", "list"]), serde_json::json!([]));
    let few = bench.run(&["training.epochs=1"]);
    let many = bench.run(&[]);
    let other = bench.run(&["name=other", "seed=3"]);
    let broken = bench.path("runs/small/20200101-000000-abcd");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("run.json"), "{").unwrap();

    let names = |arguments: &[&str]| -> Vec<String> {
        let rows = bench.json(&[&["runs", "list"], arguments].concat());
        rows.as_array().unwrap().iter().map(|row| row["run"].as_str().unwrap().to_owned()).collect()
    };
    let damaged = "runs/small/20200101-000000-abcd".to_owned();
    assert_eq!(names(&[]), [other.clone(), many.clone(), few.clone(), damaged.clone()]);
    assert_eq!(names(&["--reverse", "--name", "small"]), [few.clone(), many.clone(), damaged.clone()]);
    assert_eq!(names(&["--status", "damaged"]), [damaged]);
    assert_eq!(names(&["--status", "failed"]), [""; 0]);
    assert_eq!(names(&["--sort", "test_accuracy", "--name", "small", "--limit", "2"])[0], many);
    assert_eq!(names(&["--limit", "1"]).len(), 1);
    assert_eq!(names(&["--sort", "val_loss", "--limit", "3"])[2], few);
    assert_eq!(names(&["--sort", "epochs"])[2], few);
    let (code, _, stderr) = bench.call(&["runs", "list", "--sort", "test_acuracy"]);
    assert!(code == 1 && stderr.contains("did you mean `test_accuracy`?"), "{stderr}");

    let text = bench.said(&["runs", "list", "--sort", "val_accuracy"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("run ") && lines[0].ends_with("val_accuracy"), "{text}");
    assert!(lines[1].contains("completed") && lines[1].contains("3 of 3") && lines[1].contains("% ("), "{text}");
    assert!(lines[4].contains("damaged") && lines[4].contains("run.json is damaged at line 1"), "{text}");

    let shown = bench.said(&["runs", "show", "small"]);
    assert!(shown.contains(&many) && shown.contains("test accuracy") && shown.contains("360 to test"), "{shown}");
    assert_eq!(bench.json(&["runs", "show", &few])["provenance"]["threads"], 1);
    let (code, _, stderr) = bench.call(&["runs", "show", broken.to_str().unwrap()]);
    assert!(code == 1 && stderr.contains("damaged"), "{stderr}");

    assert_eq!(bench.said(&["runs", "best", "--metric", "test_accuracy", "--name", "small"]), format!("{many}\n"));
    let least = bench.json(&["runs", "best", "--metric", "val_loss", "--name", "small"]);
    assert_eq!(least["run"], many.as_str());
    let (code, _, stderr) = bench.call(&["runs", "best", "--metric", "test_lss"]);
    assert!(code == 1 && stderr.contains("did you mean `test_loss`?"), "{stderr}");
    let (code, _, stderr) = bench.call(&["runs", "best", "--metric", "test_loss", "--name", "nobody"]);
    assert!(code == 1 && stderr.contains("no completed run `nobody`"), "{stderr}");
}

#[test]
fn a_page_over_all_runs_follows_them() {
    let bench = Bench::new();
    let first = bench.run(&["training.epochs=1"]);
    let html = || fs::read_to_string(bench.path("runs/index.html")).unwrap();
    let link = |run: &str| {
        format!("href=\".&#x2f;{}&#x2f;report.html\"", run.strip_prefix("runs/").unwrap().replace('/', "&#x2f;"))
    };
    assert!(html().contains(&link(&first)), "{}", html());
    let second = bench.run(&["training.epochs=1", "name=other", "expect.test_accuracy={min: 1}"]);
    assert!(html().contains(&link(&first)) && html().contains(&link(&second)));
    assert!(html().contains("✗ expectations not held"));
    let before = html();
    assert_eq!(bench.said(&["runs", "index"]), "runs/index.html\n");
    assert_eq!(html(), before, "equal runs give equal bytes");
    // The page's own script, and the results, of which there are none.
    assert_eq!(before.matches("<script").count(), 2);
    for forbidden in ["<link", "src=", "url(", "@import", " style="] {
        assert!(!before.contains(forbidden), "{forbidden}");
    }
    change(&bench.path(&first), "status", "failed".into());
    change(&bench.path(&first), "reason", "<script>alert(1)</script>".into());
    fs::remove_file(bench.path(&first).join("report.html")).unwrap();
    fs::write(bench.path(&second).join("run.json"), "").unwrap();
    bench.said(&["runs", "index"]);
    assert!(html().contains("&lt;script&gt;") && html().contains("<section id=\"damaged\""));
    assert!(!html().contains(&link(&first)), "it has no report any more");

    // A page that cannot be written costs the run nothing.
    fs::remove_file(bench.path("runs/index.html")).unwrap();
    fs::create_dir(bench.path("runs/index.html")).unwrap();
    let (code, _, stderr) = bench.call(&["run", "small.yaml", "--set", "training.epochs=1"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning[io]: the page over all runs is as it was"), "{stderr}");
}

#[test]
fn pruning_says_what_would_go_and_deletes_only_when_told() {
    let bench = Bench::new();
    let (a, b, c) = (bench.run(&["training.epochs=1"]), bench.run(&[]), bench.run(&["training.epochs=2"]));
    change(&bench.path(&a), "status", "failed".into());
    // Without a word on which ones, none goes.
    for nothing in ["", "--yes", "--name small --yes", "--by test_loss --yes", "--older-than 3 --yes"] {
        let arguments: Vec<&str> = ["runs", "prune"].into_iter().chain(nothing.split_whitespace()).collect();
        assert_eq!(bench.call(&arguments).0, 2, "{nothing}");
    }
    assert!([&a, &b, &c].iter().all(|run| bench.path(run).exists()));
    let said = bench.said(&["runs", "prune", "--failed"]);
    assert!(
        said.starts_with(&a) && said.contains("would go: 1 run, ") && said.ends_with("without `--yes`\n"),
        "{said}"
    );
    assert!(bench.path(&a).exists());
    assert_eq!(bench.said(&["runs", "prune", "--failed", "--older-than", "1d", "--yes"]), "nothing to delete\n");
    let (code, _, stderr) = bench.call(&["runs", "prune", "--keep", "1", "--by", "test_acuracy"]);
    assert!(code == 1 && stderr.contains("did you mean"), "{stderr}");
    let would = bench.json(&["runs", "prune", "--keep", "1", "--by", "test_accuracy"]);
    let runs: Vec<&str> = would["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!((runs, &would["deleted"]), (vec![c.as_str(), a.as_str()], &Json::Bool(false)));
    assert!(would["bytes"].as_u64().unwrap() > 10_000);

    let lock = fs::File::open(bench.path(&c).join(".lock")).unwrap();
    lock.lock().unwrap();
    let (code, stdout, stderr) = bench.call(&["runs", "prune", "--keep", "0", "--yes"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stderr.contains("a process is at work in it") && stdout.contains("deleted: 2 runs, "), "{stdout}{stderr}");
    let exist = |run: &String| bench.path(run).exists();
    assert_eq!([&a, &b, &c].map(exist), [false, false, true]);
    let page = fs::read_to_string(bench.path("runs/index.html")).unwrap();
    let id = |run: &str| run.rsplit('/').next().unwrap().to_owned();
    assert!(page.contains(&id(&c)) && !page.contains(&id(&b)));
}

#[test]
fn commands_take_a_name_for_its_latest_run() {
    let bench = Bench::new();
    let first = bench.run(&["training.epochs=1"]);
    let second = bench.run(&[]);
    assert_eq!(bench.said(&["report", "small"]), format!("{second}/report.html\n"));
    assert_eq!(bench.said(&["report", "small/last"]), format!("{second}/report.html\n"));
    let id = first.rsplit('/').next().unwrap();
    assert_eq!(bench.said(&["report", &format!("small/{id}")]), format!("{first}/report.html\n"));
    assert!(bench.said(&["evaluate", "small"]).contains("test_accuracy"));
    assert!(bench.said(&["diff", &first, "small"]).contains("training.epochs: 1 -> 3"));
    fs::rename(bench.path("runs"), bench.path("kept")).unwrap();
    assert_eq!(bench.call(&["report", "small"]).0, 1);
    assert!(bench.said(&["report", "small", "--runs-dir", "kept"]).starts_with("kept/small/"));
}
