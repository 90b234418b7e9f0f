//! No slip of the pen goes unnoticed: every key, value and item of every pipeline in `pipelines/` is dropped, renamed by
//! one letter, given a wrong type, put out of range, repeated, misplaced and wrongly indented, in the text of the file.
//!
//! The rule: each of these mutants is refused, with an error whose first label is on the right line, or
//! [`valid::valid_because`] says why it is a pipeline that someone may want. The right line is
//!
//! - for what was misspelt, replaced, misplaced or swapped: a line of that;
//! - for what was repeated, or put where there is one already: also the line of the other one, whichever is the first;
//! - for what was dropped: the line of the key around it, the line that it was on, or, in a list, a neighbour's;
//! - for what was wrongly indented: its line, the one before, of which it has become a part, or one of the two behind;
//! - where another key needs what was dropped, or is no longer excused ([`valid::told_at`]): the line of that key.
//!
//! A reason for a mutant that is refused is wrong, too: reasons are as narrow as what they excuse.

mod edit;
mod mutate;
mod schema;
mod valid;

use mutate::{Kind, Mutant, mutants};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};
use trainyard::{
    check::{self, Checked, Options},
    diagnostic::{Diagnostic, Place, Renderer, SourceMap},
    spec,
    spec::tree::Node,
};
use valid::{Because, begins, told_at, valid_because};

fn check(file: &Path) -> Checked {
    check::check(file, &Options::default())
}

/// A copy of `pipelines/` in which one file at a time is replaced by its mutants.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in pipelines() {
            fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
        }
        Bench { directory }
    }

    fn check(&self, name: &str, text: &str) -> Checked {
        let file = self.directory.path().join(name);
        fs::write(&file, text).unwrap();
        check(&file)
    }
}

fn pipelines() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    files
}

fn parse(text: &str) -> Node {
    let mut sources = SourceMap::default();
    let id = sources.add_file(Path::new("pipeline.yaml"), text);
    spec::parse(&sources, id, &mut Vec::new()).expect("a pipeline of ours")
}

/// The line of a place, where it lies in a file.
fn line(checked: &Checked, place: Place) -> Option<usize> {
    checked.sources.text(place.text).path.as_ref().map(|_| checked.sources.line(place))
}

/// What a message must not hold: the insides of the program.
const INSIDES: [&str; 7] = ["::", "Option<", "Some(", "struct ", "enum ", "variant", "invalid type"];

fn unreadable(problem: &Diagnostic, shown: &str) -> Option<String> {
    if problem.message.trim().is_empty() {
        return Some("the message is empty".to_owned());
    }
    let words = INSIDES.iter().find(|word| shown.contains(**word));
    words.map(|word| format!("the message speaks of `{word}`"))
}

/// Why a mutant is accepted, where it is and may be; `None` where it is refused as it should; or what is wrong.
fn judge(mutant: &Mutant, checked: &Checked) -> Result<Option<Because>, String> {
    for problem in &checked.problems {
        if let Some(complaint) = unreadable(problem, &Renderer::plain().render(&checked.sources, problem)) {
            return Err(complaint);
        }
    }
    let told_at = told_at(mutant).and_then(|start| mutant.text.lines().position(|line| begins(line, start)));
    let is_right = |line: usize| mutant.lines.contains(&line) || told_at.is_some_and(|index| index + 1 == line);
    let on_its_line = |problem: &&Diagnostic| {
        // Of two things that exclude each other, either is the first label.
        let competing = matches!(mutant.kind, Kind::Misplace | Kind::Duplicate);
        let count = if competing { problem.labels.len() } else { 1 };
        problem.labels.iter().take(count).filter_map(|label| line(checked, label.place)).any(is_right)
    };
    let errors: Vec<&Diagnostic> = checked.problems.iter().filter(|problem| problem.is_error()).collect();
    match (valid_because(mutant), errors.first()) {
        (None, None) => Err("accepted, and no reason is given".to_owned()),
        (Some(reason), Some(_)) => Err(format!("refused, although {reason:?}")),
        (None, Some(_)) if errors.iter().any(on_its_line) => Ok(None),
        (None, Some(_)) => Err(format!("refused on another line than one of {:?}", mutant.lines)),
        (reason @ Some(Because::Wanted(_)), None) => Ok(reason),
        (reason @ Some(Because::Warned(code)), None) => {
            let mut warnings = checked.problems.iter().filter(|problem| problem.code.name() == code);
            if warnings.any(|problem| on_its_line(&problem)) {
                Ok(reason)
            } else {
                Err(format!("accepted without `{code}` on one of the lines {:?}", mutant.lines))
            }
        }
    }
}

/// A mutant that went wrong, with what was said of it.
fn account(file: &str, mutant: &Mutant, checked: &Checked, complaint: &str) -> String {
    let mut text = format!("==== {file}: {:?} {} {}\n{complaint}\n", mutant.kind, mutant.at, mutant.what);
    let near = |number: usize| mutant.lines.iter().any(|line| line.abs_diff(number) <= 1);
    for (index, line) in mutant.text.lines().enumerate().filter(|(index, _)| near(index + 1)) {
        let shown: String = line.chars().take(120).collect();
        writeln!(text, "{:4} | {shown}", index + 1).unwrap();
    }
    for problem in &checked.problems {
        writeln!(text, "{}", Renderer::plain().render(&checked.sources, problem)).unwrap();
    }
    text
}

/// What became of a mutant: its kind, and why it is accepted, where it is.
type Fate = (Kind, Option<Because>);

/// How many mutants of each kind were refused and how many not, and for which reasons.
fn table(fates: &[Fate]) -> String {
    let mut text = format!("{:14}{:>9}{:>9}{:>9}\n", "", "refused", "warned", "valid");
    for kind in fates.iter().map(|(kind, _)| *kind).collect::<BTreeSet<_>>() {
        let of_kind: Vec<_> = fates.iter().filter(|fate| fate.0 == kind).map(|fate| fate.1).collect();
        let refused = of_kind.iter().filter(|reason| reason.is_none()).count();
        let warned = of_kind.iter().filter(|reason| matches!(reason, Some(Because::Warned(_)))).count();
        let (kind, valid) = (format!("{kind:?}"), of_kind.len() - refused - warned);
        writeln!(text, "{kind:14}{refused:9}{warned:9}{valid:9}").unwrap();
    }
    let mut reasons: BTreeMap<Because, usize> = BTreeMap::new();
    fates.iter().filter_map(|(_, reason)| *reason).for_each(|reason| *reasons.entry(reason).or_default() += 1);
    for (reason, count) in reasons {
        let words = match reason {
            Because::Wanted(words) => words.to_owned(),
            Because::Warned(code) => format!("warning[{code}]"),
        };
        writeln!(text, "{count:6}  {words}").unwrap();
    }
    text
}

/// Judges every mutant of one pipeline: the fates, and what went wrong.
fn try_all(file: &Path) -> (Vec<Fate>, Vec<String>) {
    let bench = Bench::new();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(file).unwrap();
    assert!(bench.check(&name, &text).is_sound(), "{name} isn't sound to begin with");
    let (mut fates, mut wrong) = (Vec::new(), Vec::new());
    for mutant in mutants(&text, &parse(&text)) {
        match catch_unwind(AssertUnwindSafe(|| bench.check(&name, &mutant.text))) {
            Err(_) => wrong.push(format!("==== {name}: a panic at {:?} {} {}\n", mutant.kind, mutant.at, mutant.what)),
            Ok(checked) => match judge(&mutant, &checked) {
                Ok(reason) => fates.push((mutant.kind, reason)),
                Err(complaint) => wrong.push(account(&name, &mutant, &checked, &complaint)),
            },
        }
    }
    (fates, wrong)
}

#[test]
fn every_mutant_is_refused_on_its_line_or_has_a_reason() {
    let files = pipelines();
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = files.iter().map(|file| scope.spawn(|| try_all(file))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let (fates, wrong): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let (fates, wrong) = (fates.concat(), wrong.concat());
    println!("{}", table(&fates));
    assert!(wrong.is_empty(), "{} mutants went wrong:\n{}", wrong.len(), wrong.join("\n"));
}
