//! A small record for tests: the tutorial network on CIFAR-10, invented numbers.

use crate::{
    evaluation::{
        Calibration, ClassificationReport, ConfusionMatrix, Estimates, Evaluation, Metrics, PrecisionRecall,
        Predictions, Residuals, Roc, StepResult, ThresholdTable, TopK, latency, statistics::wilson, trial::Trial,
    },
    run::*,
};

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// A run that came to its end and held what was expected of it.
pub fn sample() -> Record {
    let predictions = predictions();
    let right = predictions.labels.iter().zip(&predictions.predicted).filter(|(label, guess)| label == guess).count();
    let accuracy = right as f64 / predictions.labels.len() as f64;
    let interval = wilson(accuracy, predictions.labels.len());
    let evaluation = EvaluationRecord {
        examples: predictions.labels.len(),
        metrics: [("test_accuracy".into(), accuracy), ("test_loss".into(), 0.8731)].into(),
        intervals: [("test_accuracy".into(), interval)].into(),
        figures: [("test_recall[cat]".into(), 0.7)].into(),
        steps: [
            vec![
                ClassificationReport {}.outcome(&predictions).into(),
                ConfusionMatrix::default().counts(&predictions).into(),
                Metrics { resamples: 100 }.outcome(&predictions).into(),
                TopK::default().outcome(&predictions).into(),
                Calibration::default().outcome(&predictions).into(),
                Roc {}.outcome(&predictions).into(),
                PrecisionRecall {}.outcome(&predictions).into(),
                ThresholdTable::default().outcome(&predictions).into(),
            ],
            steps_on_images(),
        ]
        .concat(),
    };
    Record {
        info: info(accuracy, interval),
        history: (1..=12).map(epoch).collect(),
        evaluation: Some(evaluation),
        pipeline: "version: 1\nname: cifar10-cnn\n\ndataset:\n  source: cifar10\n".into(),
        inspection: Some(inspection()),
        resolved: "version: 1\nname: cifar10-cnn\nseed: 42\n\ndataset:\n  source:\n    cifar10: {}\n".into(),
        template: None,
    }
}

/// The same of a run that predicts numbers.
pub fn regression() -> Record {
    let targets: Vec<f32> = (0..200).map(|at| 100.0 + (at * 37 % 160) as f32).collect();
    let predicted = targets.iter().zip(0..).map(|(target, at)| target + (at % 7) as f32 - 2.0).collect();
    let estimates = Estimates { targets, predicted };
    let mut record = sample();
    let evaluation = record.evaluation.as_mut().unwrap();
    evaluation.examples = estimates.len();
    evaluation.metrics = [("test_loss".into(), 5.0), ("test_mean_absolute_error".into(), 1.85)].into();
    evaluation.intervals.clear();
    evaluation.figures.clear();
    evaluation.steps = vec![
        Metrics { resamples: 100 }.of_estimates(&estimates).into(),
        Residuals::default().outcome(&estimates, |index| format!("houses.csv row {}", index + 1)).into(),
    ];
    record.info.expectations.clear();
    let previous = record.info.previous.as_mut().unwrap();
    previous.metrics = [("test_mean_absolute_error".into(), 1.97)].into();
    let data = record.info.data.as_mut().unwrap();
    (data.classes, data.target, data.shape) = (Vec::new(), Some("price".into()), vec![4]);
    let inspection = record.inspection.as_mut().unwrap();
    (inspection.classes, inspection.target, inspection.shape) = (Vec::new(), Some("price".into()), vec![4]);
    for split in &mut inspection.splits {
        (split.per_class, split.targets) = (Vec::new(), Targets::of(&estimates.targets));
    }
    record
}

/// What steps say that ask for more than predictions, of a few small images.
fn steps_on_images() -> Vec<StepResult> {
    let probabilities = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]];
    let examples: Vec<(u32, [f32; 3])> = (0..15).map(|at| (at % 3, probabilities[at as usize % 5])).collect();
    let trial = Trial::new(&examples);
    let names = Evaluation::NAMES.iter().filter(|name| {
        let others = [
            "latency",
            "metrics",
            "top_k",
            "calibration",
            "roc",
            "precision_recall",
            "threshold_table",
            "confusion_matrix",
            "classification_report",
            "residuals",
        ];
        !others.contains(name)
    });
    let computed = names.map(|name| {
        let step: Evaluation = serde_json::from_value(serde_json::json!({ *name: {} })).expect("all has a default");
        step.compute(&trial).expect("the trial answers everything")
    });
    let measured = latency::OfBatch {
        batch_size: 1,
        repetitions: 200,
        median: 32e-6,
        p99: Some(54e-6),
        examples_per_second: 31_250.0,
    };
    computed.chain([latency::Outcome { batches: vec![measured] }.into()]).collect()
}

fn info(accuracy: f64, interval: (f64, f64)) -> RunInfo {
    RunInfo {
        format: 1,
        name: "cifar10-cnn".into(),
        description: "The convolutional network of the Keras CIFAR-10 tutorial.".into(),
        title: String::new(),
        sections: Vec::new(),
        configuration: vec![
            ConfigurationLine { text: "version: 1".into(), origin: Some("line 1".into()), differs: true },
            ConfigurationLine { text: "seed: 42".into(), origin: Some("line 3".into()), differs: true },
            ConfigurationLine { text: "threads: auto".into(), origin: Some("line 4".into()), differs: false },
            ConfigurationLine { text: "precision: float32".into(), origin: None, differs: false },
        ],
        id: "20261123-230512-7f3a".into(),
        status: Status::Completed,
        reason: None,
        warnings: vec!["warning[small-shuffle-buffer]: a buffer of 1,000 mixes 2% of 50,000 examples".into()],
        started: "2026-11-23T23:05:12+01:00".into(),
        finished: Some("2026-11-23T23:08:41+01:00".into()),
        timings: Timings { setup: 1.23, training: 203.4, reporting: 0.87, evaluation: 3.21, total: 208.9 },
        data: Some(DataInfo {
            source: "cifar10".into(),
            location: "data/cifar10".into(),
            digest: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce".into(),
            classes: CLASSES.map(String::from).to_vec(),
            target: None,
            shape: vec![32, 32, 3],
            train: 50_000,
            validation: 10_000,
            test: 10_000,
            validation_kind: "test".into(),
            skipped: vec![Unreadable {
                split: "train".into(),
                example: "cat/0093.jpg".into(),
                reason: "cannot decode cat/0093.jpg: the file ends before the image does".into(),
            }],
            initial_weights: None,
        }),
        layers: layers(),
        training: TrainingInfo {
            epochs: 50,
            epochs_done: 12,
            steps_per_epoch: 196,
            steps_done: 2352,
            stopped_early: true,
            stop_reason: Some("val_loss got no better for 3 epochs".into()),
            best_epoch: Some(9),
        },
        expectations: vec![ExpectationResult {
            figure: "test_accuracy".into(),
            min: Some(0.7),
            value: Some(accuracy),
            interval: Some(interval),
            met: true,
            outcome: Some(Judgement::Passed),
            ..ExpectationResult::default()
        }],
        baselines: Default::default(),
        previous: Some(Previous {
            id: "20261122-210003-04be".into(),
            metrics: [("test_accuracy".into(), accuracy - 0.012), ("test_loss".into(), 0.9012)].into(),
            same_data: true,
            same_configuration: false,
            fixed: 430,
            broken: 310,
            p_value: Some(1.1e-5),
        }),
        details: vec!["and a detail".into()],
        input_bound: Some("input-bound: 38% of training waited for data; begin `dataset.train` with `cache`".into()),
        resumed: Vec::new(),
        lineage: None,
        reproduction: None,
        seeds: None,
        device_use: None,
        weights_digest: Some("b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c".into()),
        provenance: Provenance {
            version: "0.1.0".into(),
            program_commit: "5e6f708192a3b4c5d6e7f8090a1b2c3d4e5f6071".into(),
            program_digest: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into(),
            libtorch: "2.11.0".into(),
            device: "cpu".into(),
            nondeterministic: Vec::new(),
            numerics: Vec::new(),
            processes: 1,
            nccl: None,
            threads: 2,
            processor: "AMD EPYC 9B14".into(),
            processors: 2,
            passes: vec!["fuse_blocks".into()],
            kernels: Some("AVX-512".into()),
            cpu_capability: "AVX512".into(),
            instructions: "avx avx2 fma".into(),
            memory: Some(32 << 30),
            memory_limit: Some(8 << 30),
            system: "linux x86_64".into(),
            operating_system: Some("Debian GNU/Linux 13 (trixie)".into()),
            kernel: Some("6.12.41".into()),
            environment: [("LANG".into(), "de_DE.UTF-8".into()), ("TZ".into(), "Europe/Berlin".into())].into(),
            seed: 42,
            pipeline_file: "pipelines/cifar10.yaml".into(),
            pipeline_digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
            data_directory: Some("data".into()),
            git_commit: Some("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567-dirty".into()),
            git_branch: Some("wider".into()),
            git_changes: Some(DiffFile { file: "changes.diff".into(), cut: false }),
            command: ["trainyard", "run", "pipelines/cifar10.yaml"].map(String::from).to_vec(),
        },
    }
}

fn layers() -> Vec<LayerRow> {
    let rows: [(&str, &str, &[usize], u64, u64); 12] = [
        ("rescaling", "rescaling", &[32, 32, 3], 0, 3072),
        ("conv2d", "conv2d", &[32, 32, 32], 896, 1_802_240),
        ("max_pooling2d", "max_pooling2d", &[16, 16, 32], 0, 32_768),
        ("conv2d_1", "conv2d", &[16, 16, 32], 9248, 4_734_976),
        ("max_pooling2d_1", "max_pooling2d", &[8, 8, 32], 0, 8192),
        ("conv2d_2", "conv2d", &[8, 8, 64], 18_496, 2_367_488),
        ("max_pooling2d_2", "max_pooling2d", &[4, 4, 64], 0, 4096),
        ("dropout", "dropout", &[4, 4, 64], 0, 0),
        ("flatten", "flatten", &[1024], 0, 0),
        ("dense", "dense", &[128], 131_200, 262_400),
        ("activation", "activation", &[128], 0, 128),
        ("dense_1", "dense", &[10], 362, 2570),
    ];
    let row = |(i, (name, kind, shape, parameters, flops)): (usize, (&str, &str, &[usize], u64, u64))| LayerRow {
        name: name.into(),
        kind: kind.into(),
        line: 21 + i,
        file: None,
        depth: 0,
        output_shape: shape.to_vec(),
        parameters,
        flops,
        activation_bytes: 4 * shape.iter().product::<usize>() as u64,
    };
    rows.into_iter().enumerate().map(row).collect()
}

fn epoch(epoch: usize) -> EpochRecord {
    let x = epoch as f64;
    let figures = [
        ("loss", 0.55 + 1.15 / x.powf(0.75)),
        ("accuracy", 0.83 - 0.42 / x.powf(0.7)),
        ("val_loss", 0.84 + 0.55 / x + if epoch > 9 { 0.012 * (x - 9.0) } else { 0.0 }),
        ("val_accuracy", 0.725 - 0.21 / x - if epoch > 9 { 0.002 * (x - 9.0) } else { 0.0 }),
    ];
    EpochRecord {
        epoch,
        figures: figures.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        watched: [("gradient_norm", 2.0), ("gradient_norm[conv2d]", 1.2), ("dead_activations", 0.1)]
            .map(|(name, value)| (name.to_owned(), value / epoch as f64))
            .to_vec(),
        learning_rate: 0.001,
        seconds: 15.0 + 0.1 * (x * 7.0 % 3.0),
        images_per_second: 50_000.0 / (15.0 + 0.1 * (x * 7.0 % 3.0)),
        data_wait_seconds: 0.04,
    }
}

/// A hundred examples of each class, confused where one would expect it.
fn predictions() -> Predictions {
    let (mut labels, mut predicted, mut probabilities) = (Vec::new(), Vec::new(), Vec::new());
    for label in 0..10u32 {
        let near = match label {
            3 => 5,
            5 => 3,
            0 => 8,
            1 => 9,
            9 => 1,
            2 => 4,
            _ => (label + 2) % 10,
        };
        for example in 0..100u32 {
            let guess = match example {
                rest if rest < 62 + label * 2 => label,
                rest if rest < 82 => near,
                rest => rest % 10,
            };
            labels.push(label);
            predicted.push(guess);
            // The later in the class, the less sure; what is left goes to the others in equal parts, and a little more of
            // it to the true class.
            let sure = 0.99 - 0.007 * example as f32;
            let others = (1.0 - sure) / 10.0;
            probabilities.extend((0..10u32).map(|class| match class {
                class if class == guess => sure + if guess == label { others } else { 0.0 },
                class if class == label => 2.0 * others,
                _ => others,
            }));
        }
    }
    Predictions { classes: CLASSES.map(String::from).to_vec(), labels, predicted, probabilities }
}

/// A look at the data with all that it can find.
fn inspection() -> Inspection {
    let split = |name: &str, of_each: usize| SplitInspection {
        name: name.to_owned(),
        examples: 10 * of_each,
        per_class: (0..10).map(|class| of_each - class * of_each / 40).collect(),
        values: Some(Values {
            least: vec![0.0; 3],
            most: vec![255.0; 3],
            mean: vec![125.3, 123.0, 113.9],
            deviation: vec![63.0, 62.1, 66.7],
        }),
        normalized: Some(Values {
            least: vec![0.0; 3],
            most: vec![1.0; 3],
            mean: vec![0.491, 0.482, 0.447],
            deviation: vec![0.247, 0.244, 0.262],
        }),
        ..SplitInspection::default()
    };
    Inspection {
        classes: CLASSES.iter().map(|class| (*class).to_owned()).collect(),
        target: None,
        shape: vec![32, 32, 3],
        features: Vec::new(),
        splits: vec![split("train", 5000), split("test", 1000)],
        duplicates: Some(Duplicates {
            within_train: 1,
            within_test: 0,
            within_validation: 0,
            validation_in_train: 0,
            test_in_validation: 0,
            test_in_train: 2,
            contradictions: 1,
            examples: vec!["test 17 (cat) is train 3041 (dog)".to_owned()],
        }),
    }
}
