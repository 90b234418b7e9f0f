//! Encoded images in parquet files, as data sets on Hugging Face's hub are laid out.

use super::{
    ColorMode, Dataset, Declared, Examples, Form, ImageReader, ImageSize, Interpolation, Parts, Resize,
    SourceDefinition, Surroundings, TestPart,
    image_csv::label_column,
    image_file::image_size,
    part::{Labels, mixed, train_and_test},
    rows::{self, Labelled, RowNames, Rows},
};
use crate::diagnostic::{Code, Diagnostic, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Images in parquet files, one a row: a column with the bytes of image files, or with a struct that has them as `bytes`,
/// as the data sets of Hugging Face's hub have it, and a column with the class, a number or a text.
///
/// The names of numbered classes come from the files' own description where there is one. The encoded images are held in
/// memory. The order of training examples is a fixed permutation of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"train": "data/train-*.parquet", "test": "data/test-*.parquet", "image_size": 32},
    {"train": "beans.parquet", "test": {"split": 0.2}, "image_column": "photo", "label_column": "disease", "image_size": 128},
]))]
pub struct Parquet {
    /// The file for training, or a pattern for several, such as `data/train-*.parquet`. A relative path is looked for in the
    /// data directory (`--data-dir`, `TRAINYARD_DATA`) where one is named, else in the current directory.
    #[schemars(length(min = 1))]
    pub train: String,
    /// The same for validation, where there is one; `dataset.validation` is then `official` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-known-as" = ["val"]))]
    pub validation: Option<String>,
    /// The same for testing; or `{split: 0.2}`, which keeps that share of the images in `train`, the same of every class, for
    /// testing.
    pub test: TestPart,
    /// The column of the images.
    #[serde(default = "image_column")]
    #[schemars(length(min = 1))]
    pub image_column: String,
    /// The column of the classes.
    #[serde(default = "label_column")]
    #[schemars(length(min = 1))]
    pub label_column: String,
    /// Height and width that every image is brought to; one number stands for both.
    #[serde(default)]
    pub image_size: ImageSize,
    /// Channels of an example.
    #[serde(default)]
    pub color_mode: ColorMode,
    /// How images of another size are brought to `image_size`.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// What becomes of the proportions of images that have others.
    #[serde(default)]
    pub resize: Resize,
}

fn image_column() -> String {
    "image".to_owned()
}

/// The labels of all splits.
struct Found {
    classes: Vec<String>,
    train: Labelled,
    validation: Option<Labelled>,
    test: Result<Labelled, f64>,
}

impl SourceDefinition for Parquet {
    fn declare(&self) -> Declared {
        Declared::of_images(self.images().shape)
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let columns = [self.image_column.as_str(), self.label_column.as_str()];
        let [train, validation, test] = self.read(&columns, surroundings)?;
        let train = train.unwrap_or_default();
        let found = self.labels(&train, validation.as_deref(), test.as_deref())?;
        let mut digest = Parts::new("parquet");
        digest.add(&(found.classes.len() as u64).to_le_bytes());
        found.classes.iter().chain([&self.image_column]).for_each(|name| digest.add(name.as_bytes()));
        let mut images = |split: &str, rows: Vec<Rows>, labelled: Labelled| -> Result<Arc<dyn Examples>> {
            digest.add(split.as_bytes());
            digest.add(&(rows.len() as u64).to_le_bytes());
            rows::digests(&rows)?.iter().for_each(|hash| digest.add(hash));
            digest.add(&labelled.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<u8>>());
            Ok(Arc::new(Encoded::new(rows, &self.image_column, labelled, self.images())?))
        };
        let train = mixed(images("train", train, found.train)?);
        let validation =
            validation.zip(found.validation).map(|(rows, labels)| images("validation", rows, labels)).transpose()?;
        let test = match (test, found.test) {
            (Some(rows), Ok(labels)) => Ok(images("test", rows, labels)?),
            (_, share) => Err(share.err().unwrap_or_default()),
        };
        let (train, test) = train_and_test(train, test);
        let location = self.train.clone();
        let dataset = Dataset::of_images(self.images(), found.classes, [train, test], location, digest.finish());
        Ok(Dataset { validation, ..dataset })
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let [train, validation, test] = self.read(&[&self.label_column], surroundings)?;
        let train = train.unwrap_or_default();
        let found = self.labels(&train, validation.as_deref(), test.as_deref())?;
        let labels = Labels {
            train: &found.train.labels,
            validation: found.validation.as_ref().map(|found| found.labels.as_slice()),
            test: found.test.as_ref().map(|found| found.labels.as_slice()).map_err(|share| *share),
        };
        Ok(labels.declare(Form::Image(self.images().shape), &found.classes))
    }
}

impl Parquet {
    fn images(&self) -> ImageReader {
        ImageReader::new(self.image_size, self.color_mode, self.interpolation, self.resize)
    }

    /// The rows for training, validation and testing, as far as they have files of their own.
    fn read(&self, columns: &[&str], surroundings: &Surroundings<'_>) -> Result<[Option<Vec<Rows>>; 3]> {
        let read = |pattern: &str| rows::read(pattern, Some(columns), b',', surroundings);
        let test = match &self.test {
            TestPart::Place(pattern) => Some(pattern.as_str()),
            TestPart::Share(_) => None,
        };
        let [train, validation, test] = [Some(self.train.as_str()), self.validation.as_deref(), test];
        Ok([train.map(read).transpose()?, validation.map(read).transpose()?, test.map(read).transpose()?])
    }

    fn labels(&self, train: &[Rows], validation: Option<&[Rows]>, test: Option<&[Rows]>) -> Result<Found> {
        let column = self.label_column.as_str();
        let values = |rows: &[Rows]| -> Result<Vec<Option<String>>> {
            let mut all = Vec::new();
            for file in rows {
                let column = file.frame.column(column).expect("the column is there");
                all.extend(rows::texts(column, &file.path)?);
            }
            Ok(all)
        };
        let of_train = values(train)?;
        let named = train.iter().find_map(|file| file.class_names.clone());
        // Only numbers can stand for names.
        let named = named.filter(|_| of_train.iter().flatten().all(|value| value.parse::<i64>().is_ok()));
        let (classes, numbered) = match named {
            Some(names) => (names, true),
            None => (rows::classes_of(of_train.iter()), false),
        };
        rows::sensible(&classes, column, &self.train)?;
        let labelled = |values: &[Option<String>]| rows::labelled(values, column, &classes, numbered);
        let share = match &self.test {
            TestPart::Share(share) => *share,
            TestPart::Place(_) => 0.0,
        };
        let (validation, test) = (validation.map(values).transpose()?, test.map(values).transpose()?);
        Ok(Found {
            train: labelled(&of_train),
            validation: validation.as_deref().map(labelled),
            test: test.as_deref().map(labelled).ok_or(share),
            classes,
        })
    }
}

/// Encoded images in memory.
struct Encoded {
    bytes: Vec<u8>,
    /// Where each image's bytes end.
    ends: Vec<usize>,
    labels: Vec<u32>,
    defects: BTreeMap<usize, String>,
    names: RowNames,
    reader: ImageReader,
}

impl Encoded {
    fn new(rows: Vec<Rows>, column: &str, labelled: Labelled, reader: ImageReader) -> Result<Self> {
        let Labelled { labels, mut defects } = labelled;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(labels.len()));
        let names = RowNames::of(&rows);
        for file in rows {
            let images = rows::bytes_of(file.frame.column(column).expect("the column is there"), &file.path)?;
            for image in images.binary().expect("a column of bytes").iter() {
                if image.is_none() {
                    defects.entry(ends.len()).or_insert_with(|| format!("`{column}` is missing"));
                }
                bytes.extend_from_slice(image.unwrap_or_default());
                ends.push(bytes.len());
            }
        }
        Ok(Encoded { bytes, ends, labels, defects, names, reader })
    }

    fn image(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

impl Examples for Encoded {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
        let name = self.describe(index);
        if let Some(reason) = self.defects.get(&index) {
            return Err(Box::new(Diagnostic::error(Code::BAD_DATA, format!("{name}: {reason}"))));
        }
        into.copy_from_slice(&self.reader.decode(self.image(index), Path::new(&name))?);
        Ok(())
    }

    fn describe(&self, index: usize) -> String {
        self.names.describe(index)
    }

    fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
        image_size(self.image(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::surrounded;
    use serde_json::json;

    fn opened(source: serde_json::Value) -> Result<Dataset> {
        let source: Parquet = serde_json::from_value(source).unwrap();
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows");
        surrounded(Some(files), "cache".into(), |around| {
            let looked = source.look(around)?;
            let opened = source.open(around)?;
            assert_eq!(looked.names.as_deref(), Some(opened.classes.as_slice()));
            assert_eq!((looked.train, looked.test), (Some(opened.train.len()), Some(opened.test.len())));
            Ok(opened)
        })
    }

    /// The red of each image with its label, or why there is none.
    fn reds(examples: &dyn Examples) -> Vec<Result<(u8, u32), String>> {
        let mut example = [0; 3];
        let read = |index: usize| match examples.read(index, &mut example) {
            Ok(()) => Ok((example[0], examples.labels()[index])),
            Err(problem) => Err(problem.message),
        };
        (0..examples.len()).map(read).collect()
    }

    #[test]
    fn the_layout_of_hugging_faces_hub_is_read() {
        let source = json!({
            "train": "train-*.parquet", "validation": "test-*.parquet", "test": "test-*.parquet",
            "label_column": "labels", "image_size": 1,
        });
        let data = opened(source).unwrap();
        assert_eq!(data.classes, ["angular_leaf_spot", "bean_rust", "healthy"]);
        assert_eq!(reds(&*data.test), [Ok((70, 2)), Ok((80, 1)), Ok((90, 0))]);
        assert_eq!(data.validation.as_ref().unwrap().labels(), [2, 1, 0]);
        let mut train = reds(&*data.train);
        assert!(!data.train.is_sound() && !data.train.in_memory());
        train.sort();
        assert_eq!(train[..4], [Ok((10, 0)), Ok((20, 1)), Ok((30, 2)), Ok((40, 1))]);
        let told: Vec<String> = train[4..].iter().map(|wrong| wrong.clone().unwrap_err()).collect();
        assert_eq!(
            told,
            [
                "cannot decode train-00000-of-00002.parquet row 4: it is no JPEG, PNG, WebP or BMP image",
                "train-00001-of-00002.parquet row 2: `image` is missing",
                "train-00001-of-00002.parquet row 3: `labels` is 5, and labels are 0 to 2",
            ]
        );
        assert_eq!(data.test.stored_size(1), Some([2, 3]));
    }

    #[test]
    fn plain_bytes_and_classes_as_text_are_read() {
        let source = json!({
            "train": "plain.parquet", "test": {"split": 0.4}, "image_column": "picture", "label_column": "kind", "image_size": 1,
        });
        let data = opened(source).unwrap();
        assert_eq!(data.classes, ["a", "b"]);
        let mut all = [reds(&*data.train), reds(&*data.test)].concat();
        all.sort();
        assert_eq!(all, [Ok((1, 1)), Ok((2, 0)), Ok((3, 1))]);
    }

    #[test]
    fn what_holds_no_images_is_refused() {
        let source = |column: &str| {
            json!({ "train": "plain.parquet", "test": {"split": 0.4}, "image_column": column, "label_column": "kind", "image_size": 1 })
        };
        let complaint = opened(source("kind")).unwrap_err();
        assert!(complaint.message.starts_with("the column `kind` of ") && complaint.notes == ["it holds text"], "{complaint}");
        let complaint = opened(source("pictures")).unwrap_err();
        assert_eq!(complaint.help, ["did you mean `picture`?"]);
    }
}
