//! Rows of numbers and categories, for networks of dense layers.
//!
//! Numbers stay as they are: the model scales them, by the statistics of the training split, with `normalization`. A
//! category becomes as many numbers as the training file has of them, one of them 1 and the others 0.

mod encoded;

use super::{
    Dataset, Declared, Examples, Form, ImageReader, Parts, SourceDefinition, Surroundings, TestPart,
    image_csv::{label_column, separator},
    labels::KeptLabels,
    part::{SplitClasses, counts, mixed, train_and_test},
    rows::{self, Labelled, Rows},
};
use encoded::{Feature, Numbers, encoded, is_numeric, number, values_of};
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    task::Task,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Rows of CSV or parquet files: columns of numbers and of categories, and one with the class, or with the number to predict.
///
/// A column of text is one of categories: each category that `train` has becomes a feature that is 1 or 0. Begin the model
/// with `normalization`, which brings every feature to mean 0 and variance 1 by the training split alone. A row that lacks a
/// value, or has a category that `train` doesn't have, cannot be read: `dataset.on_error` says what becomes of it.
///
/// The order of training examples is a fixed permutation of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [
    {"train": "iris.csv", "test": {"split": 0.2}, "label_column": "species"},
    {"train": "adult-train.parquet", "test": "adult-test.parquet", "label_column": "income", "features": ["age", "workclass", "hours"]},
    {"train": "houses.csv", "test": {"split": 0.2}, "label_column": "price", "task": "regression"},
]))]
pub struct Table {
    /// The file for training, or a pattern for several, such as `data/train-*.csv`. A relative path is looked for in the
    /// data directory (`--data-dir`, `TRAINYARD_DATA`) where one is named, else in the current directory.
    #[schemars(length(min = 1))]
    pub train: String,
    /// The same for validation, where there is one; `dataset.validation` is then `official` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-known-as" = ["val"]))]
    pub validation: Option<String>,
    /// The same for testing; or `{split: 0.2}`, which keeps that share of the rows in `train`, the same of every class, for
    /// testing.
    pub test: TestPart,
    /// The column to predict: that of the classes, or with `task: regression` that of the numbers.
    #[serde(default = "label_column")]
    #[schemars(length(min = 1), extend("x-known-as" = ["target", "target_column"]))]
    pub label_column: String,
    /// What is predicted: which class a row is of, or a number.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["objective", "problem_type"], "examples" = ["regression"]))]
    pub task: Task,
    /// The columns that the model gets, in this order; all but the label where they aren't named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536), extend("examples" = [["age", "hours"]]))]
    pub features: Option<Vec<String>>,
    /// Columns of numbers that are categories all the same, such as postal codes.
    #[serde(default)]
    #[schemars(length(max = 65536), extend("examples" = [["month"]]))]
    pub categorical: Vec<String>,
    /// What stands between the columns of a CSV file.
    #[serde(default = "separator")]
    #[schemars(extend("pattern" = "^[\\x01-\\x7f]$", "x-expected" = "a single ASCII character", "x-known-as" = ["delimiter", "sep"]))]
    pub separator: String,
}

/// More categories than these in a column are identifiers.
const MAX_CATEGORIES: usize = 1000;
/// The most features that a table may have.
const MAX_FEATURES: usize = 65_536;

/// All that a table holds.
struct Found {
    /// None where numbers are predicted.
    classes: Vec<String>,
    features: Vec<Feature>,
    train: Numbers,
    validation: Option<Numbers>,
    test: Result<Numbers, f64>,
    digest: String,
}

impl SourceDefinition for Table {
    fn declare(&self) -> Declared {
        Declared::default()
    }

    fn task(&self) -> Task {
        self.task
    }

    fn reader(&self) -> Option<ImageReader> {
        None
    }

    fn open(&self, surroundings: &Surroundings<'_>) -> Result<Dataset> {
        let Found { classes, features, train, validation, test, digest } = self.read(surroundings)?;
        let features: Vec<String> = features.iter().flat_map(Feature::names).collect();
        let test = test.map(|test| Arc::new(test) as Arc<dyn Examples>);
        let (train, test) = train_and_test(mixed(Arc::new(train)), test);
        Ok(Dataset {
            classes,
            target: (self.task == Task::Regression).then(|| self.label_column.clone()),
            form: Form::Features(features.len()),
            features,
            train,
            validation: validation.map(|validation| Arc::new(validation) as Arc<dyn Examples>),
            test,
            location: self.train.clone(),
            digest,
            reader: None,
        })
    }

    fn look(&self, surroundings: &Surroundings<'_>) -> Result<Declared> {
        let found = self.read(surroundings)?;
        let form = Form::Features(found.train.features);
        let declared = match self.task {
            Task::Classification => {
                let classes = |split: &Numbers| split.labels.view().classes().to_vec();
                let validation = found.validation.as_ref().map(classes);
                let test = found.test.as_ref().map(classes);
                let all = SplitClasses {
                    train: &classes(&found.train),
                    validation: validation.as_deref(),
                    test: test.as_deref().map_err(|share| **share),
                };
                all.declare(form, &found.classes)
            }
            Task::Regression => {
                let (train, test) = match &found.test {
                    Ok(test) => (found.train.len(), test.len()),
                    Err(share) => counts(found.train.len(), *share),
                };
                Declared {
                    form: Some(form),
                    train: Some(train),
                    validation: found.validation.as_ref().map(Examples::len),
                    test: Some(test),
                    ..Declared::default()
                }
            }
        };
        Ok(Declared { features: Some(found.features.iter().flat_map(Feature::names).collect()), ..declared })
    }
}

impl Table {
    fn read(&self, surroundings: &Surroundings<'_>) -> Result<Found> {
        let wanted = self.features.as_ref().map(|features| {
            features.iter().chain([&self.label_column]).map(String::as_str).collect::<Vec<&str>>()
        });
        let read = |pattern: &str| rows::read(pattern, wanted.as_deref(), self.separator.as_bytes()[0], surroundings);
        let train = read(&self.train)?;
        let features = self.features(&train)?;
        let classes = match self.task {
            Task::Classification => self.classes(&train)?,
            Task::Regression => self.refuse_what_is_no_number(&train).map(|()| Vec::new())?,
        };
        let mut digest = Parts::new("table");
        digest.add_names(classes.iter());
        digest.add_names(features.iter().flat_map(Feature::names).collect::<Vec<String>>().iter());
        let mut numbers = |split: &str, rows: &[Rows]| -> Result<Numbers> {
            let (labels, defects) = self.labels(rows, &classes)?;
            rows::digest(&mut digest, split, rows, &labels.bytes(), surroundings)?;
            encoded(rows, &features, labels, defects)
        };
        let train = numbers("train", &train)?;
        let mut other = |split: &str, pattern: &str| numbers(split, &read(pattern)?);
        let validation = self.validation.as_deref().map(|pattern| other("validation", pattern)).transpose()?;
        let test = self.test.open(|pattern| other("test", pattern))?;
        Ok(Found { train, validation, test, digest: digest.finish(), classes, features })
    }

    /// The classes that the training files name.
    fn classes(&self, train: &[Rows]) -> Result<Vec<String>> {
        let classes = rows::classes_of(rows::column_texts(train, &self.label_column)?.iter());
        rows::sensible(&classes, &self.label_column, &self.train)?;
        Ok(classes)
    }

    /// What is to be predicted of the rows, and why some of them don't tell it.
    fn labels(&self, rows: &[Rows], classes: &[String]) -> Result<(KeptLabels, BTreeMap<usize, String>)> {
        if self.task == Task::Classification {
            let texts = rows::column_texts(rows, &self.label_column)?;
            let Labelled { labels, defects } = rows::labelled(&texts, &self.label_column, classes, false);
            return Ok((KeptLabels::Classes(labels), defects));
        }
        let (mut labels, mut defects) = (Vec::new(), BTreeMap::new());
        for file in rows {
            for value in values_of(file, &self.label_column)? {
                if let Err(reason) = &value {
                    defects.insert(labels.len(), reason.clone());
                }
                labels.push(value.unwrap_or(f32::NAN));
            }
        }
        Ok((KeptLabels::Numbers(labels), defects))
    }

    /// A few values may be missing or spoilt: these are told row by row.
    fn refuse_what_is_no_number(&self, train: &[Rows]) -> Result<()> {
        let texts = rows::column_texts(train, &self.label_column)?;
        let (numbers, others): (Vec<&String>, Vec<&String>) =
            texts.iter().flatten().partition(|text| number(text).is_some());
        if numbers.len() > others.len() {
            return Ok(());
        }
        let such = others.first().map(|text| format!(", such as `{text}`")).unwrap_or_default();
        let message = format!("`{}` of {} holds no numbers to predict{such}", self.label_column, self.train);
        let problem = Diagnostic::error(Code::BAD_DATA, message);
        Err(Box::new(problem.help("name a column of numbers; `task: classification` predicts categories")))
    }

    /// A column of numbers with a few other texts, such as `NA`, is no column of categories by itself.
    fn refuse_spoilt_numbers(&self, column: &String, texts: &[Option<String>]) -> Result<()> {
        if self.categorical.contains(column) {
            return Ok(());
        }
        let others: Vec<&String> = texts.iter().flatten().filter(|text| number(text).is_none()).collect();
        let Some(first) = others.first().filter(|_| 2 * others.len() < texts.iter().flatten().count()) else {
            return Ok(());
        };
        let message = format!("`{column}` of {} holds numbers, and {} times something else, such as `{first}`", self.train, others.len());
        let problem = Diagnostic::error(Code::BAD_DATA, message);
        Err(Box::new(problem.help("leave missing values empty, or name the column in `categorical`")))
    }

    /// What the columns of the training files become.
    fn features(&self, train: &[Rows]) -> Result<Vec<Feature>> {
        let Some(first) = train.first() else { return Ok(Vec::new()) };
        let known = rows::names_of(&first.frame);
        let wanted = self.features.clone().unwrap_or_else(|| {
            // Where rows are sorted by class, pandas' numbers of them would give the answer away.
            let is_feature = |name: &&String| **name != self.label_column && *name != "__index_level_0__";
            known.iter().filter(is_feature).cloned().collect()
        });
        let named = [std::slice::from_ref(&self.label_column), &self.categorical, &wanted].concat();
        if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
            return Err(rows::unknown_column(unknown, &known, &first.path));
        }
        if wanted.contains(&self.label_column) {
            let message = format!("`{}` is the label, and among the features, too", self.label_column);
            let problem = Diagnostic::error(Code::BAD_DATA, message);
            return Err(Box::new(problem.help("take it out of `features`: the model would read off the answer")));
        }
        if let Some(twice) = wanted.iter().enumerate().find(|(at, name)| wanted[..*at].contains(name)) {
            let problem = Diagnostic::error(Code::BAD_DATA, format!("`features` names `{}` twice", twice.1));
            return Err(Box::new(problem.help("remove one of the two")));
        }
        if train.iter().all(|file| file.frame.height() == 0) {
            return Err(Box::new(Diagnostic::error(Code::BAD_DATA, format!("{} has no rows", self.train))));
        }
        let mut features = Vec::new();
        let mut count = 0;
        for column in wanted {
            let feature = match !self.categorical.contains(&column) && is_numeric(train, &column)? {
                true => Feature::Number(column),
                false => {
                    let texts = rows::column_texts(train, &column)?;
                    self.refuse_spoilt_numbers(&column, &texts)?;
                    let categories = rows::classes_of(texts.iter());
                    if categories.len() > MAX_CATEGORIES {
                        let message = format!("`{column}` has {} different values: that is no category", categories.len());
                        let problem = Diagnostic::error(Code::BAD_DATA, message);
                        return Err(Box::new(problem.help("name the columns that the model is to get in `features`")));
                    }
                    Feature::Category(column, categories)
                }
            };
            count += feature.names().len();
            features.push(feature);
        }
        match count {
            1..=MAX_FEATURES => Ok(features),
            0 => Err(Box::new(Diagnostic::error(Code::BAD_DATA, format!("{} has no column of features", self.train)))),
            _ => {
                let message = format!("{} becomes {count} features, more than {MAX_FEATURES}", self.train);
                Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help("name fewer columns in `features`")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::{surrounded, wording};
    use serde_json::json;
    use std::{fs, path::Path};

    fn opened(root: &Path, source: serde_json::Value) -> Result<Dataset> {
        let source: Table = serde_json::from_value(source).unwrap();
        surrounded(Some(root.to_owned()), "cache".into(), |around| {
            let looked = source.look(around)?;
            let opened = source.open(around)?;
            assert_eq!((looked.form, looked.train), (Some(opened.form), Some(opened.train.len())));
            Ok(opened)
        })
    }

    fn rows(examples: &dyn Examples, features: usize) -> Vec<Result<Vec<f32>, String>> {
        let mut example = vec![0; features * 4];
        let read = |index: usize| match examples.read(index, &mut example) {
            Ok(()) => Ok(example.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect()),
            Err(problem) => Err(problem.message),
        };
        (0..examples.len()).map(read).collect()
    }

    const TRAIN: &str = "size,colour,code,kind\n1.5,red,7,b\n-2e1,blue,8,a\n3,red,7,a\n";

    #[test]
    fn numbers_stay_and_categories_become_a_feature_each() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("train.csv"), TRAIN).unwrap();
        let test = "kind,code,size,colour\nb,8,0.5,red\na,9,1,blue\nc,7,1,blue\nb,7,,blue\nb,7,big,red\n";
        fs::write(root.join("test.csv"), test).unwrap();
        let source = json!({
            "train": "train.csv", "test": "test.csv", "label_column": "kind", "categorical": ["code"],
        });
        let data = opened(root, source).unwrap();
        assert_eq!(data.features, ["size", "colour=blue", "colour=red", "code=7", "code=8"]);
        assert_eq!((data.form, &data.classes[..]), (Form::Features(5), &["a".to_owned(), "b".to_owned()][..]));
        assert!(data.train.in_memory() && data.train.is_sound() && !data.test.is_sound());
        let mut train: Vec<Vec<f32>> = rows(&*data.train, 5).into_iter().map(Result::unwrap).collect();
        train.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(train, [[-20.0, 1.0, 0.0, 0.0, 1.0], [1.5, 0.0, 1.0, 1.0, 0.0], [3.0, 0.0, 1.0, 1.0, 0.0]]);
        // The order of a file's columns is its own matter.
        let test = rows(&*data.test, 5);
        assert_eq!(test[0], Ok(vec![0.5, 0.0, 1.0, 0.0, 1.0]));
        let told: Vec<&str> = test[1..].iter().map(|row| row.as_ref().unwrap_err().as_str()).collect();
        assert_eq!(
            told,
            [
                "test.csv row 2: `code` is `9`, which no training row has",
                "test.csv row 3: `kind` is `c`, which no training row has",
                "test.csv row 4: `size` is missing",
                "test.csv row 5: `size` is `big`, and a number elsewhere",
            ]
        );
    }

    #[test]
    fn numbers_are_predicted_and_what_is_none_is_told_by_its_row() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let train: String = (0..20).map(|row| format!("{},{}.25\n", row, 100 - row)).collect();
        fs::write(root.join("train.csv"), format!("size,price\n{train}")).unwrap();
        fs::write(root.join("test.csv"), "price,size\n-1.5e3,1\n,2\nabc,3\ninf,4\n7,\n").unwrap();
        let source = |test: serde_json::Value| {
            json!({ "train": "train.csv", "test": test, "label_column": "price", "task": "regression" })
        };
        let data = opened(root, source(json!("test.csv"))).unwrap();
        assert_eq!((data.classes.len(), data.target.as_deref()), (0, Some("price")));
        assert_eq!((data.test.labels().numbers()[0], data.test.labels().task()), (-1500.0, Task::Regression));
        let rows = rows(&*data.test, 1);
        assert_eq!(rows[0], Ok(vec![1.0]));
        let told: Vec<&str> = rows[1..].iter().map(|row| row.as_ref().unwrap_err().as_str()).collect();
        assert_eq!(
            told,
            [
                "test.csv row 2: `price` is missing",
                "test.csv row 3: `price` is `abc`, and a number elsewhere",
                "test.csv row 4: `price` is `inf`, and a number elsewhere",
                "test.csv row 5: `size` is missing",
            ]
        );
        // A share is one of all rows, and each keeps its number.
        let data = opened(root, source(json!({"split": 0.25}))).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (15, 5));
        for examples in [&data.train, &data.test] {
            for (row, number) in super::tests::rows(&**examples, 1).into_iter().zip(examples.labels().numbers()) {
                assert_eq!(row.unwrap()[0] + number, 100.25);
            }
        }
        let classes = json!({ "train": "train.csv", "test": {"split": 0.25}, "label_column": "price" });
        assert_ne!(opened(root, classes).unwrap().digest, data.digest);
    }

    #[test]
    fn what_pandas_writes_is_read() {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows");
        let source = json!({ "train": "table.parquet", "test": "table.parquet", "label_column": "kind" });
        let data = opened(&files, source).unwrap();
        assert_eq!(data.features, ["age", "hours", "city=Bern", "city=Oslo", "city=Rome", "member"]);
        let test = rows(&*data.test, 6);
        assert_eq!(test[0], Ok(vec![20.0, 1.5, 0.0, 0.0, 1.0, 1.0]));
        assert_eq!(test[2], Err("table.parquet row 3: `hours` is missing".to_owned()));
        assert_eq!(data.test.labels().classes(), [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn mistakes_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("train.csv"), TRAIN).unwrap();
        let many: String = (0..1500).map(|row| format!("name{row},{}\n", row % 2)).collect();
        fs::write(root.join("many.csv"), format!("name,kind\n{many}")).unwrap();
        fs::write(root.join("spoilt.csv"), "size,kind\n1,a\nNA,b\n2,a\n3,b\n").unwrap();
        fs::write(root.join("label.csv"), "kind\na\nb\n").unwrap();
        let source = |train: &str, more: serde_json::Value| {
            let mut source = json!({ "train": train, "test": {"split": 0.5}, "label_column": "kind" });
            source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            source
        };
        for (source, want) in [
            (source("spoilt.csv", json!({})), "`size` of spoilt.csv holds numbers, and 1 times something else, such as `NA`"),
            (source("train.csv", json!({"label_column": "kinds"})), "help: did you mean `kind`?"),
            (source("train.csv", json!({"features": ["colour", "weight"]})), "has no column `weight`"),
            (source("train.csv", json!({"categorical": ["cod"]})), "help: did you mean `code`?"),
            (source("train.csv", json!({"features": ["size", "kind"]})), "`kind` is the label, and among the features, too"),
            (source("many.csv", json!({})), "`name` has 1500 different values: that is no category"),
            (source("label.csv", json!({})), "label.csv has no column of features"),
            (source("train.csv", json!({"task": "regression"})), "`kind` of train.csv holds no numbers to predict, such as `b`"),
            (source("train.csv", json!({"label_column": "colour", "test": "label.csv"})), "has no column `colour`"),
        ] {
            let text = wording(&opened(root, source).unwrap_err());
            assert!(text.contains(want), "{text}");
        }
    }
}
