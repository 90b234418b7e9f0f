//! Several processes at work on one run: their places, their exchanges, and what is said of one that is gone.
//!
//! Every process computes the same run on its share of each batch. The one of rank 0, the first, also writes and speaks.
//! Tensors travel over PyTorch's c10d with Gloo, and those of GPUs over NCCL where the members are linked; a store of keys, kept by whoever started the processes or by the first of
//! them, is where they meet and leave word of themselves.

mod aside;
mod launch;
mod link;
mod meeting;
mod placement;
#[cfg(test)]
pub mod trial;
mod watch;

pub use launch::{Launch, Left, UNDER_WAY};
pub use link::LastWord;
pub use placement::Placement;

use crate::{
    device::{End, Exchange, KeyStore, Nccl, ProcessGroup, UniqueId},
    diagnostic::{Code, Diagnostic, Result},
};
use link::{Link, Trouble};
use meeting::{Patience, open_store};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tch::{Device, TchError, Tensor};
use watch::{Watch, brief};

/// What lies below this in the store belongs to one start of the processes; what lies above outlives it.
const ATTEMPT: &str = "trainyard/attempt";

/// The membership of this process among those that work on one run.
///
/// All members have to make the same calls in the same order. Alone, nothing is exchanged and nothing can fail. Copies are the
/// same membership.
#[derive(Clone)]
pub struct Group {
    placement: Placement,
    joined: Option<Arc<Joined>>,
    /// What outlives a restart, where somebody other than the members keeps the store.
    lasting: Option<Arc<KeyStore>>,
    /// What carries tensors from accelerator to accelerator, once there is something.
    link: Arc<OnceLock<Arc<Link>>>,
    trouble: Arc<Trouble>,
}

struct Joined {
    gloo: ProcessGroup,
    watch: Watch,
    /// The barriers that this member has come to.
    barriers: AtomicU64,
    timeout: Duration,
    /// Whether something failed, so that members may no longer be at the same place.
    is_broken: AtomicBool,
}

impl Group {
    /// The group of a process on its own.
    pub fn alone() -> Self {
        Self::new(Placement::alone(), None, None)
    }

    fn new(placement: Placement, joined: Option<Arc<Joined>>, lasting: Option<Arc<KeyStore>>) -> Self {
        Group { placement, joined, lasting, link: Arc::default(), trouble: Arc::default() }
    }

    /// Meets the others at `placement`. Whoever stays away for longer than `timeout`, then or in an exchange, counts as
    /// gone. Nobody waits any longer once `stop` is set.
    ///
    /// # Errors
    /// Where one doesn't come, or the user wants to stop.
    pub fn join(placement: Placement, timeout: Duration, stop: &AtomicBool) -> Result<Self> {
        if let Some(parent) = placement.parent {
            crate::device::end_with(parent);
        }
        let patience = Patience::new(timeout, stop);
        let lasting = match placement.store_is_kept {
            true => Some(Arc::new(open_store(&placement, &patience)?)),
            false => None,
        };
        if placement.size == 1 {
            return Ok(Self::new(placement, None, lasting));
        }
        let store = open_store(&placement, &patience)?;
        let prefix = format!("{ATTEMPT}/{}", placement.attempt);
        let watch = Watch::start(store, prefix.clone(), &placement);
        watch.meet(&patience)?;
        let gloo = watch.join(&format!("{prefix}/gloo"), &placement, &Patience::new(timeout, stop))?;
        let (barriers, is_broken) = (AtomicU64::new(0), AtomicBool::new(false));
        let joined = Arc::new(Joined { gloo, watch, barriers, timeout, is_broken });
        Ok(Self::new(placement, Some(joined), lasting))
    }

    /// Links the members' devices, so that from now on NCCL adds up what lies on them. Once is enough. Where it fails while the host
    /// waits for its device and doesn't hear of it, `last_word` is to end the process.
    ///
    /// # Errors
    /// Where a member stays away or is gone, or what NCCL says.
    pub fn link(&self, nccl: Arc<Nccl>, device: Device, last_word: LastWord) -> Result<()> {
        if self.link.get().is_some() {
            return Ok(());
        }
        let own = if self.is_first() { Some(nccl.unique_id()) } else { None };
        let sent = own.as_ref().and_then(|id| id.as_ref().ok()).map_or_else(Vec::new, |id| id.bytes().to_vec());
        let id = UniqueId::of(&self.broadcast_bytes(sent)?).ok_or_else(|| {
            let reason = own.and_then(Result::err).unwrap_or_else(|| "rank 0 could not begin".to_owned());
            Diagnostic::error(Code::RANK, format!("NCCL says: {reason}"))
        })?;
        let (joined, trouble) = (self.joined.clone(), self.trouble.clone());
        let link = Link::join((nccl, id), (self.rank(), self.size()), device, joined, trouble, last_word)?;
        let _ = self.link.set(link);
        Ok(())
    }

    /// Whether what lies on `device` is added up there, without the host.
    pub fn links(&self, device: Device) -> bool {
        self.link_of(device).is_some()
    }

    fn link_of(&self, device: Device) -> Option<&Arc<Link>> {
        self.link.get().filter(|link| link.device() == device)
    }

    /// Whether gradients have to be added up: there are other members, or a link that is to carry them all the same.
    pub fn adds_up(&self) -> bool {
        !self.is_alone() || self.link.get().is_some()
    }

    /// An error where a link has failed: what it carried since is worth nothing.
    ///
    /// # Errors
    /// What went wrong.
    pub fn check(&self) -> Result<()> {
        self.trouble.check()
    }

    /// From 0.
    pub fn rank(&self) -> usize {
        self.placement.rank
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.placement.size
    }

    /// Whether this is the member that writes and speaks.
    pub fn is_first(&self) -> bool {
        self.placement.rank == 0
    }

    /// Whether there is no other member.
    pub fn is_alone(&self) -> bool {
        self.joined.is_none()
    }

    /// Where this process stands.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Adds up the members' tensors, in place: over the link what lies on its device, the rest in one message for each type of number.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<()> {
        let rest = self.over_link(tensors, |link, tensor| link.begin_sum(tensor))?;
        self.in_messages(&rest, |gloo, message| gloo.sum(message))
    }

    /// Adds up the members' numbers.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn sum_numbers(&self, numbers: &[f64]) -> Result<Vec<f64>> {
        if self.is_alone() {
            return Ok(numbers.to_vec());
        }
        let sums = Tensor::from_slice(numbers);
        self.in_messages(std::slice::from_ref(&sums), |gloo, message| gloo.sum(message))?;
        Ok((0..numbers.len()).map(|at| sums.double_value(&[at as i64])).collect())
    }

    /// Begins to add up a tensor of all members, whose elements lie one behind the other; it holds the sum after the wait.
    ///
    /// # Errors
    /// Where a member is gone.
    pub fn begin_sum(&self, tensor: &Tensor) -> Result<Pending> {
        if let Some(link) = self.link_of(tensor.device()) {
            return Ok(Pending(Carried::Linked(link.begin_sum(tensor)?, link.clone())));
        }
        let Some(joined) = &self.joined else { return Ok(Pending(Carried::Alone)) };
        let exchange = joined.exchange(|gloo| gloo.begin_sum(tensor))?;
        Ok(Pending(Carried::Sent(exchange, joined.clone())))
    }

    /// Gives all members the first one's tensors, in place, by the ways of [`Group::sum`].
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn broadcast(&self, tensors: &[Tensor]) -> Result<()> {
        let rest = self.over_link(tensors, |link, tensor| link.begin_broadcast(tensor))?;
        self.in_messages(&rest, |gloo, message| gloo.broadcast(message))
    }

    /// Lets the link carry what it can; gives the rest.
    fn over_link(&self, tensors: &[Tensor], begin: impl Fn(&Link, &Tensor) -> Result<Arc<End>>) -> Result<Vec<Tensor>> {
        let mut rest = Vec::new();
        for tensor in tensors.iter().filter(|tensor| tensor.numel() > 0) {
            match self.link.get().filter(|link| link.carries(tensor)) {
                Some(link) => link.hold_back(&*begin(link, tensor)?)?,
                None => rest.push(tensor.shallow_clone()),
            }
        }
        Ok(rest)
    }

    /// Gives all members the first one's bytes.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn broadcast_bytes(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        if self.is_alone() {
            return Ok(bytes);
        }
        let give =
            |tensor: &Tensor| self.in_messages(std::slice::from_ref(tensor), |gloo, message| gloo.broadcast(message));
        let length = Tensor::from_slice(&[bytes.len() as i64]);
        give(&length)?;
        let count = usize::try_from(length.int64_value(&[0])).unwrap_or(0);
        if count == 0 {
            return Ok(Vec::new());
        }
        let message = if self.is_first() { bytes } else { vec![0; count] };
        let message = Tensor::from_slice(&message);
        give(&message)?;
        Ok(crate::device::bytes(&message).to_vec())
    }

    /// The bytes of all members, by their rank.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        if self.is_alone() {
            return Ok(vec![bytes.to_vec()]);
        }
        let sum = |tensor: &Tensor| self.in_messages(std::slice::from_ref(tensor), |gloo, message| gloo.sum(message));
        // Where each has its own place and all others zeros, the sum is what all of them hold.
        let mut lengths = vec![0_i64; self.size()];
        lengths[self.rank()] = bytes.len() as i64;
        let lengths = Tensor::from_slice(&lengths);
        sum(&lengths)?;
        let lengths: Vec<usize> =
            (0..self.size()).map(|rank| lengths.int64_value(&[rank as i64]).max(0) as usize).collect();
        let mut message = vec![0_u8; lengths.iter().sum()];
        if message.is_empty() {
            return Ok(vec![Vec::new(); self.size()]);
        }
        let start: usize = lengths[..self.rank()].iter().sum();
        message[start..start + bytes.len()].copy_from_slice(bytes);
        let message = Tensor::from_slice(&message);
        sum(&message)?;
        let mut rest = crate::device::bytes(&message);
        let mut parts = Vec::new();
        for length in lengths {
            let (part, others) = rest.split_at(length);
            parts.push(part.to_vec());
            rest = others;
        }
        Ok(parts)
    }

    /// Waits until all members have come here. Where one of them downloads or reads for an hour, the others wait as long: only
    /// one that gives no sign of life counts as gone.
    ///
    /// # Errors
    /// Where a member is gone or has failed.
    pub fn barrier(&self) -> Result<()> {
        self.check()?;
        let Some(joined) = &self.joined else { return Ok(()) };
        let number = joined.barriers.fetch_add(1, Ordering::Relaxed) + 1;
        joined.noting(joined.watch.barrier(number, joined.timeout))
    }

    /// Does `work` on every machine first in its first process, then in the others: what the first one brings or writes there
    /// is there for the others.
    ///
    /// # Errors
    /// What `work` reports, or that a member is gone or has failed.
    pub fn first_on_each_machine<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.placement.local_rank > 0 {
            self.barrier()?;
            return work();
        }
        let done = work()?;
        self.barrier()?;
        Ok(done)
    }

    /// Whether an exchange or a member failed: then nothing more can be done together.
    pub fn is_broken(&self) -> bool {
        self.trouble.is_there() || self.joined.as_ref().is_some_and(|joined| joined.is_broken.load(Ordering::Relaxed))
    }

    /// Tells the others that this member has failed, and why; what follows from another one's failure isn't told.
    pub fn fail(&self, problem: &Diagnostic) {
        let Some(joined) = &self.joined else { return };
        joined.is_broken.store(true, Ordering::Relaxed);
        if problem.code != Code::RANK {
            joined.watch.fail(&format!("failed: {}", problem.message));
        }
    }

    /// Whether the first member is to blame for a failure, as far as anybody knows, so that it cannot tell of it.
    pub fn blames_first(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.watch.blames_first())
    }

    /// Tells the others that this member has done all that there was to do.
    pub fn leave(&self) {
        if let Some(joined) = &self.joined {
            joined.watch.leave();
        }
    }

    /// Says to all which signal has told this member to stop; the first one that is said counts.
    pub fn say_signal(&self, signal: usize) {
        if let Some(joined) = &self.joined {
            joined.watch.say_signal(signal);
        }
    }

    /// The signal that has told a member to stop, as far as anybody knows.
    pub fn signal(&self) -> Option<usize> {
        self.joined.as_ref()?.watch.signal()
    }

    /// Leaves word for the processes that are started in the place of these.
    pub fn leave_word(&self, key: &str, value: &str) {
        if let Some(store) = &self.lasting {
            // Who comes after begins anew where there is no word.
            let _ = store.set(&format!("trainyard/{key}"), value.as_bytes());
        }
    }

    /// The word that was left by the processes in whose place these were started.
    pub fn word(&self, key: &str) -> Option<String> {
        let value = self.lasting.as_ref()?.get(&format!("trainyard/{key}")).ok()??;
        String::from_utf8(value).ok()
    }

    fn in_messages(
        &self,
        tensors: &[Tensor],
        exchange: impl Fn(&ProcessGroup, &[Tensor]) -> Result<(), TchError>,
    ) -> Result<()> {
        self.check()?;
        let Some(joined) = &self.joined else { return Ok(()) };
        let mut by_kind: BTreeMap<i32, Vec<Tensor>> = BTreeMap::new();
        for tensor in tensors.iter().filter(|tensor| tensor.numel() > 0) {
            by_kind.entry(tensor.kind() as i32).or_default().push(tensor.shallow_clone());
        }
        by_kind.values().try_for_each(|message| joined.exchange(|gloo| exchange(gloo, message)))
    }
}

impl Joined {
    /// Makes an exchange, and says which member is to blame where it fails.
    fn exchange<T>(&self, make: impl FnOnce(&ProcessGroup) -> Result<T, TchError>) -> Result<T> {
        self.watch.count_exchange();
        let began = Instant::now();
        self.noting(make(&self.gloo).map_err(|error| self.watch.blame(brief(&error), began.elapsed())))
    }

    /// Remembers a failure.
    fn noting<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|_| self.is_broken.store(true, Ordering::Relaxed))
    }
}

/// A sum under way.
#[must_use = "the tensor holds the sum only after the wait"]
pub struct Pending(Carried);

/// By what it is carried.
enum Carried {
    /// There is nobody else.
    Alone,
    Sent(Exchange, Arc<Joined>),
    Linked(Arc<End>, Arc<Link>),
}

impl Pending {
    /// Waits until the tensor holds the sum. Where that lies on a device that is linked, only the device waits.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn wait(self) -> Result<()> {
        match self.0 {
            Carried::Alone => Ok(()),
            Carried::Sent(exchange, joined) => {
                let began = Instant::now();
                joined.noting(exchange.wait().map_err(|error| joined.watch.blame(brief(&error), began.elapsed())))
            }
            Carried::Linked(end, link) => link.hold_back(&end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{trial::together, *};
    use tch::Kind;

    #[test]
    fn a_process_alone_keeps_what_it_has() {
        let group = Group::alone();
        let tensor = Tensor::from_slice(&[1.0f32, 2.0]);
        group.sum(&[tensor.shallow_clone()]).unwrap();
        group.begin_sum(&tensor).unwrap().wait().unwrap();
        group.broadcast(&[tensor.shallow_clone()]).unwrap();
        group.barrier().unwrap();
        assert_eq!(Vec::<f32>::try_from(&tensor).unwrap(), [1.0, 2.0]);
        assert_eq!(group.gather_bytes(b"own").unwrap(), [b"own"]);
        assert_eq!(group.broadcast_bytes(b"own".to_vec()).unwrap(), b"own");
        assert!(group.is_alone() && group.is_first() && !group.is_broken());
    }

    #[test]
    fn members_add_up_and_take_over() {
        let told = together(3, |group| {
            let rank = group.rank();
            let floats = Tensor::from_slice(&[1.0f32, 10.0]) * (rank as f64 + 1.0);
            let doubles = Tensor::from_slice(&[0.5f64]);
            let grid = Tensor::from_slice(&[rank as i64; 4]).view([2, 2]).transpose(0, 1);
            let empty = Tensor::zeros([0], (Kind::Float, tch::Device::Cpu));
            group.sum(&[floats.shallow_clone(), doubles.shallow_clone(), grid.shallow_clone(), empty]).unwrap();
            let later = Tensor::from_slice(&[rank as f32]);
            group.begin_sum(&later).unwrap().wait().unwrap();
            let own = Tensor::from_slice(&[rank as f32 + 7.0]);
            group.broadcast(&[own.shallow_clone()]).unwrap();
            let (sums, grid) = (Vec::<f32>::try_from(&floats).unwrap(), grid.sum(Kind::Int64).int64_value(&[]));
            (sums, doubles.double_value(&[0]), grid, later.double_value(&[0]), own.double_value(&[0]))
        });
        assert!(told.iter().all(|one| *one == (vec![6.0, 60.0], 1.5, 12, 3.0, 7.0)), "{told:?}");
    }

    #[test]
    fn members_exchange_bytes() {
        let told = together(3, |group| {
            let own = vec![group.rank() as u8 + 1; group.rank() * 2];
            let first = if group.is_first() { b"first".to_vec() } else { Vec::new() };
            let nothing = group.gather_bytes(&[]).unwrap();
            (group.gather_bytes(&own).unwrap(), group.broadcast_bytes(first).unwrap(), nothing)
        });
        let wanted = (vec![vec![], vec![2; 2], vec![3; 4]], b"first".to_vec(), vec![Vec::new(); 3]);
        assert!(told.iter().all(|one| *one == wanted), "{told:?}");
    }

    #[test]
    fn who_waits_hears_of_a_failure() {
        let told = together(3, |group| {
            if group.rank() == 1 {
                group.fail(&Diagnostic::error(Code::IO, "no space left"));
                return String::new();
            }
            let problem = group.barrier().unwrap_err();
            assert!(group.is_broken() && problem.code == Code::RANK && !group.blames_first());
            problem.message
        });
        assert_eq!(told, ["rank 1 failed: no space left", "", "rank 1 failed: no space left"]);
    }
}
