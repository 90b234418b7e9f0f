//! How the work is spread: whether processes, batches, threads and devices fit each other.

use crate::{
    device,
    diagnostic::{Code, Diagnostic},
    distributed::Placement,
    path,
    spec::load::Sound,
    strategy::{Backend, DataParallel},
    text::counted,
};

pub(super) fn lint(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let Some(strategy) = pipeline.strategy.data_parallel() else { return };
    shares(sound, strategy, problems);
    devices(sound, strategy, problems);
    if pipeline.threads.fixed().is_some() && strategy.threads_per_process.fixed().is_some() {
        let own = sound.tree.place_of(path!["strategy", "data_parallel", "threads_per_process"]);
        problems.push(
            Diagnostic::warning(Code::NO_EFFECT, "`threads` changes nothing beside `threads_per_process`")
                .at(sound.tree.place_of(path!["threads"]), "what the processes of a machine would share")
                .at(own, "what each of them has")
                .help("remove one of the two"),
        );
    }
}

/// Every process needs an example of each batch.
fn shares(sound: &Sound, strategy: &DataParallel, problems: &mut Vec<Diagnostic>) {
    let Some(processes) = strategy.processes.fixed() else { return };
    let batch = sound.pipeline.batch_size();
    let stages = &sound.pipeline.dataset.train;
    let Some(stage) = stages.iter().position(|stage| stage.batch_size().is_some()) else { return };
    let place = sound.tree.place_of(path!["dataset", "train", stage]);
    let own = sound.tree.place_of(path!["strategy", "data_parallel", "processes"]);
    if processes > batch {
        problems.push(
            Diagnostic::error(Code::TOO_MANY_PROCESSES, format!("{processes} processes for batches of {batch}"))
                .at(own, "so many share each batch")
                .at(place, "the batch of all of them together")
                .help("`batch` is the global batch: make it larger, or start fewer processes"),
        );
    } else if !batch.is_multiple_of(processes) {
        let (least, most) = (batch / processes, batch.div_ceil(processes));
        let message = format!("a batch of {batch} isn't the same for each of {processes} processes");
        problems.push(
            Diagnostic::note(Code::UNEVEN_SHARES, message)
                .at(place, format!("some have {least} examples of it, and some {most}"))
                .help("the sums are right all the same; those with fewer examples wait for the others"),
        );
    }
}

/// What the processes compute on has to be theirs, and the backend has to reach it.
fn devices(sound: &Sound, strategy: &DataParallel, problems: &mut Vec<Diagnostic>) {
    let device = sound.pipeline.device.as_str();
    let place = sound.tree.place_of(path!["device"]);
    if strategy.backend == Backend::Nccl && matches!(device, "cpu" | "mps") {
        problems.push(
            Diagnostic::error(Code::BACKEND, "`nccl` carries what NVIDIA's GPUs compute")
                .at(sound.tree.place_of(path!["strategy", "data_parallel", "backend"]), "for these alone")
                .at(place, "computes elsewhere")
                .help("leave `backend` out, or write `backend: gloo`"),
        );
    }
    if strategy.processes.fixed() == Some(1) {
        return;
    }
    if device == "mps" {
        problems.push(
            Diagnostic::error(Code::BACKEND, "there is only one `mps`, and no backend reaches it")
                .at(place, "for several processes")
                .help("use `strategy: single`, or `device: cpu`"),
        );
    } else if device.contains(':') {
        problems.push(
            Diagnostic::error(Code::BACKEND, format!("`{device}` is a single accelerator"))
                .at(place, "each process needs one of its own")
                .help(format!("write `device: {}`", device.split(':').next().unwrap_or_default())),
        );
    }
}

/// One process is what `processes: auto` comes to.
fn alone(sound: &Sound, strategy: &DataParallel, problems: &mut Vec<Diagnostic>) {
    if strategy.processes.fixed().is_some() {
        return;
    }
    let why = match (device::is_processor(&sound.pipeline.device), strategy.threads_per_process.fixed()) {
        _ if Placement::read().is_ok_and(|placement| placement.is_some()) => "so many were started".to_owned(),
        (false, _) => "one for each accelerator".to_owned(),
        (true, None) => "one for each memory node of the machine".to_owned(),
        (true, Some(threads)) => format!("of {} each", counted(threads, "thread", "threads")),
    };
    problems.push(
        Diagnostic::note(Code::NO_EFFECT, "`processes: auto` is a single process here")
            .at(sound.tree.place_of(path!["strategy"]), why)
            .help("write a number, as in `data_parallel: 2`, for as many as you want"),
    );
}

/// More threads than processors wait for each other.
fn crowded(sound: &Sound, strategy: &DataParallel, placement: &Placement, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let threads = pipeline.strategy.threads(pipeline.threads, None, placement);
    let (processors, sharing) = placement.shared();
    // Processes without an example of their own are told elsewhere.
    let too_many = strategy.processes.fixed().is_some_and(|processes| processes > pipeline.batch_size());
    if sharing * threads <= processors || too_many {
        return;
    }
    let share = (processors / sharing).max(1);
    let fits = if sharing > processors {
        format!("start as many as there are processors, {processors}, or fewer")
    } else {
        format!("leave it out: `auto` is {share}")
    };
    let spot = match strategy.threads_per_process.fixed() {
        _ if sharing > processors => sound.tree.place_of(path!["strategy", "data_parallel", "processes"]),
        Some(_) => sound.tree.place_of(path!["strategy", "data_parallel", "threads_per_process"]),
        None => sound.tree.place_of(path!["threads"]),
    };
    let message = format!(
        "{} of {}, and {}",
        counted(sharing, "process", "processes"),
        counted(threads, "thread", "threads"),
        counted(processors, "processor", "processors")
    );
    problems.push(
        Diagnostic::warning(Code::TOO_MANY_THREADS, message)
            .at(spot, "they wait for each other at every step")
            .help(fits),
    );
}

/// Reports what this machine cannot do.
pub(super) fn lint_for_machine(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let Some(strategy) = pipeline.strategy.data_parallel() else { return };
    if strategy.backend == Backend::Nccl {
        nccl(sound, strategy, problems);
    }
    let on_processor = device::is_processor(&pipeline.device);
    let placement = Placement::read().ok().flatten();
    let here = || Placement::among(strategy.processes_here(&pipeline.device));
    let placement = placement.unwrap_or_else(here);
    if placement.size == 1 {
        alone(sound, strategy, problems);
    }
    if on_processor {
        crowded(sound, strategy, &placement, problems);
    }
}

/// NCCL has to be there, with a GPU for each process that this machine is to start.
fn nccl(sound: &Sound, strategy: &DataParallel, problems: &mut Vec<Diagnostic>) {
    let wanted = sound.pipeline.device.as_str();
    // What is said of these already is enough.
    if matches!(wanted, "cpu" | "mps") || device::find(wanted).is_err() {
        return;
    }
    let backend = sound.tree.place_of(path!["strategy", "data_parallel", "backend"]);
    let gpus = device::accelerators();
    if gpus == 0 {
        problems.push(
            Diagnostic::error(Code::BACKEND, "`nccl` carries what NVIDIA's GPUs compute, and there is none")
                .at(backend, "asked for here")
                .help("leave `backend` out: what suits the device is taken"),
        );
    } else if let Err(reason) = device::Nccl::open() {
        problems.push(
            Diagnostic::error(Code::BACKEND, format!("NCCL cannot be opened: {reason}"))
                .at(backend, "asked for here")
                .help("libtorch with CUDA brings libnccl.so.2; `backend: gloo` does without it"),
        );
    } else if let Some(processes) = strategy.processes.fixed().filter(|processes| *processes > gpus)
        && std::env::var_os("WORLD_SIZE").is_none()
        && std::env::var_os("SLURM_STEP_ID").is_none()
    {
        let message = format!("{processes} processes, and {gpus} GPUs on this machine");
        problems.push(
            Diagnostic::error(Code::BACKEND, message.replace(" 1 GPUs", " 1 GPU"))
                .at(sound.tree.place_of(path!["strategy", "data_parallel", "processes"]), "so many are started here")
                .at(backend, "wants a GPU for each of them")
                .help("`processes: auto` starts as many as there are GPUs; `backend: gloo` lets several share one"),
        );
    }
}
