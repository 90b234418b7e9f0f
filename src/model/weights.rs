//! Weights to and from `model.safetensors`.

use super::{Model, weights_file};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    run::sha256_hex,
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
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for parameter in model.parameters() {
        let values = parameter.tensor.detach().f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        let values = Vec::<f32>::try_from(&values)?;
        let shape = parameter.tensor.size().iter().map(|&n| n as usize).collect();
        data.push((parameter.name.clone(), shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let views = data.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("bytes fit their shape"))
    });
    // One entry only: a map with more has no fixed order, and so no fixed bytes.
    let metadata = HashMap::from([("trainyard".to_owned(), METADATA.to_owned())]);
    Ok(safetensors::serialize(views, Some(metadata)).expect("names are unique and shapes right"))
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
    let tensors = SafeTensors::deserialize(&bytes).map_err(|_| bad(weights_file::fault(&bytes)))?;
    let surplus = tensors.names().into_iter().find(|name| !model.parameters().iter().any(|p| p.name == **name));
    if let Some(name) = surplus {
        return Err(bad(format!("holds `{name}`, which the model doesn't have")));
    }
    for parameter in model.parameters() {
        let name = &parameter.name;
        let view = tensors.tensor(name).map_err(|_| bad(format!("lacks `{name}`")))?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        if view.dtype() != Dtype::F32 || shape != parameter.tensor.size() {
            return Err(bad(format!("`{name}` is {shape:?}, and the model has {:?}", parameter.tensor.size())));
        }
        let values = Tensor::from_data_size(view.data(), &shape, Kind::Float);
        tch::no_grad(|| parameter.tensor.shallow_clone().f_copy_(&values).map(|_| ()))
            .map_err(|error| bad(format!("`{name}` cannot be taken over: {error}")))?;
    }
    Ok(())
}
