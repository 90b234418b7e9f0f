//! The stable names of diagnostics.

/// A diagnostic's stable name, in words, such as `unknown-layer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(&'static str);

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $ident:ident = $name:literal;)+) => {
        impl Code {
            $($(#[doc = $doc])+ pub const $ident: Code = Code($name);)+

            /// Every code with what it means, in the order of the phases that report them.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code::$ident, concat!($($doc),+))),+];
        }
    };
}

codes! {
    // Reading the file.
    /// A file or directory cannot be read or written.
    IO = "io";
    /// The file isn't YAML.
    SYNTAX = "syntax";
    /// The indentation holds a tab; YAML allows only spaces there.
    TAB = "tab";
    /// A key stands twice in one mapping.
    DUPLICATE_KEY = "duplicate-key";
    /// The file is larger, deeper or expands to more than a pipeline ever needs.
    TOO_LARGE = "too-large";
    /// A `--set` doesn't have the form `KEY=VALUE`, or its key leads nowhere.
    BAD_OVERRIDE = "bad-override";

    // Against the schema.
    /// A key that doesn't exist at this place.
    UNKNOWN_KEY = "unknown-key";
    /// A key that must be there is missing.
    MISSING_KEY = "missing-key";
    /// A value of another type than the key takes.
    WRONG_TYPE = "wrong-type";
    /// A value outside the range that the key takes, or not among its choices.
    INVALID_VALUE = "invalid-value";
    /// A list item with more than one key, or with none.
    NOT_AN_ITEM = "not-an-item";
    /// A source that doesn't exist.
    UNKNOWN_SOURCE = "unknown-source";
    /// A stage that doesn't exist.
    UNKNOWN_STAGE = "unknown-stage";
    /// A layer that doesn't exist.
    UNKNOWN_LAYER = "unknown-layer";
    /// An initializer that doesn't exist.
    UNKNOWN_INITIALIZER = "unknown-initializer";
    /// A way of validating that doesn't exist.
    UNKNOWN_VALIDATION = "unknown-validation";
    /// A strategy that doesn't exist.
    UNKNOWN_STRATEGY = "unknown-strategy";
    /// A loss that doesn't exist.
    UNKNOWN_LOSS = "unknown-loss";
    /// An optimizer that doesn't exist.
    UNKNOWN_OPTIMIZER = "unknown-optimizer";
    /// A metric that doesn't exist.
    UNKNOWN_METRIC = "unknown-metric";
    /// A callback that doesn't exist.
    UNKNOWN_CALLBACK = "unknown-callback";
    /// An evaluation step that doesn't exist.
    UNKNOWN_EVALUATION = "unknown-evaluation";
    /// A code in `allow` that doesn't exist, or that no `allow` can silence.
    UNKNOWN_CODE = "unknown-code";

    // Meaning.
    /// Stages without exactly one `batch`.
    BATCH_STAGES = "batch-stages";
    /// `shuffle` behind `batch` mixes whole batches, not examples.
    SHUFFLE_AFTER_BATCH = "shuffle-after-batch";
    /// `cache` behind `shuffle` keeps the first epoch's order for ever.
    CACHE_AFTER_SHUFFLE = "cache-after-shuffle";
    /// `shuffle` on evaluation data changes nothing but the order.
    SHUFFLE_ON_EVALUATION = "shuffle-on-evaluation";
    /// A shuffle buffer that holds only a part of the examples mixes only near ones.
    SMALL_SHUFFLE_BUFFER = "small-shuffle-buffer";
    /// `drop_remainder` leaves not a single batch, or drops examples from an evaluation.
    DROPPED_EXAMPLES = "dropped-examples";
    /// Validation on the test split makes the test score optimistic.
    VALIDATION_ON_TEST = "validation-on-test";
    /// `from_logits` contradicts the model's last activation.
    LOGITS_MISMATCH = "logits-mismatch";
    /// The last layer's units differ from the number of classes.
    CLASS_COUNT = "class-count";
    /// A monitor or an expectation names a figure that nothing produces.
    UNKNOWN_FIGURE = "unknown-figure";
    /// A monitor's `mode` contradicts what is better.
    MONITOR_MODE = "monitor-mode";
    /// An expectation whose minimum lies above its maximum, or that bounds nothing.
    EMPTY_EXPECTATION = "empty-expectation";
    /// Raw pixel values of 0 to 255 reach a layer with weights.
    UNSCALED_INPUT = "unscaled-input";

    // Shapes.
    /// A layer cannot take the shape that reaches it.
    SHAPE = "shape";

    // Surroundings.
    /// The data of a source isn't where it was looked for.
    DATA_NOT_FOUND = "data-not-found";
    /// The data of a source isn't what it should be.
    BAD_DATA = "bad-data";
    /// A download failed, or brought something else than was expected.
    DOWNLOAD = "download";
    /// An image that cannot be decoded.
    BAD_IMAGE = "bad-image";
    /// The device isn't there.
    DEVICE = "device";
    /// Something that a run directory should hold is missing or damaged.
    BAD_RUN = "bad-run";
    /// The computation failed.
    COMPUTATION = "computation";
    /// The loss is no number any more.
    NOT_FINITE = "not-finite";
}

impl Code {
    /// Its name, such as `unknown-layer`.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The code of that name.
    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.iter().map(|(code, _)| *code).find(|code| code.0 == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_words() {
        let mut seen = HashSet::new();
        for (code, _) in Code::ALL {
            assert!(seen.insert(code.name()), "{} stands twice", code.name());
            assert!(code.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert_eq!(Code::named(code.name()), Some(*code));
        }
    }
}
