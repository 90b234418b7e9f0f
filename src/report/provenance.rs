//! On what, by what and from what the run was made.

use super::{Section, figure};
use crate::{
    run::{DiffFile, Provenance, Record},
    text::bytes,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const SECTION: Section = Section {
    id: "provenance",
    title: "Provenance",
    template: include_str!("../../templates/sections/provenance.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let info = &record.info;
    let from = &info.provenance;
    let digest = |digest: &str| if digest.is_empty() { None } else { Some(format!("sha256:{digest}")) };
    // Name, figure, and whether it is a text for machines.
    let facts: Vec<(&str, Option<String>, bool)> = vec![
        ("Run", Some(info.id.clone()), true),
        ("Started", Some(figure::moment(&info.started)), false),
        ("Finished", info.finished.as_deref().map(figure::moment), false),
        ("Command", Some(command(&from.command)).filter(|command| !command.is_empty()), true),
        ("Pipeline", Some(from.pipeline_file.clone()), true),
        ("Resolved pipeline", digest(&from.pipeline_digest), true),
        ("Weights to begin with", info.data.as_ref().and_then(|data| digest(data.initial_weights.as_deref()?)), true),
        ("Weights", info.weights_digest.as_deref().and_then(digest), true),
        ("Data directory", from.data_directory.clone(), true),
        ("Git commit", from.git_commit.clone(), true),
        ("Git branch", from.git_branch.clone(), true),
        ("Uncommitted changes", from.git_changes.as_ref().map(diff), false),
        ("Seed", Some(from.seed.to_string()), false),
        ("trainyard", Some(from.program()), false),
        ("Program", digest(&from.program_digest), true),
        ("libtorch", Some(from.libtorch.clone()), false),
        ("Device", Some(from.device.clone()), false),
        ("Not deterministic there", Some(from.nondeterministic.join("; ")), false),
        ("Computed otherwise there", Some(from.numerics.join("; ")), false),
        ("Processes", Some(from.processes).filter(|count| *count > 1).map(|count| count.to_string()), false),
        ("NCCL", from.nccl.clone(), false),
        (if from.processes > 1 { "Threads of each" } else { "Threads" }, Some(from.threads.to_string()), false),
        ("Processor", Some(from.processor.clone()), false),
        ("Processors", Some(from.processors).filter(|count| *count > 0).map(|count| count.to_string()), false),
        ("Vector instructions", Some(from.cpu_capability.clone()), false),
        ("Kernels of its own", from.kernels.clone(), false),
        ("Passes over the model", Some(from.passes.join(", ")), false),
        ("Memory", memory(from), false),
        ("System", Some(system(from)), false),
        ("Environment", Some(environment(&from.environment)), true),
    ];
    let facts: Vec<Value> = facts
        .into_iter()
        .filter_map(|(name, value, code)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some(json!({ "name": name, "value": value, "code": code, "copied": name == "Command" }))
        })
        .collect();
    Some(json!({ "facts": facts }))
}

fn diff(changes: &DiffFile) -> String {
    match changes.cut {
        true => format!("{}, beside this report; its end is cut off", changes.file),
        false => format!("{}, beside this report", changes.file),
    }
}

fn memory(from: &Provenance) -> Option<String> {
    let memory = from.memory.map(bytes);
    match from.memory_limit.map(bytes) {
        Some(limit) => Some(memory.map_or(limit.clone(), |memory| format!("{memory}, of which {limit} can be used"))),
        None => memory,
    }
}

fn system(from: &Provenance) -> String {
    let kernel = from.kernel.as_ref().map(|kernel| format!("kernel {kernel}"));
    let parts = [from.operating_system.clone(), Some(from.system.clone()), kernel];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Variables as a POSIX shell would set them.
fn environment(variables: &BTreeMap<String, String>) -> String {
    variables.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>().join(" ")
}

/// The command line as a POSIX shell would take it again.
fn command(arguments: &[String]) -> String {
    arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_can_be_pasted() {
        let arguments = ["trainyard", "run", "a b.yaml", "--set", "name=it's", ""].map(String::from);
        assert_eq!(command(&arguments), "trainyard run 'a b.yaml' --set 'name=it'\\''s' ''");
    }
}
