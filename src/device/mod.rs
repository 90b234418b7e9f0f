//! Devices, threads and the allocator: the only place that names CUDA.

mod native;

pub use native::{FusedAdam, cpu_capability, map_file, torch_version};

use crate::diagnostic::{Code, Diagnostic, Result};

/// Finds the device that `wanted` names: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
///
/// # Errors
/// Where the device isn't there.
pub fn open(wanted: &str) -> Result<tch::Device> {
    let missing = |name: &str| {
        Box::new(
            Diagnostic::error(Code::DEVICE, format!("no device `{name}` on this machine"))
                .help("`device: auto` takes the best one that is there; `device: cpu` is always there"),
        )
    };
    match wanted {
        "cpu" => Ok(tch::Device::Cpu),
        "auto" if tch::Cuda::is_available() => Ok(tch::Device::Cuda(0)),
        "auto" if tch::utils::has_mps() => Ok(tch::Device::Mps),
        "auto" => Ok(tch::Device::Cpu),
        "mps" if tch::utils::has_mps() => Ok(tch::Device::Mps),
        other => {
            let index = match other.strip_prefix("cuda") {
                Some("") => 0,
                Some(rest) => rest.trim_start_matches(':').parse().map_err(|_| missing(other))?,
                None => return Err(missing(other)),
            };
            if (index as i64) < tch::Cuda::device_count() { Ok(tch::Device::Cuda(index)) } else { Err(missing(other)) }
        }
    }
}

/// Whether the device that `wanted` names is there.
///
/// # Errors
/// Where it isn't.
pub fn find(wanted: &str) -> Result<()> {
    open(wanted).map(|_| ())
}

/// Bytes of memory that this process may use where `wanted` computes in the machine's own; `None` where nobody knows.
pub fn memory(wanted: &str) -> Option<u64> {
    if open(wanted).ok()? != tch::Device::Cpu {
        return None;
    }
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:").map(str::to_owned))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    });
    let group = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(group).min()
}

/// What a record calls a device.
pub fn name(device: tch::Device) -> String {
    match device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        tch::Device::Mps => "mps".to_owned(),
        tch::Device::Vulkan => "vulkan".to_owned(),
    }
}

/// The threads that this process may use, as affinity and the control group's quota allow.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

/// Makes libtorch compute with so many threads, and the allocator keep what is freed.
pub fn set_up(threads: usize) {
    tch::set_num_threads(threads as i32);
    native::keep_freed_memory();
}
