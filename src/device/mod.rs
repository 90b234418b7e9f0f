//! Devices, threads and the allocator: the only place that names CUDA.

mod distributed;
mod gradient;
mod native;
mod process;

pub use distributed::{Exchange, KeyStore, ProcessGroup, Reached};
pub use gradient::{Listening, set_gradient};
pub use process::{end_with, signal};

pub use crate::machine::processors as available_threads;
pub use native::{
    Backward, FusedAdam, bytes, cpu_capability, differentiable, fill_bytes, filled, forget_gradient, in_parallel,
    is_recording, kernel_gradient, leave, map_file, numbers, torch_version,
};

use crate::{
    diagnostic::{Code, Diagnostic, Result},
    machine,
};

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

/// As [`open`], for the process `index` of `count` on this machine: each of them has an accelerator of its own.
///
/// # Errors
/// Where the device isn't there, or there aren't as many as processes.
pub fn open_for(wanted: &str, index: usize, count: usize) -> Result<tch::Device> {
    let first = open(wanted)?;
    let there = match first {
        _ if count == 1 => return Ok(first),
        tch::Device::Cpu | tch::Device::Vulkan => return Ok(first),
        tch::Device::Cuda(_) => accelerators(),
        tch::Device::Mps => 1,
    };
    if count > there {
        let message = format!("{count} processes on this machine, and {there} accelerators");
        let problem = Diagnostic::error(Code::DEVICE, message);
        return Err(Box::new(problem.help("start as many processes as there are accelerators, or use `device: cpu`")));
    }
    Ok(tch::Device::Cuda(index))
}

/// How many accelerators there are that could each serve a process.
pub fn accelerators() -> usize {
    usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
}

/// Whether the device that `wanted` names is there.
///
/// # Errors
/// Where it isn't.
pub fn find(wanted: &str) -> Result<()> {
    open(wanted).map(|_| ())
}

/// Whether what `wanted` names is the processor itself.
pub fn is_processor(wanted: &str) -> bool {
    open(wanted).is_ok_and(|device| device == tch::Device::Cpu)
}

/// Bytes of memory that this process may use where `wanted` computes in the machine's own; `None` where nobody knows.
pub fn memory(wanted: &str) -> Option<u64> {
    if !is_processor(wanted) {
        return None;
    }
    machine::memory_limit().or_else(machine::memory)
}

/// Whether the device that `wanted` names multiplies bfloat16 by instructions of its own, as far as anybody knows.
pub fn multiplies_bfloat16(wanted: &str) -> bool {
    let instructions = machine::instructions();
    !is_processor(wanted)
        || !cfg!(target_arch = "x86_64")
        || ["avx512_bf16", "amx_bf16"].iter().any(|name| instructions.split(' ').any(|word| word == *name))
}

/// What isn't the same on a device when a computation is repeated, in words. All that is random is drawn by this program,
/// keyed by what it decides, and libtorch's own generators aren't used: there is nothing else.
pub fn nondeterministic(device: tch::Device) -> Vec<String> {
    let told: &[&str] = match device {
        tch::Device::Cpu => &[],
        tch::Device::Cuda(_) => &[
            "the backward passes of some layers, such as convolution and pooling, add up in the order in which threads of the \
             device come to it",
            "cuDNN chooses the algorithms of convolutions by the memory that is free, among other things",
        ],
        tch::Device::Mps | tch::Device::Vulkan => &["the device promises no order in which it adds up"],
    };
    told.iter().map(|told| (*told).to_owned()).collect()
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

#[cfg(target_os = "linux")]
pub use native::{Initializer, before_libraries};

/// The threads that libtorch computes with.
pub fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// Makes libtorch compute with so many threads, and the allocator keep what is freed.
pub fn set_up(threads: usize) {
    tch::set_num_threads(threads as i32);
    native::keep_freed_memory();
}
