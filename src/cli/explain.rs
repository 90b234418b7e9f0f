//! `trainyard explain`

use super::{Ending, context::Output};
use crate::{
    check::try_out,
    diagnostic::{Code, Diagnostic, Example, Renderer, Result, SourceMap, io_error, nearest},
    spec::{
        advice,
        reference::{ANY_KEY, Item, Role, reference},
    },
    text::wrap,
};
use serde_json::json;
use std::fmt::Write;

/// `trainyard explain [KEY or CODE]`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  trainyard explain layers.conv2d\n  trainyard explain training.epochs\n  trainyard explain unknown-layer"
)]
pub struct Arguments {
    /// A key, a layer, a stage, ... as a pipeline writes it, or the code of a diagnostic; without, all of them are listed.
    subject: Option<String>,
}

/// The widest line of prose.
const WIDTH: usize = 100;

/// Says what a key or a code means.
pub fn explain(arguments: &Arguments, output: &Output) -> Result<Ending> {
    let Some(subject) = &arguments.subject else {
        print!("{}", overview(output));
        return Ok(Ending::Done);
    };
    let (items, code) = (find(subject), Code::named(subject));
    if items.is_empty() && code.is_none() {
        output.tell(&SourceMap::default(), &unknown(subject));
        return Ok(Ending::Invalid);
    }
    if output.json {
        let keys: Vec<_> = items.iter().map(|item| as_json(item)).collect();
        let code = code.map(|code| json!({ "code": code.name(), "meaning": code.meaning() }));
        println!("{}", serde_json::to_string_pretty(&json!({ "keys": keys, "code": code })).expect("plain data"));
        return Ok(Ending::Done);
    }
    if let Some((first, others)) = items.split_first() {
        print!("{}", explain_item(first));
        for other in others {
            println!("see also `trainyard explain {}`: {}", other.display(), first_sentence(other.description()));
        }
    }
    if let Some(code) = code {
        print!("{}{}", if items.is_empty() { "" } else { "\n" }, explain_code(code, output)?);
    }
    Ok(Ending::Done)
}

/// The items that `subject` may mean: the last steps of their paths, without the numbers of list items.
fn find(subject: &str) -> Vec<&'static Item> {
    let steps: Vec<&str> = subject.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect();
    let named = |item: &&Item| {
        let Some(before) = item.path.len().checked_sub(steps.len()) else { return false };
        let mut pairs = item.path[before..].iter().zip(&steps).enumerate();
        // A name of the user's own says nothing without the key that it stands in.
        pairs.all(|(at, (own, step))| own == step || at > 0 && *own == ANY_KEY)
    };
    let mut found: Vec<&Item> = reference().items.iter().filter(named).collect();
    found.sort_by_key(|item| item.path.len());
    found
}

fn unknown(subject: &str) -> Diagnostic {
    let last = subject.rsplit('.').next().unwrap_or(subject);
    let names = reference().items.iter().map(Item::name).chain(Code::all().map(Code::name));
    let problem = Diagnostic::error(Code::UNKNOWN_KEY, format!("nothing is called `{subject}`"));
    match (advice(last), nearest(last, names)) {
        (Some(advice), _) => problem.help(advice),
        (None, Some(name)) => problem.help(format!("did you mean `{name}`?")),
        (None, None) => problem.help("`trainyard explain` lists everything there is to explain"),
    }
}

fn overview(output: &Output) -> String {
    let items = || reference().items.iter();
    if output.json {
        let keys: Vec<_> = items().map(as_json).collect();
        let codes: Vec<_> = Code::all().map(|code| json!({ "code": code.name(), "meaning": code.meaning() })).collect();
        let all = json!({ "keys": keys, "codes": codes });
        return serde_json::to_string_pretty(&all).expect("plain data") + "\n";
    }
    let mut text = "Keys, and what may stand at them\n".to_owned();
    for item in items() {
        let indent = 2 * item.path.len();
        let line = format!("{:indent$}{}", "", item.name());
        let _ = writeln!(text, "{line:<34}{}", first_sentence(item.description()));
    }
    text.push_str("\nCodes of errors, warnings and notes\n");
    for code in Code::all() {
        let _ = writeln!(text, "  {:<32}{}", code.name(), first_sentence(&code.meaning()));
    }
    text
}

fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    text.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
}

/// Where an item may stand: the keys that take members of its family, or what its own key stands in.
fn stands_in(item: &Item) -> Vec<String> {
    match item.role {
        Role::Member(family) => reference().places(family).iter().map(|place| place.join(".")).collect(),
        Role::Key { .. } => match &item.path[..item.path.len() - 1] {
            [] => vec!["the pipeline itself".to_owned()],
            around => vec![around.join(".")],
        },
    }
}

fn as_json(item: &Item) -> serde_json::Value {
    json!({
        "path": item.display(),
        "kind": match item.role { Role::Key { .. } => "key", Role::Member(family) => family },
        "description": item.description(),
        "type": item.expected(),
        "required": item.role == Role::Key { required: true },
        "default": item.default(),
        "examples": item.examples().collect::<Vec<_>>(),
        "stands_in": stands_in(item),
    })
}

fn facts(item: &Item) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Role::Key { required } = item.role {
        facts.push(("type", item.expected()));
        let default = item.default().unwrap_or_else(|| "nothing".to_owned());
        facts.push(("default", if required { "none: it must be given".to_owned() } else { default }));
    }
    facts.push(("stands in", stands_in(item).join(", ")));
    let name = item.name();
    for example in item.examples() {
        let written = match item.role {
            Role::Key { .. } => format!("{name}: {example}"),
            Role::Member(_) if example == "{}" => name.to_owned(),
            Role::Member(_) => format!("{name}: {example}"),
        };
        facts.push(("example", written));
    }
    if let Some(bare) = item.bare() {
        facts.push(("short", format!("`{name}: VALUE` sets `{bare}`")));
    }
    facts
}

/// Adds `lines`, each behind so many blanks.
fn indented(text: &mut String, indent: usize, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    for line in lines {
        text.push_str(format!("{:indent$}{}", "", line.as_ref()).trim_end());
        text.push('\n');
    }
}

/// Adds `name` and what belongs to it, in a column of its own.
fn row(text: &mut String, name: &str, column: usize, body: &str) {
    let lines = wrap(body, WIDTH - column);
    let (first, rest) = lines.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let width = column - 3;
    indented(text, 2, [format!("{name:<width$} {first}")]);
    indented(text, column, rest);
}

fn explain_item(item: &Item) -> String {
    let mut text = match item.role {
        Role::Key { .. } => format!("{}\n\n", item.display()),
        Role::Member(family) => format!("{}, a member of the family `{family}`\n\n", item.name()),
    };
    indented(&mut text, 2, wrap(item.description(), WIDTH - 2));
    text.push('\n');
    for (name, fact) in facts(item) {
        row(&mut text, name, 14, &fact);
    }
    for (word, meaning) in item.choices() {
        text.push('\n');
        indented(&mut text, 2, [word]);
        indented(&mut text, 6, wrap(meaning, WIDTH - 6));
    }
    let within = |other: &&Item| match other.path.strip_prefix(&*item.path) {
        Some([_]) => true,
        Some([around, _]) => *around == ANY_KEY,
        _ => false,
    };
    for argument in reference().items.iter().filter(within) {
        let value = match (argument.role, argument.default()) {
            (Role::Member(_), _) => String::new(),
            (Role::Key { required: true }, _) => format!("{}; must be given", argument.expected()),
            (_, Some(default)) => format!("{}; default {default}", argument.expected()),
            (_, None) => argument.expected(),
        };
        text.push('\n');
        row(&mut text, &argument.path[item.path.len()..].join("."), 26, &value);
        indented(&mut text, 6, wrap(argument.description(), WIDTH - 6));
    }
    text
}

/// What a code means, with an example as it fails, what the check says of it, and the repaired one.
fn explain_code(code: Code, output: &Output) -> Result<String> {
    let mut text = format!("{}\n\n", code.name());
    indented(&mut text, 2, wrap(&code.meaning(), WIDTH - 2));
    let Some((wrong, right)) = code.example() else { return Ok(text) };
    let show = |text: &mut String, example: &Example| {
        let (Example::Pipeline(body) | Example::Command(body)) = example;
        indented(text, 4, body.lines());
    };
    text.push_str("\n  This fails:\n\n");
    show(&mut text, &wrong);
    let said = output.with_surroundings(None, |surroundings| try_out(&wrong, Some(surroundings)));
    let said = said.map_err(|error| io_error("write", &std::env::temp_dir(), &error))?;
    for checked in &said {
        for problem in checked.problems.iter().filter(|problem| problem.code == code) {
            text.push('\n');
            indented(&mut text, 4, Renderer::plain().render(&checked.sources, problem).lines());
        }
    }
    text.push_str("\n  Write instead:\n\n");
    show(&mut text, &right);
    Ok(text)
}
