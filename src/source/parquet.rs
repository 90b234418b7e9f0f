//! Encoded images in parquet files, as data sets on Hugging Face's hub are laid out.

use super::{
    ColorMode, Dataset, Declared, Examples, Form, ImageReader, ImageSize, Interpolation, Labels, Parts, Resize,
    SourceDefinition, Surroundings, TestPart,
    image_csv::label_column,
    image_file::image_size,
    part::{SplitClasses, mixed, train_and_test},
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
    /// Other columns to keep, such as the camera, by which `slices` in `evaluation` can divide the test images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("examples" = [["camera"]]))]
    pub columns: Vec<String>,
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

/// The rows of each split.
struct Splits {
    train: Vec<Rows>,
    validation: Option<Vec<Rows>>,
    /// Rows, or the share of those for training.
    test: Result<Vec<Rows>, f64>,
}

impl SourceDefinition for Parquet {
    fn declare(&self) -> Declared {
        Declared::of_images(self.images().shape)
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let mut columns = vec![self.image_column.as_str(), self.label_column.as_str()];
        columns.extend(self.columns.iter().map(String::as_str));
        let rows = self.read(&columns, surroundings)?;
        let classes = self.classes(&rows.train)?;
        let mut digest = Parts::new("parquet");
        digest.add_names(classes.names.iter());
        digest.add(self.image_column.as_bytes());
        let mut images = |split: &str, rows: Vec<Rows>| -> Result<Arc<dyn Examples>> {
            let labelled = self.labels(&rows, &classes)?;
            rows::digest(&mut digest, split, &rows, &labelled.bytes(), surroundings)?;
            let beside = self.columns.iter().map(|name| Ok((name.clone(), rows::column_texts(&rows, name)?)));
            let beside = beside.collect::<Result<_>>()?;
            Ok(Arc::new(Encoded { beside, ..Encoded::new(rows, &self.image_column, labelled, self.images())? }))
        };
        let train = mixed(images("train", rows.train)?);
        let validation = rows.validation.map(|rows| images("validation", rows)).transpose()?;
        let test = match rows.test {
            Ok(rows) => Ok(images("test", rows)?),
            Err(share) => Err(share),
        };
        let (train, test) = train_and_test(train, test);
        let location = self.train.clone();
        let dataset = Dataset::of_images(self.images(), classes.names, [train, test], location, digest.finish());
        Ok(Dataset { validation, ..dataset })
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let rows = self.read(&[&self.label_column], surroundings)?;
        let classes = self.classes(&rows.train)?;
        let labels = |rows: &Vec<Rows>| self.labels(rows, &classes).map(|labelled| labelled.labels);
        let validation = rows.validation.as_ref().map(labels).transpose()?;
        let test = match &rows.test {
            Ok(rows) => Ok(labels(rows)?),
            Err(share) => Err(*share),
        };
        let all = SplitClasses {
            train: &labels(&rows.train)?,
            validation: validation.as_deref(),
            test: test.as_deref().map_err(|share| *share),
        };
        Ok(all.declare(Form::Image(self.images().shape), &classes.names))
    }
}

/// The classes, and whether the labels are their numbers.
struct Classes {
    names: Vec<String>,
    numbered: bool,
}

impl Parquet {
    fn images(&self) -> ImageReader {
        ImageReader::new(self.image_size, self.color_mode, self.interpolation, self.resize)
    }

    fn read(&self, columns: &[&str], surroundings: &Surroundings<'_>) -> Result<Splits> {
        let read = |pattern: &str| rows::read(pattern, Some(columns), b',', surroundings);
        Ok(Splits {
            train: read(&self.train)?,
            validation: self.validation.as_deref().map(read).transpose()?,
            test: self.test.open(read)?,
        })
    }

    /// The classes of the training files.
    fn classes(&self, train: &[Rows]) -> Result<Classes> {
        let values = rows::column_texts(train, &self.label_column)?;
        let named = train.iter().find_map(|file| file.class_names.clone());
        // Only numbers can stand for names.
        let classes = match named.filter(|_| values.iter().flatten().all(|value| value.parse::<i64>().is_ok())) {
            Some(names) => Classes { names, numbered: true },
            None => Classes { names: rows::classes_of(values.iter()), numbered: false },
        };
        rows::sensible(&classes.names, &self.label_column, &self.train)?;
        Ok(classes)
    }

    fn labels(&self, rows: &[Rows], classes: &Classes) -> Result<Labelled> {
        let values = rows::column_texts(rows, &self.label_column)?;
        Ok(rows::labelled(&values, &self.label_column, &classes.names, classes.numbered))
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
    /// The columns that are kept beside, with their values.
    beside: Vec<(String, Vec<Option<String>>)>,
    reader: ImageReader,
}

impl Encoded {
    fn new(rows: Vec<Rows>, column: &str, labelled: Labelled, reader: ImageReader) -> Result<Self> {
        let Labelled { labels, mut defects } = labelled;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(labels.len()));
        let names = RowNames::of(&rows);
        for file in rows {
            let images = rows::bytes_of(rows::column(&file, column)?, &file.path)?;
            for image in images.binary().expect("a column of bytes").iter() {
                if image.is_none() {
                    defects.entry(ends.len()).or_insert_with(|| format!("`{column}` is missing"));
                }
                bytes.extend_from_slice(image.unwrap_or_default());
                ends.push(bytes.len());
            }
        }
        Ok(Encoded { bytes, ends, labels, defects, names, beside: Vec::new(), reader })
    }

    fn image(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

impl Examples for Encoded {
    fn labels(&self) -> Labels<'_> {
        Labels::Classes(&self.labels)
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

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>> {
        Ok(self.beside.iter().find(|(column, _)| column == name).map(|(_, values)| values.clone()))
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
            Ok(()) => Ok((example[0], examples.labels().classes()[index])),
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
        assert_eq!(data.validation.as_ref().unwrap().labels().classes(), [2, 1, 0]);
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
