//! On what, by what and from what the run was made.

use super::{Section, figure};
use crate::run::Record;
use serde_json::{Value, json};

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
        ("Weights", info.weights_digest.as_deref().and_then(digest), true),
        ("Data directory", from.data_directory.clone(), true),
        ("Git commit", from.git_commit.clone(), true),
        ("Seed", Some(from.seed.to_string()), false),
        ("trainyard", Some(from.version.clone()), false),
        ("libtorch", Some(from.libtorch.clone()), false),
        ("Device", Some(from.device.clone()), false),
        ("Threads", Some(from.threads.to_string()), false),
        ("Processor", Some(from.processor.clone()), false),
        ("Vector instructions", Some(from.cpu_capability.clone()), false),
        ("System", Some(from.system.clone()), false),
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

/// The command line as a POSIX shell would take it again.
fn command(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
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
