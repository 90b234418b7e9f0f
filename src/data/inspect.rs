//! A look at all examples of a source: counts, values, copies, and some of the images.

use super::{ChannelSums, Feed, InputPipeline, Statistics, Subset};
use crate::{
    random::Purpose,
    run::{Duplicates, Inspection, Pixels, SplitInspection, Thumbnail},
    source::{Dataset, Examples},
    stage::{Batch, Stage},
};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, sync::Arc};

/// How many images of each split are shown.
const SAMPLE: usize = 25;
/// How many finds are told one by one.
const TOLD: usize = 20;

/// A split by its name.
pub type Split<'a> = (&'a str, &'a dyn Examples);

/// Looks at `splits` of `dataset`: at every example, or, without `thoroughly`, at labels and some images.
pub fn inspect(dataset: &Dataset, splits: &[Split<'_>], thoroughly: bool) -> Inspection {
    let size: usize = dataset.shape.iter().product();
    let mut inspection = Inspection {
        classes: dataset.classes.clone(),
        shape: dataset.shape.to_vec(),
        splits: Vec::new(),
        duplicates: None,
    };
    let mut digests = HashMap::new();
    for (name, examples) in splits {
        let mut split = SplitInspection {
            name: (*name).to_owned(),
            examples: examples.len(),
            per_class: dataset.class_counts(*examples),
            sample: sample(*examples, dataset.shape),
            ..SplitInspection::default()
        };
        if thoroughly {
            let seen = look_at_all(*examples, size, dataset.shape[2]);
            split.pixels = seen.pixels();
            split.unreadable = seen.unreadable.len();
            split.reasons = seen.unreadable.into_iter().take(TOLD).collect();
            digests.insert(*name, seen.digests);
        }
        inspection.splits.push(split);
    }
    let of = |name: &str| splits.iter().find(|(split, _)| *split == name).map(|(_, examples)| examples.labels());
    if let (Some(train), Some(test)) = (digests.get("train"), digests.get("test"))
        && let (Some(train_labels), Some(test_labels)) = (of("train"), of("test"))
    {
        inspection.duplicates = Some(duplicates((train, train_labels), (test, test_labels), &dataset.classes));
    }
    inspection
}

/// What was seen of all examples, or of some of them.
#[derive(Default)]
struct Seen {
    sums: ChannelSums,
    least: Option<u8>,
    most: Option<u8>,
    /// The first bytes of each example's SHA-256; nothing for one that cannot be read.
    digests: Vec<Option<[u8; 16]>>,
    unreadable: Vec<String>,
}

impl Seen {
    fn add(&mut self, values: &[u8]) {
        self.sums.add(values);
        self.least = self.least.into_iter().chain(values.iter().copied().min()).min();
        self.most = self.most.max(values.iter().copied().max());
    }

    fn join(mut self, other: Seen) -> Seen {
        self.sums = self.sums.join(&other.sums);
        self.least = self.least.into_iter().chain(other.least).min();
        self.most = self.most.max(other.most);
        self.digests.extend(other.digests);
        self.unreadable.extend(other.unreadable);
        self
    }

    fn pixels(&self) -> Option<Pixels> {
        let Statistics { mean, variance } = self.sums.statistics();
        let deviation = variance.into_iter().map(f64::sqrt).collect();
        Some(Pixels { least: self.least?, most: self.most?, mean, deviation })
    }
}

fn look_at_all(examples: &dyn Examples, size: usize, channels: usize) -> Seen {
    const PART: usize = 256;
    let parts: Vec<Seen> = (0..examples.len().div_ceil(PART))
        .into_par_iter()
        .map(|part| {
            let mut seen = Seen { sums: ChannelSums::new(channels), ..Seen::default() };
            let mut values = vec![0; size];
            for index in part * PART..((part + 1) * PART).min(examples.len()) {
                match examples.read(index, &mut values) {
                    Ok(()) => {
                        seen.add(&values);
                        let digest = Sha256::digest(&values);
                        seen.digests.push(digest[..16].try_into().ok());
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
    let none = Seen { sums: ChannelSums::new(channels), ..Seen::default() };
    parts.into_iter().fold(none, Seen::join)
}

/// Digests of a split's examples, and their labels.
type Marked<'a> = (&'a Vec<Option<[u8; 16]>>, &'a [u32]);

fn duplicates(train: Marked<'_>, test: Marked<'_>, classes: &[String]) -> Duplicates {
    let named = |label: u32| classes.get(label as usize).map_or("?", String::as_str);
    let mut found = Duplicates::default();
    let mut first: HashMap<[u8; 16], (&str, usize, u32)> = HashMap::new();
    for (split, (digests, labels)) in [("train", train), ("test", test)] {
        for (index, (digest, &label)) in digests.iter().zip(labels).enumerate() {
            let Some(digest) = digest else { continue };
            let Some(&(other_split, other, other_label)) = first.get(digest) else {
                first.insert(*digest, (split, index, label));
                continue;
            };
            match (other_split, split) {
                ("train", "test") => found.test_in_train += 1,
                (_, "train") => found.within_train += 1,
                _ => found.within_test += 1,
            }
            found.contradictions += usize::from(label != other_label);
            if found.examples.len() < TOLD {
                let (own, others) = (named(label), named(other_label));
                found.examples.push(format!("{split} {index} ({own}) is {other_split} {other} ({others})"));
            }
        }
    }
    found
}

/// Some images, chosen by a constant: every look shows the same.
fn sample(examples: &dyn Examples, shape: [usize; 3]) -> Vec<Thumbnail> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    Purpose::new(0, "sample of the data").stream(0, 0).shuffle(&mut order);
    let mut values = vec![0; shape.iter().product()];
    let shown = order.into_iter().take(SAMPLE).filter_map(|index| {
        examples.read(index, &mut values).ok()?;
        Some(Thumbnail { index, label: examples.labels()[index], png: png(&values, shape)? })
    });
    shown.collect()
}

/// The images of `sample`, which are of `feed`, as `stages`, which stand at `path`, hand them to the first epoch; none where
/// nothing is augmented. A blended image keeps its own label.
pub fn augmented(feed: &Feed, stages: &[Stage], path: &'static str, seed: u64, sample: &[Thumbnail]) -> Vec<Thumbnail> {
    let chosen = |changes: fn(&&Stage) -> bool| stages.iter().filter(changes).cloned().collect::<Vec<_>>();
    let (augment, blend) =
        (chosen(|stage| !stage.augmentations().is_empty()), chosen(|stage| stage.blending().is_some()));
    if augment.len() + blend.len() == 0 || sample.is_empty() {
        return Vec::new();
    }
    let shape = feed.shape;
    let batch = Stage::Batch(Batch { batch_size: sample.len(), drop_remainder: false });
    let stages = [augment, vec![batch], blend].concat();
    let chosen = Subset::new(feed.examples.clone(), sample.iter().map(|image| image.index).collect());
    let pipeline = InputPipeline::new(Feed { examples: Arc::new(chosen), ..feed.clone() }, &stages, path, seed, 1);
    let Some(Ok(batch)) = pipeline.epoch(0).next() else { return Vec::new() };
    let images = batch.images.chunks(shape.iter().product());
    let shown = sample.iter().zip(images);
    shown.filter_map(|(image, values)| Some(Thumbnail { png: png(values, shape)?, ..image.clone() })).collect()
}

/// An image, `[height, width, channels]`, as PNG in base 64; nothing where it has neither one channel nor three.
fn png(values: &[u8], [height, width, channels]: [usize; 3]) -> Option<String> {
    let colour = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return None,
    };
    let mut bytes = Vec::new();
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    PngEncoder::new(&mut bytes).write_image(values, width, height, colour).ok()?;
    Some(crate::text::base64(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Diagnostic, Result};

    struct Few(Vec<(u8, u32)>);

    impl Few {
        fn labels(&self) -> Vec<u32> {
            self.0.iter().map(|(_, label)| *label).collect()
        }
    }

    struct Held(Few, Vec<u32>);

    impl Examples for Held {
        fn labels(&self) -> &[u32] {
            &self.1
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
        let seen = (look_at_all(&train, 4, 1), look_at_all(&test, 4, 1));
        assert_eq!(seen.0.unreadable, ["3 is broken"]);
        let pixels = seen.0.pixels().unwrap();
        assert_eq!((pixels.least, pixels.most), (1, 2));
        assert!((pixels.mean[0] - 4.0 / 3.0).abs() < 1e-12, "{pixels:?}");
        let found = duplicates(
            (&seen.0.digests, train.labels()),
            (&seen.1.digests, test.labels()),
            &["cat".to_owned(), "dog".to_owned()],
        );
        assert_eq!((found.within_train, found.within_test, found.test_in_train, found.contradictions), (1, 1, 1, 1));
        assert_eq!(found.examples[0], "train 2 (dog) is train 0 (cat)");
    }
}
