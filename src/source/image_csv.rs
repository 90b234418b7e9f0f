//! Image files that a table names, with their classes.

use super::{
    ColorMode, Dataset, Declared, ImageReader, ImageSize, Interpolation, Resize, SourceDefinition, Surroundings,
    TestPart,
    files::{self, Found, Splits},
    part::mix,
    place,
    rows::{self, RowNames},
};
use crate::diagnostic::{Code, Diagnostic, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Image files that are listed in CSV or parquet files: a column with their paths, and one with their classes.
///
/// Classes are the different values of the label column in `train`, sorted. Images are read as `image_folder` reads them.
/// The order of training examples is a fixed permutation of the rows, since lists are often sorted by class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"train": "train.csv", "test": "test.csv", "image_size": 64},
    {"train": "labels.csv", "test": {"split": 0.2}, "root": "images", "path_column": "file", "label_column": "species"},
]))]
pub struct ImageCsv {
    /// The file that lists the images for training, or a pattern such as `lists/train-*.csv` for several. A relative path is
    /// looked for in the data directory (`--data-dir`, `TRAINYARD_DATA`) where one is named, else in the current directory.
    #[schemars(length(min = 1))]
    pub train: String,
    /// The same for validation, where there is one; `dataset.validation` is then `official` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-known-as" = ["val"]))]
    pub validation: Option<String>,
    /// The same for testing; or `{split: 0.2}`, which keeps that share of the images in `train`, the same of every class, for
    /// testing.
    pub test: TestPart,
    /// The folder at which the paths start; where it isn't given, the one that their list is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub root: Option<PathBuf>,
    /// The column of the paths.
    #[serde(default = "path_column")]
    #[schemars(length(min = 1))]
    pub path_column: String,
    /// The column of the classes.
    #[serde(default = "label_column")]
    #[schemars(length(min = 1))]
    pub label_column: String,
    /// Other columns to keep, such as the camera, by which `slices` in `evaluation` can divide the test images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("examples" = [["camera"]]))]
    pub columns: Vec<String>,
    /// What stands between the columns of a CSV file.
    #[serde(default = "separator")]
    #[schemars(extend("pattern" = "^[\\x01-\\x7f]$", "x-expected" = "a single ASCII character", "x-known-as" = ["delimiter", "sep"]))]
    pub separator: String,
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

fn path_column() -> String {
    "path".to_owned()
}

pub(super) fn label_column() -> String {
    "label".to_owned()
}

pub(super) fn separator() -> String {
    ",".to_owned()
}

/// How many rows are told one by one.
const TOLD: usize = 20;

/// A row: what it is called, the path, the class.
struct Row {
    path: String,
    root: PathBuf,
    class: String,
    beside: Vec<Option<String>>,
}

impl SourceDefinition for ImageCsv {
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
        let (classes, splits) = self.list(surroundings)?;
        files::open("image_csv", self.train.clone(), &classes, splits, self.images(), surroundings)
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let (classes, splits) = self.list(surroundings)?;
        Ok(splits.declare(self.images(), &classes))
    }
}

impl ImageCsv {
    fn images(&self) -> ImageReader {
        ImageReader::new(self.image_size, self.color_mode, self.interpolation, self.resize)
    }

    fn list(&self, surroundings: &Surroundings<'_>) -> Result<(Vec<String>, Splits)> {
        let train = self.rows(&self.train, surroundings)?;
        let of_train: Vec<Option<String>> = train.iter().map(|row| Some(row.class.clone())).collect();
        let classes = rows::classes_of(of_train.iter());
        rows::sensible(&classes, &self.label_column, &self.train)?;
        let other = |pattern: &str| self.found(self.rows(pattern, surroundings)?, &classes, pattern);
        let validation = self.validation.as_deref().map(other).transpose()?;
        let test = self.test.open(other)?;
        let mut train = self.found(train, &classes, &self.train)?;
        mix(&mut train);
        Ok((classes, Splits { train, validation, test, columns: self.columns.clone() }))
    }

    /// The rows of the files that `pattern` means.
    fn rows(&self, pattern: &str, surroundings: &Surroundings<'_>) -> Result<Vec<Row>> {
        let wanted = [self.path_column.as_str(), self.label_column.as_str()];
        let named = self.root.as_deref().map(|root| place::folder(root, surroundings)).transpose()?;
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        let all_wanted: Vec<&str> = wanted.into_iter().chain(self.columns.iter().map(String::as_str)).collect();
        let files = rows::read(pattern, Some(&all_wanted), self.separator.as_bytes()[0], surroundings)?;
        let names = RowNames::of(&files);
        let mut number = 0;
        for file in &files {
            let root = named.clone().unwrap_or_else(|| file.path.parent().unwrap_or(Path::new("")).to_owned());
            let [paths, classes] = wanted.map(|name| rows::texts(rows::column(file, name)?, &file.path));
            let beside = self.columns.iter().map(|name| rows::texts(rows::column(file, name)?, &file.path));
            let beside = beside.collect::<Result<Vec<_>>>()?;
            for (at, pair) in paths?.into_iter().zip(classes?).enumerate() {
                let mut lacks = |column: &str| wrong.push(format!("{}: `{column}` is missing", names.describe(number)));
                match pair {
                    (Some(path), Some(class)) => {
                        let beside = beside.iter().map(|column| column[at].clone()).collect();
                        all.push(Row { path, root: root.clone(), class, beside });
                    }
                    (None, _) => lacks(&self.path_column),
                    (_, None) => lacks(&self.label_column),
                }
                number += 1;
            }
        }
        if all.is_empty() && wrong.is_empty() {
            wrong.push("there are no rows".to_owned());
        }
        if wrong.is_empty() {
            return Ok(all);
        }
        let problem = Diagnostic::error(Code::BAD_DATA, format!("{pattern} doesn't name an image and its class in every row"));
        let more = wrong.len().saturating_sub(TOLD);
        let problem = wrong.iter().take(TOLD).fold(problem, |problem, row| problem.fact(row.as_str()));
        Err(Box::new(if more > 0 { problem.fact(format!("and {more} more")) } else { problem }))
    }

    fn found(&self, rows: Vec<Row>, classes: &[String], pattern: &str) -> Result<Vec<Found>> {
        let values: Vec<Option<String>> = rows.iter().map(|row| Some(row.class.clone())).collect();
        let labelled = rows::labelled(&values, &self.label_column, classes, false);
        if let Some((row, reason)) = labelled.defects.first_key_value() {
            let message = format!("row {} of {pattern}: {reason}", row + 1);
            let problem = Diagnostic::error(Code::BAD_DATA, message);
            return Err(Box::new(problem.help("a model can be tested only on classes that it was trained on")));
        }
        let found: Vec<Found> = rows
            .into_iter()
            .zip(labelled.labels)
            .map(|(row, label)| Found { path: row.root.join(&row.path), name: row.path, label, beside: row.beside })
            .collect();
        // A single one that is missing is found when it is read; here it is about a wrong root.
        if let Some(first) = found.first().filter(|_| found.iter().all(|image| !image.path.exists())) {
            let message = format!("none of the {} images that {pattern} lists is there", found.len());
            let problem = Diagnostic::error(Code::DATA_NOT_FOUND, message);
            let problem = problem.fact(format!("the first would be {}", first.path.display()));
            return Err(Box::new(problem.help("`root` names the folder at which the paths start")));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::{surrounded, wording};
    use image::{ImageBuffer, Rgb};
    use serde_json::json;
    use std::fs;

    fn lay_out(root: &Path) {
        fs::create_dir_all(root.join("pictures/old")).unwrap();
        for (index, red) in [10u8, 20, 30, 40].into_iter().enumerate() {
            let name = format!("pictures/{}{index}.png", if index == 3 { "old/" } else { "" });
            ImageBuffer::from_pixel(3, 2, Rgb([red, 0, 0])).save(root.join(name)).unwrap();
        }
        let list = "path,label,note\npictures/0.png,9,\npictures/1.png,10,\"a, b\"\npictures/old/3.png,9,\n";
        fs::write(root.join("list.csv"), list).unwrap();
        fs::write(root.join("test.tsv"), "file\tkind\n2.png\t10\nold/3.png\t9\n").unwrap();
    }

    fn opened(root: &Path, source: serde_json::Value) -> Result<Dataset> {
        let source: ImageCsv = serde_json::from_value(source).unwrap();
        surrounded(Some(root.to_owned()), root.join("cache"), |around| {
            source.look(around)?;
            source.open(around)
        })
    }

    fn reds(examples: &dyn crate::source::Examples) -> Vec<(u8, u32)> {
        let mut example = [0; 3];
        let read = |index| {
            examples.read(index, &mut example).unwrap();
            (example[0], examples.labels().classes()[index])
        };
        (0..examples.len()).map(read).collect()
    }

    #[test]
    fn rows_are_images_and_classes_sort_as_numbers() {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let data = opened(directory.path(), json!({"train": "list.csv", "test": "list.csv", "image_size": 1})).unwrap();
        assert_eq!(data.classes, ["9", "10"]);
        let mut train = reds(&*data.train);
        train.sort_unstable();
        assert_eq!(train, [(10, 0), (20, 1), (40, 0)]);
        assert_eq!(reds(&*data.test), [(10, 0), (20, 1), (40, 0)]);
        assert_eq!(data.test.describe(2), "pictures/old/3.png");
        let share = json!({"train": "list.csv", "test": {"split": 0.5}, "image_size": 1});
        let data = opened(directory.path(), share).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (1, 2));
    }

    #[test]
    fn columns_separator_and_root_can_be_named() {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let source = json!({
            "train": "test.tsv", "test": "test.tsv", "separator": "\t", "path_column": "file", "label_column": "kind",
            "root": "pictures", "image_size": 1,
        });
        assert_eq!(reds(&*opened(directory.path(), source).unwrap().test), [(30, 1), (40, 0)]);
    }

    #[test]
    fn mistakes_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        lay_out(root);
        fs::write(root.join("gaps.csv"), "path,label\n,a\nx.png,\ny.png,b\n").unwrap();
        fs::write(root.join("empty.csv"), "").unwrap();
        fs::write(root.join("header.csv"), "path,label\n").unwrap();
        fs::write(root.join("ragged.csv"), "path,label\na,b\na,b,c,d\n").unwrap();
        fs::write(root.join("away.csv"), "path,label\nno.png,9\nnowhere.png,10\n").unwrap();
        fs::write(root.join("other.csv"), "path,label\npictures/0.png,11\n").unwrap();
        fs::write(root.join("single.csv"), "path,label\npictures/0.png,11\n").unwrap();
        for (train, test, want) in [
            ("absent.csv", "list.csv", "the file absent.csv doesn't exist"),
            ("pictures", "list.csv", "is a folder"),
            ("test.tsv", "list.csv", "has no column `path`"),
            ("gaps.csv", "list.csv", "gaps.csv row 1: `path` is missing\nnote: gaps.csv row 2: `label` is missing"),
            ("empty.csv", "list.csv", "has no column `path`"),
            ("header.csv", "list.csv", "there are no rows"),
            ("ragged.csv", "list.csv", "cannot read the rows of"),
            ("away.csv", "list.csv", "none of the 2 images that away.csv lists is there"),
            ("single.csv", "list.csv", "nothing to tell apart"),
            ("list.csv", "other.csv", "row 1 of other.csv: `label` is `11`, which no training row has"),
        ] {
            let complaint = opened(root, json!({"train": train, "test": test})).unwrap_err();
            let text = wording(&complaint);
            assert!(text.contains(want), "{text}");
        }
    }
}
