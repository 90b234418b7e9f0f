//! The stable names of diagnostics, each with what it means and, where a pipeline alone can show it, an example.
//!
//! An example is what differs from a sound pipeline, [`EXAMPLE_BASE`]: first as it fails, then repaired. Where the mistake
//! is in the command line, the example is a command on that pipeline.

/// A diagnostic's stable name, in words, such as `unknown-layer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(&'static str);

/// The pipeline that the examples of the codes extend.
pub const EXAMPLE_BASE: &str = "\
version: 1
dataset:
  source: digits
  validation: {split: 0.1}
  train: [shuffle, {batch: 32}]
model:
  layers: [{rescaling: 1/255}, flatten, {dense: 10}]
training:
  loss: sparse_categorical_crossentropy
  epochs: 5
";

/// One form of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Example {
    /// What a pipeline says besides [`EXAMPLE_BASE`].
    Pipeline(String),
    /// A command on that pipeline.
    Command(String),
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $ident:ident = $name:literal $(, $allowable:ident)?;)+) => {
        #[allow(clippy::tabs_in_doc_comments)] // The example of a tab holds one.
        impl Code {
            $($(#[doc = $doc])+ pub const $ident: Code = Code($name);)+

            /// Every code with its documentation, in the order of the phases that report them.
            const DOCUMENTED: &'static [(Code, &'static str)] = &[$((Code::$ident, concat!($($doc, "\n"),+))),+];

            /// The codes that warnings and notes have.
            const ALLOWABLE: &'static [Code] = &[$($(codes!(@$allowable Code::$ident),)?)+];
        }
    };
    (@allowable $code:expr) => { $code };
}

codes! {
    // Reading the file.
    /// A file or directory cannot be read or written.
    ///
    /// ```yaml
    /// extends: no-such-file.yaml
    /// ```
    ///
    /// ```yaml
    /// extends: base.yaml
    /// ```
    IO = "io";
    /// The file isn't YAML.
    ///
    /// ```yaml
    /// description: [not closed
    /// ```
    ///
    /// ```yaml
    /// description: "[closed]"
    /// ```
    SYNTAX = "syntax";
    /// The indentation holds a tab; YAML allows only spaces there.
    ///
    /// ```yaml
    /// training:
    /// 	epochs: 3
    /// ```
    ///
    /// ```yaml
    /// training:
    ///   epochs: 3
    /// ```
    TAB = "tab";
    /// A key stands twice in one mapping. Which of the two counts would be anybody's guess.
    ///
    /// ```yaml
    /// seed: 1
    /// seed: 2
    /// ```
    ///
    /// ```yaml
    /// seed: 2
    /// ```
    DUPLICATE_KEY = "duplicate-key";
    /// An anchor, `&name`, that no alias, `*name`, uses.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: &wide 20}, {activation: relu}, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: &wide 20}, {activation: relu}, {dense: *wide}, {activation: relu}, {dense: 10}]
    /// ```
    UNUSED_ANCHOR = "unused-anchor", allowable;
    /// Files that extend each other in a circle, or in too long a chain.
    ///
    /// ```yaml
    /// extends: example.yaml
    /// ```
    ///
    /// ```yaml
    /// extends: base.yaml
    /// ```
    EXTENDS_CIRCLE = "extends-circle";
    /// The file, or the model in it, is larger or deeper, or expands to more, than a pipeline ever needs.
    ///
    /// ```yaml
    /// description: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
    /// ```
    ///
    /// ```yaml
    /// description: flat
    /// ```
    TOO_LARGE = "too-large";
    /// A `--set` doesn't have the form `KEY=VALUE`, or its key leads nowhere.
    ///
    /// ```sh
    /// trainyard check example.yaml --set training.epochs
    /// ```
    ///
    /// ```sh
    /// trainyard check example.yaml --set training.epochs=5
    /// ```
    BAD_OVERRIDE = "bad-override";

    // Against the schema.
    /// A key that doesn't exist at this place. Nothing is ignored silently.
    ///
    /// ```yaml
    /// training: {epoch: 5}
    /// ```
    ///
    /// ```yaml
    /// training: {epochs: 5}
    /// ```
    UNKNOWN_KEY = "unknown-key";
    /// A key that must be there is missing.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 8, activation: relu}}, flatten, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 8, kernel_size: 3, activation: relu}}, flatten, {dense: 10}]
    /// ```
    MISSING_KEY = "missing-key";
    /// A value of another type than the key takes.
    ///
    /// ```yaml
    /// training: {epochs: many}
    /// ```
    ///
    /// ```yaml
    /// training: {epochs: 5}
    /// ```
    WRONG_TYPE = "wrong-type";
    /// A value outside the range that the key takes, or not among its choices.
    ///
    /// ```yaml
    /// dataset: {validation: {split: 1.5}}
    /// ```
    ///
    /// ```yaml
    /// dataset: {validation: {split: 0.15}}
    /// ```
    INVALID_VALUE = "invalid-value";
    /// A list item that isn't a name with its arguments: one with more than one key, or with none.
    ///
    /// ```yaml
    /// model:
    ///   layers:
    ///     - rescaling: 1/255
    ///       flatten:
    ///     - dense: 10
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers:
    ///     - rescaling: 1/255
    ///     - flatten
    ///     - dense: 10
    /// ```
    NOT_AN_ITEM = "not-an-item";
    /// A source that doesn't exist.
    ///
    /// ```yaml
    /// dataset: {source: digit}
    /// ```
    ///
    /// ```yaml
    /// dataset: {source: digits}
    /// ```
    UNKNOWN_SOURCE = "unknown-source";
    /// A stage that doesn't exist.
    ///
    /// ```yaml
    /// dataset: {train: [shufle, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 32}]}
    /// ```
    UNKNOWN_STAGE = "unknown-stage";
    /// An augmentation that doesn't exist.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_crp: 1}]}, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_crop: 1}]}, {batch: 32}]}
    /// ```
    UNKNOWN_AUGMENTATION = "unknown-augmentation";
    /// A layer that doesn't exist.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {nn.Linear: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    UNKNOWN_LAYER = "unknown-layer";
    /// A way of validating that doesn't exist.
    ///
    /// ```yaml
    /// dataset: {validation: {share: 0.1}}
    /// ```
    ///
    /// ```yaml
    /// dataset: {validation: {split: 0.1}}
    /// ```
    UNKNOWN_VALIDATION = "unknown-validation";
    /// A strategy that doesn't exist.
    ///
    /// ```yaml
    /// strategy: one
    /// ```
    ///
    /// ```yaml
    /// strategy: single
    /// ```
    UNKNOWN_STRATEGY = "unknown-strategy";
    /// A loss that doesn't exist.
    ///
    /// ```yaml
    /// training: {loss: CrossEntropyLoss}
    /// ```
    ///
    /// ```yaml
    /// training: {loss: sparse_categorical_crossentropy}
    /// ```
    UNKNOWN_LOSS = "unknown-loss";
    /// An optimizer that doesn't exist.
    ///
    /// ```yaml
    /// training: {optimizer: adm}
    /// ```
    ///
    /// ```yaml
    /// training: {optimizer: adam}
    /// ```
    UNKNOWN_OPTIMIZER = "unknown-optimizer";
    /// A layer with the name of another one: weights and tables could not tell them apart.
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 32, activation: relu, name: head}}, {dense: {units: 10, name: head}}]}
    /// ```
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 32, activation: relu, name: hidden}}, {dense: {units: 10, name: head}}]}
    /// ```
    LAYER_NAME = "layer-name";
    /// An initializer that doesn't exist.
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, kernel_initializer: {random_norm: {stddev: 0.01}}}}]}
    /// ```
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, kernel_initializer: {random_normal: {stddev: 0.01}}}}]}
    /// ```
    UNKNOWN_INITIALIZER = "unknown-initializer";
    /// A constraint of weights that doesn't exist.
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, kernel_constraint: {maximum_norm: 3}}}]}
    /// ```
    ///
    /// ```yaml
    /// model: {layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, kernel_constraint: {max_norm: 3}}}]}
    /// ```
    UNKNOWN_CONSTRAINT = "unknown-constraint";
    /// A schedule of the learning rate that doesn't exist.
    ///
    /// ```yaml
    /// training: {optimizer: {adam: {learning_rate: {cosine: {initial_learning_rate: 0.001}}}}}
    /// ```
    ///
    /// ```yaml
    /// training: {optimizer: {adam: {learning_rate: {cosine_decay: {initial_learning_rate: 0.001}}}}}
    /// ```
    UNKNOWN_SCHEDULE = "unknown-schedule";
    /// A metric that doesn't exist.
    ///
    /// ```yaml
    /// training: {metrics: [acuracy]}
    /// ```
    ///
    /// ```yaml
    /// training: {metrics: [accuracy]}
    /// ```
    UNKNOWN_METRIC = "unknown-metric";
    /// A callback that doesn't exist.
    ///
    /// ```yaml
    /// training: {callbacks: [early_stop: {patience: 2}]}
    /// ```
    ///
    /// ```yaml
    /// training: {callbacks: [early_stopping: {patience: 2}]}
    /// ```
    UNKNOWN_CALLBACK = "unknown-callback";
    /// An evaluation step that doesn't exist.
    ///
    /// ```yaml
    /// evaluation: [confusion]
    /// ```
    ///
    /// ```yaml
    /// evaluation: [confusion_matrix]
    /// ```
    UNKNOWN_EVALUATION = "unknown-evaluation";
    /// A code in `allow`, `--allow` or `--deny` that doesn't exist, or that is always an error.
    ///
    /// ```yaml
    /// allow: [validation-on-tset]
    /// ```
    ///
    /// ```yaml
    /// allow: [validation-on-test]
    /// ```
    UNKNOWN_CODE = "unknown-code";

    // Meaning.
    /// Two pipelines of one check have the same name, so their runs would stand among each other.
    ///
    /// ```sh
    /// trainyard check base.yaml example.yaml --set name=digits
    /// ```
    ///
    /// ```sh
    /// trainyard check base.yaml example.yaml
    /// ```
    SAME_NAME = "same-name", allowable;
    /// Stages without exactly one `batch`. The model takes batches, and batches of batches are nothing.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 32}]}
    /// ```
    BATCH_STAGES = "batch-stages";
    /// The same stage, metric, callback or evaluation step twice: the second one adds nothing.
    ///
    /// ```yaml
    /// evaluation: [confusion_matrix, confusion_matrix]
    /// ```
    ///
    /// ```yaml
    /// evaluation: [confusion_matrix]
    /// ```
    REPEATED = "repeated";
    /// `shuffle` behind `batch` mixes whole batches, not examples.
    ///
    /// ```yaml
    /// dataset: {train: [{batch: 32}, shuffle]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 32}]}
    /// ```
    SHUFFLE_AFTER_BATCH = "shuffle-after-batch", allowable;
    /// `cache` behind `shuffle` keeps the first epoch's order for ever.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, cache, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [cache, shuffle, {batch: 32}]}
    /// ```
    CACHE_AFTER_SHUFFLE = "cache-after-shuffle", allowable;
    /// `shuffle` on evaluation data changes nothing but the order.
    ///
    /// ```yaml
    /// dataset: {evaluate: [shuffle, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {evaluate: [{batch: 32}]}
    /// ```
    SHUFFLE_ON_EVALUATION = "shuffle-on-evaluation", allowable;
    /// `cache` behind `augment` keeps what the first epoch drew: every epoch has the same changes.
    ///
    /// ```yaml
    /// dataset: {train: [{augment: [{random_rotation: 0.1}]}, cache, shuffle, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [cache, shuffle, {augment: [{random_rotation: 0.1}]}, {batch: 32}]}
    /// ```
    FROZEN_AUGMENTATION = "frozen-augmentation", allowable;
    /// `repeat` on evaluation data: every example is looked at several times: the figures stay, counts and predictions are multiplied.
    ///
    /// ```yaml
    /// dataset: {evaluate: [{batch: 32}, {repeat: 2}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {evaluate: [{batch: 32}]}
    /// ```
    REPEAT_ON_EVALUATION = "repeat-on-evaluation", allowable;
    /// `repeat` before `shuffle`: the passes over the data are mixed with each other, as tf.data does it.
    ///
    /// ```yaml
    /// dataset:
    ///   train: [{repeat: 2}, shuffle, {batch: 32}]
    /// ```
    ///
    /// ```yaml
    /// dataset:
    ///   train: [shuffle, {repeat: 2}, {batch: 32}]
    /// ```
    REPEAT_BEFORE_SHUFFLE = "repeat-before-shuffle", allowable;
    /// `augment` on evaluation data: the figures are then those of images that were changed at random.
    ///
    /// ```yaml
    /// dataset: {evaluate: [{augment: [{random_rotation: 0.1}]}, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {evaluate: [{batch: 32}]}
    /// ```
    AUGMENTED_EVALUATION = "augmented-evaluation", allowable;
    /// An augmentation that cannot take the size of the images that reach it, or a list of them that ends with another
    /// size. Validation and test images keep the source's size, and the model has only one.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_crop: {height: 6, width: 6}}]}, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_crop: 1}]}, {batch: 32}]}
    /// ```
    AUGMENTATION_SIZE = "augmentation-size";
    /// A change of colours where images are grey does nothing.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_hue: 0.1}]}, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {augment: [{random_contrast: 0.1}]}, {batch: 32}]}
    /// ```
    COLORLESS = "colorless", allowable;
    /// Training examples come in the same order in every epoch. Gradient descent learns worse so, and batch for batch the
    /// same.
    ///
    /// ```yaml
    /// dataset: {train: [{batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 32}]}
    /// ```
    UNSHUFFLED_TRAINING = "unshuffled-training", allowable;
    /// A shuffle buffer that holds only a part of the examples mixes only near ones.
    ///
    /// ```yaml
    /// dataset: {train: [{shuffle: 100}, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 32}]}
    /// ```
    SMALL_SHUFFLE_BUFFER = "small-shuffle-buffer", allowable;
    /// `drop_remainder` leaves not a single batch, or drops examples from an evaluation.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: {batch_size: 2000, drop_remainder: true}}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: {batch_size: 200, drop_remainder: true}}]}
    /// ```
    DROPPED_EXAMPLES = "dropped-examples", allowable;
    /// The stages leave not a single batch.
    ///
    /// ```yaml
    /// dataset: {train: [{skip: 2000}, shuffle, {batch: 32}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [{skip: 200}, shuffle, {batch: 32}]}
    /// ```
    NO_BATCHES = "no-batches";
    /// A batch that holds more examples than there are: an epoch is a single step.
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 2000}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {train: [shuffle, {batch: 200}]}
    /// ```
    SINGLE_BATCH = "single-batch", allowable;
    /// A share for validation that is less than one example, or all of them.
    ///
    /// ```yaml
    /// dataset: {validation: {split: 0.0001}}
    /// ```
    ///
    /// ```yaml
    /// dataset: {validation: {split: 0.1}}
    /// ```
    EMPTY_SPLIT = "empty-split";
    /// Validation on the test split makes the test score optimistic, where training is stopped by it: it was chosen to be
    /// good on these very examples.
    ///
    /// ```yaml
    /// dataset: {validation: test}
    /// training: {callbacks: [early_stopping: {patience: 2}]}
    /// ```
    ///
    /// ```yaml
    /// dataset: {validation: {split: 0.1}}
    /// training: {callbacks: [early_stopping: {patience: 2}]}
    /// ```
    VALIDATION_ON_TEST = "validation-on-test", allowable;
    /// `from_logits` contradicts the model's last activation.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, activation: softmax}}]
    /// training: {loss: {sparse_categorical_crossentropy: {from_logits: true}}}
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, activation: softmax}}]
    /// training: {loss: sparse_categorical_crossentropy}
    /// ```
    LOGITS_MISMATCH = "logits-mismatch";
    /// The last layer's units differ from the number of classes; or a model that predicts a number doesn't end in one.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 12}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    CLASS_COUNT = "class-count";
    /// A loss, a metric, a step of the evaluation or `class_weight` is for classes, and the source gives numbers to predict; or the
    /// other way round.
    ///
    /// ```yaml
    /// training: {loss: mean_squared_error}
    /// ```
    ///
    /// ```yaml
    /// training: {loss: sparse_categorical_crossentropy}
    /// ```
    TASK_MISMATCH = "task-mismatch";
    /// An activation that cuts or bends the logits: what a class gets could not fall below zero, or not rise above one.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, activation: relu}}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    ACTIVATION_ON_OUTPUT = "activation-on-output", allowable;
    /// Dropout behind the last layer with weights sets whole classes to zero.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}, {dropout: 0.2}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dropout: 0.2}, {dense: 10}]
    /// ```
    DROPOUT_ON_OUTPUT = "dropout-on-output", allowable;
    /// Two layers with weights and no activation between them compute what one of them could.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 64}, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 64, activation: relu}}, {dense: 10}]
    /// ```
    LINEAR_STACK = "linear-stack", allowable;
    /// `normalization` takes mean and variance from the training data, so only `rescaling` may stand before it: what leaves other
    /// layers isn't known before training.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 8, activation: relu}}, normalization, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [normalization, flatten, {dense: {units: 8, activation: relu}}, batch_normalization, {dense: 10}]
    /// ```
    MISPLACED_NORMALIZATION = "misplaced-normalization";
    /// A convolution that whitens gets its filters from the training images, so only `rescaling` and `normalization` may stand
    /// before it: what leaves other layers changes while they are trained.
    ///
    /// ```yaml
    /// model:
    ///   layers:
    ///     - max_pooling2d
    ///     - conv2d: {filters: 8, kernel_size: 2, activation: relu, kernel_initializer: whitening, trainable: false}
    ///     - flatten
    ///     - dense: 10
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers:
    ///     - rescaling: 1/255
    ///     - conv2d: {filters: 8, kernel_size: 2, activation: relu, kernel_initializer: whitening, trainable: false}
    ///     - flatten
    ///     - dense: 10
    /// ```
    MISPLACED_WHITENING = "misplaced-whitening";
    /// An evaluation step cannot do its work on this model or these data: it names a layer, an example or a column that isn't
    /// there, or needs images where the examples are the rows of a table.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 8, kernel_size: 3, activation: relu}}, flatten, {dense: 10}]
    /// evaluation: [{feature_maps: {layers: [conv2d_1]}}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 8, kernel_size: 3, activation: relu}}, flatten, {dense: 10}]
    /// evaluation: [{feature_maps: {layers: [conv2d]}}]
    /// ```
    CANNOT_EVALUATE = "cannot-evaluate";
    /// The report is to have a section that no evaluation step fills.
    ///
    /// ```yaml
    /// evaluation: [classification_report]
    /// report: {sections: [verdict, classification_report, saliency]}
    /// ```
    ///
    /// ```yaml
    /// evaluation: [classification_report]
    /// report: {sections: [verdict, classification_report]}
    /// ```
    EMPTY_SECTION = "empty-section", allowable;
    /// A monitor or an expectation names a figure that nothing produces.
    ///
    /// ```yaml
    /// expect: {test_acc: {min: 0.9}}
    /// ```
    ///
    /// ```yaml
    /// expect: {test_accuracy: {min: 0.9}}
    /// ```
    UNKNOWN_FIGURE = "unknown-figure";
    /// A monitor's `mode` contradicts what is better.
    ///
    /// ```yaml
    /// training: {callbacks: [early_stopping: {monitor: val_accuracy, mode: min, patience: 2}]}
    /// ```
    ///
    /// ```yaml
    /// training: {callbacks: [early_stopping: {monitor: val_accuracy, patience: 2}]}
    /// ```
    MONITOR_MODE = "monitor-mode", allowable;
    /// A callback that cannot act before training ends.
    ///
    /// ```yaml
    /// training: {callbacks: [early_stopping: {patience: 10}]}
    /// ```
    ///
    /// ```yaml
    /// training: {epochs: 50, callbacks: [early_stopping: {patience: 10}]}
    /// ```
    NEVER_REACHED = "never-reached", allowable;
    /// More processes share the work than there are examples in a batch. `batch` is the global batch, which all of them see
    /// together.
    ///
    /// ```yaml
    /// strategy: {data_parallel: 64}
    /// ```
    ///
    /// ```yaml
    /// strategy: {data_parallel: 2}
    /// ```
    TOO_MANY_PROCESSES = "too-many-processes";
    /// A batch that the processes cannot share evenly. The sums are right all the same.
    ///
    /// ```yaml
    /// strategy: {data_parallel: 3}
    /// ```
    ///
    /// ```yaml
    /// strategy: {data_parallel: 2}
    /// ```
    UNEVEN_SHARES = "uneven-shares", allowable;
    /// Several processes cannot compute on the device that is named, or the backend doesn't carry what they compute.
    ///
    /// ```yaml
    /// device: cpu
    /// strategy: {data_parallel: {processes: 2, backend: nccl}}
    /// ```
    ///
    /// ```yaml
    /// device: cpu
    /// strategy: {data_parallel: {processes: 2, backend: gloo}}
    /// ```
    BACKEND = "backend";
    /// An expectation whose minimum lies above its maximum, that bounds nothing, or that any run meets or none can meet.
    ///
    /// ```yaml
    /// expect: {test_accuracy: {min: 70}}
    /// ```
    ///
    /// ```yaml
    /// expect: {test_accuracy: {min: 0.7}}
    /// ```
    EMPTY_EXPECTATION = "empty-expectation";
    /// A learning rate far from what the optimizer can bear: training diverges, or stands still.
    ///
    /// ```yaml
    /// training: {optimizer: {adam: {learning_rate: 1}}}
    /// ```
    ///
    /// ```yaml
    /// training: {optimizer: {adam: {learning_rate: 0.001}}}
    /// ```
    LEARNING_RATE = "learning-rate", allowable;
    /// A group of parameters, or a list of layers to exclude, names layers that have no parameters, or that there aren't.
    ///
    /// ```yaml
    /// training: {parameter_groups: [{layers: [dense_7], learning_rate_factor: 0.1}]}
    /// ```
    ///
    /// ```yaml
    /// training: {parameter_groups: [{layers: [dense], learning_rate_factor: 0.1}]}
    /// ```
    NO_SUCH_PARAMETERS = "no-such-parameters";
    /// No layer is left to train.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 10, trainable: false}}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    NOTHING_TO_TRAIN = "nothing-to-train";
    /// Raw pixel values of 0 to 255 reach a layer with weights.
    ///
    /// ```yaml
    /// model:
    ///   layers: [flatten, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    UNSCALED_INPUT = "unscaled-input", allowable;
    /// So little is left of the pixels, or nothing, that the first layer with weights sees no difference between them.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    FAINT_INPUT = "faint-input", allowable;
    /// Batch normalization with batches of one example: each is its own mean.
    ///
    /// ```yaml
    /// dataset:
    ///   train: [shuffle, {batch: 1}]
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 16}, batch_normalization, {activation: relu}, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// dataset:
    ///   train: [shuffle, {batch: 32}]
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 16}, batch_normalization, {activation: relu}, {dense: 10}]
    /// ```
    SINGLE_EXAMPLES = "single-examples", allowable;
    /// A softmax within the model: it squeezes all channels into numbers that are 1 in sum, and hardly a gradient comes
    /// back through it.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 64, activation: softmax}}, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: {units: 64, activation: relu}}, {dense: 10}]
    /// ```
    HIDDEN_SOFTMAX = "hidden-softmax", allowable;

    // Shapes.
    /// A layer cannot take the shape that reaches it.
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    SHAPE = "shape";

    // Surroundings.
    /// A batch needs more memory than the machine, or the device, has.
    ///
    /// ```yaml
    /// dataset:
    ///   train: [shuffle, {batch: 1000}]
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 65536, kernel_size: 3, activation: relu}}, {repeat: {times: 90, layers: [{dropout: 0.5}]}}, flatten, {dense: 10}]
    /// ```
    ///
    /// ```yaml
    /// dataset:
    ///   train: [shuffle, {batch: 100}]
    /// model:
    ///   layers: [{rescaling: 1/255}, {conv2d: {filters: 64, kernel_size: 3, activation: relu}}, {repeat: {times: 9, layers: [{dropout: 0.5}]}}, flatten, {dense: 10}]
    /// ```
    MEMORY = "memory", allowable;
    /// What an expectation is measured against isn't there, cannot be read, or doesn't have the figure: the lock file beside
    /// the pipeline, or an earlier run.
    ///
    /// ```yaml
    /// expect: {test_accuracy: {max_drop: 0.01}}
    /// ```
    ///
    /// ```yaml
    /// expect: {test_accuracy: {min: 0.9}}
    /// ```
    NO_BASELINE = "no-baseline";
    /// The data of a source isn't where it was looked for.
    ///
    /// ```yaml
    /// dataset:
    ///   source: {image_folder: {train: no/such/folder, test: no/such/folder, image_size: 8}}
    /// ```
    ///
    /// ```yaml
    /// dataset:
    ///   source: digits
    /// ```
    DATA_NOT_FOUND = "data-not-found";
    /// Something that works on images only, where the examples are the rows of a table.
    NOT_IMAGES = "not-images";
    /// A key that changes nothing beside what another one says.
    ///
    /// ```yaml
    /// dataset: {max_errors: 10}
    /// ```
    ///
    /// ```yaml
    /// dataset: {max_errors: 10, on_error: skip}
    /// ```
    NO_EFFECT = "no-effect", allowable;
    /// A source has validation examples of its own, and the pipeline validates on others or on none.
    UNUSED_SPLIT = "unused-split", allowable;
    /// A split has no example of some class: it can't be learnt, or nothing is known of how well it was.
    ABSENT_CLASS = "absent-class", allowable;
    /// The data of a source isn't what it should be.
    BAD_DATA = "bad-data";
    /// A download failed, or brought something else than was expected.
    DOWNLOAD = "download";
    /// `training.class_weight` names a class that the data don't have.
    ///
    /// ```yaml
    /// training:
    ///   class_weight: {eight: 2}
    /// ```
    ///
    /// ```yaml
    /// training:
    ///   class_weight: {"8": 2}
    /// ```
    UNKNOWN_CLASS = "unknown-class";
    /// The data were changed: while they were read, or since a run was trained with them.
    DATA_CHANGED = "data-changed";
    /// An image that cannot be decoded.
    BAD_IMAGE = "bad-image";
    /// The page that a pipeline has for its report cannot be read, or is no template: HTML in the language of Jinja.
    ///
    /// ```yaml
    /// report: {template: no/such/page.html}
    /// ```
    ///
    /// ```yaml
    /// report: {title: Digits}
    /// ```
    BAD_TEMPLATE = "bad-template";
    /// The device isn't there.
    ///
    /// ```yaml
    /// device: cuda:99
    /// ```
    ///
    /// ```yaml
    /// device: auto
    /// ```
    DEVICE = "device";
    /// More threads than the machine has processors: those of the processes wait for each other.
    ///
    /// ```yaml
    /// strategy: {data_parallel: {processes: 2, threads_per_process: 1024}}
    /// ```
    ///
    /// ```yaml
    /// strategy: {data_parallel: {processes: 2}}
    /// ```
    TOO_MANY_THREADS = "too-many-threads", allowable;
    /// The processor computes with the wanted `precision` slower than without it.
    ///
    /// ```yaml
    /// device: cpu
    /// precision: mixed_float16
    /// ```
    ///
    /// ```yaml
    /// device: auto
    /// precision: float32
    /// ```
    SLOW_PRECISION = "slow-precision", allowable;
    /// The user wanted to stop.
    INTERRUPTED = "interrupted";
    /// The weights that the model is to start with cannot be read, or don't fit its layers.
    ///
    /// ```yaml
    /// model:
    ///   initial_weights: no-such-file.safetensors
    /// ```
    ///
    /// ```yaml
    /// model:
    ///   layers: [{rescaling: 1/255}, flatten, {dense: 10}]
    /// ```
    INITIAL_WEIGHTS = "initial-weights";
    /// Something that a run directory should hold is missing or damaged.
    BAD_RUN = "bad-run";
    /// A run cannot be resumed so: what its checkpoint holds belongs to other layers or other data, a change of its training was
    /// not allowed, or there is nothing left to do.
    ///
    /// Free are `name`, `description`, `allow`, `evaluation`, `expect`, `report`, `training.checkpoint`, and `prefetch` in
    /// `dataset`. With `--allow KEY` others may be different from the checkpoint on: `training.epochs`, `training.optimizer` (its
    /// arguments), `training.callbacks`, `training.class_weight`, `threads`, `device`, `strategy`, `precision` and
    /// `deterministic`.
    CANNOT_RESUME = "cannot-resume";
    /// A lock is missing, damaged, or not that of this pipeline.
    BAD_LOCK = "bad-lock";
    /// What goes into a run isn't what its lock says: the pipeline, the data or the seed are other ones.
    ///
    /// `trainyard lock RUN` makes a new lock, where the change is meant.
    LOCK_DRIFT = "lock-drift";
    /// The computation failed.
    COMPUTATION = "computation";
    /// The loss is no number any more: training has diverged.
    NOT_FINITE = "not-finite";
    /// What the environment says of the processes that share the work, and what the pipeline says, contradict each other.
    ///
    /// torchrun and srun decide how many processes there are. A pipeline that wants so many and no others can say it with
    /// `processes`; with `processes: auto` it takes what there are.
    WORLD_SIZE = "world-size";
    /// One of the processes that share the work has failed, was ended, hangs or cannot be reached, so that all of them ended.
    ///
    /// The run can go on from its last checkpoint, with `trainyard run --resume RUN`.
    RANK = "rank-failed";
}

impl Code {
    /// Every code, in the order of the phases that report them.
    pub fn all() -> impl Iterator<Item = Code> {
        Code::DOCUMENTED.iter().map(|(code, _)| *code)
    }

    /// Its name, such as `unknown-layer`.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The code of that name.
    pub fn named(name: &str) -> Option<Code> {
        Code::all().find(|code| code.0 == name)
    }

    /// Whether it may be a warning, which `allow` silences.
    pub fn is_allowable(self) -> bool {
        Code::ALLOWABLE.contains(&self)
    }

    fn documentation(self) -> &'static str {
        Code::DOCUMENTED.iter().find(|(code, _)| *code == self).map_or("", |(_, text)| text)
    }

    /// What it means, in a sentence or two.
    pub fn meaning(self) -> String {
        let text = self.documentation();
        let prose = text.find("```").map_or(text, |at| &text[..at]);
        prose.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// An example that fails with this code, and the same repaired; where something outside of the pipeline is needed to
    /// fail, there is none.
    pub fn example(self) -> Option<(Example, Example)> {
        let mut blocks = self.documentation().split("```").skip(1).step_by(2).map(|block| {
            let (language, body) = block.split_once('\n').unwrap_or_default();
            // A blank stands between the mark of a comment and its text.
            let lines = body.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
            let text = lines.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n";
            if language == "yaml" { Example::Pipeline(text) } else { Example::Command(text) }
        });
        Some((blocks.next()?, blocks.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Example};
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_words_with_a_meaning() {
        let mut seen = HashSet::new();
        for code in Code::all() {
            assert!(seen.insert(code.name()), "{} stands twice", code.name());
            assert!(code.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert_eq!(Code::named(code.name()), Some(code));
            assert!(code.meaning().ends_with('.'), "{}", code.meaning());
        }
    }

    #[test]
    fn examples_are_text_without_the_marks_of_comments() {
        let (wrong, right) = Code::DUPLICATE_KEY.example().unwrap();
        assert_eq!(wrong, Example::Pipeline("seed: 1\nseed: 2\n".to_owned()));
        assert_eq!(right, Example::Pipeline("seed: 2\n".to_owned()));
        assert_eq!(Code::COMPUTATION.example(), None);
    }
}
