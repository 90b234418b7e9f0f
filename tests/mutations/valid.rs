//! Which mutants are valid, and why.

use crate::mutate::{Kind, Mutant};

/// Why a mutant is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// It is a pipeline that someone may want.
    Wanted(&'static str),
    /// It may be wanted; a warning, or a note, of this code asks.
    Warned(&'static str),
}

use Because::{Wanted, Warned};

/// The reason why `mutant` is accepted; `None` where it must be refused.
pub fn valid_because(mutant: &Mutant) -> Option<Because> {
    let (at, what) = (mutant.at.as_str(), mutant.what.as_str());
    match mutant.kind {
        Kind::Drop => dropped(mutant, at, what),
        Kind::MisspellKey | Kind::WrongType | Kind::OutOfRange => None,
        Kind::MisspellValue => misspelt(at),
        Kind::Duplicate => duplicated(mutant, at),
        Kind::Misplace => misplaced(mutant, at, what),
        Kind::Swap => swapped(mutant, at, what),
        Kind::Indent => indented(at, what),
    }
}

fn dropped(mutant: &Mutant, at: &str, what: &str) -> Option<Because> {
    Some(match at {
        // Another key needs it.
        "dataset.validation" | "training.metrics[accuracy]" if told_at(mutant).is_some() => return None,
        "allow" | "allow[validation-on-test]" => Warned("validation-on-test"),
        // Nothing is left to expect.
        "expect.test_accuracy" | "expect.test_accuracy.min" => return None,
        // Mean and variance go together.
        "model.layers[normalization].normalization.mean" | "model.layers[normalization].normalization.variance" => {
            return None;
        }
        _ if mutant.optional => Wanted("the key has a default"),
        "training.optimizer.muon.exclude_layers[dense]" => Wanted("no layer need be excluded"),
        "dataset.train[augment]" => Wanted("images may stay as they are"),
        "model.layers[normalization]" => Warned("unscaled-input"),
        "model.layers[batch_normalization]" | "model.layers[activation]" => {
            Wanted("a network without this layer is a network")
        }
        "dataset.train[cache]" | "dataset.evaluate[cache]" => Wanted("examples may be decoded in every epoch"),
        "dataset.train[shuffle]" => Warned("unshuffled-training"),
        "dataset.train[prefetch]" | "dataset.evaluate[prefetch]" => Wanted("nothing need be read ahead"),
        "model.layers[rescaling]" => Warned("unscaled-input"),
        "model.layers[conv2d]" | "model.layers[max_pooling2d]" | "model.layers[dropout]" => {
            Wanted("a network without this layer is a network")
        }
        "model.layers[dense]" if what.contains("relu") => Wanted("a network without a hidden layer is a network"),
        "model.layers[dense]" if looks_later(mutant) => Wanted("only the folder says how many classes there are"),
        step if step.starts_with("evaluation[") && step.ends_with(']') => Wanted("what is shown is a choice"),
        _ => return None,
    })
}

/// Whether the classes are known only when the source is looked at.
fn looks_later(mutant: &Mutant) -> bool {
    mutant.text.contains("image_folder:")
}

fn misspelt(at: &str) -> Option<Because> {
    Some(match at {
        "name" => Wanted("a run may be called anything"),
        "description" => Wanted("a description may say anything"),
        "dataset.source.image_folder.train" | "dataset.source.image_folder.test" => {
            Wanted("whether a folder is there is known when the source is looked at")
        }
        _ => return None,
    })
}

fn duplicated(mutant: &Mutant, at: &str) -> Option<Because> {
    Some(match at {
        "model.layers[rescaling]" => Warned("faint-input"),
        // What whitens stands at the beginning.
        "model.layers[conv2d]" if whitens_late(mutant) => return None,
        "model.layers[normalization]" | "model.layers[batch_normalization]" | "model.layers[activation]" => {
            Wanted("these layers change nothing when they stand twice, or little")
        }
        "dataset.train[augment].augment[alternating_flip]" => Wanted("an augmentation may stand twice"),
        "training.optimizer.muon.exclude_layers[dense]" | "training.parameter_groups[layers].layers[dense]" => {
            Wanted("a layer may be named twice")
        }
        "model.layers[flatten]" => Wanted("a vector may be flattened"),
        "model.layers[conv2d]" | "model.layers[max_pooling2d]" | "model.layers[dropout]" | "model.layers[dense]" => {
            Wanted("two layers of a kind in a row are legal")
        }
        _ => return None,
    })
}

fn misplaced(mutant: &Mutant, at: &str, what: &str) -> Option<Because> {
    Some(match (at, what) {
        ("dataset.train[shuffle]", "in dataset.evaluate") => Warned("shuffle-on-evaluation"),
        ("dataset.train[prefetch]", "in dataset.evaluate") if mutant.text.matches("- prefetch").count() == 1 => {
            Wanted("what is evaluated may be read ahead")
        }
        ("dataset.train[augment]", "in dataset.evaluate") => Warned("augmented-evaluation"),
        ("model.layers[batch_normalization].batch_normalization.epsilon", "in training.optimizer.muon") => {
            Wanted("this optimizer has an epsilon, too")
        }
        (
            "model.layers[conv2d].conv2d.trainable",
            "in model.layers[batch_normalization].batch_normalization" | "in model.layers[dense].dense",
        ) => Wanted("any layer may stay as it is"),
        // A hidden one has an activation already.
        ("model.layers[conv2d].conv2d.activation", "in model.layers[dense].dense")
            if mutant.text.matches("activation: relu").count()
                == mutant.text.matches("- activation: relu").count() + 1 =>
        {
            Warned("activation-on-output")
        }
        ("dataset.validation", "in dataset.source.image_folder") => Wanted("a folder may be called `test`"),
        _ => return None,
    })
}

fn swapped(mutant: &Mutant, at: &str, what: &str) -> Option<Because> {
    Some(match (at, what) {
        ("dataset.train[cache]", "with shuffle") => Warned("cache-after-shuffle"),
        ("dataset.train[shuffle]", "with batch") => Warned("shuffle-after-batch"),
        ("dataset.evaluate[cache]", "with batch") => Wanted("whole batches may be kept"),
        ("dataset.train[batch]" | "dataset.evaluate[batch]", "with prefetch") => Wanted("examples may be read ahead"),
        ("model.layers[rescaling]", "with conv2d") => Warned("unscaled-input"),
        ("dataset.train[shuffle]", "with augment") | ("dataset.train[augment]", "with batch") => {
            Wanted("images may be changed at any time")
        }
        ("model.layers[conv2d]", "with max_pooling2d" | "with activation" | "with batch_normalization")
            if whitens_late(mutant) =>
        {
            return None;
        }
        ("model.layers[conv2d]", "with batch_normalization")
        | ("model.layers[max_pooling2d]", "with batch_normalization" | "with activation")
        | ("model.layers[batch_normalization]", "with activation")
        | ("model.layers[activation]", "with conv2d" | "with flatten") => Wanted("these layers go in either order"),
        (step, _) if step.starts_with("model.layers[normalization].normalization.") => {
            Wanted("mean and variance may be any numbers")
        }
        ("model.layers[conv2d]", "with max_pooling2d")
        | ("model.layers[max_pooling2d]", "with conv2d" | "with dropout")
        | ("model.layers[dropout]", "with flatten") => Wanted("these layers go in either order"),
        ("model.layers[dense]", "with dense") if looks_later(mutant) => {
            Wanted("only the folder says how many classes there are")
        }
        (step, _) if step.starts_with("evaluation[") => Wanted("what is shown has no fixed order"),
        _ => return None,
    })
}

fn indented(at: &str, what: &str) -> Option<Because> {
    Some(match (at, what) {
        ("dataset.source.image_folder" | "model.layers" | "expect.test_accuracy", "two columns more") => {
            Wanted("what is alone in its mapping may stand as deep as one likes")
        }
        ("training.optimizer.muon", "two columns more") => {
            Wanted("what is alone in its mapping may stand as deep as one likes")
        }
        ("training.callbacks[early_stopping]" | "training.parameter_groups[layers]", _) => {
            Wanted("what is alone in its list may stand as deep as one likes")
        }
        _ => return None,
    })
}

/// Whether a convolution that whitens stands behind layers that don't only scale.
fn whitens_late(mutant: &Mutant) -> bool {
    let whitens = mutant.text.find("whitening");
    let first = ["\n    - max_pooling2d", "\n    - batch_normalization", "\n    - activation"];
    let first = first.iter().filter_map(|layer| mutant.text.find(layer)).min();
    whitens > first || mutant.text.matches("initializer: whitening").count() > 1
}

/// Whether `line` begins with what [`told_at`] says; an item that nothing is left of has nothing but its dash.
pub fn begins(line: &str, start: &str) -> bool {
    line.trim() == start || start != "-" && line.trim_start().starts_with(start)
}

/// What begins the line of the key that needs what `mutant` changed, or that is no longer excused: it is told there.
pub fn told_at(mutant: &Mutant) -> Option<&'static str> {
    let told_at = match (mutant.kind, mutant.at.as_str()) {
        (Kind::Drop, "dataset.validation") => "- early_stopping:",
        (Kind::Drop, "training.metrics[accuracy]") => "test_accuracy:",
        (Kind::Drop, "allow" | "allow[validation-on-test]") => "validation:",
        // What is left behind is told.
        (Kind::Misplace, "model.layers[activation].activation") => "-",
        (Kind::Misplace, "model.layers[flatten]") => "- dense:",
        (Kind::Misplace, "dataset.train[augment].augment[alternating_flip]") => "- augment:",
        (Kind::Misplace, "training.parameter_groups[layers].layers[dense]") => "- {layers:",
        _ => return None,
    };
    mutant.text.lines().any(|line| begins(line, told_at)).then_some(told_at)
}
