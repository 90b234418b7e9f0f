//! A run's directory: every file whole or not at all.

use super::{EpochRecord, EvaluationRecord, Figures, Record, RunInfo, Status, write_atomically};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    guard,
};
use polars::prelude::{Column, CsvReader, CsvWriter, DataFrame, DataType, SerReader, SerWriter};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{Cursor, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A run's directory.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

/// Held by the process that writes a run; the system lets go of it when the process ends, however it ends.
pub struct RunLock {
    _file: File,
}

pub(super) const LOCK: &str = ".lock";
/// The loss of every step: float32, little-endian, one behind the other.
pub const LOSSES: &str = "losses.f32";
/// Bytes that a text of a run may have.
const MOST_BYTES: u64 = 256 << 20;
/// A run has fewer epochs.
const MOST_EPOCHS: f64 = 1e9;
/// The page for the report, where the pipeline has one of its own.
pub const TEMPLATE: &str = "template.html";

impl RunDirectory {
    /// Makes a new directory `ROOT/NAME/STAMP-XXXX` and takes its lock.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn create(root: &Path, name: &str, stamp: &str) -> Result<(Self, RunLock)> {
        let parent = root.join(name);
        fs::create_dir_all(&parent).map_err(|error| io_error("make the directory", &parent, &error))?;
        let made = tempfile::Builder::new()
            .prefix(&format!("{stamp}-"))
            .rand_bytes(4)
            .tempdir_in(&parent)
            .map_err(|error| io_error("make a directory in", &parent, &error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let _ = fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755));
        }
        let directory = RunDirectory { path: made.keep() };
        let lock = directory.lock()?;
        Ok((directory, lock))
    }

    /// Takes its lock, which a process that has died doesn't hold any more.
    ///
    /// # Errors
    /// Where a process is at work in it, or the file system refuses.
    pub fn lock(&self) -> Result<RunLock> {
        let path = self.file(LOCK);
        let failed = |error: std::io::Error| io_error("write", &path, &error);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        // What a link leads to is none of ours, and a pipe would be waited for.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(&path).map_err(failed)?;
        if file.try_lock().is_err() {
            let mut holder = String::new();
            let _ = (&mut file).take(20).read_to_string(&mut holder);
            let who = match holder.trim() {
                "" => "another process".to_owned(),
                process => format!("the process {process}"),
            };
            let problem = Diagnostic::error(Code::BAD_RUN, format!("{who} is at work in {}", self.path.display()));
            return Err(Box::new(problem.help("wait until it is done, or end it: what it did so far is kept")));
        }
        // For people; that it cannot be written does no harm.
        let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        Ok(RunLock { _file: file })
    }

    /// Opens a directory that a run left.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join("run.json").is_file() {
            return Ok(RunDirectory { path: path.to_owned() });
        }
        let problem = Diagnostic::error(Code::BAD_RUN, format!("{} is no run: it holds no `run.json`", path.display()));
        Err(Box::new(problem.help(
            "name a directory that `trainyard run` left, such as `runs/NAME/STAMP`, or a NAME, for its latest run",
        )))
    }

    /// The directory `path`, whatever is in it.
    pub(super) fn at(path: &Path) -> Self {
        RunDirectory { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a process is at work in it.
    pub fn is_locked(&self) -> bool {
        let lock = self.file(LOCK);
        lock.is_file() && File::open(lock).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// Its lock, for whoever deletes it; `None` where a process is at work in it.
    pub(super) fn lock_for_deletion(&self) -> Option<RunLock> {
        let path = self.file(LOCK);
        // One that was copied may have none.
        let file = File::open(&path).or_else(|_| File::create_new(&path)).ok()?;
        file.try_lock().ok()?;
        Some(RunLock { _file: file })
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_atomically(&self.file(name), bytes)
    }

    /// Removes one of its files, where it is there.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", &path, &error)),
            _ => Ok(()),
        }
    }

    /// Writes one of its JSON files.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let mut text = serde_json::to_string_pretty(value).expect("records are plain data");
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Writes `history.csv`.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write_history(&self, history: &[EpochRecord]) -> Result<()> {
        let mut columns =
            vec![Column::new("epoch".into(), history.iter().map(|record| record.epoch as u64).collect::<Vec<_>>())];
        let names: Vec<&str> =
            history.first().into_iter().flat_map(|r| r.figures.iter().map(|(name, _)| name.as_str())).collect();
        for name in names {
            let values: Vec<Option<f64>> = history.iter().map(|record| record.figure(name)).collect();
            columns.push(Column::new(name.into(), values));
        }
        let mut column = |name: &str, value: fn(&EpochRecord) -> f64| {
            columns.push(Column::new(name.into(), history.iter().map(value).collect::<Vec<_>>()));
        };
        column("learning_rate", |record| record.learning_rate);
        column("seconds", |record| record.seconds);
        column("images_per_second", |record| record.images_per_second);
        column("data_wait_seconds", |record| record.data_wait_seconds);
        // Not every epoch of an extended run need have them.
        let watched = history.iter().flat_map(|record| &record.watched);
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in watched {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        for name in names {
            let find =
                |record: &EpochRecord| record.watched.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
            columns.push(Column::new(name.into(), history.iter().map(find).collect::<Vec<_>>()));
        }
        let mut bytes = Vec::new();
        let mut table = DataFrame::new(history.len(), columns).expect("columns of one length");
        CsvWriter::new(&mut bytes).finish(&mut table).expect("numbers can be written as text");
        self.write("history.csv", &bytes)
    }

    /// Reads `history.csv`.
    ///
    /// # Errors
    /// Where it isn't what a run writes.
    pub fn read_history(&self) -> Result<Vec<EpochRecord>> {
        let path = self.file("history.csv");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let damaged = || Box::new(Diagnostic::error(Code::BAD_RUN, format!("{} is damaged", path.display())));
        let text = self.read_text("history.csv")?;
        let table = guard::caught_elsewhere(|| CsvReader::new(Cursor::new(text)).finish());
        let table = table.map_err(|_| damaged())?.map_err(|_| damaged())?;
        let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
        for column in table.columns() {
            let values = column.cast(&DataType::Float64).map_err(|_| damaged())?;
            let values = values.f64().map_err(|_| damaged())?.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            columns.push((column.name().to_string(), values));
        }
        let mut take = |name: &str| -> Result<Vec<f64>> {
            let index = columns.iter().position(|(column, _)| column == name).ok_or_else(damaged)?;
            Ok(columns.remove(index).1)
        };
        let (epoch, rate, seconds) = (take("epoch")?, take("learning_rate")?, take("seconds")?);
        let is_epoch = |number: &f64| (1.0..MOST_EPOCHS).contains(number) && number.fract() == 0.0;
        if !epoch.iter().all(is_epoch) || !epoch.is_sorted_by(|one, next| one < next) {
            return Err(damaged());
        }
        let (speed, wait) = (take("images_per_second")?, take("data_wait_seconds")?);
        let (watched, figures): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|(name, _)| EpochRecord::is_watched(name));
        let of_row = |columns: &[(String, Vec<f64>)], row: usize| -> Vec<(String, f64)> {
            columns.iter().map(|(name, values)| (name.clone(), values[row])).collect()
        };
        Ok((0..epoch.len())
            .map(|row| EpochRecord {
                epoch: epoch[row] as usize,
                figures: of_row(&figures, row),
                watched: of_row(&watched, row),
                learning_rate: rate[row],
                seconds: seconds[row],
                images_per_second: speed[row],
                data_wait_seconds: wait[row],
            })
            .collect())
    }

    /// The loss of every step, from its file or from those of a checkpoint.
    pub fn losses(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// Reads the loss of every step.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn read_losses(&self) -> Result<Vec<f32>> {
        Ok(Self::losses(&self.read_bytes(LOSSES)?))
    }

    /// Reads the figures of `evaluation.json`, where there is one.
    ///
    /// # Errors
    /// Where it isn't what a run writes.
    pub fn read_figures(&self) -> Result<Option<Figures>> {
        self.file("evaluation.json").exists().then(|| self.read_json("evaluation.json")).transpose()
    }

    fn read_bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name);
        let failed = |error| io_error("read", &path, &error);
        let metadata = path.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(self.foreign(name));
        }
        let mut bytes = Vec::new();
        File::open(&path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes)
    }

    fn read_text(&self, name: &str) -> Result<String> {
        String::from_utf8(self.read_bytes(name)?).map_err(|_| self.foreign(name))
    }

    fn foreign(&self, name: &str) -> Box<Diagnostic> {
        let message = format!("{} isn't what a run writes", self.file(name).display());
        Box::new(Diagnostic::error(Code::BAD_RUN, message))
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_str(&self.read_text(name)?).map_err(|error| {
            let message = format!("{} is damaged at line {}", self.file(name).display(), error.line());
            Box::new(Diagnostic::error(Code::BAD_RUN, message))
        })
    }

    /// Reads `run.json`. A run that says `running` and that no process holds any more was killed: it has failed.
    ///
    /// # Errors
    /// Where it isn't what a run writes.
    pub fn read_info(&self) -> Result<RunInfo> {
        let mut info: RunInfo = self.read_json("run.json")?;
        if info.status == Status::Running && !self.is_locked() {
            info.status = Status::Failed;
            info.reason = Some("the process was killed, or the machine stopped".to_owned());
        }
        Ok(info)
    }

    /// Reads everything that a report is made of.
    ///
    /// # Errors
    /// Where the directory isn't what a run writes.
    pub fn read(&self) -> Result<Record> {
        let evaluation: Option<EvaluationRecord> =
            self.file("evaluation.json").exists().then(|| self.read_json("evaluation.json")).transpose()?;
        Ok(Record {
            info: self.read_info()?,
            history: self.read_history()?,
            evaluation,
            inspection: self.file("data.json").exists().then(|| self.read_json("data.json")).transpose()?,
            pipeline: self.read_text("pipeline.yaml")?,
            resolved: self.read_text("resolved.yaml")?,
            template: self.file(TEMPLATE).exists().then(|| self.read_text(TEMPLATE)).transpose()?,
        })
    }
}
