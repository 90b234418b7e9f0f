//! What differs in the configuration of runs, by meaning, and around them.

use super::Compared;
use crate::{
    run::RunInfo,
    spec::{
        difference::{Difference, differences},
        schema,
        tree::display_path,
    },
};
use serde::Serialize;

/// A setting that isn't the same in all runs.
#[derive(Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Where it stands, `training.epochs`; with `+ ` or `- ` where an item of a list isn't in all runs.
    pub key: String,
    /// What each run has; `None` where it has none.
    pub values: Vec<Option<String>>,
}

/// What differs in the resolved pipelines, compared with the first one. Those that cannot be read are left out.
pub fn differing(runs: &[Compared]) -> Vec<Setting> {
    let Some(first) = runs.first().and_then(|run| run.pipeline.as_ref()) else { return Vec::new() };
    let mut settings: Vec<Setting> = Vec::new();
    let mut about = Vec::new();
    for (index, run) in runs.iter().enumerate().skip(1) {
        let Some(pipeline) = &run.pipeline else { continue };
        for difference in differences(first, pipeline, schema::full()) {
            let path = display_path(difference.path());
            let key = match &difference {
                Difference::Changed(..) => path.clone(),
                Difference::Added(_) => format!("+ {path}"),
                Difference::Removed(_) => format!("- {path}"),
            };
            let before = difference.before().map(|side| side.text.clone());
            let place = settings.iter().position(|setting| setting.key == key).unwrap_or_else(|| {
                // Until they turn out to differ, the others have what the first has.
                let values = runs.iter().map(|run| before.clone().filter(|_| run.pipeline.is_some())).collect();
                settings.push(Setting { key, values });
                settings.len() - 1
            });
            settings[place].values[index] = difference.after().map(|side| side.text.clone());
            if path == "name" || path == "description" {
                about.push(settings[place].key.clone());
            }
        }
    }
    // What is only said about a pipeline comes last.
    settings.sort_by_key(|setting| about.contains(&setting.key));
    settings
}

/// What differs of the data, the machine and the program.
pub fn surroundings(runs: &[Compared]) -> Vec<Setting> {
    type Ask = fn(&RunInfo) -> Option<String>;
    let asked: [(&str, Ask); 14] = [
        ("data", |info| {
            let data = info.data.as_ref()?;
            Some(format!("{} {}", data.source, &data.digest.get(..12).unwrap_or(&data.digest)))
        }),
        ("training examples", |info| Some(info.data.as_ref()?.train.to_string())),
        ("test examples", |info| Some(info.data.as_ref()?.test.to_string())),
        ("device", |info| Some(info.provenance.device.clone())),
        ("processes", |info| Some(info.provenance.processes.to_string())),
        ("threads", |info| Some(info.provenance.threads.to_string())),
        ("processor", |info| Some(info.provenance.processor.clone())),
        ("vector instructions", |info| Some(info.provenance.cpu_capability.clone())),
        ("passes over the model", |info| Some(info.provenance.passes.join(", ")).filter(|passes| !passes.is_empty())),
        ("system", |info| info.provenance.operating_system.clone()),
        ("kernel", |info| info.provenance.kernel.clone()),
        ("libtorch", |info| Some(info.provenance.libtorch.clone())),
        ("trainyard", |info| Some(info.provenance.program())),
        ("commit", |info| info.provenance.git_commit.clone()),
    ];
    let settings = asked
        .into_iter()
        .map(|(key, ask)| Setting { key: key.to_owned(), values: runs.iter().map(|run| ask(&run.info)).collect() });
    settings.filter(|setting| setting.values.iter().any(|value| *value != setting.values[0])).collect()
}
