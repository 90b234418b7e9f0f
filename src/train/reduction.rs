//! Gradients of several processes, added up while the way back still goes on (Li et al., "PyTorch distributed: experiences on
//! accelerating data parallel training", 2020).
//!
//! They travel in buckets, those of the last layers first, which are known first. A bucket is sent once it is full and those
//! before it are on their way: all processes send them in the same order. What else is added up at each step rides on the last one.
//!
//! Buckets lie in the host's memory, or where the processes' devices are linked, there: then the host waits for nothing.

use crate::{
    device::{Listening, set_gradient},
    diagnostic::{Diagnostic, Result},
    distributed::{Group, Pending},
    model::{Model, computation},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, TchError, Tensor};

/// How many numbers close the first bucket, which is to set out early.
const FIRST: usize = 32 << 10;
/// How many numbers close the others: a mebibyte.
const FULL: usize = 256 << 10;

/// The parameters in each bucket, by their places among those of so many numbers each.
fn plan(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut buckets = vec![Vec::new()];
    let mut length = 0;
    for (place, numbers) in lengths.iter().enumerate().rev() {
        let full = if buckets.len() == 1 { FIRST } else { FULL };
        if length >= full {
            buckets.push(Vec::new());
            length = 0;
        }
        buckets.last_mut().expect("there is always one").push(place);
        length += numbers;
    }
    buckets
}

/// The gradients of a model that several processes train together.
pub(super) struct Reduction {
    /// What is trained, with the place of its gradient: bucket and slot.
    parameters: Vec<(Tensor, usize, usize)>,
    /// What follows the parts of a batch.
    moving: Vec<Tensor>,
    /// What rides on the last bucket: figures, and behind them the numbers of `moving`.
    riders: Tensor,
    buckets: Arc<Mutex<Buckets>>,
    _listening: Vec<Listening>,
}

struct Buckets {
    group: Group,
    all: Vec<Bucket>,
    /// The first that isn't on its way.
    next: usize,
    /// Whether they wait for the end of the way back.
    held: bool,
    /// What went wrong on the way back.
    failure: Option<Box<Diagnostic>>,
}

struct Bucket {
    /// All gradients, one behind the other.
    numbers: Tensor,
    slots: Vec<Slot>,
    missing: usize,
    pending: Option<Pending>,
}

struct Slot {
    /// A part of the bucket's numbers, which has the parameter's shape and lies as that does.
    gradient: Tensor,
    is_filled: bool,
}

impl Buckets {
    fn begin(&mut self) {
        self.next = 0;
        for bucket in &mut self.all {
            bucket.missing = bucket.slots.len();
            bucket.slots.iter_mut().for_each(|slot| slot.is_filled = false);
        }
    }

    /// Takes up a gradient, and sends what is full by that.
    fn fill(&mut self, bucket: usize, slot: usize, gradient: &Tensor) {
        let (held, bucket) = (self.held, &mut self.all[bucket]);
        let slot = &mut bucket.slots[slot];
        if let Err(error) = slot.gradient.f_copy_(gradient) {
            self.failure.get_or_insert_with(|| failed(&error));
        }
        slot.is_filled = true;
        bucket.missing -= 1;
        while !held && self.all.get(self.next).is_some_and(|bucket| bucket.missing == 0) {
            self.send();
        }
    }

    fn send(&mut self) {
        let bucket = &mut self.all[self.next];
        self.next += 1;
        if self.failure.is_none() {
            match self.group.begin_sum(&bucket.numbers) {
                Ok(pending) => bucket.pending = Some(pending),
                Err(problem) => self.failure = Some(problem),
            }
        }
    }

    /// Sends the rest, with zeros where no gradient came, and waits for all.
    fn end(&mut self) -> Result<()> {
        while self.next < self.all.len() {
            for slot in self.all[self.next].slots.iter_mut().filter(|slot| !slot.is_filled) {
                let _ = slot.gradient.f_zero_().map_err(|error| failed(&error))?;
            }
            self.send();
        }
        if let Some(problem) = self.failure.take() {
            return Err(problem);
        }
        self.all.iter_mut().filter_map(|bucket| bucket.pending.take()).try_for_each(Pending::wait)
    }
}

fn failed(error: &TchError) -> Box<Diagnostic> {
    computation(error, "adding up the gradients of all processes")
}

fn lock(buckets: &Mutex<Buckets>) -> MutexGuard<'_, Buckets> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reduction {
    /// For what is trained of `model`, with so many figures that are added up at each step.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn new(model: &Model, figures: usize, group: &Group) -> Result<Self> {
        let leaves: Vec<Tensor> = model.trainable().map(|it| it.tensor.shallow_clone()).collect();
        let moving: Vec<Tensor> =
            model.parameters().iter().filter(|it| it.follows_parts).map(|it| it.tensor.shallow_clone()).collect();
        let riding = figures + moving.iter().map(Tensor::numel).sum::<usize>();
        // Where layers exchange sums on the way back, processes that have no example of a batch would send buckets between others.
        let held = model.is_synchronized();
        Self::over(leaves, moving, riding, held, group).map_err(|error| failed(&error))
    }

    fn over(
        leaves: Vec<Tensor>,
        moving: Vec<Tensor>,
        riding: usize,
        held: bool,
        group: &Group,
    ) -> std::result::Result<Self, TchError> {
        let lengths: Vec<usize> = leaves.iter().map(Tensor::numel).collect();
        let device = leaves.first().map_or(Device::Cpu, Tensor::device);
        let device = if group.links(device) { device } else { Device::Cpu };
        let planned = plan(&lengths);
        let mut places = vec![(0, 0); leaves.len()];
        let mut all = Vec::new();
        let mut riders = None;
        for (at, members) in planned.iter().enumerate() {
            let riding = if at + 1 == planned.len() { riding } else { 0 };
            let gradients: usize = members.iter().map(|&member| lengths[member]).sum();
            let numbers = Tensor::f_zeros([(gradients + riding) as i64], (Kind::Float, device))?;
            let (mut slots, mut offset) = (Vec::new(), 0);
            for &member in members {
                places[member] = (at, slots.len());
                let leaf = &leaves[member];
                let gradient = numbers.f_as_strided(leaf.size(), leaf.stride(), offset)?;
                slots.push(Slot { gradient, is_filled: false });
                offset += lengths[member] as i64;
            }
            riders = Some(numbers.f_narrow(0, gradients as i64, riding as i64)?);
            all.push(Bucket { numbers, missing: slots.len(), slots, pending: None });
        }
        let buckets = Buckets { group: group.clone(), all, next: 0, held, failure: None };
        let buckets = Arc::new(Mutex::new(buckets));
        let listen = |(leaf, &(bucket, slot)): (&Tensor, &(usize, usize))| {
            let buckets = buckets.clone();
            Listening::to(leaf, Box::new(move |gradient| lock(&buckets).fill(bucket, slot, gradient)))
        };
        let listening = leaves.iter().zip(&places).map(listen).collect::<std::result::Result<_, _>>()?;
        let parameters = leaves.into_iter().zip(places).map(|(leaf, (bucket, slot))| (leaf, bucket, slot)).collect();
        let riders = riders.expect("there is always a bucket");
        Ok(Reduction { parameters, moving, riders, buckets, _listening: listening })
    }

    /// Goes the way back from this process's part of the loss, where it has one, and gives the sums of `figures` over all
    /// processes. Behind it the parameters have the gradients of the whole batch, of which this part is the share `share`, and what
    /// follows the parts is the mean of what it is in them.
    ///
    /// # Errors
    /// What libtorch reports, or that another process is gone.
    pub fn way_back(&self, loss: Option<&Tensor>, figures: &[f64], share: f64) -> Result<Vec<f64>> {
        lock(&self.buckets).begin();
        tch::no_grad(|| self.mount(figures, share)).map_err(|error| failed(&error))?;
        if let Some(loss) = loss {
            // The buckets aren't locked meanwhile: gradients come in.
            loss.f_backward().map_err(|error| computation(&error, "a training step"))?;
        }
        let mut buckets = lock(&self.buckets);
        tch::no_grad(|| buckets.end())?;
        tch::no_grad(|| self.hand_over(&buckets, figures.len())).map_err(|error| failed(&error))
    }

    /// Writes what rides on the last bucket.
    fn mount(&self, figures: &[f64], share: f64) -> std::result::Result<(), TchError> {
        if self.riders.numel() == 0 {
            return Ok(());
        }
        let device = self.riders.device();
        let figures: Vec<f32> = figures.iter().map(|figure| *figure as f32).collect();
        let mut all = vec![Tensor::f_from_slice(&figures)?.f_to_device(device)?];
        for moving in &self.moving {
            all.push(moving.f_detach()?.f_to_device(device)?.f_mul_scalar(share)?.f_flatten(0, -1)?);
        }
        self.riders.shallow_clone().f_copy_(&Tensor::f_cat(&all, 0)?).map(|_| ())
    }

    /// Gives what came back to whom it belongs, and gives the figures back.
    fn hand_over(&self, buckets: &Buckets, figures: usize) -> std::result::Result<Vec<f64>, TchError> {
        for (leaf, bucket, slot) in &self.parameters {
            let gradient = &buckets.all[*bucket].slots[*slot].gradient;
            set_gradient(leaf, &gradient.f_to_device(leaf.device())?)?;
        }
        let mut offset = figures as i64;
        for moving in &self.moving {
            let length = moving.numel() as i64;
            moving.f_detach()?.f_copy_(&self.riders.f_narrow(0, offset, length)?.f_view_as(moving)?)?;
            offset += length;
        }
        match figures {
            // Asking for no numbers would wait for the device, too.
            0 => Ok(Vec::new()),
            _ => Vec::try_from(&self.riders.f_narrow(0, 0, figures as i64)?.f_to_kind(Kind::Double)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::trial::together;

    /// Leaves that fill a bucket each, the last one of which is used last, and by the first member alone.
    fn leaves() -> Vec<Tensor> {
        let leaf =
            |value: f64| Tensor::full([FULL as i64 + 1], value, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        vec![leaf(1.0), leaf(2.0), leaf(3.0)]
    }

    #[test]
    fn buckets_are_on_their_way_before_the_way_back_ends() {
        together(2, |group| {
            for (held, sent) in [(false, 2), (true, 0)] {
                let (leaves, moving) = (leaves(), Tensor::from_slice(&[1f32, 2.0]) * (group.rank() as f64 + 1.0));
                let shared = || leaves.iter().map(Tensor::shallow_clone).collect();
                let reduction = Reduction::over(shared(), vec![moving.shallow_clone()], 3, held, group).unwrap();
                // Of the first leaf the second member has no gradient.
                let mut loss = leaves[1].sum(Kind::Float) * 2.0 + (&leaves[2] * &leaves[2]).sum(Kind::Float);
                if group.is_first() {
                    loss += leaves[0].sum(Kind::Float);
                }
                lock(&reduction.buckets).begin();
                tch::no_grad(|| reduction.mount(&[group.rank() as f64 + 0.5], 0.5)).unwrap();
                loss.backward();
                let next = lock(&reduction.buckets).next;
                assert_eq!(next, if group.is_first() && !held { 3 } else { sent });
                let figures = tch::no_grad(|| {
                    let mut buckets = lock(&reduction.buckets);
                    buckets.end().unwrap_or_else(|problem| panic!("{problem}"));
                    reduction.hand_over(&buckets, 1).unwrap()
                });
                assert_eq!(figures, [2.0]);
                assert_eq!(Vec::<f32>::try_from(&moving).unwrap(), [1.5, 3.0]);
                for (leaf, wanted) in leaves.iter().zip([1.0, 4.0, 12.0]) {
                    assert!((leaf.grad() - wanted).abs().max().double_value(&[]) == 0.0, "{wanted}");
                }
            }
        });
    }

    #[test]
    fn buckets_hold_the_last_parameters_first_and_the_first_is_small() {
        assert_eq!(plan(&[]), [Vec::<usize>::new()]);
        assert_eq!(plan(&[10, 20, 30]), [[2, 1, 0]]);
        let (small, large) = (FIRST / 2, FULL / 2 + 1);
        assert_eq!(plan(&[1, large, large, large, small, small]), [vec![5, 4], vec![3, 2], vec![1, 0]]);
        // What is larger than a bucket has one of its own, or closes one.
        assert_eq!(plan(&[1, 9 * FULL, 1, 9 * FULL]), [vec![3], vec![2, 1], vec![0]]);
    }
}
