//! Locks: the committed record that a pipeline must reproduce, `NAME.lock` beside `NAME.yaml`.
//!
//! A lock says what went into a run, in a form that survives another machine and a new release, and what came out of it. Where
//! all that decides about the last digits is the same, it is reproduced bit for bit; elsewhere within tolerances, which are
//! measured from runs with other seeds and not guessed.

mod canonical;
mod json;
mod verdict;

pub use canonical::{canonical, differing};
pub use verdict::{Compared, Divergence, Tier, Verdict, surroundings, surroundings_of, verdict};

use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    evaluation::statistics::student_t,
    run::{DataInfo, EpochRecord, Figures, RunInfo, sha256_hex, write_atomically},
    source::DECODING,
    spec::Pipeline,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// What a lock file is called beside its pipeline: the same name with this ending.
pub const ENDING: &str = "lock";
/// The largest lock that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// How many steps' losses it holds.
pub const STEPS: usize = 100;
/// Fewer runs with other seeds say nothing about the spread.
pub const LEAST_SEEDS: usize = 3;

/// What went into a run, and what came out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this form: 1.
    pub format: u32,
    /// The pipeline's name.
    pub name: String,
    /// SHA-256 of `pipeline`.
    pub pipeline_digest: String,
    /// The pipeline in its canonical form.
    pub pipeline: Json,
    /// The seed of everything random.
    pub seed: u64,
    /// The data.
    pub data: Data,
    /// By what and on what it was run.
    pub surroundings: Surroundings,
    /// SHA-256 of `model.safetensors`.
    pub weights: String,
    /// The losses of the first steps, as they were computed.
    pub steps: Vec<f32>,
    /// How many steps there were.
    pub all_steps: u64,
    /// The figures of every epoch.
    pub epochs: Vec<BTreeMap<String, f64>>,
    /// The figures on the test data.
    pub metrics: BTreeMap<String, f64>,
    /// How far the figures that are not of a single class may be off where bit-equality isn't promised; empty where that
    /// wasn't measured.
    pub tolerances: BTreeMap<String, f64>,
    /// The seeds of the runs from which they were measured.
    pub seeds: Vec<u64>,
}

/// The data of a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The source's name.
    pub source: String,
    /// SHA-256 over bytes, labels and relative paths.
    pub digest: String,
    /// What read images; another one may read other pixels out of the same files.
    pub decoding: u32,
    /// Examples trained on.
    pub train: usize,
    /// Examples validated on.
    pub validation: usize,
    /// Examples tested on.
    pub test: usize,
    /// SHA-256 of the file of the weights that the model begins with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights: Option<String>,
}

impl Data {
    /// What a lock says of data.
    pub fn of(data: &DataInfo) -> Self {
        Data {
            source: data.source.clone(),
            digest: data.digest.clone(),
            decoding: DECODING,
            train: data.train,
            validation: data.validation,
            test: data.test,
            initial_weights: data.initial_weights.clone(),
        }
    }
}

/// What decides about the last digits besides the pipeline and its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// This program's version.
    pub version: String,
    /// libtorch's version.
    pub libtorch: String,
    /// The device, as it was resolved.
    pub device: String,
    /// How the work was spread.
    pub strategy: Json,
    /// The processor's model.
    pub processor: String,
    /// The vector instructions that libtorch used.
    pub cpu_capability: String,
    /// The vector instructions that the processor has, and settings that narrow them.
    pub instructions: String,
    /// Threads that libtorch computed with.
    pub threads: usize,
    /// The passes over the model's operations.
    #[serde(default)]
    pub passes: Vec<String>,
}

/// A complete run, as far as a lock is made of it.
pub struct Source<'a> {
    /// `run.json`
    pub info: &'a RunInfo,
    /// The resolved pipeline.
    pub pipeline: &'a Pipeline,
    /// `history.csv`
    pub history: &'a [EpochRecord],
    /// The figures of `evaluation.json`.
    pub figures: &'a Figures,
    /// The losses of its steps.
    pub losses: &'a [f32],
}

impl Lock {
    /// The lock of a run.
    ///
    /// # Errors
    /// Where the run isn't complete.
    pub fn of(source: &Source<'_>) -> Result<Self> {
        let Source { info, pipeline, history, figures, losses } = source;
        let (Some(data), Some(weights)) = (&info.data, &info.weights_digest) else {
            let problem = Diagnostic::error(Code::BAD_RUN, format!("the run {} isn't complete", info.id));
            return Err(Box::new(problem.help("only a run that came to its end can be reproduced")));
        };
        let form = canonical(pipeline);
        let finite = |figures: &mut dyn Iterator<Item = (&String, &f64)>| {
            figures.filter(|(_, value)| value.is_finite()).map(|(name, value)| (name.clone(), *value)).collect()
        };
        Ok(Lock {
            format: 1,
            name: info.name.clone(),
            pipeline_digest: digest(&form),
            pipeline: form,
            seed: pipeline.seed,
            data: Data::of(data),
            surroundings: surroundings_of(info),
            weights: weights.clone(),
            steps: losses.iter().take(STEPS).copied().collect(),
            all_steps: losses.len() as u64,
            epochs: history
                .iter()
                .map(|epoch| finite(&mut epoch.figures.iter().map(|(name, value)| (name, value))))
                .collect(),
            metrics: finite(&mut figures.metrics.iter().chain(&figures.figures)),
            tolerances: BTreeMap::new(),
            seeds: Vec::new(),
        })
    }

    /// Measures the tolerances: between the figures of runs that differ in nothing but their seed, this one among them, lies a
    /// spread; a further run lies within the tolerance of their mean with a probability of 99% (Student's t).
    pub fn measure(&mut self, others: &[(u64, BTreeMap<String, f64>)]) {
        if others.len() + 1 < LEAST_SEEDS {
            return;
        }
        // One example more or less makes much of a single class's figures, so they are told and not judged.
        for (name, own) in self.metrics.iter().filter(|(name, _)| !name.contains('[')) {
            let theirs = others.iter().filter_map(|(_, figures)| figures.get(name));
            let values: Vec<f64> = theirs.copied().chain([*own]).collect();
            if values.len() == others.len() + 1 {
                // A share of the examples cannot be off by less than one of them.
                let finest = if name.ends_with("accuracy") { 1.0 / self.data.test.max(1) as f64 } else { 0.0 };
                self.tolerances.insert(name.clone(), tolerance(&values).max(finest));
            }
        }
        self.seeds = others.iter().map(|(seed, _)| *seed).chain([self.seed]).collect();
        self.seeds.sort_unstable();
    }

    /// What goes into a run of `pipeline` that isn't what the lock says, a line each: `training.epochs: 5 -> 6`.
    pub fn drift(&self, pipeline: &Pipeline) -> Vec<String> {
        let mut found: Vec<String> = differing(&self.pipeline, pipeline).iter().map(ToString::to_string).collect();
        if pipeline.seed != self.seed {
            found.push(format!("seed: {} -> {}", self.seed, pipeline.seed));
        }
        found
    }

    /// What of the data isn't what the lock says.
    pub fn drift_of_data(&self, data: &Data) -> Vec<String> {
        let mut found = Vec::new();
        let (was, is) = (&self.data, data);
        if was.digest != is.digest || was.source != is.source {
            found.push(format!("the data: SHA-256 {} -> {}", was.digest, is.digest));
        }
        let counts = [
            ("train", was.train, is.train),
            ("validation", was.validation, is.validation),
            ("test", was.test, is.test),
        ];
        let others = counts.iter().filter(|(_, was, is)| was != is);
        found.extend(others.map(|(part, was, is)| format!("{part} examples: {was} -> {is}")));
        if was.initial_weights != is.initial_weights {
            let told = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "none".to_owned());
            let (was, is) = (told(&was.initial_weights), told(&is.initial_weights));
            found.push(format!("the weights to begin with: SHA-256 {was} -> {is}"));
        }
        if was.decoding != is.decoding {
            found.push(format!("how images are read: version {} -> {}", was.decoding, is.decoding));
        }
        found
    }

    /// Where the lock of the pipeline in `file` lies.
    pub fn beside(file: &Path) -> PathBuf {
        file.with_extension(ENDING)
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// Where there is none, or it isn't sound.
    pub fn read(path: &Path) -> Result<Self> {
        // A pipe would never end.
        if path.exists() && !path.is_file() {
            return Err(Box::new(Diagnostic::error(Code::BAD_LOCK, format!("{} is no file", path.display()))));
        }
        let file = File::open(path).map_err(|error| {
            let problem = io_error("read the lock", path, &error);
            Box::new(problem.help("`trainyard lock RUN` makes one of a complete run"))
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| io_error("read", path, &error))?;
        Self::parse(&bytes).map_err(|reason| {
            let problem = Diagnostic::error(Code::BAD_LOCK, format!("{}{reason}", path.display()));
            Box::new(problem.help("bring it back from the repository, or make it anew with `trainyard lock RUN`"))
        })
    }

    /// A lock from the bytes of its file.
    ///
    /// # Errors
    /// Says what is wrong, to be read behind the file's name.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(": it is too large for a lock".to_owned());
        }
        let lock: Lock = serde_json::from_slice(bytes)
            .map_err(|error| format!(":{}:{}: it is no sound lock", error.line(), error.column()))?;
        if lock.format != 1 {
            return Err(format!(": it has the form {}, which another version of this program wrote", lock.format));
        }
        if lock.pipeline_digest != digest(&lock.pipeline) {
            return Err(": its pipeline was altered, for it doesn't have the SHA-256 that stands above it".to_owned());
        }
        Ok(lock)
    }

    /// Writes the lock.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, json::pretty(self).as_bytes())
    }
}

/// SHA-256 of a canonical form.
pub fn digest(form: &Json) -> String {
    sha256_hex(form.to_string().as_bytes())
}

/// How far a further value lies from the mean of `values` at most, with a probability of 99%.
fn tolerance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let wide = student_t(0.995, values.len() - 1) * (variance * (1.0 + 1.0 / n)).sqrt();
    // Three digits are more than such a number is good for; rounding up keeps what was measured within.
    let digits = 10f64.powi(2 - wide.log10().floor().max(-300.0) as i32);
    if wide > 0.0 { (wide * digits).ceil() / digits } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lies_beside_the_pipeline() {
        assert_eq!(Lock::beside(Path::new("a/digits.yaml")), Path::new("a/digits.lock"));
        assert_eq!(Lock::beside(Path::new("net.v2.yml")), Path::new("net.v2.lock"));
        assert_eq!(Lock::beside(Path::new("net")), Path::new("net.lock"));
    }

    #[test]
    fn a_damaged_lock_is_complained_of() {
        let deep = "[".repeat(100_000);
        for (text, why) in [
            ("", ":1:0: it is no sound lock"),
            ("{\n\"metrics\": {\"a\": \"b\"}}", ":2:"),
            ("{\"format\": 1e999}", ":1:"),
            ("{}", ":1:2: it is no sound lock"),
            (deep.as_str(), ":1:"),
        ] {
            let said = Lock::parse(text.as_bytes()).unwrap_err();
            assert!(said.starts_with(why), "{text:.40}: {said}");
        }
        assert!(Lock::parse(&[0xff, 0xfe]).is_err());
        assert!(Lock::parse(" ".repeat(MAX_BYTES as usize + 1).as_bytes()).unwrap_err().contains("too large"));
        let home = tempfile::tempdir().unwrap();
        assert!(Lock::read(home.path()).unwrap_err().message.ends_with("is no file"));
        assert!(Lock::read(&home.path().join("none")).is_err());
    }

    #[test]
    fn tolerances_are_what_a_further_seed_keeps_to() {
        // t of 0.995 with 4 degrees of freedom is 4.6041; the deviation of these is sqrt(2.5) / 100.
        let values = [0.91, 0.92, 0.93, 0.94, 0.95];
        let wanted = 4.6041 * 0.025f64.sqrt() / 10.0 * 1.2f64.sqrt();
        assert!((tolerance(&values) - wanted).abs() < 0.01 * wanted, "{} {wanted}", tolerance(&values));
        assert!(tolerance(&values) >= wanted * 0.9999);
        assert_eq!(tolerance(&[0.5, 0.5, 0.5]), 0.0);
    }
}
