//! The data of a pipeline, opened and divided, and what they turned out to be.

use crate::{
    data::{OnUnreadable, readable},
    diagnostic::{Result, io_error},
    memo::sum_of,
    model::computation,
    run::{DataInfo, Unreadable},
    source::{Dataset, Examples, Subset, Surroundings},
    spec::{OnError, Pipeline, Validation},
    text::hexadecimal,
};
use std::{fs::File, path::Path, sync::Arc};
use tch::{Device, Tensor};

/// Data that were opened, and what of them cannot be read.
pub type Opened = (Dataset, Vec<Unreadable>);

/// The data of `pipeline` without what cannot be read, and what that is.
///
/// # Errors
/// Where the data aren't there or aren't sound, or more cannot be read than the pipeline puts up with.
pub fn open_data(pipeline: &Pipeline, surroundings: &Surroundings<'_>) -> Result<Opened> {
    let spec = &pipeline.dataset;
    let on_unreadable = match spec.on_error {
        OnError::Fail => OnUnreadable::Fail,
        OnError::Skip => OnUnreadable::Skip(spec.max_errors),
    };
    readable(spec.source.open(surroundings)?, on_unreadable, surroundings)
}

/// Examples to train on, those to validate on, and what the latter are.
pub type Splits = (Arc<dyn Examples>, Option<Arc<dyn Examples>>, &'static str);

/// Divides the data as the pipeline says.
pub fn splits(pipeline: &Pipeline, dataset: &Dataset) -> Splits {
    let validation = &pipeline.dataset.validation;
    match validation.divide(&dataset.train.labels().strata()) {
        Some((stay, off)) => {
            let part = |indices| Arc::new(Subset::new(dataset.train.clone(), indices)) as Arc<dyn Examples>;
            (part(stay), Some(part(off)), "split of the training data")
        }
        None => match validation {
            Validation::Test(_) => (dataset.train.clone(), Some(dataset.test.clone()), "test"),
            Validation::Official(_) => (dataset.train.clone(), dataset.validation.clone(), "official"),
            _ => (dataset.train.clone(), None, "none"),
        },
    }
}

/// SHA-256 of a file.
///
/// # Errors
/// Where it cannot be read.
pub fn file_digest(file: &Path) -> Result<String> {
    let sum = File::open(file).and_then(sum_of).map_err(|error| io_error("read", file, &error))?;
    Ok(hexadecimal(&sum))
}

/// What the data, and the weights that the model begins with, turned out to be; nothing is said to have been left out.
///
/// # Errors
/// Where the weights cannot be read.
pub fn data_info(
    pipeline: &Pipeline,
    dataset: &Dataset,
    splits: &Splits,
    initial_weights: Option<&Path>,
) -> Result<DataInfo> {
    let (train, validation, validation_kind) = splits;
    Ok(DataInfo {
        source: pipeline.dataset.source.name().to_owned(),
        location: dataset.location.clone(),
        digest: dataset.digest.clone(),
        classes: dataset.classes.clone(),
        target: dataset.target.clone(),
        shape: dataset.form.shape(),
        train: train.len(),
        validation: validation.as_ref().map_or(0, |examples| examples.len()),
        test: dataset.test.len(),
        validation_kind: (*validation_kind).to_owned(),
        skipped: Vec::new(),
        initial_weights: initial_weights.map(file_digest).transpose()?,
    })
}

/// How much an example of each class counts, `[classes]`, where the pipeline says it.
///
/// # Errors
/// Where the pipeline names a class that there isn't, or libtorch fails.
pub fn class_weights(
    pipeline: &Pipeline,
    classes: &[String],
    counts: &[usize],
    device: Device,
) -> Result<Option<Tensor>> {
    let Some(wanted) = &pipeline.training.class_weight else { return Ok(None) };
    let weights: Vec<f32> = wanted.of(classes, counts)?.into_iter().map(|weight| weight as f32).collect();
    let tensor = Tensor::f_from_slice(&weights).and_then(|tensor| tensor.f_to_device(device));
    Ok(Some(tensor.map_err(|error| computation(&error, "weighing the classes"))?))
}
