//! What carries the gradients from process to process: NCCL, from GPU to GPU, or Gloo, by way of the host's memory.

use crate::{
    cli::context::Output,
    device::{self, Nccl},
    diagnostic::{Code, Diagnostic, Result, SourceMap},
    distributed::Group,
    spec::Pipeline,
    strategy::Backend,
};
use serde::{Deserialize, Serialize};

/// What a process says of itself, so that all settle the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Offer {
    /// What it computes on, by the number that it has for it.
    device: String,
    /// Where that is an NVIDIA GPU, which one of all machines.
    gpu: Option<String>,
    /// The version of its NCCL, or why it has none.
    nccl: std::result::Result<String, String>,
}

impl Offer {
    fn of(device: tch::Device) -> Self {
        // It is another one whenever a machine starts, and the same for all containers there.
        let machine = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let gpu = device::place(device).map(|place| format!("{} {place}", machine.trim()));
        let nccl = match gpu {
            Some(_) => Nccl::open().map(|nccl| nccl.version()),
            None => Err("it is for NVIDIA's GPUs".to_owned()),
        };
        Offer { device: device::name(device), gpu, nccl }
    }
}

/// Why NCCL cannot carry what these processes compute, and what to do about it.
fn hindrance(offers: &[Offer]) -> Option<(String, &'static str)> {
    const GLOO: &str = "`backend: gloo` does without it";
    for (rank, offer) in offers.iter().enumerate() {
        if offer.gpu.is_none() {
            let why = format!("rank {rank} computes on `{}`, and NCCL adds up on NVIDIA's GPUs", offer.device);
            return Some((why, "write `device: cuda` where there are such GPUs, or `backend: gloo`"));
        }
        if let Some(other) = offers[..rank].iter().position(|other| other.gpu == offer.gpu) {
            let why = format!("ranks {other} and {rank} compute on the same GPU, and NCCL wants one for each");
            return Some((
                why,
                "start as many processes as there are GPUs (`processes: auto`), or write `backend: gloo`",
            ));
        }
        match (&offer.nccl, &offers[0].nccl) {
            (Err(reason), _) => return Some((format!("NCCL cannot be opened in rank {rank}: {reason}"), GLOO)),
            (Ok(own), Ok(first)) if own != first => {
                return Some((
                    format!("rank 0 has NCCL {first}, and rank {rank} has {own}"),
                    "let all use the same libtorch",
                ));
            }
            _ => {}
        }
    }
    None
}

/// What would carry the gradients of so many processes on this machine.
pub fn expected(pipeline: &Pipeline, processes: usize) -> &'static str {
    let backend = pipeline.strategy.data_parallel().map(|strategy| strategy.backend);
    let suits =
        || !device::is_processor(&pipeline.device) && device::accelerators() >= processes && Nccl::open().is_ok();
    match backend {
        Some(Backend::Nccl) => "NCCL",
        Some(Backend::Auto) if suits() => "NCCL",
        _ => "Gloo",
    }
}

/// Settles with the other processes what carries the gradients of `pipeline`, and links their GPUs where that is NCCL; gives its
/// version then. All processes have to.
///
/// # Errors
/// Where the pipeline insists on NCCL and that cannot be, or another process is gone.
pub fn settle(pipeline: &Pipeline, device: tch::Device, group: &Group, output: &Output) -> Result<Option<String>> {
    let Some(strategy) = pipeline.strategy.data_parallel() else { return Ok(None) };
    let insists = strategy.backend == Backend::Nccl;
    if strategy.backend == Backend::Gloo || (group.is_alone() && !insists) {
        return Ok(None);
    }
    let own = serde_json::to_vec(&Offer::of(device)).expect("plain data");
    let offers = group.gather_bytes(&own)?;
    let offers: Vec<Offer> =
        offers.iter().map(|offer| serde_json::from_slice(offer).expect("the same program wrote it")).collect();
    if let Some((why, help)) = hindrance(&offers) {
        if insists {
            return Err(Box::new(Diagnostic::error(Code::BACKEND, why).help(help)));
        }
        // Where there is no GPU at all nobody expected it.
        if !output.quiet && offers.iter().any(|offer| offer.gpu.is_some()) {
            let note = Diagnostic::note(Code::BACKEND, "gradients travel by way of the processor's memory, over Gloo");
            output.tell(&SourceMap::default(), &note.fact(why));
        }
        return Ok(None);
    }
    let nccl = Nccl::open().map_err(|reason| Box::new(Diagnostic::error(Code::BACKEND, reason)))?;
    let version = nccl.version();
    let output = output.clone();
    let last_word = move |problem: &Diagnostic| {
        output.tell(&SourceMap::default(), problem);
        device::leave(1)
    };
    group.link(nccl, device, Box::new(last_word))?;
    Ok(Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(gpu: &str) -> Offer {
        Offer { device: "cuda:0".to_owned(), gpu: Some(gpu.to_owned()), nccl: Ok("2.28.9".to_owned()) }
    }

    #[test]
    fn every_process_needs_a_gpu_of_its_own_and_the_same_library() {
        let why = |offers: &[Offer]| hindrance(offers).map_or_else(String::new, |(why, _)| why);
        let [first, second] = [offer("a 0000:1B:00.0"), offer("b 0000:1B:00.0")];
        assert_eq!(why(std::slice::from_ref(&first)), "");
        assert_eq!(why(&[first.clone(), second.clone()]), "");
        let shared = why(&[second.clone(), first.clone(), first.clone()]);
        assert_eq!(shared, "ranks 1 and 2 compute on the same GPU, and NCCL wants one for each");
        let processor = Offer { device: "cpu".to_owned(), gpu: None, nccl: Err(String::new()) };
        assert_eq!(why(&[first.clone(), processor]), "rank 1 computes on `cpu`, and NCCL adds up on NVIDIA's GPUs");
        let older = Offer { nccl: Ok("2.27.3".to_owned()), ..second.clone() };
        assert_eq!(why(&[first.clone(), older]), "rank 0 has NCCL 2.28.9, and rank 1 has 2.27.3");
        let none = Offer { nccl: Err("no such file".to_owned()), ..second };
        assert_eq!(why(&[first, none]), "NCCL cannot be opened in rank 1: no such file");
    }
}
