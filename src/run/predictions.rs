//! `predictions.parquet`: a row for each test example.

use super::{DataInfo, write_atomically};
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    evaluation::{Answers, Estimates, Predictions},
    guard,
};
use polars::prelude::{Column, DataFrame, ParquetReader, ParquetWriter, SerReader};
use std::{fs::File, path::Path};

/// More numbers than these have no place in memory.
const MOST_NUMBERS: usize = 1 << 28;

/// Writes columns `index`, `label`, `prediction` and `p_0`, `p_1`, ... (the probability of each class); of numbers `index`,
/// `target`, `prediction` and `residual` (the target less the prediction).
///
/// # Errors
/// Where the file system refuses.
pub fn write_predictions(path: &Path, answers: &Answers) -> Result<()> {
    let rows = answers.len();
    let mut columns = vec![Column::new("index".into(), (0..rows as u32).collect::<Vec<_>>())];
    match answers {
        Answers::Classes(predictions) => {
            columns.push(Column::new("label".into(), predictions.labels.clone()));
            columns.push(Column::new("prediction".into(), predictions.predicted.clone()));
            let classes = predictions.classes.len();
            for class in 0..classes {
                let values: Vec<f32> = predictions.probabilities.iter().skip(class).step_by(classes).copied().collect();
                columns.push(Column::new(format!("p_{class}").into(), values));
            }
        }
        Answers::Numbers(estimates) => {
            let residuals: Vec<f32> = estimates.residuals().into_iter().map(|residual| residual as f32).collect();
            columns.push(Column::new("target".into(), estimates.targets.clone()));
            columns.push(Column::new("prediction".into(), estimates.predicted.clone()));
            columns.push(Column::new("residual".into(), residuals));
        }
    }
    let mut table = DataFrame::new(rows, columns).expect("columns of one length");
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table).expect("plain columns can be written");
    write_atomically(path, &bytes)
}

/// Reads what [`write_predictions`] wrote of a run on `data`.
///
/// # Errors
/// Where the file isn't there or isn't sound.
pub fn read_answers(path: &Path, data: &DataInfo) -> Result<Answers> {
    match data.target {
        None => read_predictions(path, &data.classes).map(Answers::from),
        Some(_) => read_estimates(path).map(Answers::from),
    }
}

fn damaged(path: &Path) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::BAD_RUN, format!("{} is damaged", path.display())))
}

/// The table in a file, which should have so many columns.
fn read_table(path: &Path, columns: usize) -> Result<DataFrame> {
    let damaged = || damaged(path);
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(damaged());
    }
    let file = File::open(path).map_err(|error| io_error("read", path, &error))?;
    let table = guard::caught_elsewhere(|| {
        let mut reader = ParquetReader::new(file);
        // A few bytes can claim any number of rows.
        if reader.num_rows().ok()?.checked_mul(columns)? > MOST_NUMBERS { None } else { reader.finish().ok() }
    });
    table.ok().flatten().ok_or_else(damaged)
}

fn read_estimates(path: &Path) -> Result<Estimates> {
    let table = read_table(path, 4)?;
    let whole = |name: &str| -> Option<Vec<f32>> {
        Some(table.column(name).ok()?.f32().ok()?.iter().map(|value| value.unwrap_or(f32::NAN)).collect())
    };
    let read = || Some(Estimates { targets: whole("target")?, predicted: whole("prediction")? });
    read().ok_or_else(|| damaged(path))
}

/// The same of a run on examples of `classes`.
///
/// # Errors
/// As [`read_answers`].
pub fn read_predictions(path: &Path, classes: &[String]) -> Result<Predictions> {
    let damaged = || damaged(path);
    let table = read_table(path, classes.len() + 3)?;
    let whole = |name: &str| -> Result<Vec<u32>> {
        let column = table.column(name).map_err(|_| damaged())?.u32().map_err(|_| damaged())?;
        let classes = column.iter().map(|class| class.filter(|class| (*class as usize) < classes.len()));
        classes.collect::<Option<_>>().ok_or_else(damaged)
    };
    let (labels, predicted) = (whole("label")?, whole("prediction")?);
    let mut probabilities = vec![0.0; labels.len() * classes.len()];
    for class in 0..classes.len() {
        let column = table.column(&format!("p_{class}")).map_err(|_| damaged())?;
        let column = column.f32().map_err(|_| damaged())?;
        for (row, value) in column.iter().enumerate() {
            probabilities[row * classes.len() + class] = value.unwrap_or(f32::NAN);
        }
    }
    Ok(Predictions { classes: classes.to_vec(), labels, predicted, probabilities })
}
