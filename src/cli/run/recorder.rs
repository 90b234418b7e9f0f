//! Keeps the record on disk up to date while a run is under way.

use super::{preflight::heard, work::input_bound};
use crate::{
    cli::report::write_report,
    diagnostic::{Diagnostic, Renderer, Result, SourceMap},
    report::render,
    run::{EpochRecord, LOSSES, RunDirectory, RunInfo, Status, Timings, checkpoint::Files},
    spec::Checkpoint,
    train::{Event, Moment, Observer, Session},
};
use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Writes down what happens, and tells others of it.
pub struct Recorder {
    pub info: RunInfo,
    pub directory: RunDirectory,
    pub history: Vec<EpochRecord>,
    /// The loss of every step, as it was computed.
    pub losses: Vec<f32>,
    /// What to do where training waits for its data.
    pub input_advice: &'static str,
    /// Who else hears what happens.
    pub listeners: Vec<Box<dyn Observer>>,
    /// The rehearsal of the report, beside the first epoch.
    pub rehearsal: Option<JoinHandle<Result<()>>>,
    /// When the report was last written, and how long it took.
    reported: Option<(Instant, Duration)>,
    checkpoints: Checkpoints,
    /// When this process began with the run, and what earlier ones had taken.
    began: Instant,
    before: Timings,
    /// When it began to train.
    training_since: Option<Instant>,
}

/// The report may take this share of the time of a training whose epochs are short, and so may checkpoints.
const SHARE: f64 = 0.05;

impl Recorder {
    /// Begins to record into `directory`.
    pub fn new(
        info: RunInfo,
        directory: RunDirectory,
        policy: &Checkpoint,
        input_advice: &'static str,
        listeners: Vec<Box<dyn Observer>>,
        began: Instant,
    ) -> Self {
        Recorder {
            began,
            before: info.timings,
            training_since: None,
            info,
            directory,
            history: Vec::new(),
            losses: Vec::new(),
            input_advice,
            listeners,
            rehearsal: None,
            reported: None,
            checkpoints: Checkpoints::new(policy.clone()),
        }
    }

    /// Goes on after what a checkpoint holds.
    pub fn go_on_after(&mut self, session: &Session<'_>, files: &Files) -> Result<()> {
        self.history = session.history().to_vec();
        self.losses = RunDirectory::losses(files.get(LOSSES).map_or(&[][..], Vec::as_slice));
        self.info.training.epochs_done = self.history.len();
        self.info.training.steps_done = session.steps();
        if self.history.is_empty() {
            // A file without rows would have no columns.
            return self.directory.remove("history.csv");
        }
        self.directory.write_history(&self.history)
    }

    /// Notes the time that has gone by, so that a run that is killed says how long it was at work.
    fn note_time(&mut self) {
        let timings = &mut self.info.timings;
        timings.total = self.before.total + self.began.elapsed().as_secs_f64();
        if let Some(since) = self.training_since {
            timings.training = self.before.training + since.elapsed().as_secs_f64();
        }
    }

    /// Training is over.
    pub fn end_training(&mut self) {
        self.note_time();
        self.training_since = None;
    }

    /// Writes the record and the report.
    pub fn save(&mut self) -> Result<()> {
        self.note_time();
        self.directory.write_json("run.json", &self.info)?;
        let start = Instant::now();
        if let Err(problem) = write_report(&self.directory) {
            self.stand_in(problem)?;
        }
        self.reported = Some((Instant::now(), start.elapsed()));
        Ok(())
    }

    /// Writes the program's own page where the pipeline's cannot be filled in. That is an error only before training: hours
    /// of it are not to be lost for a page.
    fn stand_in(&mut self, problem: Box<Diagnostic>) -> Result<()> {
        let mut record = self.directory.read()?;
        if record.template.take().is_none() {
            return Err(problem);
        }
        self.directory.write("report.html", render(&record)?.as_bytes())?;
        if self.reported.is_none() && self.info.status == Status::Running {
            return Err(problem);
        }
        let warning = Renderer::plain().render(&SourceMap::default(), &problem);
        if self.info.status == Status::Running && !self.info.warnings.contains(&warning) {
            self.info.warnings.push(warning);
        }
        Ok(())
    }

    /// Saves what an epoch brought; the report only where it isn't written all the time.
    fn save_epoch(&mut self) -> Result<()> {
        self.directory.write_history(&self.history)?;
        self.note_time();
        match self.reported {
            Some(last) if !is_bearable(last) => self.directory.write_json("run.json", &self.info),
            _ => self.save(),
        }
    }

    /// Writes a checkpoint, reads it back and removes it again.
    pub fn rehearse_checkpoint(&self, session: &Session<'_>) -> Result<()> {
        self.directory.rehearse_checkpoint(&self.files(session)?)
    }

    /// All that a checkpoint holds.
    fn files(&self, session: &Session<'_>) -> Result<Files> {
        let mut files = session.files()?;
        files.insert(LOSSES.to_owned(), self.losses_bytes());
        Ok(files)
    }

    /// The bytes of [`LOSSES`].
    pub fn losses_bytes(&self) -> Vec<u8> {
        self.losses.iter().flat_map(|loss| loss.to_le_bytes()).collect()
    }
}

/// Whether doing again what took so long, and ended at that moment, takes no more than its share.
fn is_bearable((ended, took): (Instant, Duration)) -> bool {
    ended.elapsed().mul_f64(SHARE) >= took
}

impl Recorder {
    /// Does something for which training waits, and counts the time.
    fn counted(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        let done = work(self);
        if self.training_since.is_some() {
            self.info.timings.reporting += start.elapsed().as_secs_f64();
        }
        done
    }

    fn write_down(&mut self, event: &Event<'_>) -> Result<()> {
        for listener in &mut self.listeners {
            listener.observe(event)?;
        }
        match event {
            Event::EpochStarted { .. } => {
                self.training_since.get_or_insert_with(Instant::now);
            }
            Event::StepEnded { loss, .. } => self.losses.push(*loss as f32),
            Event::WeightsWanted { file, weights } => self.directory.write(file, weights)?,
            Event::EpochEnded(record) => {
                self.history.push((*record).clone());
                self.info.training.epochs_done = record.epoch;
                self.info.training.steps_done = self.losses.len() as u64;
                self.info.input_bound = input_bound(&self.history, self.input_advice);
                self.save_epoch()?;
                self.rehearsal.take().map_or(Ok(()), heard)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn keep_checkpoint(&mut self, session: &Session<'_>, moment: Moment) -> Result<()> {
        if !self.checkpoints.is_due(session, moment) {
            return Ok(());
        }
        let start = Instant::now();
        self.directory.write_checkpoint(&self.files(session)?)?;
        self.checkpoints.kept(session, start);
        Ok(())
    }
}

impl Observer for Recorder {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        self.counted(|recorder| recorder.write_down(event))
    }

    fn at_rest(&mut self, session: &Session<'_>, moment: Moment) -> Result<()> {
        self.counted(|recorder| recorder.keep_checkpoint(session, moment))
    }
}

/// Decides when a checkpoint is due.
struct Checkpoints {
    policy: Checkpoint,
    /// When the last one was written, and how long that took.
    last: (Instant, Duration),
    /// Epochs and steps at the last one.
    epochs: usize,
    steps: u64,
    any: bool,
}

/// Where the pipeline says nothing, no more than this is lost of a long epoch.
const AT_MOST: Duration = Duration::from_secs(600);

impl Checkpoints {
    fn new(policy: Checkpoint) -> Self {
        Checkpoints { policy, last: (Instant::now(), Duration::ZERO), epochs: 0, steps: 0, any: false }
    }

    fn is_due(&self, session: &Session<'_>, moment: Moment) -> bool {
        let Checkpoint { epochs, steps, minutes } = self.policy;
        let (new_epochs, new_steps) = (session.history().len() - self.epochs, session.steps() - self.steps);
        let since = self.last.0.elapsed();
        match (moment, epochs, steps, minutes) {
            (Moment::Last, ..) => !self.any || new_steps > 0 || new_epochs > 0,
            (Moment::Epoch, None, None, None) => is_bearable(self.last),
            (Moment::Step, None, None, None) => since >= AT_MOST && is_bearable(self.last),
            _ => {
                epochs.is_some_and(|epochs| moment == Moment::Epoch && new_epochs >= epochs)
                    || steps.is_some_and(|steps| new_steps >= steps)
                    || minutes.is_some_and(|minutes| since.as_secs_f64() >= 60.0 * minutes)
            }
        }
    }

    fn kept(&mut self, session: &Session<'_>, start: Instant) {
        self.last = (Instant::now(), start.elapsed());
        (self.epochs, self.steps, self.any) = (session.history().len(), session.steps(), true);
    }
}
