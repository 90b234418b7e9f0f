//! What a run was made with: program, libtorch, processor, threads, command line.

use crate::text::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// On what and by what a run was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// This program's version.
    pub version: String,
    /// libtorch's version.
    pub libtorch: String,
    /// The device, as it was resolved.
    pub device: String,
    /// Threads that libtorch computed with.
    pub threads: usize,
    /// Processor model.
    pub processor: String,
    /// The vector instructions that libtorch used.
    pub cpu_capability: String,
    /// The vector instructions that the processor has, and settings that narrow them: libraries choose their kernels by these.
    #[serde(default)]
    pub instructions: String,
    /// Operating system and architecture.
    pub system: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The pipeline file, as it was named.
    pub pipeline_file: String,
    /// SHA-256 of the resolved pipeline.
    pub pipeline_digest: String,
    /// The data directory, where one was used.
    pub data_directory: Option<String>,
    /// The commit of the repository that holds the pipeline, with `-dirty` where it had changes.
    pub git_commit: Option<String>,
    /// The command line.
    pub command: Vec<String>,
}

/// SHA-256 of `bytes` in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

impl Provenance {
    /// The processor's model, as the system names it.
    pub fn processor() -> String {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
    }

    /// The vector instructions that the processor has, and settings of libtorch's libraries that narrow them.
    pub fn instructions() -> String {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
        let wide = ["avx", "fma", "amx", "f16c", "sse4"];
        let mut found: Vec<String> = flags
            .map(|(_, flags)| flags.split_whitespace())
            .into_iter()
            .flatten()
            .filter(|flag| wide.iter().any(|prefix| flag.starts_with(prefix)))
            .map(str::to_owned)
            .collect();
        found.sort();
        let settings =
            ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"];
        found.extend(settings.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?))));
        found.join(" ")
    }

    /// Operating system and architecture.
    pub fn system() -> String {
        format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
    }

    /// The commit of the repository around `directory`, where there is one and git is at hand.
    pub fn git_commit(directory: &std::path::Path) -> Option<String> {
        let git = |arguments: &[&str]| {
            let output = std::process::Command::new("git").arg("-C").arg(directory).args(arguments).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let commit = git(&["rev-parse", "HEAD"]).filter(|commit| !commit.is_empty())?;
        let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
        Some(if dirty { format!("{commit}-dirty") } else { commit })
    }
}
