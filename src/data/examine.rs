//! Whether every example can be read, and what becomes of those that cannot.
//!
//! It is found out before training, so that an undecodable test image doesn't end a run that has trained for hours, and all
//! of them are told at once. What was found is remembered by the digest of the data: another run with the same data
//! doesn't look again.

use super::Feed;
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    run::{Unreadable, write_atomically},
    source::{DECODING, Dataset, Examples, Form, Progress, Subset, Surroundings},
    text::hexadecimal,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// How many are told one by one.
const TOLD: usize = 20;

/// What to do about examples that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreadable {
    /// Nothing is trained.
    Fail,
    /// They are left out, as long as they are no more than so many.
    Skip(Option<usize>),
}

/// An example that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    /// Which of the data's splits, counted from 0.
    split: usize,
    /// Which of its examples.
    index: usize,
    /// Why.
    reason: String,
}

/// The data without what cannot be read, and what that is.
///
/// # Errors
/// Where something cannot be read and that isn't to be skipped, too much cannot be read, a class is left without a training
/// example, or the user wants to stop.
pub fn readable(
    dataset: Dataset,
    on_unreadable: OnUnreadable,
    surroundings: &Surroundings<'_>,
) -> Result<(Dataset, Vec<Unreadable>)> {
    let found = examine(&dataset, surroundings)?;
    if found.is_empty() {
        return Ok((dataset, Vec::new()));
    }
    let splits = dataset.splits();
    let mut all: Vec<Unreadable> = found
        .iter()
        .map(|Found { split, index, reason }| {
            let (name, examples) = splits[*split];
            Unreadable { split: name.to_owned(), example: examples.describe(*index), reason: reason.clone() }
        })
        .collect();
    // Examples are in a mixed order, and people look for the second row behind the first.
    all.sort_by_cached_key(|one| (splits.iter().position(|(name, _)| *name == one.split), counted(&one.example)));
    let examples: usize = splits.iter().map(|(_, examples)| examples.len()).sum();
    let count = format!("{} of {examples} examples cannot be read", found.len());
    let code = if dataset.form.image().is_some() { Code::BAD_IMAGE } else { Code::BAD_DATA };
    let refused = match on_unreadable {
        OnUnreadable::Fail => Some(
            Diagnostic::error(code, count)
                .help("mend or remove them, or leave them out with `on_error: skip` in `dataset`"),
        ),
        OnUnreadable::Skip(Some(most)) if found.len() > most => Some(
            Diagnostic::error(code, format!("{count}, more than `max_errors: {most}` allows"))
                .help("mend or remove them, or allow more"),
        ),
        OnUnreadable::Skip(_) => None,
    };
    if let Some(problem) = refused {
        let problem = all.iter().take(TOLD).fold(problem, |problem, one| problem.fact(one.reason.as_str()));
        return Err(Box::new(match all.len().saturating_sub(TOLD) {
            0 => problem,
            more => problem.fact(format!("and {more} more: `trainyard data verify FILE` names all of them")),
        }));
    }
    let without = |split: usize, examples: &Arc<dyn Examples>| -> Arc<dyn Examples> {
        let mut keep = vec![true; examples.len()];
        found.iter().filter(|one| one.split == split).for_each(|one| keep[one.index] = false);
        if keep.iter().all(|keep| *keep) {
            return examples.clone();
        }
        Arc::new(Subset::new(examples.clone(), (0..keep.len()).filter(|&index| keep[index]).collect()))
    };
    let mut parts: Vec<_> = splits.iter().enumerate().map(|(at, (_, examples))| without(at, examples)).collect();
    let (train, test) = (parts.remove(0), parts.pop().unwrap_or_else(|| dataset.test.clone()));
    let before = dataset.class_counts(&*dataset.train);
    let dataset = Dataset { train, test, validation: parts.pop(), ..dataset };
    let counts = dataset.class_counts(&*dataset.train);
    if let Some(class) = before.iter().zip(&counts).position(|(&before, &count)| before > 0 && count == 0) {
        let message = format!("no training example of `{}` can be read", dataset.classes[class]);
        return Err(Box::new(Diagnostic::error(code, message)));
    }
    if let Some((name, _)) = dataset.splits().iter().find(|(_, examples)| examples.is_empty()) {
        return Err(Box::new(Diagnostic::error(code, format!("no {name} example can be read"))));
    }
    Ok((dataset, all))
}

/// A name in which numbers sort as numbers.
fn counted(name: &str) -> String {
    let mut key = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, behind) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        key.push_str(before);
        key.push_str(&format!("{digits:0>20}"));
        rest = behind;
    }
    key + rest
}

/// Reads every example, on several threads; gives what `judge` makes of the failures, in the order of the examples.
fn read_all<T: Send>(
    examples: &dyn Examples,
    form: Form,
    stop: &AtomicBool,
    judge: impl Fn(usize, Result<()>) -> Result<Option<T>> + Sync,
) -> Result<Vec<T>> {
    let look = |values: &mut Vec<u8>, index: usize| match stop.load(Ordering::Relaxed) {
        true => Err(interrupted()),
        false => judge(index, examples.read(index, values)),
    };
    let looked: Result<Vec<Option<T>>> =
        (0..examples.len()).into_par_iter().map_init(|| vec![0; form.bytes()], look).collect();
    Ok(looked?.into_iter().flatten().collect())
}

/// Why examples cannot be read, in their order; nothing is remembered.
///
/// # Errors
/// Where the user wants to stop.
pub fn unreadable(examples: &dyn Examples, form: Form, stop: &AtomicBool) -> Result<Vec<String>> {
    read_all(examples, form, stop, |_, read| Ok(read.err().map(|problem| problem.message)))
}

pub(super) fn interrupted() -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::INTERRUPTED, "looking at the data was interrupted"))
}

/// What cannot be read, in the order of the splits and their examples.
fn examine(dataset: &Dataset, surroundings: &Surroundings<'_>) -> Result<Vec<Found>> {
    let splits = dataset.splits();
    if splits.iter().all(|(_, examples)| examples.is_sound()) {
        return Ok(Vec::new());
    }
    // What lies in memory is looked at faster than remembered.
    let memory = splits.iter().any(|(_, examples)| !examples.in_memory()).then(|| memory(dataset, surroundings));
    if let Some(remembered) = memory.as_ref().and_then(|path| remembered(path, dataset)) {
        return Ok(remembered);
    }
    let total: usize = splits.iter().map(|(_, examples)| examples.len()).sum();
    let done = AtomicUsize::new(0);
    // What a disk or a network failed to give may be there the next time.
    let passing = AtomicBool::new(false);
    let judge = |split: usize, index: usize, read: Result<()>| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(64) || done == total {
            let what = "examples, to see whether all can be read".to_owned();
            (surroundings.progress)(Progress::Reading { what, done: done as u64, total: total as u64 });
        }
        Ok(match read {
            Ok(()) => None,
            // A file that another program writes to isn't broken for good.
            Err(problem) if problem.code == Code::DATA_CHANGED => return Err(problem),
            Err(problem) => {
                passing.fetch_or(problem.code == Code::IO, Ordering::Relaxed);
                Some(Found { split, index, reason: problem.message })
            }
        })
    };
    let looked: Result<Vec<Vec<Found>>> = splits
        .iter()
        .enumerate()
        .map(|(split, (_, examples))| {
            read_all(&***examples, dataset.form, surroundings.stop, |index, read| judge(split, index, read))
        })
        .collect();
    (surroundings.progress)(Progress::ReadingDone);
    let found = looked?.concat();
    if let Some(path) = memory.filter(|_| !passing.load(Ordering::Relaxed)) {
        // Without it, the next run looks again; that is no reason to fail.
        let _ = path.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = write_atomically(&path, serde_json::to_string(&found).unwrap_or_default().as_bytes());
    }
    Ok(found)
}

/// Where it is remembered what cannot be read of these data.
fn memory(dataset: &Dataset, surroundings: &Surroundings<'_>) -> PathBuf {
    let mut digest = Sha256::new();
    digest.update(format!("trainyard {} {DECODING}\0", env!("CARGO_PKG_VERSION")));
    for (name, examples) in dataset.splits() {
        digest.update(Feed::new(dataset, examples.clone(), name).identity());
    }
    let name = hexadecimal(&digest.finalize()[..16]);
    surroundings.cache_directory.join("examined").join(format!("{name}.json"))
}

fn remembered(path: &PathBuf, dataset: &Dataset) -> Option<Vec<Found>> {
    let found: Vec<Found> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let splits = dataset.splits();
    let sound = |one: &Found| splits.get(one.split).is_some_and(|(_, examples)| one.index < examples.len());
    found.iter().all(sound).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Labels;

    /// Examples of which some cannot be read, and how often one was looked at.
    struct Partly {
        labels: Vec<u32>,
        broken: Vec<usize>,
        looks: AtomicUsize,
    }

    impl Examples for Partly {
        fn labels(&self) -> Labels<'_> {
            Labels::Classes(&self.labels)
        }

        fn read(&self, index: usize, _: &mut [u8]) -> Result<()> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            match self.broken.contains(&index) {
                true => Err(Box::new(Diagnostic::error(Code::BAD_IMAGE, format!("{index}.png is broken")))),
                false => Ok(()),
            }
        }

        fn describe(&self, index: usize) -> String {
            format!("{index}.png")
        }
    }

    fn examples(labels: &[u32], broken: &[usize]) -> Arc<Partly> {
        Arc::new(Partly { labels: labels.to_vec(), broken: broken.to_vec(), looks: AtomicUsize::new(0) })
    }

    fn data(train: &Arc<Partly>, test: &Arc<Partly>) -> Dataset {
        Dataset {
            classes: vec!["a".to_owned(), "b".to_owned()],
            target: None,
            form: Form::Features(1),
            features: vec!["x".to_owned()],
            train: train.clone(),
            validation: None,
            test: test.clone(),
            location: String::new(),
            digest: "d".to_owned(),
            reader: None,
        }
    }

    fn looked(dataset: Dataset, policy: OnUnreadable, cache: &std::path::Path) -> Result<(Dataset, Vec<Unreadable>)> {
        let stop = AtomicBool::new(false);
        let around =
            Surroundings { data_directory: None, cache_directory: cache.to_owned(), progress: &|_| (), stop: &stop };
        readable(dataset, policy, &around)
    }

    #[test]
    fn what_cannot_be_read_is_named_at_once_or_left_out() {
        let cache = tempfile::tempdir().unwrap();
        let (train, test) = (examples(&[0, 1, 0, 1], &[1, 2]), examples(&[1, 0], &[0]));
        let problem = looked(data(&train, &test), OnUnreadable::Fail, cache.path()).unwrap_err();
        assert_eq!(problem.message, "3 of 6 examples cannot be read");
        assert!(counted("a9 row 2") < counted("a9 row 10") && counted("a9") < counted("a10"));
        assert_eq!(problem.notes, ["1.png is broken", "2.png is broken", "0.png is broken"]);
        let (left, told) = looked(data(&train, &test), OnUnreadable::Skip(Some(3)), cache.path()).unwrap();
        assert_eq!((left.train.labels().classes(), left.test.labels().classes()), (&[0, 1][..], &[0][..]));
        assert_eq!((left.train.describe(1), left.test.describe(0)), ("3.png".to_owned(), "1.png".to_owned()));
        assert_eq!((told.len(), told[2].split.as_str(), told[2].example.as_str()), (3, "test", "0.png"));
        let problem = looked(data(&train, &test), OnUnreadable::Skip(Some(2)), cache.path()).unwrap_err();
        assert_eq!(problem.message, "3 of 6 examples cannot be read, more than `max_errors: 2` allows");
    }

    #[test]
    fn a_second_look_is_spared_unless_something_is_different() {
        let cache = tempfile::tempdir().unwrap();
        let (train, test) = (examples(&[0, 1, 0], &[2]), examples(&[1], &[]));
        let look = |digest: &str| {
            let dataset = Dataset { digest: digest.to_owned(), ..data(&train, &test) };
            let (left, _) = looked(dataset, OnUnreadable::Skip(None), cache.path()).unwrap();
            (left.train.len(), train.looks.swap(0, Ordering::Relaxed))
        };
        assert_eq!(look("one"), (2, 3));
        assert_eq!(look("one"), (2, 0));
        assert_eq!(look("other"), (2, 3));
        // What is no memory of ours is passed over.
        for entry in fs::read_dir(cache.path().join("examined")).unwrap() {
            fs::write(entry.unwrap().path(), r#"[{"split": 0, "index": 99, "reason": ""}]"#).unwrap();
        }
        assert_eq!(look("one"), (2, 3));
    }

    #[test]
    fn no_class_may_vanish_from_training() {
        let cache = tempfile::tempdir().unwrap();
        let (train, test) = (examples(&[0, 1, 0], &[1]), examples(&[1], &[]));
        let problem = looked(data(&train, &test), OnUnreadable::Skip(None), cache.path()).unwrap_err();
        assert_eq!(problem.message, "no training example of `b` can be read");
        let (train, test) = (examples(&[0, 1], &[]), examples(&[1], &[0]));
        let problem = looked(data(&train, &test), OnUnreadable::Skip(None), cache.path()).unwrap_err();
        assert_eq!(problem.message, "no test example can be read");
    }
}
