//! How the accuracy differs between kinds of examples.

use super::{EvaluationStep, Known, Misfit, StepResult, Subject};
use crate::{
    diagnostic::{Code, Diagnostic, Result, nearest},
    text::brief,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::HashMap};

/// The accuracy on parts of the test split: by brightness, contrast or stored size of the images, or by a column that the
/// source has beside them; of a table by one of its features. Numbers are divided into parts of equal size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-bare" = "by", "examples" = [{"by": "brightness"}, {"by": "image_size", "bins": 3}, {"by": "camera"}]))]
pub struct Slices {
    /// `brightness` (the mean value), `contrast` (the standard deviation), `image_size` (pixels as stored), or the name of a
    /// column or feature.
    #[schemars(length(min = 1))]
    pub by: String,
    /// Into how many parts numbers are divided.
    #[schemars(range(min = 2, max = 20))]
    pub bins: usize,
}

impl Default for Slices {
    fn default() -> Self {
        Slices { by: "brightness".to_owned(), bins: 4 }
    }
}

/// What is known of every image.
const OF_IMAGES: [&str; 3] = ["brightness", "contrast", "image_size"];
/// More words than these are put together as the rest.
const MOST_WORDS: usize = 20;

/// The parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By what.
    pub by: String,
    /// Parts of numbers from the smallest to the largest, of words from the most frequent.
    pub slices: Vec<Slice>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What its examples have in common.
    pub name: String,
    /// How many there are.
    pub examples: usize,
    /// How many of them were predicted right.
    pub right: usize,
}

/// What examples are divided by; `None` where one has no value.
enum Values {
    Numbers(Vec<Option<f64>>),
    Words(Vec<Option<String>>),
}

impl Slices {
    fn values(&self, subject: &dyn Subject) -> Result<Values> {
        let all = 0..subject.predictions().len();
        if let Some(feature) = subject.features().iter().position(|feature| *feature == self.by) {
            let number = |index| {
                let bytes = subject.example(index)?;
                let at = feature * size_of::<f32>();
                Ok(bytes.get(at..at + 4).map(|b| f64::from(f32::from_ne_bytes(b.try_into().expect("four bytes")))))
            };
            return all.map(number).collect::<Result<_>>().map(Values::Numbers);
        }
        if let Some(column) = subject.column(&self.by)? {
            // Absent is not the same as no number.
            let number = |text: &Option<String>| match text {
                None => Some(None),
                Some(text) => text.trim().parse().ok().map(Some),
            };
            let numbers: Option<Vec<Option<f64>>> =
                column.iter().map(number).collect();
            let distinct = numbers.as_ref().map_or(0, |numbers| {
                let mut bits: Vec<u64> = numbers.iter().flatten().map(|number| number.to_bits()).collect();
                bits.sort_unstable();
                bits.dedup();
                bits.len()
            });
            return Ok(match numbers {
                // Few numbers are names of something.
                Some(numbers) if distinct > self.bins => Values::Numbers(numbers),
                _ => Values::Words(column),
            });
        }
        let is_image = subject.shape().len() == 3;
        let number: fn(&dyn Subject, usize) -> Result<Option<f64>> = match self.by.as_str() {
            "brightness" if is_image => |subject, index| Ok(Some(moments(&subject.example(index)?).0)),
            "contrast" if is_image => |subject, index| Ok(Some(moments(&subject.example(index)?).1)),
            "image_size" if is_image => {
                |subject, index| {
                    // What isn't stored in a size of its own is stored as it is read.
                    let own = [subject.shape()[0], subject.shape()[1]];
                    let [height, width] = subject.stored_size(index).unwrap_or(own);
                    Ok(Some((height * width) as f64))
                }
            }
            _ => {
                let message = format!("the data have no column `{}`, by which `slices` divides them", self.by);
                return Err(Box::new(Diagnostic::error(Code::CANNOT_EVALUATE, message)));
            }
        };
        all.map(|index| number(subject, index)).collect::<Result<_>>().map(Values::Numbers)
    }
}

/// Mean and standard deviation of an image's values, as shares of 255.
fn moments(values: &[u8]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean / 255.0, variance.sqrt() / 255.0)
}

/// Parts of equal size by rank; equal numbers stay together.
fn by_numbers(values: &[Option<f64>], bins: usize) -> Vec<(String, Vec<usize>)> {
    let mut order: Vec<(f64, usize)> = (0..values.len()).filter_map(|i| Some((values[i]?, i))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut parts: Vec<Vec<(f64, usize)>> = Vec::new();
    let mut start = 0;
    for bin in 1..=bins {
        let mut end = (order.len() * bin / bins).max(start);
        while end > start && end < order.len() && order[end].0 == order[end - 1].0 {
            end += 1;
        }
        if end > start {
            parts.push(order[start..end].to_vec());
        }
        start = end;
    }
    let named = parts.into_iter().map(|part| {
        let (low, high) = (brief(part[0].0), brief(part[part.len() - 1].0));
        let name = if low == high { low } else { format!("{low} to {high}") };
        (name, part.into_iter().map(|(_, index)| index).collect())
    });
    named.collect()
}

fn by_words(values: &[Option<String>]) -> Vec<(String, Vec<usize>)> {
    let mut parts: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, value) in values.iter().enumerate() {
        parts.entry(value.as_deref().unwrap_or("(no value)")).or_default().push(index);
    }
    let mut parts: Vec<(String, Vec<usize>)> = parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect();
    parts.sort_by(|a, b| (Reverse(a.1.len()), &a.0).cmp(&(Reverse(b.1.len()), &b.0)));
    if parts.len() > MOST_WORDS {
        let rest = parts.split_off(MOST_WORDS - 1);
        parts.push((format!("{} others", rest.len()), rest.into_iter().flat_map(|(_, part)| part).collect()));
    }
    parts
}

impl EvaluationStep for Slices {
    fn compute(&self, subject: &dyn Subject) -> Result<StepResult> {
        let parts = match self.values(subject)? {
            Values::Numbers(values) => by_numbers(&values, self.bins),
            Values::Words(values) => by_words(&values),
        };
        let predictions = subject.predictions();
        let slice = |(name, part): (String, Vec<usize>)| Slice {
            name,
            examples: part.len(),
            right: part.iter().filter(|&&index| predictions.is_right(index)).count(),
        };
        Ok(Outcome { by: self.by.clone(), slices: parts.into_iter().map(slice).collect() }.into())
    }

    fn misfits(&self, known: &Known<'_>) -> Vec<Misfit> {
        let Some(columns) = known.columns else { return Vec::new() };
        let of_images: &[&str] = if known.images { &OF_IMAGES } else { &[] };
        let mut names = columns.iter().map(String::as_str).chain(of_images.iter().copied());
        if names.any(|name| name == self.by) {
            return Vec::new();
        }
        let names = columns.iter().map(String::as_str).chain(of_images.iter().copied());
        let help = match nearest(&self.by, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.images => {
                "`brightness`, `contrast` and `image_size` are known of every image; `columns` in `image_csv` and `parquet` keeps others"
                    .to_owned()
            }
            None => "name one of the table's features".to_owned(),
        };
        vec![Misfit { key: "by", index: None, message: format!("the data have no column `{}`", self.by), help }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::trial::Trial;

    fn sliced(trial: &Trial, by: &str) -> Vec<(String, usize, usize)> {
        let StepResult::Slices(outcome) = (Slices { by: by.into(), bins: 2 }).compute(trial).unwrap() else { panic!() };
        outcome.slices.into_iter().map(|slice| (slice.name, slice.examples, slice.right)).collect()
    }

    fn trial() -> Trial {
        let (right, wrong) = ((0, [0.9, 0.1, 0.0]), (0, [0.1, 0.9, 0.0]));
        Trial::new(&[right, right, right, wrong, wrong])
    }

    #[test]
    fn numbers_are_divided_into_parts_of_equal_size() {
        let parts = sliced(&trial(), "brightness");
        assert_eq!(parts, [("0 to 0.078".into(), 2, 2), ("0.157 to 0.314".into(), 3, 1)]);
        assert_eq!(sliced(&trial(), "contrast"), [("0".into(), 5, 3)]);
        assert_eq!(sliced(&trial(), "image_size").len(), 2);
    }

    #[test]
    fn words_are_parts_and_few_numbers_are_words() {
        let mut trial = trial();
        let column = |values: [&str; 5]| values.map(|v| Some(v.to_owned()).filter(|v| !v.is_empty())).to_vec();
        trial.columns = vec![
            ("camera".into(), column(["a", "b", "b", "b", ""])),
            ("floor".into(), column(["1", "2", "2", "2", "1"])),
            ("age".into(), column(["1", "2", "3", "4", ""])),
        ];
        assert_eq!(sliced(&trial, "camera"), [("b".into(), 3, 2), ("(no value)".into(), 1, 0), ("a".into(), 1, 1)]);
        assert_eq!(sliced(&trial, "floor"), [("2".into(), 3, 2), ("1".into(), 2, 1)]);
        assert_eq!(sliced(&trial, "age"), [("1.000 to 2.000".into(), 2, 2), ("3.000 to 4.000".into(), 2, 1)]);
    }

    #[test]
    fn a_column_that_is_not_there_is_told() {
        let step = Slices { by: "brigthness".into(), bins: 2 };
        let known = Known { columns: Some(&[]), images: true, ..Known::default() };
        assert_eq!(step.misfits(&known)[0].help, "did you mean `brightness`?");
        assert_eq!(step.misfits(&Known::default()), []);
        assert_eq!(step.compute(&trial()).unwrap_err().code, Code::CANNOT_EVALUATE);
    }
}
