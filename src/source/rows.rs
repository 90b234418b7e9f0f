//! Rows of CSV and parquet files, read with polars, and the classes that a column of them names.

use super::{Parts, Surroundings, place};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error, nearest},
    guard,
    memo::{Memo, Sum, sum_of},
};
use polars::prelude::{
    AnyValue, ArrowDataType, Column, CsvReadOptions, DataFrame, DataType, ParquetReader, PolarsError, PolarsResult,
    SerReader,
};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// The most bytes that a file of rows may have.
const MAX_BYTES: u64 = 32 << 30;

/// A file of rows.
pub(super) struct Rows {
    /// Where it is.
    pub path: PathBuf,
    /// The columns that were asked for.
    pub frame: DataFrame,
    /// What its schema says of a column, as Hugging Face's libraries write it, and nobody else.
    pub class_names: Option<Vec<String>>,
}

/// What the rows of several files, one behind the other, are called.
#[derive(Default)]
pub(super) struct RowNames {
    /// The files' names, and the index of the first row of each.
    files: Vec<(usize, String)>,
}

impl RowNames {
    /// Of those files.
    pub fn of(files: &[Rows]) -> Self {
        let mut names = RowNames::default();
        let mut first = 0;
        for file in files {
            names.files.push((first, file.path.file_name().unwrap_or_default().to_string_lossy().into_owned()));
            first += file.frame.height();
        }
        names
    }

    /// What a row is called: the file, and the row's number in it, from 1.
    pub fn describe(&self, row: usize) -> String {
        let file = self.files.partition_point(|(first, _)| *first <= row).checked_sub(1);
        let Some((first, name)) = file.and_then(|file| self.files.get(file)) else { return row.to_string() };
        format!("{name} row {}", row - first + 1)
    }
}

fn unsound(path: &Path, error: &PolarsError) -> Box<Diagnostic> {
    let text = error.to_string().to_lowercase();
    let reason = match text.lines().next().unwrap_or_default() {
        line if line.contains("found more fields") => {
            "some rows have more columns than the first line names".to_owned()
        }
        line if line.contains("utf-8") => "it isn't text in UTF-8".to_owned(),
        line if line.contains("compile with feature 'decompress'") => "it is compressed: unpack it first".to_owned(),
        line => line.trim_end_matches('.').to_owned(),
    };
    let problem = Diagnostic::error(Code::BAD_DATA, format!("cannot read the rows of {}: {reason}", path.display()));
    Box::new(match text.contains("utf-8") {
        true => problem.help("save it as UTF-8"),
        false => problem,
    })
}

/// What seems to stand between the columns of a CSV file, where it is something else than was said.
fn other_separator(path: &Path, said: u8) -> Option<char> {
    let mut first = Vec::new();
    File::open(path).ok()?.take(1 << 16).read_to_end(&mut first).ok()?;
    let line = first.split(|byte| *byte == b'\n').next()?;
    let count = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
    let likely = b",;\t|".iter().copied().max_by_key(|separator| count(*separator))?;
    (likely != said && count(likely) > count(said)).then(|| char::from(likely))
}

/// Says so where another separator explains what went wrong.
fn with_separator(problem: Box<Diagnostic>, path: &Path, said: u8) -> Box<Diagnostic> {
    match other_separator(path, said) {
        Some(other) => {
            let shown = if other == '\t' { "\\t".to_owned() } else { other.to_string() };
            let problem = Diagnostic { help: Vec::new(), notes: Vec::new(), ..*problem };
            Box::new(
                problem.help(format!("its first line has `{shown}` between the columns: say `separator: \"{shown}\"`")),
            )
        }
        None => problem,
    }
}

/// Calls polars on an untrusted file: where its parts contradict each other, polars panics.
///
/// # Errors
/// Where polars fails in either way.
fn guarded<T>(path: &Path, call: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let shown = path.display();
    match guard::caught_elsewhere(call) {
        Ok(result) => result.map_err(|error| unsound(path, &error)),
        // It asks for a part of itself that isn't built in.
        Err(said) if said.contains("activate") => {
            let message = format!("{shown} has a column of a type that isn't read");
            Err(Box::new(
                Diagnostic::error(Code::BAD_DATA, message).help("name the columns that are needed, or convert it"),
            ))
        }
        Err(_) => {
            let message = format!("cannot read the rows of {shown}: its parts contradict each other");
            Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help("make it anew, or fetch it again")))
        }
    }
}

/// More rows than these are none of a file that fits into memory.
const MAX_ROWS: usize = 1 << 27;

/// Whether a file is parquet; anything else is taken for CSV.
fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

fn open(path: &Path) -> Result<File> {
    let failed = |error| io_error("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > MAX_BYTES {
        let message = format!("{} is larger than {} GiB, the most that is read", path.display(), MAX_BYTES >> 30);
        return Err(Box::new(
            Diagnostic::error(Code::BAD_DATA, message).help("divide it, and name the parts by a pattern"),
        ));
    }
    Ok(file)
}

/// All columns as text: what is a number is found out where the values are used, and the same in every split.
fn csv(path: &Path, separator: u8, rows: Option<usize>) -> Result<DataFrame> {
    open(path)?;
    let options = CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(Some(0))
        .with_n_rows(rows)
        .with_raise_if_empty(false)
        .map_parse_options(|options| options.with_separator(separator));
    let read = guarded(path, || options.try_into_reader_with_file_path(Some(path.to_owned()))?.finish());
    read.map_err(|problem| with_separator(problem, path, separator))
}

/// Of what kind a column is that isn't read.
fn kind_unread(dtype: &ArrowDataType) -> Option<&'static str> {
    match dtype {
        ArrowDataType::Date32 | ArrowDataType::Date64 | ArrowDataType::Timestamp(..) => Some("dates"),
        ArrowDataType::Time32(_) | ArrowDataType::Time64(_) | ArrowDataType::Duration(_) => Some("times"),
        ArrowDataType::Decimal(..) | ArrowDataType::Decimal256(..) => Some("decimals"),
        ArrowDataType::List(_) | ArrowDataType::LargeList(_) | ArrowDataType::FixedSizeList(..) => Some("lists"),
        _ => None,
    }
}

/// Reads the files that `pattern` means; of each the columns `wanted`, or all.
///
/// # Errors
/// Where there is no such file, it isn't sound, or lacks a column.
pub(super) fn read(
    pattern: &str,
    wanted: Option<&[&str]>,
    separator: u8,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Rows>> {
    let read = |path: PathBuf| {
        if surroundings.stop.load(Ordering::Relaxed) {
            return Err(Box::new(Diagnostic::error(Code::IO, "reading the data was interrupted")));
        }
        if is_parquet(&path) { read_parquet(path, wanted) } else { read_csv(path, wanted, separator) }
    };
    place::files(pattern, surroundings)?.into_iter().map(read).collect()
}

/// A column that is `wanted` and isn't there.
fn lacking<'a>(wanted: Option<&[&'a str]>, known: &[String]) -> Option<&'a str> {
    wanted.unwrap_or_default().iter().copied().find(|name| !known.iter().any(|known| known == name))
}

/// The columns to read: one that is asked for twice is read once.
fn each_once(wanted: Option<&[&str]>) -> Option<Vec<String>> {
    let names: BTreeSet<&str> = wanted?.iter().copied().collect();
    Some(names.into_iter().map(str::to_owned).collect())
}

fn read_csv(path: PathBuf, wanted: Option<&[&str]>, separator: u8) -> Result<Rows> {
    let known = names_of(&csv(&path, separator, Some(0))?);
    if let Some(name) = lacking(wanted, &known) {
        return Err(with_separator(unknown_column(name, &known, &path), &path, separator));
    }
    let frame = csv(&path, separator, None)?;
    let frame = match each_once(wanted) {
        Some(names) => frame.select(names).map_err(|error| unsound(&path, &error))?,
        None => frame,
    };
    Ok(Rows { path, frame, class_names: None })
}

fn read_parquet(path: PathBuf, wanted: Option<&[&str]>) -> Result<Rows> {
    let mut reader = ParquetReader::new(open(&path)?);
    let (schema, count) = guarded(&path, || Ok((reader.schema()?, reader.num_rows()?)))?;
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.contains(&name));
    for (name, field) in schema.iter().filter(|(name, _)| is_wanted(name)) {
        if let Some(kind) = kind_unread(&field.dtype) {
            let message = format!("the column `{name}` of {} holds {kind}, which aren't read", path.display());
            let help = "make numbers or text of it, or name the columns that are needed in `features`";
            return Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help(help)));
        }
    }
    let known: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
    if let Some(name) = lacking(wanted, &known) {
        return Err(unknown_column(name, &known, &path));
    }
    if count > MAX_ROWS {
        let message = format!("{} says that it has {count} rows, more than {MAX_ROWS}", path.display());
        return Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help("divide it into several files")));
    }
    let (frame, class_names) = guarded(&path, || {
        let entries = reader.get_metadata()?.key_value_metadata().iter().flatten();
        let class_names = entries
            .filter(|entry| entry.key == "huggingface")
            .find_map(|entry| class_names(entry.value.as_deref()?, wanted?.last()?));
        Ok((reader.with_columns(each_once(wanted)).finish()?, class_names))
    })?;
    Ok(Rows { path, frame, class_names })
}

pub(super) fn unknown_column(name: &str, known: &[String], path: &Path) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::BAD_DATA, format!("{} has no column `{name}`", path.display()));
    let names: Vec<String> = known.iter().take(30).map(|name| format!("`{name}`")).collect();
    let problem =
        problem.fact(format!("it has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }));
    Box::new(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("name the column in the source"),
    })
}

/// The names of the classes that a column's numbers stand for, in the JSON that Hugging Face's libraries put into a file.
fn class_names(json: &str, column: &str) -> Option<Vec<String>> {
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    let names = json["info"]["features"][column]["names"].as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Adds a split to the digest of a source: the bytes of its files, and those of the labels that were made of them.
pub(super) fn digest(
    digest: &mut Parts,
    split: &str,
    rows: &[Rows],
    labels: &[u8],
    surroundings: &Surroundings<'_>,
) -> Result<()> {
    let folder = rows.first().and_then(|rows| rows.path.parent()).unwrap_or(Path::new(""));
    let memo = Memo::of(folder, &surroundings.cache_directory);
    let sum = |Rows { path, .. }: &Rows| {
        memo.sum(path, || sum_of(open(path)?).map_err(|error| io_error("read", path, &error)))
    };
    digest.add(split.as_bytes());
    digest.add(&(rows.len() as u64).to_le_bytes());
    let sums: Vec<Sum> = rows.par_iter().map(sum).collect::<Result<_>>()?;
    memo.keep();
    sums.iter().for_each(|sum| digest.add(sum));
    digest.add(labels);
    Ok(())
}

/// A column of a file.
pub(super) fn column<'a>(file: &'a Rows, name: &str) -> Result<&'a Column> {
    file.frame.column(name).map_err(|_| unknown_column(name, &names_of(&file.frame), &file.path))
}

/// The values of a column of all files as text; nothing where there is none.
pub(super) fn column_texts(rows: &[Rows], name: &str) -> Result<Vec<Option<String>>> {
    let mut all = Vec::new();
    for file in rows {
        all.extend(texts(column(file, name)?, &file.path)?);
    }
    Ok(all)
}

/// The names of a table's columns.
pub(super) fn names_of(frame: &DataFrame) -> Vec<String> {
    frame.get_column_names().iter().map(ToString::to_string).collect()
}

/// The values of a column as text; nothing where there is none.
pub(super) fn texts(column: &Column, path: &Path) -> Result<Vec<Option<String>>> {
    let unsound = |error| unsound(path, &error);
    let values = column.cast(&DataType::String).map_err(unsound)?;
    let values = values.str().map_err(unsound)?;
    Ok(values.iter().map(|value| value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)).collect())
}

/// The values of a column as numbers, where it is one of numbers.
pub(super) fn numbers(column: &Column) -> Option<Vec<Option<f64>>> {
    if !column.dtype().is_numeric() && !column.dtype().is_bool() {
        return None;
    }
    let values = column.cast(&DataType::Float64).ok()?;
    Some(values.f64().ok()?.iter().collect())
}

/// The bytes of a column of encoded images: binary, or a struct with such a field `bytes`.
pub(super) fn bytes_of(column: &Column, path: &Path) -> Result<Column> {
    let field = match column.dtype() {
        DataType::Binary => Some(column.clone()),
        DataType::Struct(_) => column
            .struct_()
            .ok()
            .and_then(|fields| fields.field_by_name("bytes").ok())
            .map(Column::from)
            .filter(|field| *field.dtype() == DataType::Binary),
        _ => None,
    };
    field.ok_or_else(|| {
        let message = format!("the column `{}` of {} holds no encoded images", column.name(), path.display());
        let what = match column.get(0) {
            Ok(AnyValue::String(_)) => "it holds text",
            _ => "expected bytes, or a struct with a field `bytes`",
        };
        Box::new(
            Diagnostic::error(Code::BAD_DATA, message).fact(what).help("`image_csv` takes the paths of image files"),
        )
    })
}

/// Labels of rows, with what is wrong with some of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labelled {
    /// 0 for a row without a class.
    pub labels: Vec<u32>,
    /// Why a row is none, by its index.
    pub defects: BTreeMap<usize, String>,
}

impl Labelled {
    /// The labels' bytes, for a digest.
    pub fn bytes(&self) -> Vec<u8> {
        self.labels.iter().flat_map(|label| label.to_le_bytes()).collect()
    }
}

/// The classes that a column names, sorted: as numbers where all are whole ones.
pub(super) fn classes_of<'a>(values: impl Iterator<Item = &'a Option<String>>) -> Vec<String> {
    let different: BTreeSet<&String> = values.flatten().collect();
    let mut classes: Vec<String> = different.into_iter().cloned().collect();
    if classes.iter().all(|class| class.parse::<i64>().is_ok()) {
        classes.sort_by_key(|class| class.parse::<i64>().unwrap_or_default());
    }
    classes
}

/// Turns the values of a column into labels.
pub(super) fn labelled(values: &[Option<String>], column: &str, classes: &[String], numbered: bool) -> Labelled {
    let labels: BTreeMap<&str, u32> =
        classes.iter().enumerate().map(|(label, class)| (class.as_str(), label as u32)).collect();
    let mut found = Labelled::default();
    for (row, value) in values.iter().enumerate() {
        let label = match value {
            None => Err(format!("`{column}` is missing")),
            Some(value) if numbered => match value.parse::<u32>() {
                Ok(label) if (label as usize) < classes.len() => Ok(label),
                _ => Err(format!("`{column}` is {value}, and labels are 0 to {}", classes.len().saturating_sub(1))),
            },
            Some(value) => labels
                .get(value.as_str())
                .copied()
                .ok_or_else(|| format!("`{column}` is `{value}`, which no training row has")),
        };
        found.labels.push(*label.as_ref().unwrap_or(&0));
        if let Err(reason) = label {
            found.defects.insert(row, reason);
        }
    }
    found
}

/// Few classes tell that a column is a label; many, that it is an identifier.
const MAX_CLASSES: usize = 10_000;

/// # Errors
/// Where a column has fewer than two different values, or more than any classifier has.
pub(super) fn sensible(classes: &[String], column: &str, pattern: &str) -> Result<()> {
    let message = match classes.len() {
        0 | 1 => format!("`{column}` has {} different values in {pattern}: nothing to tell apart", classes.len()),
        count if count > MAX_CLASSES => format!("`{column}` has {count} different values in {pattern}: is it a label?"),
        _ => return Ok(()),
    };
    Err(Box::new(Diagnostic::error(Code::BAD_DATA, message).help("name the column with the classes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| (!value.is_empty()).then(|| (*value).to_owned())).collect()
    }

    #[test]
    fn classes_are_sorted_as_what_they_are() {
        assert_eq!(classes_of(values(&["b", "a", "", "b", "10"]).iter()), ["10", "a", "b"]);
        assert_eq!(classes_of(values(&["10", "9", "-1"]).iter()), ["-1", "9", "10"]);
    }

    #[test]
    fn a_label_that_is_none_is_told_by_its_row() {
        let classes = ["cat", "dog"].map(str::to_owned);
        let found = labelled(&values(&["dog", "", "cow", "cat"]), "kind", &classes, false);
        assert_eq!(found.labels, [1, 0, 0, 0]);
        let told: Vec<_> = found.defects.iter().map(|(row, reason)| (*row, reason.as_str())).collect();
        assert_eq!(told, [(1, "`kind` is missing"), (2, "`kind` is `cow`, which no training row has")]);
        let found = labelled(&values(&["1", "2", "x"]), "label", &classes, true);
        assert_eq!(found.labels, [1, 0, 0]);
        assert_eq!(found.defects[&1], "`label` is 2, and labels are 0 to 1");
    }

    #[test]
    fn hugging_faces_names_are_found() {
        let json = r#"{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;
        assert_eq!(class_names(json, "label").unwrap(), ["cat", "dog"]);
        assert_eq!(class_names(json, "image"), None);
        assert_eq!(class_names("[", "label"), None);
    }

    /// Files are untrusted: damage is an error at most.
    #[test]
    fn damaged_files_are_refused_or_read_and_never_more() {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows");
        let directory = tempfile::tempdir().unwrap();
        let mut stream = crate::random::Purpose::new(0, "damage").stream(0, 0);
        for name in ["plain.parquet", "table.parquet", "test-00000-of-00001.parquet"] {
            let whole = std::fs::read(files.join(name)).unwrap();
            let path = directory.path().join(name);
            for turn in 0..200 {
                let mut damaged = whole.clone();
                for _ in 0..1 + turn % 4 {
                    // The description of the columns, at the end, is the most delicate part.
                    let from = if turn % 2 == 0 { 0 } else { whole.len() / 2 };
                    let at = from + stream.below((whole.len() - from) as u32) as usize;
                    damaged[at] = stream.bits() as u8;
                }
                if turn % 10 == 9 {
                    damaged.truncate(stream.below(whole.len() as u32) as usize);
                }
                std::fs::write(&path, damaged).unwrap();
                let rows = crate::source::tests::surrounded(None, "cache".into(), |around| {
                    read(path.to_str().unwrap(), None, b',', around)
                });
                for file in rows.into_iter().flatten() {
                    for column in file.frame.columns() {
                        let _ = (texts(column, &path), numbers(column), bytes_of(column, &path));
                    }
                }
            }
        }
    }
}
