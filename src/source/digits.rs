//! Handwritten digits that come with the program.

use super::{Dataset, Declared, Held, ImageReader, Interpolation, Parts, SourceDefinition, Surroundings};
use crate::diagnostic::{Code, Diagnostic, Result};
use flate2::read::GzDecoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{io::Read, sync::Arc};

/// 1,797 handwritten digits of 8 by 8 pixels that come with the program: nothing to download, and trained in seconds.
///
/// 1,437 are for training, 360 for testing. Ink is bright (255) on black (0), in one channel.
///
/// Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998. CC BY 4.0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{}]))]
pub struct Digits {}

/// The format is described beside the file.
static PACKED: &[u8] = include_bytes!("../../assets/digits/digits.bin.gz");

const SIDE: usize = 8;
const SHAPE: [usize; 3] = [SIDE, SIDE, 1];
const SIZE: usize = SIDE * SIDE;
const RECORD: usize = 2 + SIZE;
const TRAIN: usize = 1_437;
const TEST: usize = 360;
const CLASSES: usize = 10;
/// The value of full ink.
const INK: u8 = 16;

impl Digits {
    fn images(&self) -> ImageReader {
        ImageReader::stretching(SHAPE, Interpolation::Bilinear)
    }
}

impl SourceDefinition for Digits {
    fn declare(&self) -> Declared {
        Declared {
            classes: Some(CLASSES),
            names: Some(names()),
            train: Some(TRAIN),
            test: Some(TEST),
            ..Declared::of_images(SHAPE)
        }
    }

    fn reader(&self) -> Option<ImageReader> {
        Some(self.images())
    }

    fn open(&self, _: &Surroundings<'_>) -> Result<Dataset> {
        let damaged = || Box::new(Diagnostic::error(Code::BAD_DATA, "the built-in digits are damaged"));
        let expected = (TRAIN + TEST) * RECORD;
        let mut bytes = Vec::with_capacity(expected + 1);
        GzDecoder::new(PACKED).take(expected as u64 + 1).read_to_end(&mut bytes).map_err(|_| damaged())?;
        if bytes.len() != expected {
            return Err(damaged());
        }

        let mut splits = [(); 2].map(|()| Held { labels: Vec::new(), values: Vec::new(), size: SIZE });
        for record in bytes.chunks_exact(RECORD) {
            let (split, digit, ink) = (record[0], record[1], &record[2..]);
            let split = splits.get_mut(usize::from(split)).ok_or_else(damaged)?;
            if usize::from(digit) >= CLASSES || ink.iter().any(|&value| value > INK) {
                return Err(damaged());
            }
            split.labels.push(u32::from(digit));
            split.values.extend(ink.iter().map(|&value| spread(value)));
        }
        let [train, test] = splits;
        if train.labels.len() != TRAIN || test.labels.len() != TEST {
            return Err(damaged());
        }

        let mut digest = Parts::new("digits");
        digest.add(&bytes);
        let (splits, location) = ([Arc::new(train) as _, Arc::new(test) as _], "built in".to_owned());
        Ok(Dataset::of_images(self.images(), names(), splits, location, digest.finish()))
    }

    fn look(&self, _: &Surroundings<'_>) -> Result<Declared> {
        Ok(self.declare())
    }
}

fn names() -> Vec<String> {
    (0..CLASSES).map(|digit| digit.to_string()).collect()
}

/// From 0..=16 to 0..=255, so that an ordinary image file means the same.
fn spread(ink: u8) -> u8 {
    ((u16::from(ink) * 255 + u16::from(INK) / 2) / u16::from(INK)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::surrounded;

    #[test]
    fn ink_is_spread_over_a_byte() {
        // 255 / 16 = 15.94; 8 * 15.94 = 127.5, which rounds up.
        assert_eq!([0, 1, 8, 15, 16].map(spread), [0, 16, 128, 239, 255]);
    }

    #[test]
    fn the_splits_hold_what_they_declare() {
        let digits = Digits {};
        let data = surrounded(None, "/nowhere".into(), |around| {
            assert_eq!(digits.look(around).unwrap(), digits.declare());
            digits.open(around).unwrap()
        });
        assert_eq!((data.train.len(), data.test.len()), (TRAIN, TEST));
        assert_eq!(data.classes.len(), CLASSES);
        for class in 0..CLASSES as u32 {
            assert_eq!(data.test.labels().classes().iter().filter(|&&label| label == class).count(), 36, "{class}");
        }
        let mut example = [0; SIZE];
        data.train.read(TRAIN - 1, &mut example).unwrap();
        assert!(example.contains(&255) || example.contains(&239));
        assert!(data.train.in_memory());
        assert_eq!(data.digest.len(), 64);
    }
}
