//! The rows of a table as numbers.

use super::super::{
    Examples, Labels,
    labels::KeptLabels,
    rows::{self, RowNames, Rows},
};
use crate::diagnostic::{Code, Diagnostic, Result};
use std::collections::BTreeMap;

/// The most numbers that a split may have: 8 GiB.
const MAX_VALUES: usize = 1 << 31;

/// A column that the model gets.
pub(super) enum Feature {
    Number(String),
    /// The column, and the categories that it has for training, sorted.
    Category(String, Vec<String>),
}

impl Feature {
    pub fn column(&self) -> &str {
        match self {
            Feature::Number(column) | Feature::Category(column, _) => column,
        }
    }

    /// Names of the numbers that it becomes.
    pub fn names(&self) -> Vec<String> {
        match self {
            Feature::Number(column) => vec![column.clone()],
            Feature::Category(column, categories) => {
                categories.iter().map(|category| format!("{column}={category}")).collect()
            }
        }
    }
}

/// The rows of one split as numbers.
pub(super) struct Numbers {
    /// `[rows, features]`.
    values: Vec<f32>,
    pub features: usize,
    pub labels: KeptLabels,
    defects: BTreeMap<usize, String>,
    names: RowNames,
}

/// Whether all values of a column, and there are some, are numbers.
pub(super) fn is_numeric(rows: &[Rows], name: &str) -> Result<bool> {
    for file in rows {
        let column = rows::column(file, name)?;
        if rows::numbers(column).is_none() {
            let values = rows::texts(column, &file.path)?;
            if values.iter().flatten().any(|value| number(value).is_none()) || values.iter().flatten().next().is_none() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A number, or a truth value as 1 or 0.
pub(super) fn number(text: &str) -> Option<f64> {
    match text {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        text => text.parse::<f64>().ok().filter(|value| value.is_finite()),
    }
}

/// The values of a file's column of numbers, or why one is none.
pub(super) fn values_of(file: &Rows, name: &str) -> Result<Vec<Result<f32, String>>> {
    let column = rows::column(file, name)?;
    let missing = || format!("`{name}` is missing");
    let finite = |value: f64| Some(value as f32).filter(|value| value.is_finite());
    if let Some(numbers) = rows::numbers(column) {
        return Ok(numbers.into_iter().map(|value| value.and_then(finite).ok_or_else(missing)).collect());
    }
    let of_text = |text: Option<String>| match text {
        None => Err(missing()),
        Some(text) => {
            let value = number(&text).and_then(finite);
            value.ok_or_else(|| format!("`{name}` is `{text}`, and a number elsewhere"))
        }
    };
    Ok(rows::texts(column, &file.path)?.into_iter().map(of_text).collect())
}

/// The rows as numbers; of some it is known already why they cannot be read.
pub(super) fn encoded(
    rows: &[Rows],
    features: &[Feature],
    labels: KeptLabels,
    mut defects: BTreeMap<usize, String>,
) -> Result<Numbers> {
    let count = labels.view().len();
    let width: usize = features.iter().map(|feature| feature.names().len()).sum();
    if count.saturating_mul(width) > MAX_VALUES {
        let message = format!("{count} rows of {width} features are more than fit into memory");
        return Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help("name fewer columns in `features`")));
    }
    let mut values = vec![0.0f32; count * width];
    let mut first = 0;
    for file in rows {
        let mut left = 0;
        for feature in features {
            let name = feature.column();
            let mut set = |row: usize, found: Result<(usize, f32), String>| match found {
                Ok((at, value)) => values[(first + row) * width + left + at] = value,
                Err(reason) => {
                    defects.entry(first + row).or_insert(reason);
                }
            };
            match feature {
                Feature::Number(_) => {
                    for (row, value) in values_of(file, name)?.into_iter().enumerate() {
                        set(row, value.map(|value| (0, value)));
                    }
                }
                Feature::Category(_, categories) => {
                    let places: BTreeMap<&str, usize> =
                        categories.iter().enumerate().map(|(at, category)| (category.as_str(), at)).collect();
                    for (row, value) in rows::texts(rows::column(file, name)?, &file.path)?.into_iter().enumerate() {
                        set(row, match &value {
                            None => Err(format!("`{name}` is missing")),
                            Some(text) => match places.get(text.as_str()) {
                                Some(at) => Ok((*at, 1.0)),
                                None => Err(format!("`{name}` is `{text}`, which no training row has")),
                            },
                        });
                    }
                }
            }
            left += feature.names().len();
        }
        first += file.frame.height();
    }
    Ok(Numbers { values, features: width, labels, defects, names: RowNames::of(rows) })
}

impl Examples for Numbers {
    fn labels(&self) -> Labels<'_> {
        self.labels.view()
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        if let Some(reason) = self.defects.get(&index) {
            return Err(Box::new(Diagnostic::error(Code::BAD_DATA, format!("{}: {reason}", self.describe(index)))));
        }
        let row = &self.values[index * self.features..(index + 1) * self.features];
        for (bytes, value) in into.as_chunks_mut().0.iter_mut().zip(row) {
            *bytes = value.to_ne_bytes();
        }
        Ok(())
    }

    fn in_memory(&self) -> bool {
        true
    }

    fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    fn describe(&self, index: usize) -> String {
        self.names.describe(index)
    }
}
