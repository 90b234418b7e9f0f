//! The link between accelerators: NCCL adds up what they hold, beside what they compute, and the host waits for nothing.
//!
//! So nobody hears of a member that is gone: the device waits for it, and sooner or later the host for the device. A thread of its own
//! looks after sums that don't come to an end, and whether anybody has left word of a failure. Then it breaks off what is under way,
//! whereupon the device goes on and the host hears of it. A host that doesn't is ended.

use super::{Joined, aside::aside, watch::Silence};
use crate::{
    device::{Communicator, End, Nccl, UniqueId},
    diagnostic::{Code, Diagnostic, Result},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};
use tch::{Device, Tensor};

/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(100);

/// The store is asked for word of a failure each time that so many looks are over, and for signs of life each time that so many are:
/// all members ask the same one.
const WORD: u32 = 5;
const SIGNS: u32 = 10;

/// A sum that takes longer has the thread look for members that give no sign of life.
const LONG: Duration = Duration::from_secs(2);

/// Whoever gives none for so long meanwhile is gone, also where that is less than the strategy's timeout.
const SILENCE: Duration = Duration::from_secs(20);

/// How long a host has to hear of a failure before it is ended.
const GRACE: Duration = Duration::from_secs(10);

/// What a host that hears nothing is ended by; it gets what there is to say.
pub type LastWord = Box<dyn Fn(&Diagnostic) + Send>;

/// What went wrong with a link, where it did: the reason why nothing more can be done together.
#[derive(Default)]
pub struct Trouble {
    problem: Mutex<Option<Box<Diagnostic>>>,
    is_heard: AtomicBool,
}

impl Trouble {
    /// An error where there is some.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.problem) {
            Some(problem) => {
                self.is_heard.store(true, Ordering::Relaxed);
                Err(problem.clone())
            }
            None => Ok(()),
        }
    }

    pub fn is_there(&self) -> bool {
        lock(&self.problem).is_some()
    }

    fn begin(&self, problem: &Diagnostic) {
        let mut own = lock(&self.problem);
        own.get_or_insert_with(|| Box::new(problem.clone()));
    }
}

/// A membership in NCCL's group of the same processes.
pub struct Link {
    communicator: Communicator,
    joined: Option<Arc<Joined>>,
    trouble: Arc<Trouble>,
    /// Since when the host tells NCCL of an exchange, where it does: at first that waits for the others, too.
    telling: Mutex<Option<Instant>>,
    /// What was begun and hasn't ended, as far as the thread knows.
    under_way: Mutex<VecDeque<(Arc<End>, Instant)>>,
}

impl Link {
    /// Joins as `rank` of `size` with the `device`; `id` is what the first member made.
    ///
    /// # Errors
    /// Where a member stays away or is gone, or what NCCL says.
    pub fn join(
        (nccl, id): (Arc<Nccl>, UniqueId),
        (rank, size): (usize, usize),
        device: Device,
        joined: Option<Arc<Joined>>,
        trouble: Arc<Trouble>,
        last_word: LastWord,
    ) -> Result<Arc<Self>> {
        let began = Instant::now();
        let go_on = || {
            let Some(joined) = &joined else { return Ok(()) };
            joined.watch.look_for_failure()?;
            match began.elapsed() > joined.timeout {
                true => Err(joined.watch.blame("NCCL: the ranks haven't found each other".to_owned(), began.elapsed())),
                false => Ok(()),
            }
        };
        // NCCL can wait for ever for a member that is gone.
        let communicator = aside(LOOK, move || Communicator::join(nccl, id, (rank, size), device), go_on)?
            .ok_or_else(|| said("nothing; the program made a mistake"))?
            .map_err(|reason| failed(joined.as_deref(), &reason))?;
        let link =
            Arc::new(Link { communicator, joined, trouble, telling: Mutex::default(), under_way: Mutex::default() });
        let weak = Arc::downgrade(&link);
        std::thread::spawn(move || look_after(&weak, &last_word));
        Ok(link)
    }

    /// The device whose tensors it carries.
    pub fn device(&self) -> Device {
        self.communicator.device()
    }

    /// Whether it can carry a tensor.
    pub fn carries(&self, tensor: &Tensor) -> bool {
        self.communicator.carries(tensor)
    }

    /// Begins to add up a tensor of all members, whose elements lie one behind the other.
    ///
    /// # Errors
    /// What NCCL says, or that something went wrong before.
    pub fn begin_sum(&self, tensor: &Tensor) -> Result<Arc<End>> {
        self.begin(|communicator| communicator.begin_sum(tensor))
    }

    /// Begins to give all members the first one's tensor.
    ///
    /// # Errors
    /// As [`Link::begin_sum`].
    pub fn begin_broadcast(&self, tensor: &Tensor) -> Result<Arc<End>> {
        self.begin(|communicator| communicator.begin_broadcast(tensor))
    }

    fn begin(&self, tell: impl FnOnce(&Communicator) -> Result<End, String>) -> Result<Arc<End>> {
        self.trouble.check()?;
        if let Some(joined) = &self.joined {
            joined.watch.count_exchange();
        }
        *lock(&self.telling) = Some(Instant::now());
        let told = tell(&self.communicator);
        *lock(&self.telling) = None;
        match told {
            Ok(end) => {
                let end = Arc::new(end);
                lock(&self.under_way).push_back((end.clone(), Instant::now()));
                Ok(end)
            }
            Err(reason) => {
                // Where it was broken off, there is a better reason.
                self.trouble.check()?;
                self.trouble.begin(&failed(self.joined.as_deref(), &reason));
                self.trouble.check().map(|()| unreachable!("it has begun"))
            }
        }
    }

    /// Has the device wait for the end of what was begun.
    ///
    /// # Errors
    /// Where something went wrong.
    pub fn hold_back(&self, end: &End) -> Result<()> {
        self.trouble.check()?;
        end.hold_back().map_err(|error| said(&error.to_string()))
    }

    /// Whether something went wrong by the look of this number.
    fn look(&self, number: u32, silence: &mut Option<Silence>) -> Result<()> {
        if let Some(reason) = self.communicator.failure() {
            return Err(failed(self.joined.as_deref(), &reason));
        }
        let waiting = self.oldest();
        let Some(Joined { watch, timeout, .. }) = self.joined.as_deref() else { return Ok(()) };
        if number.is_multiple_of(WORD) {
            watch.look_for_failure()?;
        }
        match waiting {
            Some(waited) if waited > *timeout => {
                Err(watch.blame("NCCL hasn't come to the end of an exchange".to_owned(), waited))
            }
            Some(waited) if waited > LONG && number.is_multiple_of(SIGNS) => match silence {
                Some(silence) => silence.look(watch, SILENCE.min(*timeout)),
                None => Silence::new(watch).map(|new| *silence = Some(new)),
            },
            Some(waited) if waited > LONG => Ok(()),
            _ => {
                *silence = None;
                Ok(())
            }
        }
    }

    /// Whether the host has heard of a failure.
    fn is_broken(&self) -> bool {
        self.trouble.is_there() || self.joined.as_ref().is_some_and(|joined| joined.is_broken.load(Ordering::Relaxed))
    }

    /// How long ago that was begun which hasn't ended for the longest time.
    fn oldest(&self) -> Option<Duration> {
        let mut under_way = lock(&self.under_way);
        // Where the device fails, it ends nothing; the host hears of that by itself.
        while under_way.front().is_some_and(|(end, _)| end.has_come().unwrap_or(false)) {
            under_way.pop_front();
        }
        let telling = *lock(&self.telling);
        under_way.front().map(|(_, began)| *began).into_iter().chain(telling).min().map(|began| began.elapsed())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Where others are gone, an orderly end would wait for them.
        if self.is_broken() {
            self.communicator.abort();
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn said(reason: &str) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::RANK, format!("NCCL says: {reason}"));
    Box::new(problem.help("NCCL_DEBUG=INFO lets it say more; `backend: gloo` does without it"))
}

/// What to say of an error of NCCL's: who is gone, or else the error, which the others hear of, too.
fn failed(joined: Option<&Joined>, reason: &str) -> Box<Diagnostic> {
    let Some(Joined { watch, .. }) = joined else { return said(reason) };
    watch.blame(format!("NCCL says: {reason}"), Duration::ZERO);
    watch.look_for_failure().err().unwrap_or_else(|| {
        watch.fail(&format!("failed: NCCL says: {reason}"));
        said(reason)
    })
}

/// What the thread does, until the link is no more.
fn look_after(link: &Weak<Link>, last_word: &LastWord) {
    let (mut number, mut silence) = (0, None);
    let (problem, trouble) = loop {
        sleep(LOOK);
        number += 1;
        let Some(link) = link.upgrade() else { return };
        if link.joined.as_ref().is_some_and(|joined| joined.watch.has_left()) {
            return;
        }
        // What the host has heard of by another way needn't be told.
        if link.is_broken() {
            return link.communicator.abort();
        }
        if let Err(problem) = link.look(number, &mut silence) {
            link.trouble.begin(&problem);
            link.communicator.abort();
            break (problem, link.trouble.clone());
        }
    };
    let began = Instant::now();
    while began.elapsed() < GRACE {
        if trouble.is_heard.load(Ordering::Relaxed) || link.strong_count() == 0 {
            return;
        }
        sleep(LOOK);
    }
    last_word(&problem);
}

#[cfg(test)]
mod tests {
    use crate::{
        device::KeyStore,
        diagnostic::{Code, Diagnostic},
        distributed::{
            Group, Placement,
            trial::{stand_in, together, together_linked},
        },
    };
    use std::{
        io::Write,
        net::TcpListener,
        process::{Command, Output},
        sync::mpsc,
        thread::sleep,
        time::{Duration, Instant},
    };
    use tch::{Device, Kind, Tensor};

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// A sum that begins with it leaves an error behind (`tests/nccl/stand_in.c`).
    const BREAKS: f64 = 31337.0;

    /// The problem of a link, once there is one.
    fn trouble(group: &Group) -> Box<Diagnostic> {
        let began = Instant::now();
        loop {
            if let Err(problem) = group.check() {
                return problem;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "nothing went wrong");
            sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn members_add_up_and_take_over_what_a_link_carries() {
        for size in [1, 3] {
            let told = together_linked(size, |group| {
                assert!(group.links(Device::Cpu) && group.adds_up());
                let one = group.rank() as f64 + 1.0;
                // The first is larger than what the stand-in passes on at once.
                let all = [Tensor::ones([3, 40_000], CPU) * one, Tensor::from_slice(&[one]), Tensor::ones([0], CPU)];
                group.sum(&all).unwrap();
                let pending = [2.0, 3.0].map(|factor| {
                    let tensor = Tensor::from_slice(&[(factor * one) as f32]);
                    (group.begin_sum(&tensor).unwrap(), tensor)
                });
                let later = pending.map(|(pending, tensor)| {
                    pending.wait().unwrap();
                    tensor.double_value(&[0])
                });
                let own = Tensor::from_slice(&[group.rank() as i64 + 7]);
                // What isn't laid out in rows goes the other way.
                let columns = (Tensor::ones([2, 3], CPU) * one).transpose(0, 1);
                group.broadcast(&[own.shallow_clone(), columns.shallow_clone()]).unwrap();
                assert_eq!(group.gather_bytes(&[group.rank() as u8]).unwrap().concat().len(), size);
                let ends = (all[0].min().double_value(&[]), all[0].max().double_value(&[]));
                (
                    ends,
                    all[1].double_value(&[0]),
                    later,
                    own.int64_value(&[0]),
                    columns.sum(Kind::Double).double_value(&[]),
                )
            });
            let sum = (size * (size + 1) / 2) as f64;
            let wanted = ((sum, sum), sum, [2.0 * sum, 3.0 * sum], 7, 6.0);
            assert!(told.iter().all(|one| *one == wanted), "{told:?}");
        }
    }

    #[test]
    fn all_hear_of_an_error_in_the_words_of_nccl() {
        let told = together_linked(2, |group| {
            let tensor = Tensor::from_slice(&[if group.is_first() { BREAKS as f32 } else { 1.0 }]);
            group.begin_sum(&tensor).unwrap().wait().unwrap();
            let problem = trouble(group);
            assert!(group.is_broken() && group.barrier().is_err() && group.begin_sum(&tensor).is_err());
            (problem.code, problem.message.clone())
        });
        let words = "NCCL says: remote process exited or there was a network error: the cable was pulled";
        assert_eq!(told, [(Code::RANK, words.to_owned()), (Code::RANK, format!("rank 0 failed: {words}"))]);
    }

    #[test]
    fn a_process_on_its_own_hears_of_an_error_too() {
        let group = Group::alone();
        group.link(stand_in(), Device::Cpu, Box::new(|_| ())).unwrap();
        group.begin_sum(&Tensor::from_slice(&[BREAKS as f32])).unwrap().wait().unwrap();
        assert!(trouble(&group).message.starts_with("NCCL says: remote process"));
        assert!(group.is_broken());
    }

    #[test]
    fn who_waits_in_an_exchange_hears_of_a_failure() {
        let began = Instant::now();
        let told = together_linked(3, |group| {
            if group.rank() == 1 {
                group.fail(&Diagnostic::error(Code::IO, "no space left"));
                return String::new();
            }
            group.sum(&[Tensor::ones([3], CPU)]).unwrap_err().message
        });
        assert_eq!(told, ["rank 1 failed: no space left", "", "rank 1 failed: no space left"]);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_host_that_hears_nothing_gets_the_last_word() {
        let told = together(2, |group| {
            let (tell, told) = mpsc::channel();
            let last_word = move |problem: &Diagnostic| tell.send(problem.message.clone()).unwrap();
            group.link(stand_in(), Device::Cpu, Box::new(last_word)).unwrap_or_else(|problem| panic!("{problem}"));
            match group.rank() {
                0 => told.recv_timeout(Duration::from_secs(60)).unwrap(),
                _ => {
                    group.fail(&Diagnostic::error(Code::IO, "no space left"));
                    String::new()
                }
            }
        });
        assert_eq!(told[0], "rank 1 failed: no space left");
    }

    /// What a process does that [`processes`] has started; nothing where nobody has.
    #[test]
    fn a_member_in_a_process_of_its_own() {
        let Ok(what) = std::env::var("TRAINYARD_TEST_MEMBER") else { return };
        let group = Group::join(
            Placement::read().unwrap().unwrap(),
            Duration::from_secs(4),
            &std::sync::atomic::AtomicBool::new(false),
        )
        .unwrap();
        group.link(stand_in(), Device::Cpu, Box::new(|_| ())).unwrap();
        let tensor = Tensor::ones([100_000], CPU) * (group.rank() as f64 + 1.0);
        group.begin_sum(&tensor).unwrap().wait().unwrap();
        assert_eq!((tensor.min().double_value(&[]), tensor.max().double_value(&[])), (3.0, 3.0));
        let second = match (what.as_str(), group.rank()) {
            ("is killed", 1) => {
                crate::device::signal(std::process::id(), libc::SIGKILL);
                unreachable!("it was killed")
            }
            ("stays away", 1) => {
                sleep(Duration::from_secs(12));
                Ok(())
            }
            _ => group.sum(&[tensor]),
        };
        let told = second.err().map_or_else(|| "done".to_owned(), |problem| problem.message);
        writeln!(std::io::stdout(), "<{told}>").unwrap();
        group.leave();
    }

    /// Two processes that do so; what the first one printed, and how both ended.
    fn processes(what: &str) -> (String, [Output; 2]) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let _store = KeyStore::keep(listener, "127.0.0.1", Duration::from_secs(60)).unwrap();
        let member = |rank: usize| {
            let variables = [("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", &port), ("WORLD_SIZE", "2")];
            let own = ["--exact", "distributed::link::tests::a_member_in_a_process_of_its_own", "--nocapture"];
            Command::new(std::env::current_exe().unwrap())
                .args(own)
                .envs(variables)
                .envs([("TORCHELASTIC_USE_AGENT_STORE", "True"), ("TRAINYARD_TEST_MEMBER", what)])
                .envs(["RANK", "LOCAL_RANK"].map(|name| (name, rank.to_string())))
                .output()
                .unwrap()
        };
        let outputs = std::thread::scope(|scope| {
            let member = &member;
            [0, 1].map(|rank| scope.spawn(move || member(rank))).map(|thread| thread.join().unwrap())
        });
        let printed = String::from_utf8_lossy(&outputs[0].stdout).into_owned();
        let told = printed.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        (told.map(|(told, _)| told.to_owned()).unwrap_or_else(|| format!("{outputs:?}")), outputs)
    }

    #[test]
    fn processes_exchange_over_a_link() {
        let (told, outputs) = processes("sums");
        assert!(told == "done" && outputs.iter().all(|output| output.status.success()), "{told}");
    }

    #[test]
    fn a_process_that_is_killed_is_missed() {
        let (told, [first, _]) = processes("is killed");
        assert_eq!(told, "rank 1 gives no sign of life: killed, hanging, or on a machine that is gone");
        assert!(first.status.success());
    }

    #[test]
    fn a_process_that_does_something_else_is_missed() {
        let (told, [first, _]) = processes("stays away");
        // Two before it brought the id.
        assert_eq!(told, "rank 1 stayed away from exchange 4 for 4 s");
        assert!(first.status.success());
    }
}
