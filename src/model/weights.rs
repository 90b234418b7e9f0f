//! Weights to and from `model.safetensors`.

use super::Model;
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    run::{
        sha256_hex,
        weights_file::{self, Stored},
    },
    spec::{InitialWeights, Taken},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, path::Path};
use tch::{Kind, TchError, Tensor};

/// What the file says of itself.
const METADATA: &str =
    r#"{"format":1,"layout":{"convolution":"OIHW","dense":"OI","flatten":"height, width, channel"}}"#;

/// All weights as the bytes of a safetensors file; equal weights give equal bytes.
///
/// # Errors
/// What libtorch reports.
pub fn weights_bytes(model: &Model) -> std::result::Result<Vec<u8>, TchError> {
    tensors_bytes(model.parameters().iter().map(|parameter| (parameter.name.clone(), &parameter.tensor)))
}

/// Tensors with their names as the bytes of a safetensors file; equal ones give equal bytes.
///
/// # Errors
/// What libtorch reports.
pub fn tensors_bytes<'a>(
    tensors: impl Iterator<Item = (String, &'a Tensor)>,
) -> std::result::Result<Vec<u8>, TchError> {
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let values = tensor.detach().f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        let values = Vec::<f32>::try_from(&values)?;
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        data.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let views = data.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("bytes fit their shape"))
    });
    // One entry only: a map with more has no fixed order, and so no fixed bytes.
    let metadata = HashMap::from([("trainyard".to_owned(), METADATA.to_owned())]);
    Ok(safetensors::serialize(views, Some(metadata)).expect("names are unique and shapes right"))
}

/// Writes the tensors of a safetensors file into those of the same names.
///
/// # Errors
/// Says why it isn't sound, or which of its tensors aren't those that are wanted.
pub fn fill_tensors<'a>(
    bytes: &[u8],
    wanted: impl Iterator<Item = (String, &'a Tensor)>,
) -> std::result::Result<(), String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|_| weights_file::fault(bytes))?;
    let wanted: Vec<(String, &Tensor)> = wanted.collect();
    let surplus = tensors.names().into_iter().find(|name| !wanted.iter().any(|(wanted, _)| wanted == *name));
    if let Some(name) = surplus {
        return Err(format!("holds `{name}`, which the model doesn't have"));
    }
    for (name, tensor) in wanted {
        let view = tensors.tensor(&name).map_err(|_| format!("lacks `{name}`"))?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        if view.dtype() != Dtype::F32 || shape != tensor.size() {
            return Err(format!("`{name}` is {shape:?}, and the model has {:?}", tensor.size()));
        }
        let values = Tensor::from_data_size(view.data(), &shape, Kind::Float);
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&values).map(|_| ()))
            .map_err(|error| format!("`{name}` cannot be taken over: {error}"))?;
    }
    Ok(())
}

/// SHA-256 of the bytes of a weights file.
pub fn digest(bytes: &[u8]) -> String {
    sha256_hex(bytes)
}

/// Puts the weights of `file` into `model`.
///
/// # Errors
/// Where the file cannot be read, isn't sound, or holds other tensors than the model.
pub fn load_weights(model: &Model, file: &Path) -> Result<()> {
    let bad = |message: String| {
        Box::new(
            Diagnostic::error(Code::BAD_RUN, format!("{}: {message}", file.display()))
                .help("the weights and the pipeline of a run belong together: train it again"),
        )
    };
    let numbers: usize = model.parameters().iter().map(|parameter| parameter.tensor.numel()).sum();
    let bytes = weights_file::read(file, model.parameters().len(), 4 * numbers as u64);
    let bytes = bytes.map_err(|error| io_error("read", file, &error))?.map_err(bad)?;
    fill_tensors(&bytes, model.parameters().iter().map(|parameter| (parameter.name.clone(), &parameter.tensor)))
        .map_err(bad)
}

/// Puts those weights of `file` into `model` that `initial` says.
///
/// # Errors
/// Where the file cannot be read, isn't sound, or doesn't fit.
pub fn load_initial_weights(model: &Model, file: &Path, initial: &InitialWeights) -> Result<()> {
    let bad =
        |message: String| Box::new(Diagnostic::error(Code::INITIAL_WEIGHTS, format!("{}: {message}", file.display())));
    let bytes = weights_file::read_any(file).map_err(|error| io_error("read", file, &error))?.map_err(bad)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|_| bad(weights_file::fault(&bytes)))?;
    let shape = |shape: &[usize]| shape.iter().map(|&n| n as i64).collect::<Vec<i64>>();
    let stored = |(name, view): (&str, TensorView<'_>)| Stored {
        name: name.to_owned(),
        dtype: view.dtype().to_string(),
        shape: shape(view.shape()),
    };
    let holds: Vec<Stored> = tensors.iter().map(stored).collect();
    let wanted: Vec<(String, Vec<i64>)> =
        model.parameters().iter().map(|parameter| (parameter.name.clone(), parameter.tensor.size())).collect();
    let fit = initial.fit(&holds, &wanted);
    if let Some(first) = initial.objections(&fit).into_iter().next() {
        return Err(bad(first));
    }
    for Taken { name, part: (part, parts), parameter } in &fit.taken {
        let view = tensors.tensor(name).map_err(|_| bad(format!("lacks `{name}`")))?;
        let kind = match view.dtype() {
            Dtype::F64 => Kind::Double,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            _ => Kind::Float,
        };
        let values = Tensor::from_data_size(view.data(), &shape(view.shape()), kind);
        let ours = model.parameters().iter().find(|ours| ours.name == *parameter).expect("it was wanted");
        tch::no_grad(|| {
            let own = match values.size().first() {
                Some(rows) if *parts > 1 => values.f_narrow(0, part * (rows / parts), rows / parts)?,
                _ => values,
            };
            ours.tensor.shallow_clone().f_copy_(&own).map(|_| ())
        })
        .map_err(|error| bad(format!("`{name}` cannot be taken over: {error}")))?;
    }
    Ok(())
}
