//! What a run's record says before anything is done.

use crate::{
    check::{Checked, Plan},
    cli::context::Output,
    device,
    diagnostic::Renderer,
    model::{Means, pass_names},
    run::{Circumstances, Provenance, RunDirectory, RunInfo, Status, Timings, TrainingInfo},
    source::Surroundings,
    spec::{Pipeline, extends, origins::resolved_lines},
};
use std::path::Path;

/// The pipeline as it was written; as comments, what it extends and the flags that changed it.
pub fn as_written(checked: &Checked) -> String {
    let mut text = String::new();
    for (index, source) in checked.sources.texts().enumerate() {
        match &source.path {
            Some(_) if index == 0 => text.push_str(&source.content),
            Some(path) => {
                text.push_str(&format!("\n# {} {}:\n", extends::KEY, path.display()));
                text.extend(source.content.lines().map(|line| format!("#   {line}\n")));
            }
            None => text.push_str(&format!("# {} {}\n", source.name, source.content.replace('\n', " "))),
        }
    }
    text
}

/// This moment, RFC 3339.
pub fn now() -> String {
    jiff::ZonedDateTime::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The record of a run of the pipeline in `file` that is about to begin, by so many processes of so many threads.
#[allow(clippy::too_many_arguments)]
pub fn first_info(
    checked: &Checked,
    pipeline: &Pipeline,
    plan: &Plan,
    directory: &RunDirectory,
    output: &Output,
    means: &Means,
    (processes, threads): (usize, usize),
    file: &Path,
) -> RunInfo {
    RunInfo {
        format: 1,
        name: pipeline.name.clone(),
        description: pipeline.description.clone(),
        title: pipeline.report.title.clone(),
        sections: pipeline.report.sections.clone().unwrap_or_default(),
        configuration: checked
            .pipeline
            .as_ref()
            .map(|sound| resolved_lines(&checked.sources, sound))
            .unwrap_or_default(),
        id: directory.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        status: Status::Running,
        reason: None,
        warnings: checked.problems.iter().map(|p| Renderer::plain().render(&checked.sources, p)).collect(),
        started: now(),
        finished: None,
        timings: Timings::default(),
        data: None,
        layers: plan.rows(),
        training: TrainingInfo { epochs: pipeline.training.epochs, ..TrainingInfo::default() },
        expectations: Vec::new(),
        baselines: checked.baselines.clone(),
        previous: None,
        details: Vec::new(),
        input_bound: None,
        resumed: Vec::new(),
        lineage: None,
        reproduction: None,
        seeds: None,
        device_use: None,
        weights_digest: None,
        provenance: Provenance::of(
            Circumstances {
                libtorch: device::torch_version(),
                device: device::name(means.device),
                nondeterministic: device::nondeterministic(means.device, means.deterministic),
                numerics: means.numerics(),
                cpu_capability: device::cpu_capability(),
                threads,
                processes,
                passes: pass_names(means),
                seed: pipeline.seed,
                pipeline_file: file,
                resolved: &pipeline.to_yaml(),
                data_directory: output.data_directory.as_deref(),
                cache_directory: &Surroundings::default_cache_directory(),
            },
            directory,
        ),
    }
}
