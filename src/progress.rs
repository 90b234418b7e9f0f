//! The terminal as an observer: bars where there is a terminal, plain lines elsewhere, all on stderr.

use crate::{
    diagnostic::Result,
    run::EpochRecord,
    source::Progress,
    train::{Event, Observer},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Shows training on stderr.
pub struct Terminal {
    bar: Option<ProgressBar>,
    quiet: bool,
    epochs: usize,
    started: Instant,
}

impl Terminal {
    /// With `quiet`, nothing is shown.
    pub fn new(quiet: bool) -> Self {
        Terminal { bar: None, quiet, epochs: 0, started: Instant::now() }
    }
}

/// Writes a line to stderr; that nobody reads it any more is no reason to end a run.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Figures in one line: `loss 0.4211  accuracy 85.1%`.
pub fn figures_line(figures: &[(String, f64)]) -> String {
    let parts: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {}", figure(name, *value))).collect();
    parts.join("  ")
}

/// One figure as people read it: shares in percent.
pub fn figure(name: &str, value: f64) -> String {
    match value.abs() {
        _ if name.ends_with("accuracy") => format!("{:.2}%", 100.0 * value),
        size if size >= 1e6 => format!("{value:.4e}"),
        _ => format!("{value:.4}"),
    }
}

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let wait = 100.0 * record.data_wait_seconds / record.seconds.max(1e-9);
    let waits = if wait >= 5.0 { format!("  {wait:.0}% waiting for data") } else { String::new() };
    format!(
        "epoch {:>width$}/{epochs}  {}  {:.1} s  {:.0} images/s{waits}",
        record.epoch,
        figures_line(&record.figures),
        record.seconds,
        record.images_per_second,
        width = epochs.to_string().len(),
    )
}

impl Observer for Terminal {
    fn observe(&mut self, event: &Event<'_>) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        match event {
            Event::EpochStarted { epoch, epochs, steps, .. } => {
                self.epochs = *epochs;
                self.started = Instant::now();
                let style = "epoch {prefix} {bar:24} {pos}/{len}  {msg}  {eta} left";
                let bar = ProgressBar::with_draw_target(Some(*steps as u64), ProgressDrawTarget::stderr_with_hz(10))
                    .with_style(ProgressStyle::with_template(style).expect("a fixed template"))
                    .with_prefix(format!("{epoch}/{epochs}"));
                self.bar = Some(bar);
            }
            Event::StepEnded { step, images, figures, .. } => {
                if let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_hidden()) {
                    let speed = *images as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
                    bar.set_message(format!("{}  {speed:.0} images/s", figures_line(figures)));
                    bar.set_position(*step as u64);
                }
            }
            Event::EpochEnded(record) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                say(&epoch_line(record, self.epochs));
            }
            // The run's own output tells these.
            Event::DataSeen(_) | Event::WeightsWanted { .. } | Event::Evaluated(_) => {}
        }
        Ok(())
    }
}

/// Shows how far a source has come in getting its data.
pub struct SourceProgress {
    bar: Mutex<Option<ProgressBar>>,
    quiet: bool,
}

impl SourceProgress {
    /// With `quiet`, nothing is shown.
    pub fn new(quiet: bool) -> Self {
        SourceProgress { bar: Mutex::new(None), quiet }
    }

    /// Shows `progress`.
    pub fn show(&self, progress: Progress) {
        if self.quiet {
            return;
        }
        let Ok(mut bar) = self.bar.lock() else { return };
        match progress {
            Progress::Download { what, done, total } => {
                let bar = bar.get_or_insert_with(|| {
                    if !std::io::stderr().is_terminal() {
                        say(&format!("downloading {what}"));
                    }
                    let style = "{msg} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
                    let bar = ProgressBar::new(total.unwrap_or(0));
                    bar.set_style(ProgressStyle::with_template(style).expect("a fixed template"));
                    bar.set_message(format!("downloading {what}"));
                    bar
                });
                bar.set_position(done);
            }
            Progress::Reading { what, done, total } => {
                let bar = bar.get_or_insert_with(|| {
                    let bar = ProgressBar::new(total);
                    let style = "reading {msg} {bar:24} {pos}/{len}";
                    bar.set_style(ProgressStyle::with_template(style).expect("a fixed template"));
                    bar.set_message(what);
                    bar
                });
                bar.set_position(done);
            }
            Progress::DownloadDone | Progress::ReadingDone => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// A length of time as people say it.
pub fn duration(seconds: f64) -> String {
    let time = Duration::from_secs_f64(seconds.max(0.0));
    match time.as_secs() {
        0..60 => format!("{seconds:.1} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}
