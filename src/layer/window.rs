//! Windows that slide over images: where they stand, how many fit, what is padded.

use super::{Padding, Pair, ShapeError, arguments::Windows, display_shape};

/// Windows over `[height, width]`.
pub(super) struct Sliding {
    /// Height and width of a window.
    pub size: Pair,
    /// The distance between windows.
    pub strides: Pair,
    /// The distance between the elements of a window.
    pub dilation_rate: Pair,
    /// What happens at the border.
    pub padding: Padding,
}

/// From the first to the last of so many elements that lie so far apart.
pub(super) fn reach(elements: usize, dilation_rate: usize) -> usize {
    (elements.max(1) - 1).saturating_mul(dilation_rate).saturating_add(1)
}

/// Windows that are pooled.
pub(super) struct Pooling {
    /// Height and width of a window.
    pub size: [i64; 2],
    /// The distance between windows.
    pub strides: [i64; 2],
    /// What is padded left, right, top and bottom, if anything.
    pub padding: Option<[i64; 4]>,
}

impl Sliding {
    /// Windows that are pooled, side by side where `strides` don't say otherwise.
    pub fn pooling(size: Pair, strides: Option<Pair>, padding: Padding) -> Self {
        Sliding { size, strides: strides.unwrap_or(size), dilation_rate: Pair([1, 1]), padding }
    }

    /// The same over `image`, as they are computed.
    pub fn pooled(&self, image: &[usize]) -> Pooling {
        let padded = self.padded(image);
        Pooling {
            size: self.size.0.map(|n| n as i64),
            strides: self.strides.0.map(|n| n as i64),
            padding: (padded != [0; 4]).then_some(padded),
        }
    }

    /// The windows along one axis, 0 or 1, of an image.
    pub fn along(&self, axis: usize, image: &[usize]) -> Windows {
        let reach = reach(self.size.0[axis], self.dilation_rate.0[axis]);
        self.padding.windows(image[axis], reach, self.strides.0[axis])
    }

    /// How many windows fit below and beside each other, or why none does; `channels` are those of the output.
    pub fn count(&self, image: &[usize], channels: usize, help: &str) -> Result<[usize; 2], ShapeError> {
        let [rows, columns] = [0, 1].map(|axis| self.along(axis, image).count);
        if rows > 0 && columns > 0 {
            return Ok([rows, columns]);
        }
        let Pair([height, width]) = self.size;
        let spread = if self.dilation_rate == Pair([1, 1]) { "" } else { ", spread by `dilation_rate`," };
        Err(ShapeError::new(
            format!("a window of {height}x{width}{spread} doesn't fit into {}", display_shape(image)),
            help,
        )
        .or(vec![rows.max(1), columns.max(1), channels]))
    }

    /// Keras refuses windows that are spread and stand apart.
    pub fn check_dilation(&self) -> Result<(), ShapeError> {
        let larger = |Pair(both): Pair| both.iter().any(|&n| n > 1);
        if !(larger(self.strides) && larger(self.dilation_rate)) {
            return Ok(());
        }
        Err(ShapeError::new("`strides` and `dilation_rate` are both above 1", "leave one of them at 1"))
    }

    /// What is padded left, right, top and bottom.
    pub fn padded(&self, image: &[usize]) -> [i64; 4] {
        let (rows, columns) = (self.along(0, image), self.along(1, image));
        [columns.before, columns.after, rows.before, rows.after].map(|n| n as i64)
    }
}
