//! What `check` says to other programs, and how the terminal is kept whole.

use serde_json::Value as Json;
use std::{fmt::Write, fs, path::Path};
use trainyard::{
    check::{Checked, Options, check},
    diagnostic::{
        Code, Renderer,
        format::{Findings, github, json, sarif},
    },
};

const SOUND: &str = "\
version: 1
dataset:
  source: digits
  train: [shuffle, {batch: 32}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 10}]
training: {loss: sparse_categorical_crossentropy, epochs: 2}
";

/// Checks files in a directory of their own, and shows what was found by `show`.
fn shown(files: &[(&str, String)], sets: &[&str], show: impl Fn(&[Findings<'_>], &Path) -> String) -> String {
    let directory = tempfile::tempdir().unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let checked: Vec<(_, Checked)> = files
        .iter()
        .map(|(name, content)| {
            let file = directory.path().join(name);
            if !content.is_empty() {
                fs::write(&file, content).unwrap();
            }
            let checked = check(&file, &Options { sets: &sets, ..Options::default() });
            (file, checked)
        })
        .collect();
    let findings: Vec<Findings<'_>> = checked
        .iter()
        .map(|(file, checked)| Findings {
            file,
            sound: checked.is_sound(),
            sources: &checked.sources,
            problems: &checked.problems,
        })
        .collect();
    show(&findings, directory.path()).replace(&format!("{}/", directory.path().display()), "")
}

/// One file sound, the others with an error of each kind: text of many bytes, Windows line ends, two labels, several
/// lines, no place at all.
fn files() -> Vec<(&'static str, String)> {
    vec![
        ("sound.yaml", SOUND.to_owned()),
        (
            "my mistakes, 50%.yaml",
            format!("{SOUND}\"日本 😀\": {{a: 1}}\nseed: 1\nseed: 2\n")
                .replace("epochs: 2", "epochs: 2, \"ü😀\": 1")
                .replace("flatten", "{flatten: [\n    2, 3]}"),
        ),
        ("windows.yaml", SOUND.replace("source: digits", "source: digitz").replace('\n', "\r\n")),
        ("scaled.yaml", SOUND.replace("{rescaling: 1/255}, ", "")),
        ("missing.yaml", String::new()),
    ]
}

#[test]
fn as_json() {
    let text = shown(&files(), &[], |findings, _| json(findings));
    let document: Json = serde_json::from_str(&text).unwrap();
    let sound: Vec<bool> =
        document["files"].as_array().unwrap().iter().map(|f| f["sound"].as_bool().unwrap()).collect();
    assert_eq!(sound, [true, false, false, true, false]);
    insta::assert_snapshot!(text);
}

#[test]
fn as_commands_of_github() {
    insta::assert_snapshot!(shown(&files(), &[], github));
}

#[test]
fn as_sarif() {
    let text = shown(&files(), &[], sarif);
    sarif_is_valid(&text);
    insta::assert_snapshot!(text);
}

#[test]
fn a_flag_lies_in_no_file() {
    let files = [("a.yaml", SOUND.to_owned())];
    let sets = ["training.epochs=0", "training.epoch"];
    let mut all = String::new();
    for text in
        [shown(&files, &sets, |findings, _| json(findings)), shown(&files, &sets, github), shown(&files, &sets, sarif)]
    {
        writeln!(all, "{text}").unwrap();
    }
    sarif_is_valid(&shown(&files, &sets, sarif));
    insta::assert_snapshot!(all);
}

#[test]
fn without_findings_there_is_still_a_document() {
    let files = [("a.yaml", SOUND.to_owned())];
    assert_eq!(shown(&files, &[], github), "");
    let log = shown(&files, &[], sarif);
    sarif_is_valid(&log);
    assert_eq!(serde_json::from_str::<Json>(&log).unwrap()["runs"][0]["results"], serde_json::json!([]));
}

/// What the specification requires of the parts that are written here.
fn sarif_is_valid(text: &str) {
    let log: Json = serde_json::from_str(text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    assert_eq!(run["columnKind"], "utf16CodeUnits");
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string() && driver["version"].is_string());
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        let code = Code::named(rule["id"].as_str().unwrap()).expect("a code");
        assert_eq!(rule["shortDescription"]["text"], code.meaning());
    }
    for result in run["results"].as_array().unwrap() {
        assert_eq!(rules[result["ruleIndex"].as_u64().unwrap() as usize]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(result["locations"].as_array().unwrap().len(), 1);
        let locations = result["locations"].as_array().into_iter().chain(result["relatedLocations"].as_array());
        for location in locations.flatten() {
            let place = &location["physicalLocation"];
            if place.is_null() {
                assert!(location["logicalLocations"][0]["name"].is_string());
                continue;
            }
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/%:".contains(c)), "{uri}");
            if let Some(region) = place["region"].as_object() {
                let number = |key: &str| region[key].as_u64().unwrap();
                assert!(number("startLine") >= 1 && number("startColumn") >= 1);
                let start = (number("startLine"), number("startColumn"));
                assert!(start <= (number("endLine"), number("endColumn")));
            }
        }
    }
}

/// Everything said of a pipeline, for a terminal of so many columns.
fn drawn(content: &str, width: usize) -> String {
    shown(&[("mine.yaml", content.to_owned())], &[], |findings, _| {
        let draw = |problem| Renderer::plain().width(width).render(findings[0].sources, problem) + "\n\n";
        findings[0].problems.iter().map(draw).collect()
    })
}

/// Columns of a terminal, for the characters of these tests.
fn columns(text: &str) -> usize {
    let width = |c| match c {
        '\u{300}'..='\u{36f}' => 0,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    };
    text.chars().map(width).sum()
}

#[test]
fn long_lines_are_trimmed_around_the_mark() {
    let before = "a".repeat(1000);
    let after = "b".repeat(980);
    let cases = [
        ("mark within", format!("{SOUND}report: {{title: {before}, tilte: x, description: {after}}}\n")),
        ("mark as wide as the line", format!("{SOUND}seed: {before}{after}\n")),
        ("key as wide as the line", format!("{SOUND}{before}: x\n")),
        ("marks far apart", format!("{SOUND}report: {{title: {before}, x: {after}, title: y}}\n")),
        ("wide characters", format!("{SOUND}report: {{title: {}, tilte: x}}\n", "日本".repeat(500))),
    ];
    let mut all = String::new();
    for (name, content) in cases {
        let text = drawn(&content, 80);
        for line in text.lines().filter(|line| line.starts_with("8 |")) {
            assert!(columns(line) <= 80, "{name}: {line}");
        }
        // A message that repeats what was written is as long as that.
        writeln!(all, "==== {name}\n{}", text.replace(&before, "(1000 a)").replace(&after, "(980 b)")).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn marks_stand_under_what_they_mean() {
    let mut all = String::new();
    for before in ["日本語", "😀👍🏽", "한국어", "e\u{301}u\u{308}", "für", "a\tb", "\t\tx", "｡ﾊﾟ"] {
        let text = drawn(&format!("{SOUND}report: {{title: \"{before}\", tilte: x}}\n"), 140);
        let lines: Vec<&str> = text.lines().collect();
        let (index, line) = lines.iter().enumerate().find(|(_, line)| line.contains("tilte:")).unwrap();
        let word = columns(&line[..line.find("tilte:").unwrap()]);
        let mark = columns(&lines[index + 1][..lines[index + 1].find('^').unwrap()]);
        assert_eq!(word, mark, "{text}");
        all.push_str(&text);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut all = String::new();
    for content in [
        format!("{SOUND}device: \"\\e[31mred\\e[0m\\r\\x07\\u009b2J\\u202e\"\n"),
        format!("{SOUND}device: \"\u{1b}[31mred\"\n"),
        format!("{SOUND}device: \"\u{9b}2J\u{202e}\", \n"),
        format!("{SOUND}device: \"\u{9b}2J\u{202e}\"\nallow: [\"\u{7f}\"]\n"),
        format!("{SOUND}\"\\e]0;title\\a\": 1\n"),
    ] {
        let text = drawn(&content, 140);
        assert!(!text.is_empty());
        let obeyed = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(obeyed), "{text:?}");
        all.push_str(&text);
    }
    insta::assert_snapshot!(all);
}
