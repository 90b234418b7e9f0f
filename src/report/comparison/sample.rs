//! Three small runs for tests, of invented numbers.

use super::{Compared, letter};
use crate::{
    evaluation::{Answers, Estimates, Predictions},
    report::sample::sample,
    run::{Figures, Status},
    spec,
};

const LABELS: [u32; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

/// A run that is wrong on these of twenty examples of two classes, by less confidence the later they come.
pub fn predictions(wrong: &[usize]) -> Predictions {
    let mut predictions = Predictions {
        classes: vec!["cat".into(), "dog".into()],
        labels: LABELS.to_vec(),
        predicted: LABELS.to_vec(),
        probabilities: Vec::new(),
    };
    for &index in wrong {
        predictions.predicted[index] = 1 - LABELS[index];
    }
    for (index, &guess) in predictions.predicted.iter().enumerate() {
        let confidence = 0.99 - 0.02 * index as f32;
        predictions.probabilities.extend(if guess == 0 {
            [confidence, 1.0 - confidence]
        } else {
            [1.0 - confidence, confidence]
        });
    }
    predictions
}

/// A run of the name `run-a`, `run-b`, ... that is wrong on some of twenty examples.
pub fn compared(place: usize, wrong: &[usize], lines: &str) -> Compared {
    let mut record = sample();
    let name = format!("run-{}", letter(place).to_lowercase());
    record.info.name = name.clone();
    let data = record.info.data.as_mut().unwrap();
    (data.test, data.classes) = (20, vec!["cat".into(), "dog".into()]);
    data.validation_kind = "split of the training data".into();
    record.info.training.best_epoch = None;
    for epoch in &mut record.history {
        epoch.figures.iter_mut().for_each(|(_, value)| *value *= 1.0 - 0.01 * place as f64);
    }
    let predictions = predictions(wrong);
    let accuracy = 1.0 - wrong.len() as f64 / 20.0;
    Compared {
        path: format!("runs/{name}/20261123-230512-7f3a").into(),
        figures: Some(Figures {
            examples: 20,
            metrics: [("test_accuracy".into(), accuracy), ("test_loss".into(), 0.5 + 0.1 * wrong.len() as f64)].into(),
            intervals: [("test_loss".into(), (0.4, 1.2))].into(),
            figures: [].into(),
        }),
        pipeline: Some(resolved(&name, lines)),
        answers: Ok(predictions.into()),
        info: record.info,
        history: record.history,
    }
}

/// What a run said of the classes of examples.
pub fn predictions_of(run: &mut Compared) -> Option<&mut Predictions> {
    match &mut run.answers {
        Ok(Answers::Classes(predictions)) => Some(predictions),
        _ => None,
    }
}

/// A run whose predicted numbers are so much too large.
pub fn estimated(place: usize, off: &[f32]) -> Compared {
    let targets: Vec<f32> = (0..off.len()).map(|at| at as f32).collect();
    let predicted = targets.iter().zip(off).map(|(target, off)| target + off).collect();
    Compared { answers: Ok(Estimates { targets, predicted }.into()), ..compared(place, &[], "seed=1") }
}

/// Three runs: the second better than the first, the third interrupted.
pub fn three() -> Vec<Compared> {
    let first = compared(0, &[0, 1, 2, 3, 4, 5, 6, 7, 12], "training.epochs=2");
    let second = compared(1, &[3], "training.epochs=5");
    let mut third = compared(2, &[], "model.layers=[flatten, {dropout: 0.5}, {dense: 10}]");
    third.info.status = Status::Interrupted;
    third.info.reason = Some("interrupted by the user".into());
    third.info.provenance.threads = 4;
    third.figures = None;
    third.answers = Err("was interrupted before it was evaluated".into());
    third.history.truncate(3);
    third.info.training.epochs_done = 3;
    vec![first, second, third]
}

fn resolved(name: &str, set: &str) -> serde_json::Value {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.yaml");
    let content = format!(
        "version: 1\nname: {name}\ndataset: {{source: digits, train: [{{batch: 32}}]}}\n\
         model: {{layers: [flatten, {{dense: 10}}]}}\ntraining: {{loss: sparse_categorical_crossentropy, epochs: 2}}\n"
    );
    std::fs::write(&file, content).unwrap();
    let loaded = spec::load(&file, &[set.to_owned()]);
    serde_json::to_value(loaded.pipeline.unwrap_or_else(|| panic!("{:?}", loaded.problems)).pipeline).unwrap()
}
