//! Batch normalization with what often stands behind it, an addition and a cut such as ReLU's, both ways.
//!
//! All of it is bound by memory, so that what counts is how often the values are read and written: the statistics are taken over
//! blocks that stay in the processor's cache, each by its mean and the deviations from it, and put together exactly (Chan et al.,
//! 1983); then one way over the values normalizes, adds and cuts. On the way back one gathers the sums, and one writes the gradient;
//! what was cut is computed again where that reads less than the output.

use super::{Instructions, compiled, vector::Vector};
use crate::device::in_parallel;

/// What is cut off behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// What is below 0.
    Relu,
    /// What is below 0 or above 6.
    Relu6,
}

/// Normalization over a batch, `[rows, channels]`: a row is a place of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// How many channels.
    pub channels: usize,
    /// What is behind it.
    pub cut: Cut,
    /// With what it is computed.
    pub instructions: Instructions,
    /// On so many threads; the numbers don't hang on them.
    pub threads: usize,
}

/// What a channel's values are multiplied by, and what is added then.
#[derive(Clone, Copy)]
pub struct Scaling<'a> {
    /// `[channels]`
    pub factor: &'a [f32],
    /// `[channels]`
    pub offset: &'a [f32],
}

/// What the way back begins with.
#[derive(Clone, Copy)]
pub struct Back<'a> {
    /// The gradient of the output, `[rows, channels]`.
    pub gradient: &'a [f32],
    /// What was normalized.
    pub values: &'a [f32],
    /// The mean of each channel, `[channels]`.
    pub mean: &'a [f32],
    /// By what.
    pub scaling: Scaling<'a>,
    /// The output, where something was added.
    pub output: Option<&'a [f32]>,
}

/// The sums over a channel that its gradients are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    /// Of the gradient behind the cut, `[channels]`.
    pub gradient: Vec<f64>,
    /// Of its product with the deviation from the mean, `[channels]`.
    pub product: Vec<f64>,
}

/// Numbers of a block, which stay in the cache.
const BLOCK: usize = 8192;
/// The fewest rows of a block, lest there are as many sums as numbers.
pub(super) const FEWEST: usize = 16;
/// The most channels: so many rows of them still lie in a processor's own cache.
const MOST: usize = 4096;
/// Numbers of the widest vector.
const WIDEST: usize = 16;

impl Normalization {
    /// Whether the kernel serves images of so many places with so many channels: several of them fill whole vectors.
    pub fn fits(places: usize, channels: usize) -> bool {
        channels > 0 && channels <= MOST && places.is_multiple_of(Self::beside(channels))
    }

    /// So many rows side by side fill whole vectors.
    fn beside(channels: usize) -> usize {
        let divides = |rows: &usize| (channels * rows).is_multiple_of(WIDEST);
        (1..=WIDEST).find(divides).expect("as many as lanes do")
    }

    /// Numbers of the rows that are taken as one.
    pub(super) fn width(&self) -> usize {
        self.channels * Self::beside(self.channels)
    }

    /// Numbers of a block.
    pub(super) fn block(&self) -> usize {
        (BLOCK / self.width()).max(FEWEST) * self.width()
    }

    /// A number a channel, for all rows that are taken as one.
    fn widened(&self, numbers: &[f32]) -> Vec<f32> {
        assert!(numbers.len() == self.channels, "a number a channel");
        numbers.repeat(Self::beside(self.channels))
    }

    /// The sums a channel of a number for each of the rows that are taken as one.
    pub(super) fn of_rows(&self, numbers: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.channels];
        for row in numbers.chunks_exact(self.channels) {
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        sums
    }

    /// `factor * values + offset + added`, cut.
    ///
    /// # Panics
    /// Where the slices don't fit each other.
    pub fn forward(&self, values: &[f32], scaling: Scaling<'_>, added: Option<&[f32]>, into: &mut [f32]) {
        let (width, block) = (self.width(), self.block());
        let (factor, offset) = (self.widened(scaling.factor), self.widened(scaling.offset));
        assert!(values.len().is_multiple_of(width) && into.len() == values.len());
        assert!(added.is_none_or(|added| added.len() == values.len()));
        let tasks = self.stretches(values.len(), into, block);
        in_parallel(tasks, |(from, into)| {
            let at = from * block;
            let added = added.map_or(std::ptr::null(), |added| added[at..].as_ptr());
            let (values, rows) = (values[at..].as_ptr(), into.len() / width);
            let (factor, offset) = (factor.as_ptr(), offset.as_ptr());
            // SAFETY: so many whole rows lie in all of them, and a row of factors and offsets.
            unsafe {
                scaled(self.instructions, values, factor, offset, added, into.as_mut_ptr(), rows, width, self.cut)
            }
        });
    }

    /// The sums that the gradients are made of; where something was added, its gradient goes into `of_added`.
    ///
    /// # Panics
    /// Where the slices don't fit each other.
    pub fn sums(&self, back: Back<'_>, of_added: Option<&mut [f32]>) -> Sums {
        let (width, block) = (self.width(), self.block());
        let length = back.values.len();
        self.assert_fits(&back);
        assert!(of_added.as_ref().is_none_or(|of_added| of_added.len() == length));
        let mut found = vec![0.0; 2 * width * length.div_ceil(block)];
        let channels = self.of_channels(&back);
        let mut written = of_added.map(|of_added| self.stretches(length, of_added, block).into_iter());
        let parts = self.stretches(length, &mut found, 2 * width).into_iter();
        let with_written = |(from, found)| (from, found, written.as_mut().and_then(Iterator::next));
        in_parallel(parts.map(with_written).collect(), |(from, found, mut written)| {
            for (at, found) in found.chunks_exact_mut(2 * width).enumerate() {
                let start = (from + at) * block;
                let walk = self.walk(&back, &channels, start, (length - start).min(block) / width);
                let of_added =
                    written.as_mut().map_or(std::ptr::null_mut(), |(_, part)| part[at * block..].as_mut_ptr());
                // SAFETY: so many whole rows lie in all of them, and two rows of results.
                unsafe { gather(self.instructions, walk, of_added, found.as_mut_ptr()) }
            }
        });
        let mut sums = vec![0.0; 2 * width];
        for found in found.chunks_exact(2 * width) {
            sums.iter_mut().zip(found).for_each(|(all, sum)| *all += f64::from(*sum));
        }
        let (gradient, product) = sums.split_at(width);
        Sums { gradient: self.of_rows(gradient), product: self.of_rows(product) }
    }

    /// The gradient of the values, to be computed: `factor * (g - a - b * (values - mean))`, where `g` is the gradient behind the cut and
    /// `a` and `b` are numbers a channel.
    ///
    /// # Panics
    /// Where the slices don't fit each other.
    pub fn slopes<'a>(&self, back: Back<'a>, [a, b]: [&[f32]; 2]) -> Slopes<'a> {
        self.assert_fits(&back);
        let channels = self.of_channels(&back);
        Slopes { normalization: *self, back, channels, a: self.widened(a), b: self.widened(b) }
    }

    /// Mean, factor and offset, as [`Walk`] has them.
    fn of_channels(&self, back: &Back<'_>) -> [Vec<f32>; 3] {
        [back.mean, back.scaling.factor, back.scaling.offset].map(|numbers| self.widened(numbers))
    }

    /// So many rows of `back` from a place on, all of which it has.
    fn walk(&self, back: &Back<'_>, channels: &[Vec<f32>; 3], start: usize, rows: usize) -> Walk {
        let [mean, factor, offset] = channels.each_ref().map(|numbers| numbers.as_ptr());
        Walk {
            gradient: back.gradient[start..].as_ptr(),
            values: back.values[start..].as_ptr(),
            output: back.output.map_or(std::ptr::null(), |output| output[start..].as_ptr()),
            mean,
            factor,
            offset,
            rows,
            width: self.width(),
            cut: self.cut,
        }
    }

    fn assert_fits(&self, back: &Back<'_>) {
        let length = back.values.len();
        assert!(length.is_multiple_of(self.width()) && back.gradient.len() == length);
        assert!(back.output.is_none_or(|output| output.len() == length));
    }

    /// Stretches of blocks, one a thread: the first of each, and its part of `results`, of which there are so many a block.
    pub(super) fn stretches<'a>(
        &self,
        length: usize,
        results: &'a mut [f32],
        a_block: usize,
    ) -> Vec<(usize, &'a mut [f32])> {
        let blocks = length.div_ceil(self.block());
        let own = blocks.div_ceil(self.threads.max(1)).max(1);
        results.chunks_mut(own * a_block).enumerate().map(|(at, results)| (at * own, results)).collect()
    }
}

/// The gradient of what was normalized, to be computed all at once or a part at a time.
pub struct Slopes<'a> {
    normalization: Normalization,
    back: Back<'a>,
    channels: [Vec<f32>; 3],
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Slopes<'_> {
    /// How many numbers they are.
    pub fn length(&self) -> usize {
        self.back.values.len()
    }

    /// Computes all of them, on all threads.
    ///
    /// # Panics
    /// Where there is another number of them.
    pub fn write(&self, into: &mut [f32]) {
        assert!(into.len() == self.length());
        let block = self.normalization.block();
        let tasks = self.normalization.stretches(into.len(), into, block);
        in_parallel(tasks, |(from, into)| self.write_part(from * block, into));
    }

    /// Computes those from a place on. Place and number are whole rows, as [`Normalization::fits`] takes them.
    ///
    /// # Panics
    /// Where they aren't, or where there are fewer.
    pub fn write_part(&self, start: usize, into: &mut [f32]) {
        let Slopes { normalization, back, channels, a, b } = self;
        let width = normalization.width();
        assert!(start.is_multiple_of(width) && into.len().is_multiple_of(width) && start + into.len() <= self.length());
        let walk = normalization.walk(back, channels, start, into.len() / width);
        // SAFETY: so many whole rows lie in all of them, and a row of each of the numbers.
        unsafe { slope(normalization.instructions, walk, a.as_ptr(), b.as_ptr(), into.as_mut_ptr()) }
    }
}

compiled! {
    unsafe fn scaled = generic_scaled(
        values: *const f32, factor: *const f32, offset: *const f32, added: *const f32, into: *mut f32, rows: usize,
        width: usize, cut: Cut,
    );
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn generic_scaled<V: Vector>(
    values: *const f32,
    factor: *const f32,
    offset: *const f32,
    added: *const f32,
    into: *mut f32,
    rows: usize,
    width: usize,
    cut: Cut,
) {
    // SAFETY: all that is read and written lies within `rows` rows.
    unsafe {
        for row in 0..rows {
            for at in (0..width).step_by(V::LANES) {
                let place = row * width + at;
                let mut y = V::load(offset.add(at)).plus_product(V::load(factor.add(at)), V::load(values.add(place)));
                if !added.is_null() {
                    y = y.plus(V::load(added.add(place)));
                }
                match cut {
                    Cut::Nothing => {}
                    Cut::Relu => y = y.cut(),
                    Cut::Relu6 => y = y.cut().at_most(V::splat(6.0)),
                }
                y.store(into.add(place));
            }
        }
    }
}

/// What the way back goes over: so many rows, and a row each of numbers a channel.
#[derive(Clone, Copy)]
struct Walk {
    gradient: *const f32,
    values: *const f32,
    /// Null where nothing was added.
    output: *const f32,
    mean: *const f32,
    factor: *const f32,
    offset: *const f32,
    rows: usize,
    width: usize,
    cut: Cut,
}

impl Walk {
    /// The gradient at a place, behind the cut, where `x` was normalized.
    #[inline(always)]
    unsafe fn behind_cut<V: Vector>(&self, place: usize, x: V, factor: V, offset: V) -> V {
        // SAFETY: the caller's.
        unsafe {
            let gradient = V::load(self.gradient.add(place));
            if self.cut == Cut::Nothing {
                return gradient;
            }
            // It is the same before the cut and behind it where nothing was cut, and at the edge elsewhere.
            let y = match self.output.is_null() {
                true => offset.plus_product(factor, x),
                false => V::load(self.output.add(place)),
            };
            let gradient = gradient.where_positive(y);
            if self.cut == Cut::Relu6 { gradient.where_positive(V::splat(6.0).minus(y)) } else { gradient }
        }
    }

    /// The two sums with what a place adds to them, where its channels have this mean, factor and offset.
    #[inline(always)]
    unsafe fn added<V: Vector>(
        &self,
        place: usize,
        [mean, factor, offset]: [V; 3],
        of_added: *mut f32,
        [sum, product]: [V; 2],
    ) -> [V; 2] {
        // SAFETY: the caller's.
        unsafe {
            let x = V::load(self.values.add(place));
            let g = self.behind_cut(place, x, factor, offset);
            if !of_added.is_null() {
                g.store(of_added.add(place));
            }
            [sum.plus(g), product.plus_product(g, x.minus(mean))]
        }
    }
}

compiled! {
    unsafe fn gather = generic_gather(walk: Walk, of_added: *mut f32, found: *mut f32);
}

#[inline(always)]
unsafe fn generic_gather<V: Vector>(walk: Walk, of_added: *mut f32, found: *mut f32) {
    let width = walk.width;
    // SAFETY: all that is read and written lies within the rows, or the two of `found`.
    unsafe {
        for at in (0..width).step_by(V::LANES) {
            let channel = [V::load(walk.mean.add(at)), V::load(walk.factor.add(at)), V::load(walk.offset.add(at))];
            // In two pairs of sums, since one would wait for itself.
            let mut sums = [[V::splat(0.0); 2]; 2];
            let twos = walk.rows / 2 * 2;
            for row in (0..twos).step_by(2) {
                let place = row * width + at;
                sums = [
                    walk.added(place, channel, of_added, sums[0]),
                    walk.added(place + width, channel, of_added, sums[1]),
                ];
            }
            if twos < walk.rows {
                sums[0] = walk.added(twos * width + at, channel, of_added, sums[0]);
            }
            sums[0][0].plus(sums[1][0]).store(found.add(at));
            sums[0][1].plus(sums[1][1]).store(found.add(width + at));
        }
    }
}

compiled! {
    unsafe fn slope = generic_slope(walk: Walk, a: *const f32, b: *const f32, into: *mut f32);
}

#[inline(always)]
unsafe fn generic_slope<V: Vector>(walk: Walk, a: *const f32, b: *const f32, into: *mut f32) {
    // SAFETY: all that is read and written lies within the rows.
    unsafe {
        for row in 0..walk.rows {
            for at in (0..walk.width).step_by(V::LANES) {
                let place = row * walk.width + at;
                let (factor, offset) = (V::load(walk.factor.add(at)), V::load(walk.offset.add(at)));
                let x = V::load(walk.values.add(place));
                let g = walk.behind_cut(place, x, factor, offset);
                let apart = x.minus(V::load(walk.mean.add(at)));
                let along = V::load(a.add(at)).plus_product(V::load(b.add(at)), apart);
                V::splat(0.0).plus_product(factor, g.minus(along)).store(into.add(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::trial::{all_instructions, close, numbers};

    #[test]
    fn it_gives_what_plain_loops_give() {
        for (places, channels) in [(1, 16), (6, 48), (700, 16), (4, 24), (1300, 8), (32, 3), (3, 256)] {
            assert!(Normalization::fits(places, channels), "{places} places, {channels} channels");
            let length = places * channels;
            // Far from 0, where a difference of large sums would have no digit left.
            let values: Vec<f32> = numbers(length, "values").iter().map(|value| value * 0.5 + 100.0).collect();
            let (added, gradient) = (numbers(length, "added"), numbers(length, "gradient"));
            let gamma: Vec<f32> = numbers(channels, "gamma").iter().map(|gamma| gamma * 6.0).collect();
            let beta: Vec<f32> = numbers(channels, "beta").iter().map(|beta| beta * 6.0).collect();
            let exact = |at: usize| f64::from(values[at]);
            let over = |channel: usize, each: &dyn Fn(usize) -> f64| -> f64 {
                (channel..length).step_by(channels).map(each).sum()
            };
            let mean: Vec<f64> = (0..channels).map(|c| over(c, &exact) / places as f64).collect();
            let variance: Vec<f64> =
                (0..channels).map(|c| over(c, &|at| (exact(at) - mean[c]).powi(2)) / places as f64).collect();
            for instructions in all_instructions() {
                let mut before = None;
                for threads in [1, 3] {
                    let plain = Normalization { channels, cut: Cut::Nothing, instructions, threads };
                    let statistics = plain.statistics(&values);
                    close("mean", &statistics.mean, &mean);
                    close("variance", &statistics.variance, &variance);
                    assert_eq!(*before.get_or_insert(statistics.clone()), statistics, "whatever the threads");
                    let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + 1e-3).sqrt()).collect();
                    let factor: Vec<f32> =
                        gamma.iter().zip(&inverse).map(|(g, i)| (f64::from(*g) * i) as f32).collect();
                    let offset: Vec<f32> =
                        (0..channels).map(|c| (f64::from(beta[c]) - mean[c] * f64::from(factor[c])) as f32).collect();
                    let scaling = Scaling { factor: &factor, offset: &offset };
                    let all = [Cut::Nothing, Cut::Relu, Cut::Relu6].map(|cut| [(cut, false), (cut, true)]);
                    for (cut, with) in all.into_iter().flatten() {
                        let it = Normalization { cut, ..plain };
                        let most = if cut == Cut::Relu6 { 6.0 } else { f64::INFINITY };
                        let least = if cut == Cut::Nothing { f64::NEG_INFINITY } else { 0.0 };
                        let sum = |at: usize| {
                            let c = at % channels;
                            let more = if with { f64::from(added[at]) } else { 0.0 };
                            f64::from(factor[c]) * exact(at) + f64::from(offset[c]) + more
                        };
                        let mut output = vec![f32::NAN; length];
                        it.forward(&values, scaling, with.then_some(&added), &mut output);
                        let want: Vec<f64> = (0..length).map(|at| sum(at).clamp(least, most)).collect();
                        // Factor times 100 has an error of its own.
                        for (got, want) in output.iter().zip(&want) {
                            assert!((f64::from(*got) - want).abs() < 1e-4, "{got} for {want}");
                        }
                        let behind = |at: usize| {
                            let y = f64::from(output[at]);
                            if least < y && y < most { f64::from(gradient[at]) } else { 0.0 }
                        };
                        let back = Back {
                            gradient: &gradient,
                            values: &values,
                            mean: &statistics.mean,
                            scaling,
                            output: with.then_some(&output),
                        };
                        let mut of_added = vec![f32::NAN; if with { length } else { 0 }];
                        let sums = it.sums(back, with.then_some(&mut of_added));
                        let single = |numbers: &[f64]| numbers.iter().map(|n| *n as f32).collect::<Vec<_>>();
                        let want: Vec<f64> = (0..channels).map(|c| over(c, &behind)).collect();
                        close("sum", &single(&sums.gradient), &want);
                        let want: Vec<f64> = (0..channels)
                            .map(|c| over(c, &|at| behind(at) * (exact(at) - f64::from(statistics.mean[c]))))
                            .collect();
                        close("product", &single(&sums.product), &want);
                        if with {
                            let want: Vec<f64> = (0..length).map(behind).collect();
                            close("added", &of_added, &want);
                        }
                        let (a, b) = (numbers(channels, "a"), numbers(channels, "b"));
                        let mut into = vec![f32::NAN; length];
                        it.slopes(back, [&a, &b]).write(&mut into);
                        let want: Vec<f64> = (0..length)
                            .map(|at| {
                                let c = at % channels;
                                let apart = exact(at) - f64::from(statistics.mean[c]);
                                f64::from(factor[c]) * (behind(at) - f64::from(a[c]) - f64::from(b[c]) * apart)
                            })
                            .collect();
                        close("gradient", &into, &want);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_fill_no_vectors_are_left_to_others() {
        assert!(!Normalization::fits(5, 24) && !Normalization::fits(7, 3) && !Normalization::fits(1, 10));
        assert!(!Normalization::fits(16, 0) && !Normalization::fits(16, 1 << 20));
    }
}
