//! A look at all examples of a source: counts, values, copies, and some of the images.

use super::{ChannelSums, Feed, InputPipeline, Statistics, examine::interrupted};
use crate::{
    diagnostic::Result,
    picture::thumbnail,
    random::Purpose,
    run::{Duplicates, Inspection, SplitInspection, StoredImage, Strip, Targets, Thumbnail, Values},
    source::{Dataset, Examples, Form, Labels, Subset},
    stage::{Augment, Batch, Stage},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many images of each split are shown.
const SAMPLE: usize = 25;
/// How many of them show what an augmentation does alone.
const STRIP: usize = 5;
/// How many finds are told one by one.
const TOLD: usize = 20;

/// A split by its name.
pub type Split<'a> = (&'a str, &'a dyn Examples);

/// Looks at `splits` of `dataset`: at every example, or, without `thoroughly`, at labels and some images.
///
/// # Errors
/// Where `stop` becomes true.
pub fn inspect(dataset: &Dataset, splits: &[Split<'_>], thoroughly: bool, stop: &AtomicBool) -> Result<Inspection> {
    let mut inspection = Inspection {
        classes: dataset.classes.clone(),
        target: dataset.target.clone(),
        shape: dataset.form.shape(),
        features: dataset.features.clone(),
        splits: Vec::new(),
        duplicates: None,
    };
    let mut marked = Vec::new();
    for (name, examples) in splits {
        let mut split = SplitInspection {
            name: (*name).to_owned(),
            examples: examples.len(),
            per_class: dataset.class_counts(*examples),
            targets: Targets::of(examples.labels().numbers()),
            sample: dataset.form.image().map(|shape| sample(*examples, shape)).unwrap_or_default(),
            ..SplitInspection::default()
        };
        if thoroughly {
            let seen = look_at_all(*examples, dataset.form, stop);
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            split.values = seen.sums.statistics().map(Values::from);
            split.sizes = seen.sizes(*examples);
            split.unreadable = seen.unreadable.len();
            split.reasons = seen.unreadable.into_iter().take(TOLD).collect();
            marked.push(Marked { split: name, digests: seen.digests, examples: *examples });
        }
        inspection.splits.push(split);
    }
    inspection.duplicates = thoroughly.then(|| duplicates(&marked, &dataset.classes));
    Ok(inspection)
}

impl From<Statistics> for Values {
    fn from(statistics: Statistics) -> Self {
        let Statistics { mean, variance, least, most } = statistics;
        Values { least, most, mean, deviation: variance.into_iter().map(f64::sqrt).collect() }
    }
}

impl From<&Values> for Statistics {
    fn from(values: &Values) -> Self {
        let Values { least, most, mean, deviation } = values.clone();
        Statistics { mean, variance: deviation.into_iter().map(|d| d * d).collect(), least, most }
    }
}

/// The smallest and the largest of the images that were seen: pixels, index, and height and width.
type Extremes = [(usize, usize, [usize; 2]); 2];

/// What was seen of all examples, or of some of them.
#[derive(Default)]
struct Seen {
    sums: ChannelSums,
    extremes: Option<Extremes>,
    /// The first bytes of each example's SHA-256; nothing for one that cannot be read.
    digests: Vec<Option<[u8; 16]>>,
    unreadable: Vec<String>,
}

impl Seen {
    fn nothing(form: Form) -> Self {
        Seen { sums: ChannelSums::new(form), ..Seen::default() }
    }

    fn add_size(&mut self, index: usize, size: [usize; 2]) {
        let own = (size[0] * size[1], index, size);
        self.extremes = Some(wider(self.extremes, [own; 2]));
    }

    fn join(mut self, other: Seen) -> Seen {
        self.sums = self.sums.join(&other.sums);
        self.extremes = match other.extremes {
            Some(extremes) => Some(wider(self.extremes, extremes)),
            None => self.extremes,
        };
        self.digests.extend(other.digests);
        self.unreadable.extend(other.unreadable);
        self
    }

    fn sizes(&self, examples: &dyn Examples) -> Option<[StoredImage; 2]> {
        self.extremes.map(|extremes| {
            extremes.map(|(_, index, [height, width])| StoredImage { name: examples.describe(index), height, width })
        })
    }
}

/// Of equal sizes the one that came first.
fn wider(before: Option<Extremes>, [small, large]: Extremes) -> Extremes {
    match before {
        Some([least, most]) => {
            [if small.0 < least.0 { small } else { least }, if large.0 > most.0 { large } else { most }]
        }
        None => [small, large],
    }
}

fn look_at_all(examples: &dyn Examples, form: Form, stop: &AtomicBool) -> Seen {
    const PART: usize = 256;
    let parts: Vec<Seen> = (0..examples.len().div_ceil(PART))
        .into_par_iter()
        .map(|part| {
            let mut seen = Seen::nothing(form);
            let mut values = vec![0; form.bytes()];
            for index in part * PART..((part + 1) * PART).min(examples.len()) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                match examples.read(index, &mut values) {
                    Ok(()) => {
                        seen.sums.add(form, &values);
                        let digest = Sha256::digest(&values);
                        seen.digests.push(digest[..16].try_into().ok());
                        if let Some(size) = examples.stored_size(index) {
                            seen.add_size(index, size);
                        }
                    }
                    Err(problem) => {
                        seen.unreadable.push(problem.message.clone());
                        seen.digests.push(None);
                    }
                }
            }
            seen
        })
        .collect();
    parts.into_iter().fold(Seen::nothing(form), Seen::join)
}

/// A split's examples with the digests of their bytes.
struct Marked<'a> {
    split: &'a str,
    digests: Vec<Option<[u8; 16]>>,
    examples: &'a dyn Examples,
}

/// Examples of the same bytes, within the splits and between them.
fn duplicates(splits: &[Marked<'_>], classes: &[String]) -> Duplicates {
    let mut found = Duplicates::default();
    let mut first: HashMap<[u8; 16], (&Marked<'_>, usize)> = HashMap::new();
    for marked in splits {
        for (index, digest) in marked.digests.iter().enumerate() {
            let Some(digest) = digest else { continue };
            let Some(&(other_marked, other)) = first.get(digest) else {
                first.insert(*digest, (marked, index));
                continue;
            };
            match (other_marked.split, marked.split) {
                ("train", "test") => found.test_in_train += 1,
                ("validation", "test") => found.test_in_validation += 1,
                ("train", "validation") => found.validation_in_train += 1,
                (_, "train") => found.within_train += 1,
                (_, "validation") => found.within_validation += 1,
                _ => found.within_test += 1,
            }
            let (own, others) = (marked.examples.labels(), other_marked.examples.labels());
            found.contradictions += usize::from(!own.agree(index, others, other));
            if found.examples.len() < TOLD {
                let [this, that] = [(marked, index), (other_marked, other)].map(|(marked, index)| {
                    let label = label(marked.examples.labels(), index, classes);
                    format!("{} {} ({label})", marked.split, marked.examples.describe(index))
                });
                found.examples.push(format!("{this} is {that}"));
            }
        }
    }
    found
}

/// What is to be predicted of an example, for people.
fn label(labels: Labels<'_>, index: usize, classes: &[String]) -> String {
    match labels {
        Labels::Classes(labels) => classes.get(labels[index] as usize).map_or("?", String::as_str).to_owned(),
        Labels::Numbers(labels) => labels[index].to_string(),
    }
}

/// Some images, chosen by a constant: every look shows the same.
fn sample(examples: &dyn Examples, shape: [usize; 3]) -> Vec<Thumbnail> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    Purpose::new(0, "sample of the data").stream(0, 0).shuffle(&mut order);
    let mut values = vec![0; shape.iter().product()];
    let shown = order.into_iter().take(SAMPLE).filter_map(|index| {
        examples.read(index, &mut values).ok()?;
        Some(Thumbnail { index, label: examples.labels().classes()[index], png: thumbnail(&values, shape)? })
    });
    shown.collect()
}

/// The images of `sample`, which are of `feed`, as `stages`, which stand at `path`, hand them to the first epoch; none where
/// nothing is augmented. A blended image has the label of which there is most in it.
pub fn augmented(feed: &Feed, stages: &[Stage], path: &'static str, seed: u64, sample: &[Thumbnail]) -> Vec<Thumbnail> {
    let chosen = |changes: fn(&&Stage) -> bool| stages.iter().filter(changes).cloned().collect::<Vec<_>>();
    let (augment, blend) =
        (chosen(|stage| !stage.augmentations().is_empty()), chosen(|stage| stage.blending().is_some()));
    let Some(shape) = feed.form.image().filter(|_| augment.len() + blend.len() > 0 && !sample.is_empty()) else {
        return Vec::new();
    };
    let batch = Stage::Batch(Batch { batch_size: sample.len(), drop_remainder: false });
    let stages = [augment, vec![batch], blend].concat();
    let chosen = Subset::new(feed.examples.clone(), sample.iter().map(|image| image.index).collect());
    let pipeline = InputPipeline::new(Feed { examples: Arc::new(chosen), ..feed.clone() }, &stages, path, seed, 1);
    let Some(Ok(batch)) = pipeline.epoch(0).next() else { return Vec::new() };
    let images = batch.examples.chunks(feed.form.bytes());
    let shown = sample.iter().zip(images).zip(batch.labels.classes());
    let thumbnail = |((image, values), label): ((&Thumbnail, _), &i64)| {
        Some(Thumbnail { index: image.index, label: u32::try_from(*label).ok()?, png: thumbnail(values, shape)? })
    };
    shown.filter_map(thumbnail).collect()
}

/// The first images of `sample` after each of the augmentations of `stages` alone; none where there is only one of them.
pub fn strips(feed: &Feed, stages: &[Stage], path: &'static str, seed: u64, sample: &[Thumbnail]) -> Vec<Strip> {
    let sample = &sample[..sample.len().min(STRIP)];
    let mut single: Vec<(String, Stage)> = Vec::new();
    for stage in stages {
        for augmentation in stage.augmentations() {
            let alone = Stage::Augment(Augment { augmentations: vec![augmentation.clone()] });
            single.push((written(augmentation), alone));
        }
        single.extend(stage.blending().map(|_| (written(stage), stage.clone())));
    }
    if single.len() < 2 {
        return Vec::new();
    }
    let strip = |(augmentation, stage): (String, Stage)| Strip {
        augmentation,
        images: augmented(feed, &[stage], path, seed, sample),
    };
    single.into_iter().map(strip).collect()
}

/// An item as a pipeline has it, without the braces around it.
fn written(item: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(item).unwrap_or_default();
    let Some((name, arguments)) = json.as_object().and_then(|item| item.iter().next()) else { return String::new() };
    match arguments.as_object().is_none_or(serde_json::Map::is_empty) {
        true => name.clone(),
        false => {
            format!("{name}: {arguments}").replace('"', "").replace(':', ": ").replace(',', ", ").replace(":  ", ": ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Diagnostic};

    struct Few(Vec<(u8, u32)>);

    impl Few {
        fn labels(&self) -> Vec<u32> {
            self.0.iter().map(|(_, label)| *label).collect()
        }
    }

    struct Held(Few, Vec<u32>);

    impl Examples for Held {
        fn labels(&self) -> Labels<'_> {
            Labels::Classes(&self.1)
        }

        fn stored_size(&self, index: usize) -> Option<[usize; 2]> {
            Some([index + 1, 9])
        }

        fn read(&self, index: usize, into: &mut [u8]) -> Result<()> {
            match self.0.0[index].0 {
                255 => Err(Box::new(Diagnostic::error(Code::BAD_IMAGE, format!("{index} is broken")))),
                value => {
                    into.fill(value);
                    Ok(())
                }
            }
        }
    }

    fn held(examples: &[(u8, u32)]) -> Held {
        let few = Few(examples.to_vec());
        let labels = few.labels();
        Held(few, labels)
    }

    #[test]
    fn copies_contradictions_and_broken_images_are_found() {
        let train = held(&[(1, 0), (2, 1), (1, 1), (255, 0)]);
        let test = held(&[(2, 1), (7, 0), (7, 0)]);
        let form = Form::Image([2, 2, 1]);
        let stop = AtomicBool::new(false);
        let seen = (look_at_all(&train, form, &stop), look_at_all(&test, form, &stop));
        assert_eq!(seen.0.unreadable, ["3 is broken"]);
        let values = Values::from(seen.0.sums.statistics().unwrap());
        assert_eq!(values.range(), [1.0, 2.0]);
        assert!((values.mean[0] - 4.0 / 3.0).abs() < 1e-12, "{values:?}");
        let sizes = seen.0.sizes(&train).unwrap().map(|image| (image.name, [image.height, image.width]));
        assert_eq!(sizes, [("0".to_owned(), [1, 9]), ("2".to_owned(), [3, 9])]);
        let train = Marked { split: "train", digests: seen.0.digests, examples: &train };
        let test = Marked { split: "test", digests: seen.1.digests, examples: &test };
        let found = duplicates(&[train, test], &["cat".to_owned(), "dog".to_owned()]);
        assert_eq!((found.within_train, found.within_test, found.test_in_train, found.contradictions), (1, 1, 1, 1));
        assert_eq!(found.examples[0], "train 2 (dog) is train 0 (cat)");
    }
}
