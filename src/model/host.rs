//! Between the host and the device: batches there, failures back in words.

use super::LayerError;
use crate::{
    data::{BatchLabels, Chosen, HostBatch, InputPipeline, SharedExamples},
    device::{self, Resident},
    diagnostic::{Code, Diagnostic, Result},
    loss::Targets,
    source::Form,
};
use tch::{Device, Kind, TchError, Tensor};

/// A failure of libtorch as something a user can read.
pub fn computation(error: &TchError, during: &str) -> Box<Diagnostic> {
    let text = error.to_string();
    // What follows the first line speaks of C++, and so does what stands in brackets before the reason.
    let line = text.lines().next().unwrap_or_default().trim_start_matches("Internal torch error: ");
    let reason = match line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
        Some((_, reason)) => reason,
        None => line,
    };
    if let Some((_, told)) = reason.split_once(" out of memory. ") {
        return device_is_full(told, during);
    }
    if let Some((operator, _)) = reason.split_once(" does not have a deterministic implementation") {
        return unsteady(operator, during);
    }
    let problem = Diagnostic::error(Code::COMPUTATION, format!("the computation failed in {during}: {reason}"));
    let memory = ["out of memory", "not enough memory", "can't allocate memory"].iter().any(|m| text.contains(m));
    Box::new(if memory { problem.help("make `batch` smaller, or the model") } else { problem })
}

/// What to say of a device whose memory doesn't suffice, where libtorch told so much of it.
fn device_is_full(told: &str, during: &str) -> Box<Diagnostic> {
    // "Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.06 GiB is free. Including ...": what follows
    // advises on libtorch's own settings.
    let mut sentences = told.split(". ").map(|sentence| sentence.trim_end_matches('.'));
    let wanted = sentences.next().unwrap_or_default().trim_start_matches("Tried to allocate ");
    let problem =
        Diagnostic::error(Code::MEMORY, format!("the device's memory is full in {during}: it wanted {wanted} more"));
    let problem = sentences.take(1).fold(problem, Diagnostic::fact);
    Box::new(problem.help(
        "make `batch` smaller, or `image_size`, or the model; `precision: mixed_bfloat16` takes about half as much for what layers \
         give; `gradient_accumulation_steps` makes a step of several small batches",
    ))
}

/// What to say of an operator that cannot give the same bits each time.
fn unsteady(operator: &str, during: &str) -> Box<Diagnostic> {
    // The gradients are computed behind all layers, and so nobody knows in which of them it was.
    let layers = [("upsample_bilinear2d", "`up_sampling2d` with `interpolation: bilinear`")];
    let layer = layers.iter().find(|(name, _)| operator.contains(name)).map(|(_, layer)| *layer);
    let message = format!("libtorch's `{operator}` doesn't give the same bits each time on this device");
    let problem = Diagnostic::error(Code::COMPUTATION, message).fact(format!("it is needed in {during}"));
    let problem = layer.into_iter().fold(problem, |problem, layer| problem.fact(format!("it belongs to {layer}")));
    Box::new(problem.help("`deterministic: false` lets it; or compute with `device: cpu`, or without that layer"))
}

/// A failure in a layer as something a user can read.
pub fn in_layer(error: &LayerError) -> Box<Diagnostic> {
    computation(&error.error, &format!("`{}`", error.layer))
}

/// The kind of the values of examples.
pub fn kind_of(form: Form) -> Kind {
    match form {
        Form::Image(_) => Kind::Uint8,
        Form::Features(_) => Kind::Float,
    }
}

/// A batch on the device: examples, `[batch, height, width, channels]` or `[batch, features]`, and what their outputs are
/// compared with.
pub fn to_device(batch: &HostBatch, form: Form, device: Device) -> std::result::Result<(Tensor, Targets), TchError> {
    let examples = batch.labels.len() as i64;
    let size: Vec<i64> = std::iter::once(examples).chain(form.shape().iter().map(|&n| n as i64)).collect();
    let kind = kind_of(form);
    let labels = || match &batch.labels {
        BatchLabels::Classes(labels) => device::upload(labels, &[examples], device),
        BatchLabels::Numbers(labels) => device::upload(labels, &[examples], device),
    };
    let (values, labels) = match (&batch.chosen, &batch.labels) {
        (Some(Chosen { of, places }), BatchLabels::Classes(labels)) => of.select(places, labels)?,
        (Some(Chosen { of, places }), BatchLabels::Numbers(_)) => (of.select(places, places)?.0, labels()?),
        (None, _) => (device::upload_bytes(&batch.examples, &size, kind, device)?, labels()?),
    };
    let (values, mut targets) = (values.f_view(&size[..])?, Targets::of(labels));
    if let Some(shares) = &batch.shares {
        let classes = shares.len() as i64 / examples.max(1);
        targets.shares = Some(device::upload(shares, &[examples, classes], device)?);
    }
    Ok((values, targets))
}

/// Lets all examples of `data` lie on `device` from now on, where that has a memory of its own, batches are nothing but choices among
/// them, and they take no more than `room` bytes there. Whether they do.
///
/// # Errors
/// Where an example cannot be read, or libtorch fails.
pub fn keep_on_device(data: &mut InputPipeline, device: Device, room: u64) -> Result<bool> {
    let fits = data.choice_bytes().is_some_and(|bytes| bytes > 0 && bytes <= room);
    if !fits || !device::runs_ahead(device) {
        return Ok(false);
    }
    let all = data.choice()?;
    let (bytes, kind) = (data.form().bytes(), kind_of(data.form()));
    let size = [(all.len() / bytes) as i64, (bytes / kind.elt_size_in_bytes()) as i64];
    // Not by way of pinned memory, which libtorch would keep.
    let there = Tensor::f_from_data_size(&all, &size, kind).and_then(|all| all.f_to_device(device));
    let there = there.map_err(|error| computation(&error, "bringing the data to the device"))?;
    data.choose_from(SharedExamples::new(Resident::new(there)));
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::computation;
    use crate::diagnostic::{Renderer, SourceMap};
    use tch::TchError;

    #[test]
    fn a_failure_of_libtorch_is_told_in_a_line() {
        let lack = "[enforce fail at alloc_cpu.cpp:125] DefaultCPUAllocator: can't allocate memory: you tried to allocate \
                    9 bytes.\nException raised from alloc_cpu";
        let problem = computation(&TchError::Torch(lack.to_owned()), "`conv2d_1`");
        let told = Renderer::plain().render(&SourceMap::default(), &problem);
        assert!(told.starts_with(
            "error[computation]: the computation failed in `conv2d_1`: DefaultCPUAllocator: can't allocate"
        ));
        assert!(told.ends_with("= help: make `batch` smaller, or the model") && !told.contains("raised"), "{told}");
    }

    #[test]
    fn a_device_without_memory_says_what_to_lower() {
        let lack = "CUDA out of memory. Tried to allocate 24.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.06 GiB is \
                    free. Including non-PyTorch memory, this process has 78.00 GiB memory in use. If reserved but unallocated \
                    memory is large try setting PYTORCH_ALLOC_CONF.";
        let problem = computation(&TchError::Torch(lack.to_owned()), "`conv2d_1`");
        let told = Renderer::plain().render(&SourceMap::default(), &problem);
        assert!(
            told.starts_with("error[memory]: the device's memory is full in `conv2d_1`: it wanted 24.00 GiB more"),
            "{told}"
        );
        assert!(told.contains("GPU 0 has a total capacity of 79.11 GiB of which 1.06 GiB is free"), "{told}");
        assert!(told.contains("make `batch` smaller") && !told.contains("PYTORCH"), "{told}");
    }

    #[test]
    fn an_operator_that_wavers_names_what_lets_it() {
        let error = "upsample_bilinear2d_backward_out_cuda does not have a deterministic implementation, but you set \
                     'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation.";
        let problem = computation(&TchError::Torch(error.to_owned()), "a training step");
        let told = Renderer::plain().render(&SourceMap::default(), &problem);
        assert!(told.contains("`up_sampling2d`") && told.contains("`deterministic: false`"), "{told}");
        assert!(!told.contains("torch.use"), "{told}");
    }
}
