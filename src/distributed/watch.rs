//! Signs of life in the store, and who is to blame where an exchange fails.
//!
//! Every member writes twice a second how often it has done so, and how many exchanges it has come to. One that fails leaves
//! word why; of one that is killed, whoever started it does. So the others can say more than that a connection is gone.

use super::Placement;
use crate::{
    device::{KeyStore, ProcessGroup},
    diagnostic::{Code, Diagnostic, Result},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    thread::sleep,
    time::{Duration, Instant},
};
use tch::TchError;

/// How often a member gives a sign of life.
const BEAT: Duration = Duration::from_millis(500);

/// Whoever gives no sign for so long when others look is gone. On a machine with too much to do a sign may come late.
const SILENCE: Duration = Duration::from_millis(2500);

/// How often a member that waits looks again.
const LOOK: Duration = Duration::from_millis(20);

/// What is said of a silent member.
const NO_SIGN: &str = "no sign of life: killed, hanging, or on a machine that is gone";

/// What the store calls the first failure.
const FAILURE: &str = "failure";

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It lives: how often it has said so, and the exchanges that it has come to.
    Alive(u64, u64),
    /// It has done all.
    Left,
}

/// The store answers within so long, or it is out of reach.
const ANSWER: Duration = Duration::from_secs(5);

/// Gives signs of this member's life and reads those of others.
#[derive(Clone)]
pub struct Watch {
    board: Arc<Board>,
    rank: usize,
    size: usize,
}

/// The part of the store that belongs to one start of the processes.
struct Board {
    store: KeyStore,
    prefix: String,
    exchanges: AtomicU64,
    /// Whether this member has done all; held while a sign is given, so that none comes after the last one.
    has_left: Mutex<bool>,
}

impl Board {
    fn set(&self, key: &str, value: &str) -> Result<(), TchError> {
        self.store.set(&format!("{}/{key}", self.prefix), value.as_bytes())
    }

    fn get(&self, key: &str) -> Result<Option<String>, TchError> {
        let value = self.store.get(&format!("{}/{key}", self.prefix))?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    fn sign_of(&self, rank: usize) -> Result<Option<Sign>, TchError> {
        Ok(self.get(&format!("sign/{rank}"))?.map(|text| {
            let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
            match (numbers.next(), numbers.next()) {
                (Some(beats), Some(exchanges)) => Sign::Alive(beats, exchanges),
                _ => Sign::Left,
            }
        }))
    }
}

/// Leaves word in the store that `rank` failed, unless another one did before.
pub(super) fn leave_failure(store: &KeyStore, prefix: &str, rank: usize, how: &str) {
    // Where the store is gone, so is whoever would read it.
    let _ = store.set_once(&format!("{prefix}/{FAILURE}"), format!("{rank} {how}").as_bytes());
}

/// Who failed first, and how.
pub(super) fn first_failure(store: &KeyStore, prefix: &str) -> Result<Option<(usize, String)>, TchError> {
    let word = store.get(&format!("{prefix}/{FAILURE}"))?;
    let text = word.map(|word| String::from_utf8_lossy(&word).into_owned());
    Ok(text.and_then(|text| {
        let (rank, how) = text.split_once(' ')?;
        Some((rank.parse().ok()?, how.to_owned()))
    }))
}

fn beat(board: &Weak<Board>, rank: usize) {
    for beats in 1_u64.. {
        let Some(board) = board.upgrade() else { return };
        let has_left = board.has_left.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = format!("{beats} {}", board.exchanges.load(Ordering::Relaxed));
        if *has_left || board.set(&format!("sign/{rank}"), &sign).is_err() {
            return;
        }
        drop(has_left);
        drop(board);
        sleep(BEAT);
    }
}

impl Watch {
    /// Begins to give signs of life.
    pub fn start(store: KeyStore, prefix: String, placement: &Placement) -> Self {
        let board = Arc::new(Board { store, prefix, exchanges: AtomicU64::new(0), has_left: Mutex::new(false) });
        let (weak, rank) = (Arc::downgrade(&board), placement.rank);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let about = format!("process {} on {}", std::process::id(), host.trim());
        let _ = board.set(&format!("about/{rank}"), &about);
        std::thread::spawn(move || beat(&weak, rank));
        Watch { board, rank, size: placement.size }
    }

    /// Waits until every member has given a sign.
    pub fn wait_for_all(&self, timeout: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let signs = self.signs().map_err(|_| self.store_is_gone())?;
            let missing: Vec<usize> = (0..self.size).filter(|rank| signs[*rank].is_none()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            self.look_for_failure()?;
            if began.elapsed() > timeout {
                let message = format!("{} didn't come within {} s", ranks(&missing), timeout.as_secs());
                let problem = Diagnostic::error(Code::RANK, message);
                return Err(Box::new(problem.help("see whether all processes were started, with the same WORLD_SIZE")));
            }
            sleep(LOOK);
        }
    }

    /// Joins the process group.
    pub fn join(&self, prefix: &str, placement: &Placement, timeout: Duration) -> Result<ProcessGroup> {
        let place = (placement.rank, placement.size);
        let reached = placement.reached();
        ProcessGroup::join(&self.board.store, prefix, place, &reached, timeout).map_err(|error| {
            let problem = Diagnostic::error(Code::RANK, format!("rank {} cannot reach the others", self.rank));
            let problem = problem.fact(format!("they look for it at {reached:?}")).fact(brief(&error));
            Box::new(problem.help("GLOO_SOCKET_IFNAME=eth0 names the network interface at which a process is reached"))
        })
    }

    /// Counts an exchange that this member has come to.
    pub fn count_exchange(&self) {
        self.board.exchanges.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that this member failed.
    pub fn fail(&self, how: &str) {
        leave_failure(&self.board.store, &self.board.prefix, self.rank, how);
    }

    /// Says that this member has done all.
    pub fn leave(&self) {
        let mut has_left = self.board.has_left.lock().unwrap_or_else(PoisonError::into_inner);
        *has_left = true;
        let _ = self.board.set(&format!("sign/{}", self.rank), "left");
    }

    /// Whether it has said so.
    pub fn has_left(&self) -> bool {
        *self.board.has_left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all members have come to the barrier of this number; a member without a sign of life for `timeout` is gone.
    pub fn barrier(&self, number: u64, timeout: Duration) -> Result<()> {
        let gone = |_| self.store_is_gone();
        self.board.set(&format!("barrier/{number}/{}", self.rank), "here").map_err(gone)?;
        let mut silence = Silence::new(self)?;
        let mut next = 0;
        loop {
            while next < self.size && self.board.get(&format!("barrier/{number}/{next}")).map_err(gone)?.is_some() {
                next += 1;
            }
            if next == self.size {
                return Ok(());
            }
            self.look_for_failure()?;
            silence.look(self, timeout)?;
            sleep(LOOK);
        }
    }

    /// Who is to blame where this member waited in vain for so long; `told` is what the backend says of it.
    pub fn blame(&self, told: String, waited: Duration) -> Box<Diagnostic> {
        let found = self.within(SILENCE + ANSWER, move |watch| watch.find_who_is_to_blame(&told, waited));
        found.unwrap_or_else(|| self.store_is_gone())
    }

    /// What `ask` comes to on a thread of its own, where it does in time: where a network is cut, the store never answers.
    fn within<T: Send + 'static>(&self, limit: Duration, ask: impl FnOnce(&Watch) -> T + Send + 'static) -> Option<T> {
        let (send, receive) = channel();
        let watch = self.clone();
        std::thread::spawn(move || send.send(ask(&watch)));
        receive.recv_timeout(limit).ok()
    }

    fn find_who_is_to_blame(&self, told: &str, waited: Duration) -> Box<Diagnostic> {
        let own = self.board.exchanges.load(Ordering::Relaxed);
        let Ok(before) = self.signs() else { return self.store_is_gone() };
        let began = Instant::now();
        while began.elapsed() < SILENCE {
            if let Err(problem) = self.look_for_failure() {
                return problem;
            }
            sleep(LOOK);
        }
        let Ok(after) = self.signs() else { return self.store_is_gone() };
        let others = || (0..self.size).filter(|rank| *rank != self.rank);
        let silent: Vec<usize> =
            others().filter(|rank| before[*rank] == after[*rank] && after[*rank] != Some(Sign::Left)).collect();
        if !silent.is_empty() {
            return self.silent(&silent, Some(waited));
        }
        let behind =
            others().filter(|rank| matches!(before[*rank], Some(Sign::Alive(_, exchanges)) if exchanges < own));
        let behind: Vec<usize> = behind.collect();
        let problem = match behind.is_empty() {
            false => {
                let message = format!("{} stayed away from exchange {own} for {} s", ranks(&behind), waited.as_secs());
                Diagnostic::error(Code::RANK, message)
                    .fact("it lives, but is at work on something else")
                    .help("raise `timeout` of the strategy, where that may take so long")
            }
            true => Diagnostic::error(Code::RANK, "the ranks lost each other"),
        };
        Box::new(problem.fact(told))
    }

    fn signs(&self) -> Result<Vec<Option<Sign>>, TchError> {
        (0..self.size).map(|rank| self.board.sign_of(rank)).collect()
    }

    /// Whether rank 0 is to blame, or nobody can tell: then it cannot be what tells of it.
    pub fn blames_first(&self) -> bool {
        let first = self.within(ANSWER, |watch| first_failure(&watch.board.store, &watch.board.prefix));
        !matches!(first, Some(Ok(Some((rank, _)))) if rank > 0)
    }

    /// An error where there is word of a failure.
    pub fn look_for_failure(&self) -> Result<()> {
        let word = first_failure(&self.board.store, &self.board.prefix).map_err(|_| self.store_is_gone())?;
        let Some((rank, how)) = word else { return Ok(()) };
        let problem = Diagnostic::error(Code::RANK, format!("rank {rank} {how}"));
        Err(Box::new(match self.about(rank) {
            Some(about) => problem.fact(format!("it was {about}")),
            None => problem,
        }))
    }

    /// Leaves word that these members are gone.
    fn silent(&self, silent: &[usize], waited: Option<Duration>) -> Box<Diagnostic> {
        for rank in silent {
            leave_failure(&self.board.store, &self.board.prefix, *rank, &format!("gives {NO_SIGN}"));
        }
        let mut problem = Diagnostic::error(Code::RANK, format!("{} {NO_SIGN}", gives(silent)));
        for rank in silent {
            if let Some(about) = self.about(*rank) {
                problem = problem.fact(format!("rank {rank} is {about}"));
            }
        }
        Box::new(match waited {
            Some(waited) if waited > Duration::from_secs(1) => {
                problem.fact(format!("rank {} waited for {:.1} s", self.rank, waited.as_secs_f64()))
            }
            _ => problem,
        })
    }

    fn about(&self, rank: usize) -> Option<String> {
        self.board.get(&format!("about/{rank}")).ok()?
    }

    fn store_is_gone(&self) -> Box<Diagnostic> {
        let message = "the meeting place of the ranks is gone, and with it whoever kept it";
        Box::new(Diagnostic::error(Code::RANK, message).fact("that is rank 0, or the program that started the ranks"))
    }
}

/// Since when members have given no new sign of life.
pub struct Silence {
    seen: Vec<Option<Sign>>,
    since: Vec<Instant>,
}

impl Silence {
    /// From now on.
    pub fn new(watch: &Watch) -> Result<Self> {
        let seen = watch.signs().map_err(|_| watch.store_is_gone())?;
        Ok(Silence { seen, since: vec![Instant::now(); watch.size] })
    }

    /// Looks again; a member without a sign for longer than `limit` is gone.
    pub fn look(&mut self, watch: &Watch, limit: Duration) -> Result<()> {
        let signs = watch.signs().map_err(|_| watch.store_is_gone())?;
        for (rank, sign) in signs.iter().enumerate() {
            if *sign != self.seen[rank] {
                self.since[rank] = Instant::now();
            } else if rank != watch.rank && self.since[rank].elapsed() > limit {
                return Err(watch.silent(&[rank], None));
            }
        }
        self.seen = signs;
        Ok(())
    }
}

/// `rank 1`, `ranks 1 and 3`
fn ranks(some: &[usize]) -> String {
    let mut texts: Vec<String> = some.iter().map(usize::to_string).collect();
    match (texts.pop(), texts.is_empty()) {
        (Some(last), true) => format!("rank {last}"),
        (Some(last), false) => format!("ranks {} and {last}", texts.join(", ")),
        (None, _) => "no rank".to_owned(),
    }
}

/// `rank 1 gives`, `ranks 1 and 3 give`
fn gives(some: &[usize]) -> String {
    format!("{} {}", ranks(some), if some.len() == 1 { "gives" } else { "give" })
}

/// What Gloo says, without the place in its source.
pub fn brief(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(".cc:").and_then(|(_, rest)| rest.split_once("] ")).map_or(line, |(_, told)| told);
    format!("Gloo says: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_named_in_words() {
        assert_eq!(ranks(&[2]), "rank 2");
        assert_eq!(ranks(&[1, 2, 5]), "ranks 1, 2 and 5");
        assert_eq!(gives(&[0]), "rank 0 gives");
        assert_eq!(gives(&[0, 1]), "ranks 0 and 1 give");
    }

    #[test]
    fn what_gloo_says_has_no_place_in_its_source() {
        let error = TchError::Torch(
            "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:9\nmore"
                .to_owned(),
        );
        assert_eq!(brief(&error), "Gloo says: Connection closed by peer [127.0.0.1]:9");
        assert_eq!(brief(&TchError::Torch("else".to_owned())), "Gloo says: else");
    }
}
