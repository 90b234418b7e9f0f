//! What a run was made with and on: program, libtorch, machine, environment, the pipeline's repository.

use super::{
    RunDirectory,
    repository::{Changes, Repository},
};
use crate::{machine, memo, text::hexadecimal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, ffi::OsString, path::Path};

/// On what and by what a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// This program's version.
    pub version: String,
    /// The commit that this program was built from, with `-dirty` where its files had changes; empty where it was built
    /// outside of its repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program_commit: String,
    /// SHA-256 of this program's file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program_digest: String,
    /// libtorch's version.
    pub libtorch: String,
    /// The device, as it was resolved.
    pub device: String,
    /// What isn't the same on this device when the run is repeated, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nondeterministic: Vec<String>,
    /// What the device computes otherwise than a processor would, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numerics: Vec<String>,
    /// Threads that libtorch computed with, in each process.
    pub threads: usize,
    /// The processes that trained together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub processes: usize,
    /// The version of NCCL, where that added up the gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nccl: Option<String>,
    /// The passes over the model's operations that training made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<String>,
    /// The vector instructions of the program's own kernels, where any served the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<String>,
    /// Processor model.
    pub processor: String,
    /// Processors that the program could use; 0 where that isn't known.
    #[serde(default)]
    pub processors: usize,
    /// The vector instructions that libtorch used.
    pub cpu_capability: String,
    /// The vector instructions that the processor has, and settings that narrow them: libraries choose their kernels by these.
    #[serde(default)]
    pub instructions: String,
    /// Bytes of memory that the machine has.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Bytes of memory that the control group allows, where that is less.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// Operating system and architecture.
    pub system: String,
    /// The operating system's name and version.
    #[serde(default)]
    pub operating_system: Option<String>,
    /// The kernel's release.
    #[serde(default)]
    pub kernel: Option<String>,
    /// Environment variables that change what libraries do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The seed of everything random.
    pub seed: u64,
    /// The pipeline file, as it was named.
    pub pipeline_file: String,
    /// SHA-256 of the resolved pipeline.
    pub pipeline_digest: String,
    /// The data directory, where one was used.
    pub data_directory: Option<String>,
    /// The commit of the repository that holds the pipeline, with `-dirty` where it had changes, or `-unchecked` where git
    /// couldn't tell.
    pub git_commit: Option<String>,
    /// The branch of that repository.
    #[serde(default)]
    pub git_branch: Option<String>,
    /// The changes of that repository, where it had some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_changes: Option<DiffFile>,
    /// The command line.
    pub command: Vec<String>,
}

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number <= 1
}

/// A diff in the run's directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiffFile {
    /// The file's name.
    pub file: String,
    /// Whether its end was cut off.
    pub cut: bool,
}

/// What other parts of the program know of a run that begins.
pub struct Circumstances<'a> {
    /// libtorch's version.
    pub libtorch: String,
    /// The device's name.
    pub device: String,
    /// What isn't deterministic on it.
    pub nondeterministic: Vec<String>,
    /// What it computes otherwise than a processor.
    pub numerics: Vec<String>,
    /// The vector instructions that libtorch uses.
    pub cpu_capability: String,
    /// Threads that libtorch computes with, in each process.
    pub threads: usize,
    /// The processes that train together.
    pub processes: usize,
    /// The passes over the model's operations.
    pub passes: Vec<String>,
    /// The pipeline's seed.
    pub seed: u64,
    /// The pipeline's file.
    pub pipeline_file: &'a Path,
    /// The resolved pipeline.
    pub resolved: &'a str,
    /// The user's directory for data.
    pub data_directory: Option<&'a Path>,
    /// Where digests are remembered.
    pub cache_directory: &'a Path,
}

/// The changes of the pipeline's repository.
const CHANGES: &str = "changes.diff";

/// SHA-256 of `bytes` in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

impl Provenance {
    /// The provenance of a run that begins now. The changes of the pipeline's repository are written into its directory.
    pub fn of(circumstances: Circumstances<'_>, directory: &RunDirectory) -> Self {
        let Circumstances { pipeline_file, data_directory, resolved, cache_directory, .. } = circumstances;
        let around = pipeline_file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let repository = Repository::around(around);
        let absolute =
            |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program_commit: env!("TRAINYARD_COMMIT").to_owned(),
            program_digest: memo::program_digest(cache_directory).unwrap_or_default(),
            libtorch: circumstances.libtorch,
            device: circumstances.device,
            nondeterministic: circumstances.nondeterministic,
            numerics: circumstances.numerics,
            threads: circumstances.threads,
            processes: circumstances.processes,
            nccl: None,
            passes: circumstances.passes,
            kernels: None,
            processor: machine::processor(),
            processors: machine::processors(),
            cpu_capability: circumstances.cpu_capability,
            instructions: machine::instructions(),
            memory: machine::memory(),
            memory_limit: machine::memory_limit(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            operating_system: machine::operating_system(),
            kernel: machine::kernel(),
            environment: environment(std::env::vars_os()),
            seed: circumstances.seed,
            pipeline_file: pipeline_file.display().to_string(),
            pipeline_digest: sha256_hex(resolved.as_bytes()),
            data_directory: data_directory.map(absolute),
            git_commit: repository.as_ref().map(described),
            git_branch: repository.as_ref().and_then(|repository| repository.branch.clone()),
            git_changes: repository.and_then(|repository| match repository.changes {
                Changes::Diff(diff, cut) => {
                    let written = directory.write(CHANGES, &diff);
                    written.ok().map(|()| DiffFile { file: CHANGES.to_owned(), cut })
                }
                Changes::None | Changes::Unknown => None,
            }),
            command: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        }
    }

    /// The program's version, and the commit where it is known.
    pub fn program(&self) -> String {
        match self.program_commit.as_str() {
            "" => self.version.clone(),
            commit => format!("{}, commit {commit}", self.version),
        }
    }
}

/// A repository's commit, and whether there are changes.
fn described(repository: &Repository) -> String {
    let commit = &repository.commit;
    match repository.changes {
        Changes::None => commit.clone(),
        Changes::Diff(..) => format!("{commit}-dirty"),
        Changes::Unknown => format!("{commit}-unchecked"),
    }
}

/// What the names of variables begin with that libtorch, its libraries, the loader, the allocator and this program look at.
const LOOKED_AT: [&str; 17] = [
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "DNNL_",
    "ONEDNN_",
    "ATEN_",
    "TORCH_",
    "PYTORCH_",
    "CUDA_",
    "CUBLAS_",
    "NVIDIA_",
    "LD_PRELOAD",
    "MALLOC_",
    "TRAINYARD_",
    "RAYON_",
    "LC_",
];
/// Other variables that count.
const COUNTED: [&str; 2] = ["LANG", "TZ"];
/// What the names of variables hold whose values are nobody's business.
const SECRET: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "AUTH"];
/// Characters of a value.
const MOST_CHARACTERS: usize = 200;

/// The variables that matter.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let matters = |name: &str| {
        let secret = SECRET.iter().any(|word| name.to_ascii_uppercase().contains(word));
        !secret && (COUNTED.contains(&name) || LOOKED_AT.iter().any(|start| name.starts_with(start)))
    };
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| (name, without_user(&value.to_string_lossy()).chars().take(MOST_CHARACTERS).collect()))
        .collect()
}

/// Text without the names and passwords that addresses in it may have.
fn without_user(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let host = part.find(['/', '?', '#']).unwrap_or(part.len());
        let start = part[..host].rfind('@').map_or(0, |at| at + 1);
        shown = shown + "://" + &part[start..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_matter_are_kept_and_secrets_are_not() {
        let long = "é".repeat(500);
        let kept = environment(
            [
                ("OMP_NUM_THREADS", "4"),
                ("LANG", "tr_TR.UTF-8"),
                ("LC_ALL", "C"),
                ("LANGUAGE", "tr"),
                ("PATH", "/bin"),
                ("LD_PRELOAD", long.as_str()),
                ("TRAINYARD_TOKEN", "t"),
                ("TORCH_Api_Key", "k"),
                ("NVIDIA_PASSWORD", "p"),
                ("TRAINYARD_MIRROR", "https://ann:secret@example.org/a@b?c"),
            ]
            .into_iter()
            .map(|(name, value)| (name.into(), value.into())),
        );
        let want = [
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "C"),
            ("LD_PRELOAD", &"é".repeat(200)),
            ("OMP_NUM_THREADS", "4"),
            ("TRAINYARD_MIRROR", "https://example.org/a@b?c"),
        ];
        assert_eq!(kept, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_run_from_before_can_be_read() {
        let old = r#"{"version": "0.1.0", "libtorch": "2.11.0", "device": "cpu", "threads": 2, "processor": "x",
            "cpu_capability": "AVX2", "system": "linux x86_64", "seed": 1, "pipeline_file": "a.yaml",
            "pipeline_digest": "", "data_directory": null, "git_commit": null, "command": []}"#;
        let old: Provenance = serde_json::from_str(old).unwrap();
        assert_eq!((old.program().as_str(), old.memory, old.processors), ("0.1.0", None, 0));
        let mut new = old;
        new.program_commit = "0a1b".into();
        assert_eq!(new.program(), "0.1.0, commit 0a1b");
    }
}
