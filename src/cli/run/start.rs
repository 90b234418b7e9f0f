//! From where a run begins, and what its record says before anything is done.

use super::resume;
use crate::{
    check::{Checked, Plan},
    cli::context::Output,
    device,
    diagnostic::{Renderer, Result},
    model::{Means, pass_names},
    run::{
        Circumstances, Lineage, Provenance, Resumption, RunDirectory, RunInfo, RunLock, Status, Timings, TrainingInfo,
        checkpoint::{Files, position},
    },
    source::Surroundings,
    spec::{Pipeline, extends, origins::resolved_lines},
};
use std::path::Path;

/// From where a run begins.
pub enum Start {
    /// From nothing.
    New,
    /// Where it was interrupted.
    Resumed {
        directory: RunDirectory,
        lock: RunLock,
        info: Box<RunInfo>,
        /// Its latest checkpoint, where it came that far.
        files: Option<Files>,
        changes: Vec<String>,
        notes: Vec<String>,
    },
    /// Where another one, which is complete, ended.
    Extended { parent: Box<RunInfo>, files: Files, changes: Vec<String>, notes: Vec<String> },
}

/// With what a run is made.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The pipeline's file.
    pub file: &'a Path,
    pub checked: &'a Checked,
    pub pipeline: &'a Pipeline,
    pub plan: &'a Plan,
    pub means: &'a Means,
    pub processes: usize,
    /// Those of each process.
    pub threads: usize,
}

/// A run that has a directory.
pub struct Begun {
    pub directory: RunDirectory,
    /// Says to others that somebody is at work in it.
    pub lock: RunLock,
    pub info: RunInfo,
    /// The checkpoint that it goes on from.
    pub files: Option<Files>,
}

impl Start {
    /// Whether what is run may be another pipeline than the run's directory tells of.
    pub fn is_changed(&self) -> bool {
        !matches!(self, Start::Resumed { changes, .. } if changes.is_empty())
    }

    /// Begins in a new directory, or in the one that there is.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn begin(self, setting: &Setting<'_>, output: &Output) -> Result<Begun> {
        match self {
            Start::New => Begun::anew(None, setting, output),
            Start::Extended { parent, files, changes, notes } => {
                let mut begun = Begun::anew(Some(files), setting, output)?;
                let info = &mut begun.info;
                info.data = parent.data.clone();
                // What was trained there took its time, too.
                info.timings = parent.timings;
                if info.baselines.is_empty() {
                    info.baselines = parent.baselines.clone();
                }
                info.lineage = Some(Lineage { id: parent.id.clone(), epochs: parent.training.epochs_done });
                info.resumed.push(resumption(&begun.files, changes, notes));
                Ok(begun)
            }
            Start::Resumed { directory, lock, mut info, files, changes, notes } => {
                info.resumed.push(resumption(&files, changes, notes));
                info.status = Status::Running;
                // What an evaluation that was cut off left isn't that of the run as it will be; nor is a history without a checkpoint.
                let stale = ["evaluation.json", "predictions.parquet", "history.csv"];
                let count = if files.is_some() { 2 } else { 3 };
                stale[..count].iter().try_for_each(|name| directory.remove(name))?;
                resume::describe(&mut info, setting.checked, setting.pipeline);
                Ok(Begun { directory, lock, info: *info, files })
            }
        }
    }
}

impl Begun {
    fn anew(files: Option<Files>, setting: &Setting<'_>, output: &Output) -> Result<Self> {
        let stamp = jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S").to_string();
        let (directory, lock) = RunDirectory::create(&output.runs_directory, &setting.pipeline.name, &stamp)?;
        let info = first_info(setting, &directory, output);
        Ok(Begun { directory, lock, info, files })
    }

    /// Says from where it goes on.
    pub fn tell(&self, output: &Output) {
        let Some(again) = self.info.resumed.last().filter(|_| !output.quiet) else { return };
        let from = self.info.lineage.as_ref().map_or(&self.info.id, |parent| &parent.id);
        match self.files {
            Some(_) => eprintln!("going on with {from} after {} epochs and {} steps in all", again.epochs, again.steps),
            None => eprintln!("{from} holds no checkpoint: it begins again"),
        }
    }
}

fn resumption(files: &Option<Files>, changes: Vec<String>, notes: Vec<String>) -> Resumption {
    let (epochs, steps) =
        files.as_ref().and_then(position).map_or((0, 0), |position| (position.epochs, position.steps));
    Resumption { at: now(), epochs, steps, changes, notes }
}

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

/// The record of a run that is about to begin.
fn first_info(setting: &Setting<'_>, directory: &RunDirectory, output: &Output) -> RunInfo {
    let Setting { file, checked, pipeline, plan, means, processes, threads } = *setting;
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
