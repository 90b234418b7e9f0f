//! Between the host and the device: batches there, failures back in words.

use super::LayerError;
use crate::{
    data::{BatchLabels, HostBatch},
    diagnostic::{Code, Diagnostic},
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
    let problem = Diagnostic::error(Code::COMPUTATION, format!("the computation failed in {during}: {reason}"));
    let memory = ["out of memory", "not enough memory", "can't allocate memory"].iter().any(|m| text.contains(m));
    Box::new(if memory { problem.help("make `batch` smaller, or the model") } else { problem })
}

/// A failure in a layer as something a user can read.
pub fn in_layer(error: &LayerError) -> Box<Diagnostic> {
    computation(&error.error, &format!("`{}`", error.layer))
}

/// A batch on the device: examples, `[batch, height, width, channels]` or `[batch, features]`, and what their outputs are
/// compared with.
pub fn to_device(batch: &HostBatch, form: Form, device: Device) -> std::result::Result<(Tensor, Targets), TchError> {
    let examples = batch.labels.len() as i64;
    let size: Vec<i64> = std::iter::once(examples).chain(form.shape().iter().map(|&n| n as i64)).collect();
    let kind = match form {
        Form::Image(_) => Kind::Uint8,
        Form::Features(_) => Kind::Float,
    };
    let values = Tensor::f_from_data_size(&batch.examples, &size, kind)?.f_to_device(device)?;
    let labels = match &batch.labels {
        BatchLabels::Classes(labels) => Tensor::f_from_slice(labels)?,
        BatchLabels::Numbers(labels) => Tensor::f_from_slice(labels)?,
    };
    let mut targets = Targets::of(labels.f_to_device(device)?);
    if let Some(shares) = &batch.shares {
        let classes = shares.len() as i64 / examples.max(1);
        targets.shares = Some(Tensor::f_from_slice(shares)?.f_view([examples, classes])?.f_to_device(device)?);
    }
    Ok((values, targets))
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
}
