//! Devices, threads and the allocator: the only place that names CUDA.

mod accelerator;
mod distributed;
mod driver;
mod gradient;
mod library;
mod native;
mod nccl;
mod process;
mod stream;

pub use distributed::{Exchange, KeyStore, ProcessGroup, Reached};
pub use gradient::{Listening, set_gradient};
pub use nccl::{Communicator, Nccl, UniqueId};
pub use process::{end_with, signal};
pub use stream::End;

pub use crate::machine::processors as available_threads;
pub use accelerator::{
    DeviceMemory, Download, Resident, device_memory, forget_peak, has_generator, reseed, runs_ahead,
    set_up_computation, upload, upload_bytes,
};
pub use driver::Watch;
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
    match wanted {
        "cpu" => Ok(tch::Device::Cpu),
        "auto" if accelerator::load().is_ok() && tch::Cuda::is_available() => Ok(tch::Device::Cuda(0)),
        "auto" | "mps" if tch::utils::has_mps() => Ok(tch::Device::Mps),
        "auto" => Ok(tch::Device::Cpu),
        "mps" => Err(missing(wanted, "only Macs with Apple's own processors have it")),
        other => {
            let number = other.trim_start_matches("cuda").trim_start_matches(':');
            let index = if number.is_empty() { Some(0) } else { number.parse().ok() };
            accelerator::load().map_err(|reason| missing(other, reason))?;
            let count = tch::Cuda::device_count();
            match index {
                Some(index) if (index as i64) < count => Ok(tch::Device::Cuda(index)),
                _ if count == 0 => Err(missing(other, "libtorch sees no NVIDIA GPU that it could use")),
                _ => Err(missing(other, format!("the last one is `cuda:{}`", count - 1))),
            }
        }
    }
}

fn missing(name: &str, why: impl Into<String>) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::DEVICE, format!("no device `{name}` on this machine"));
    Box::new(problem.fact(why).help("`device: auto` takes the best one that is there; `device: cpu` is always there"))
}

/// As [`open`], for the process `index` of `count` on this machine: each has an NVIDIA GPU of its own as far as there are enough, and
/// else they take turns with them.
///
/// # Errors
/// Where the device isn't there, or is one that processes cannot share.
pub fn open_for(wanted: &str, index: usize, count: usize) -> Result<tch::Device> {
    match open(wanted)? {
        first if count == 1 => Ok(first),
        tch::Device::Cuda(_) => Ok(tch::Device::Cuda(index % accelerators().max(1))),
        tch::Device::Mps => {
            let problem =
                Diagnostic::error(Code::DEVICE, format!("{count} processes on this machine, and a single `mps`"));
            Err(Box::new(problem.help("start one process, or use `device: cpu`")))
        }
        first => Ok(first),
    }
}

/// What tells an NVIDIA GPU from all others of this machine, whatever number a process has for it; nothing for other devices.
pub fn place(device: tch::Device) -> Option<String> {
    match device {
        tch::Device::Cuda(index) => driver::gpu_place(index),
        _ => None,
    }
}

/// How many accelerators there are that could each serve a process.
pub fn accelerators() -> usize {
    let count = accelerator::load().map_or(0, |()| tch::Cuda::device_count());
    usize::try_from(count).unwrap_or(0)
}

/// Whether the device that `wanted` names is there.
///
/// # Errors
/// Where it isn't.
pub fn find(wanted: &str) -> Result<()> {
    open(wanted).map(|_| ())
}

/// Bytes of memory that this process may use where `wanted` computes: the machine's, or what is free of the device's own. `None`
/// where nobody knows.
pub fn memory(wanted: &str) -> Option<u64> {
    match open(wanted).ok()? {
        tch::Device::Cpu => machine::memory_limit().or_else(machine::memory),
        other => device_memory(other).map(|memory| memory.free),
    }
}

/// Whether `wanted` names the processors.
pub fn is_processor(wanted: &str) -> bool {
    open(wanted).is_ok_and(|device| device == tch::Device::Cpu)
}

/// Whether the device that `wanted` names multiplies bfloat16 by instructions of its own, as far as anybody knows.
pub fn multiplies_bfloat16(wanted: &str) -> bool {
    let instructions = machine::instructions();
    !is_processor(wanted)
        || !cfg!(target_arch = "x86_64")
        || ["avx512_bf16", "amx_bf16"].iter().any(|name| instructions.split(' ').any(|word| word == *name))
}

/// What isn't the same on a device when a computation is repeated, in words. All that is random is keyed by what it decides;
/// what remains are the orders in which sums are made. `deterministic`: what [`set_up_computation`] was told.
pub fn nondeterministic(device: tch::Device, deterministic: bool) -> Vec<String> {
    let told: &[&str] = match device {
        tch::Device::Cpu => &[],
        tch::Device::Cuda(_) if deterministic => &[],
        tch::Device::Cuda(_) => &[
            "the backward passes of some layers add up in the order in which threads of the device come to it",
            "cuDNN takes those algorithms for convolutions that it measured to be the fastest",
        ],
        tch::Device::Mps | tch::Device::Vulkan => &["the device promises no order in which it adds up"],
    };
    told.iter().map(|told| (*told).to_owned()).collect()
}

/// What a record calls a device: `cuda:0 (NVIDIA H100 80GB HBM3)`.
pub fn name(device: tch::Device) -> String {
    match device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(index) => match driver::gpu_name(index) {
            Some(model) => format!("cuda:{index} ({model})"),
            None => format!("cuda:{index}"),
        },
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
