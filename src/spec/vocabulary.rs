//! Words of other frameworks, and keys that stand in the wrong place: what to write instead.
//!
//! What has a counterpart here names it beside its type, as `x-known-as`; the words without one are listed below.

use super::reference::{Item, Role, reference};

/// Words for which there is nothing of that name here, with what to do instead.
const ADVICE: &[(&[&str], &str)] = &[
    (
        &["num_workers", "workers", "num_parallel_calls", "n_jobs"],
        "data is read by as many threads as the machine has: leave it out",
    ),
    (
        &["input_shape", "batch_input_shape", "in_channels", "in_features", "input_dim", "input"],
        "shapes follow from `dataset.source` and the layers before: leave it out",
    ),
    (
        &["num_classes", "n_classes"],
        "the classes follow from the source; the last layer has a unit for each: `dense: 10`",
    ),
    (
        &["gpu", "gpus", "accelerator", "use_gpu"],
        "`device: auto` takes a GPU where there is one, `device: cuda` insists",
    ),
    (&["tpu", "xla"], "libtorch has no TPUs: `device: auto` takes the fastest device that is there"),
    (
        &["rocm", "hip", "xpu", "directml", "vulkan", "opencl"],
        "`device: cuda` is for NVIDIA's GPUs and `device: mps` for Apple's; `device: auto` takes the fastest that is there",
    ),
    (&["metal"], "here it is called `device: mps`"),
    (&["nvidia"], "here it is called `device: cuda`"),
    (&["include", "import", "inherits", "defaults"], "`extends: base.yaml` takes over what another file says"),
    (
        &["transform", "transforms", "preprocessing", "normalize"],
        "values are scaled in the model, `rescaling: {scale: 1/255}`, and images are augmented by the stage `augment`",
    ),
    (&["sequential", "modulelist"], "`model.layers` is the sequence: list the layers there"),
    (&["verbose", "progress_bar"], "`--quiet` on the command line says less"),
    (
        &["output_dir", "log_dir", "logdir", "save_dir"],
        "`run --runs-dir DIR` on the command line says where runs are kept",
    ),
];

/// A word without the case, the marks and the module before it: `torch.nn.MaxPool2d` and `max_pool2d` are the same.
fn plain(word: &str) -> String {
    let own = word.rsplit('.').next().unwrap_or(word);
    own.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The candidate that other frameworks call `word`, or that is called so itself but for case and module.
pub fn called<'a>(word: &str, candidates: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Option<&'a str> {
    let wanted = plain(word);
    let mut candidates = candidates.into_iter();
    candidates.find(|(name, others)| plain(name) == wanted || others.iter().any(|o| plain(o) == wanted)).map(|(n, _)| n)
}

/// What to do about a word that means nothing where it stands.
pub fn advice(word: &str) -> Option<String> {
    let wanted = plain(word);
    let belongs = || {
        let own = |item: &&Item| plain(item.name()) == wanted;
        let foreign = |item: &&Item| item.known_as().any(|name| plain(name) == wanted);
        let items = &reference().items;
        // What stands less deep is what is more often meant: `epochs` of `training`.
        let shallowest = |meant: &dyn Fn(&&Item) -> bool| items.iter().filter(meant).min_by_key(|item| item.path.len());
        shallowest(&own).or_else(|| shallowest(&foreign)).map(|item| belonging(word, item))
    };
    let listed =
        || ADVICE.iter().find(|(words, _)| words.iter().any(|w| plain(w) == wanted)).map(|(_, a)| (*a).to_owned());
    listed().or_else(belongs)
}

/// Where `item` belongs, for somebody who wrote `word`.
fn belonging(word: &str, item: &Item) -> String {
    let name = item.name();
    let called = if name == word { format!("`{name}` is") } else { format!("here it is called `{name}`,") };
    let around = &item.path[..item.path.len() - 1];
    let place = |family: &str| {
        let first = reference().places(family).first();
        format!("`{}`", first.map(|place| place.join(".")).unwrap_or_default())
    };
    if let Role::Member(family) = item.role {
        return format!("{called} {}: it belongs in {}", with_article(family), place(family));
    }
    let member = reference().items.iter().find(|other| other.path == around);
    match member.map(|member| (member.name(), member.role)) {
        Some((member, Role::Member(family))) => {
            format!("{called} an argument of the {family} `{member}`, in {}", place(family))
        }
        _ if around.is_empty() => format!("{called} a key of the pipeline itself: write it without indentation"),
        _ => format!("{called} a key of `{}`", around.join(".")),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::reference::reference;

    #[test]
    fn what_advice_names_exists() {
        for (_, advice) in ADVICE {
            for word in advice.split('`').skip(1).step_by(2) {
                let key = word.split([':', ' ']).next().unwrap_or_default();
                let exists = key.starts_with("--")
                    || key == "run"
                    || reference().items.iter().any(|item| item.display().ends_with(key));
                assert!(exists, "`{word}` in: {advice}");
            }
        }
    }

    #[test]
    fn words_of_others_lead_to_ours() {
        for (word, part) in [
            ("lr", "here it is called `learning_rate`, an argument of the optimizer `adam`"),
            ("batch_size", "`batch_size` is an argument of the stage `batch`, in `dataset.train`"),
            ("epochs", "`epochs` is a key of `training`"),
            ("early_stopping", "`early_stopping` is a callback: it belongs in `training.callbacks`"),
            ("EarlyStopping", "here it is called `early_stopping`, a callback"),
            ("nn.Linear", "here it is called `dense`, a layer: it belongs in `model.layers`"),
            ("seed", "`seed` is a key of the pipeline itself"),
            ("num_workers", "leave it out"),
        ] {
            let advice = advice(word).unwrap_or_default();
            assert!(advice.contains(part), "{word}: {advice}");
        }
    }

    #[test]
    fn no_word_is_claimed_twice_in_one_place() {
        for item in &reference().items {
            for word in item.known_as() {
                let around = &item.path[..item.path.len() - 1];
                let siblings = reference().items.iter().filter(|other| other.path.starts_with(around));
                let siblings = siblings.filter(|other| other.path.len() == item.path.len());
                let claimed = siblings.filter(|other| {
                    plain(other.name()) == plain(word) || other.known_as().any(|name| plain(name) == plain(word))
                });
                assert_eq!(claimed.count(), 1, "{word}");
            }
        }
    }
}
