//! `predictions.parquet`: a row for each test example.

use super::write_atomically;
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    evaluation::Predictions,
    guard,
};
use polars::prelude::{Column, DataFrame, ParquetReader, ParquetWriter, SerReader};
use std::{fs::File, path::Path};

/// More numbers than these have no place in memory.
const MOST_NUMBERS: usize = 1 << 28;

/// Writes columns `index`, `label`, `prediction` and `p_0`, `p_1`, ... (the probability of each class).
///
/// # Errors
/// Where the file system refuses.
pub fn write_predictions(path: &Path, predictions: &Predictions) -> Result<()> {
    let classes = predictions.classes.len();
    let rows = predictions.labels.len();
    let mut columns = vec![
        Column::new("index".into(), (0..rows as u32).collect::<Vec<_>>()),
        Column::new("label".into(), predictions.labels.clone()),
        Column::new("prediction".into(), predictions.predicted.clone()),
    ];
    for class in 0..classes {
        let values: Vec<f32> = predictions.probabilities.iter().skip(class).step_by(classes).copied().collect();
        columns.push(Column::new(format!("p_{class}").into(), values));
    }
    let mut table = DataFrame::new(rows, columns).expect("columns of one length");
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table).expect("plain columns can be written");
    write_atomically(path, &bytes)
}

/// Reads what [`write_predictions`] wrote.
///
/// # Errors
/// Where the file isn't there or isn't sound.
pub fn read_predictions(path: &Path, classes: &[String]) -> Result<Predictions> {
    let damaged = || Box::new(Diagnostic::error(Code::BAD_RUN, format!("{} is damaged", path.display())));
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(damaged());
    }
    let file = File::open(path).map_err(|error| io_error("read", path, &error))?;
    let table = guard::caught_elsewhere(|| {
        let mut reader = ParquetReader::new(file);
        // A few bytes can claim any number of rows.
        if reader.num_rows().ok()?.checked_mul(classes.len() + 3)? > MOST_NUMBERS { None } else { reader.finish().ok() }
    });
    let table = table.ok().flatten().ok_or_else(damaged)?;
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
