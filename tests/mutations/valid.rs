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
        Kind::MisspellKey if at == "training.optimizer.adamw" && what == "`adam`" => {
            Some(Wanted("a letter less is another optimizer"))
        }
        Kind::OutOfRange if at.ends_with(".bias_initializer.constant") && what == "`-1`" => {
            Some(Wanted("a bias may begin anywhere"))
        }
        Kind::MisspellKey | Kind::WrongType | Kind::OutOfRange => None,
        Kind::MisspellValue => misspelt(at, what),
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
        "expect.test_mean_absolute_error" | "expect.test_mean_absolute_error.max" => return None,
        // The loss is one of numbers.
        "dataset.source.table.task" => return None,
        // Mean and variance go together.
        "model.layers[normalization].normalization.mean" | "model.layers[normalization].normalization.variance" => {
            return None;
        }
        // A warm-up to somewhere takes some time.
        _ if at.ends_with(".cosine_decay.warmup_steps") || at.ends_with(".cosine_decay.warmup_target") => return None,
        _ if mutant.optional => Wanted("the key has a default"),
        _ if at.contains(".exclude_from_weight_decay[") => Wanted("any weights may decay"),
        _ if is_augmentation(at) && augmentations_left(mutant) => Wanted("one augmentation is enough"),
        "training.optimizer.muon.exclude_layers[dense]" => Wanted("no layer need be excluded"),
        "dataset.train[augment]" => Wanted("images may stay as they are"),
        "model.layers[normalization]" if is_table(mutant) => Wanted("the numbers of a table may be small already"),
        "model.layers[normalization]" => Warned("unscaled-input"),
        "model.layers[batch_normalization]"
        | "model.layers[activation]"
        | "model.layers[repeat]"
        | "model.layers[layer_normalization]" => Wanted("a network without this layer is a network"),
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
        // Accuracy is expected; errors come from the evaluation, too.
        "training.metrics[mean_absolute_error]" | "training.metrics[r2_score]" => Wanted("what is told is a choice"),
        _ => return None,
    })
}

/// Whether the classes are known only when the source is looked at.
fn looks_later(mutant: &Mutant) -> bool {
    mutant.text.contains("image_folder:") || is_table(mutant)
}

fn is_table(mutant: &Mutant) -> bool {
    mutant.text.contains("    table:")
}

/// Whether it is a whole item of the augmentations.
fn is_augmentation(at: &str) -> bool {
    at.strip_prefix("dataset.train[augment].augment[").is_some_and(|rest| rest.find(']') == Some(rest.len() - 1))
}

/// Whether there are augmentations after one was dropped.
fn augmentations_left(mutant: &Mutant) -> bool {
    ["alternating_flip", "random_flip", "random_crop"].iter().any(|name| mutant.text.contains(name))
}

fn misspelt(at: &str, what: &str) -> Option<Because> {
    Some(match at {
        _ if at.ends_with(".activation") && what == "`elu`" => Wanted("a letter less is another function"),
        "name" => Wanted("a run may be called anything"),
        "description" => Wanted("a description may say anything"),
        "dataset.source.image_folder.train" | "dataset.source.image_folder.test" => {
            Wanted("whether a folder is there is known when the source is looked at")
        }
        "dataset.source.table.train" | "dataset.source.table.label_column" => {
            Wanted("what a table holds is known when the source is looked at")
        }
        _ => return None,
    })
}

fn duplicated(mutant: &Mutant, at: &str) -> Option<Because> {
    Some(match at {
        "model.layers[rescaling]" => Warned("faint-input"),
        // What whitens stands at the beginning.
        "model.layers[conv2d]" if whitens_late(mutant) => return None,
        "model.layers[normalization]"
        | "model.layers[batch_normalization]"
        | "model.layers[activation]"
        | "model.layers[position_embedding]"
        | "model.layers[layer_normalization]" => Wanted("these layers change nothing when they stand twice, or little"),
        _ if is_augmentation(at) => Wanted("an augmentation may stand twice"),
        _ if at.contains(".exclude_from_weight_decay[") => Wanted("what doesn't decay may be named twice"),
        "training.optimizer.muon.exclude_layers[dense]" | "training.parameter_groups[layers].layers[dense]" => {
            Wanted("a layer may be named twice")
        }
        "model.layers[flatten]" => Wanted("a vector may be flattened"),
        "model.layers[conv2d]"
        | "model.layers[max_pooling2d]"
        | "model.layers[dropout]"
        | "model.layers[dense]"
        | "model.layers[repeat]"
        | "model.layers[repeat].repeat.layers[transformer_block]" => Wanted("two layers of a kind in a row are legal"),
        _ => return None,
    })
}

fn misplaced(mutant: &Mutant, at: &str, what: &str) -> Option<Because> {
    Some(match (at, what) {
        ("name", layer)
            if layer.starts_with("in model.layers[")
                && !layer.ends_with("initializer")
                && !layer.ends_with("regularizer")
                && told_at(mutant).is_none() =>
        {
            Wanted("a layer may have a name of its own")
        }
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
        ("dataset.validation", "in dataset.source.table") => Wanted("a file may be called `none`"),
        ("model.layers[mobilenet_v2].mobilenet_v2.alpha", schedule) if schedule.ends_with(".cosine_decay") => {
            Wanted("a schedule has an alpha, too")
        }
        ("model.layers[layer_normalization].layer_normalization.epsilon", place)
            if place.ends_with(".transformer_block") || place.ends_with(".adamw") =>
        {
            Wanted("these have an epsilon, too")
        }
        (
            "model.layers[position_embedding]" | "model.layers[layer_normalization]",
            "in model.layers[repeat].repeat.layers",
        ) => Wanted("these layers may be repeated"),
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
        ("model.layers[position_embedding]", "with repeat")
        | ("model.layers[repeat]", "with layer_normalization")
        | ("model.layers[layer_normalization]", "with global_average_pooling1d")
        | ("model.layers[global_average_pooling1d]", "with dense")
        | ("model.layers[activation]", "with max_pooling2d")
        | ("model.layers[conv2d]", "with batch_normalization")
        | ("model.layers[max_pooling2d]", "with batch_normalization" | "with activation")
        | ("model.layers[batch_normalization]", "with activation")
        | ("model.layers[activation]", "with conv2d" | "with flatten" | "with global_max_pooling2d") => {
            Wanted("these layers go in either order")
        }
        (step, _) if step.starts_with("model.layers[normalization].normalization.") => {
            Wanted("mean and variance may be any numbers")
        }
        ("model.layers[conv2d]", "with max_pooling2d")
        | ("model.layers[max_pooling2d]", "with conv2d" | "with dropout")
        | ("model.layers[dropout]", "with flatten") => Wanted("these layers go in either order"),
        ("model.layers[dense]", "with dropout") | ("model.layers[dropout]", "with dense") if is_table(mutant) => {
            Wanted("these layers go in either order")
        }
        ("model.layers[normalization]", "with dense") if is_table(mutant) => Wanted("these layers go in either order"),
        ("model.layers[dense]", "with dense") if looks_later(mutant) => {
            Wanted("only the folder says how many classes there are")
        }
        (step, _) if step.starts_with("evaluation[") => Wanted("what is shown has no fixed order"),
        (metric, _) if metric.starts_with("training.metrics[") => Wanted("what is told has no fixed order"),
        (step, _) if step.starts_with("dataset.train[augment].augment[") => {
            Wanted("images may be changed in any order")
        }
        (step, _) if step.contains(".exclude_from_weight_decay[") => Wanted("what doesn't decay has no order"),
        _ => return None,
    })
}

fn indented(at: &str, what: &str) -> Option<Because> {
    Some(match (at, what) {
        (
            "dataset.source.image_folder"
            | "dataset.source.table"
            | "model.layers"
            | "expect.test_accuracy"
            | "expect.test_mean_absolute_error",
            "two columns more",
        ) => Wanted("what is alone in its mapping may stand as deep as one likes"),
        (optimizer, "two columns more")
            if optimizer.starts_with("training.optimizer.")
                && (optimizer.matches('.').count() == 2 || optimizer.ends_with(".learning_rate.cosine_decay")) =>
        {
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
        (Kind::Misplace, "model.layers[flatten]" | "model.layers[global_max_pooling2d]") => "- dense:",
        (Kind::Misplace, "dataset.train[augment].augment[alternating_flip]") => "- augment:",
        (Kind::Misplace, "training.parameter_groups[layers].layers[dense]") => "- {layers:",
        (Kind::Drop, "model.layers[position_embedding]") => "exclude_from_weight_decay:",
        (Kind::Misplace, "model.layers[repeat].repeat.layers[transformer_block]") => "- repeat:",
        (Kind::Misplace, "model.layers[patch_embedding]") => "- position_embedding:",
        // What is called otherwise can't be found by its old name.
        (Kind::Misplace, "name") if mutant.what == "in model.layers[dense].dense" => "exclude_layers:",
        _ => return None,
    };
    mutant.text.lines().any(|line| begins(line, told_at)).then_some(told_at)
}
