//! The place where all processes meet: found, or given up in time and told why.
//!
//! c10d looks for a store without heeding a signal, and longer than it is told where something else answers at the port. So it
//! does that on a thread of its own, which is left alone where the time is over or the user wants to stop.

use super::{Placement, aside::aside};
use crate::{
    device::KeyStore,
    diagnostic::{Code, Diagnostic, Result},
};
use std::{
    io,
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

/// How often somebody who waits looks whether to go on with it.
const LOOK: Duration = Duration::from_millis(20);

/// How long there is between two tries to reach the place: first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// One of several addresses of a host has so long to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the processes may take to meet, and what ends the waiting before that.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub timeout: Duration,
    pub until: Instant,
    stop: &'a AtomicBool,
}

/// Why nobody waits any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The time is over.
    Late,
    /// The user wants to stop.
    Stopped,
}

impl<'a> Patience<'a> {
    /// From now on for so long, or until `stop` is set.
    pub fn new(timeout: Duration, stop: &'a AtomicBool) -> Self {
        Patience { timeout, until: Instant::now() + timeout, stop }
    }

    /// What remains of the time.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// What `work` comes to, on a thread of its own; it has `grace` more than the time. Where it takes longer it is left alone.
    pub fn wait_for<T: Send + 'static>(
        &self,
        grace: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Over> {
        let go_on = || match (self.stop.load(Ordering::Relaxed), Instant::now() > self.until + grace) {
            (true, _) => Err(Over::Stopped),
            (false, true) => Err(Over::Late),
            (false, false) => Ok(()),
        };
        aside(LOOK, work, go_on)?.ok_or(Over::Late)
    }
}

/// What is said where the user wants to stop before all have met.
pub(super) fn interrupted() -> Box<Diagnostic> {
    Box::new(Diagnostic::error(Code::INTERRUPTED, "interrupted before all ranks had met"))
}

/// What was seen of the place so far.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing: its host's name is being looked up.
    Nothing,
    /// Its host has no address: why.
    NoHost(String),
    /// Nobody listens there: what the system says.
    Nobody(String),
    /// Something listens there.
    Somebody,
}

/// Opens the store where all meet; rank 0 keeps it where nobody else does.
///
/// # Errors
/// Where it isn't there in time, the port is taken, or the user wants to stop.
pub(super) fn open_store(placement: &Placement, patience: &Patience<'_>) -> Result<KeyStore> {
    let (host, port) = placement.meeting_place();
    let listener = match placement.rank == 0 && !placement.store_is_kept {
        true => Some(listen(port)?),
        false => None,
    };
    let seen = Arc::new(Mutex::new(Seen::Nothing));
    let (own, name, timeout, until) = (seen.clone(), host.to_owned(), patience.timeout, patience.until);
    let opened = patience.wait_for(Duration::ZERO, move || {
        let reached = reach(&name, port, until, &|what| *own.lock().unwrap_or_else(PoisonError::into_inner) = what);
        let open = || match listener {
            Some(listener) => KeyStore::keep(listener, &name, timeout),
            None => KeyStore::connect(&name, port, timeout),
        };
        reached.then(open).and_then(Result::ok)
    });
    match opened {
        Ok(Some(store)) => Ok(store),
        Err(Over::Stopped) => Err(interrupted()),
        Ok(None) | Err(Over::Late) => {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            Err(not_found(placement, &seen, timeout))
        }
    }
}

/// Takes the port where the others come to.
fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    listener.map_err(|error| {
        let message = format!("rank 0 cannot keep the meeting place of the ranks at port {port}: {}", error.kind());
        let taken = (error.kind() == io::ErrorKind::AddrInUse).then_some("another program listens there");
        let problem = taken.into_iter().fold(Diagnostic::error(Code::RANK, message), Diagnostic::fact);
        Box::new(problem.help("set MASTER_PORT to a port that is free, the same one for all ranks"))
    })
}

/// Tries until something listens at the place or the time is over, and tells what it sees; gives whether something does.
fn reach(host: &str, port: u16, until: Instant, tell: &dyn Fn(Seen)) -> bool {
    let left = || until.saturating_duration_since(Instant::now());
    let mut pause = PAUSES.0;
    loop {
        match (host, port).to_socket_addrs() {
            Err(error) => {
                let told = error.to_string();
                // `failed to lookup address information: Name or service not known`
                tell(Seen::NoHost(told.rsplit(": ").next().unwrap_or(&told).to_owned()));
            }
            Ok(addresses) => {
                for address in addresses {
                    let limit = left().clamp(Duration::from_millis(1), ANSWER);
                    match TcpStream::connect_timeout(&address, limit) {
                        Ok(_) => {
                            tell(Seen::Somebody);
                            return true;
                        }
                        Err(error) => tell(Seen::Nobody(error.kind().to_string())),
                    }
                }
            }
        }
        if left().is_zero() {
            return false;
        }
        sleep(pause.min(left()));
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn not_found(placement: &Placement, seen: &Seen, timeout: Duration) -> Box<Diagnostic> {
    let (host, port) = placement.meeting_place();
    let (rank, waited) = (placement.rank, timeout.as_secs());
    let error = |message: String| Diagnostic::error(Code::RANK, message);
    let tried = format!("rank {rank} tried it for {waited} s");
    Box::new(match seen {
        Seen::Nothing => error(format!("rank {rank} cannot find the host `{host}`, where the ranks are to meet"))
            .fact(format!("nobody told its address within {waited} s"))
            .help("MASTER_ADDR is the name or the address of the machine on which rank 0 runs"),
        Seen::NoHost(why) => error(format!("rank {rank} cannot find the host `{host}`, where the ranks are to meet"))
            .fact(why.to_lowercase())
            .fact(tried)
            .help("MASTER_ADDR is the name or the address of the machine on which rank 0 runs"),
        Seen::Nobody(why) => error(format!("rank {rank} found no meeting place of the ranks at {host}:{port}: {why}"))
            .fact(tried)
            .help("rank 0 must run at MASTER_ADDR, and let others reach MASTER_PORT"),
        Seen::Somebody => error(format!("what answers at {host}:{port} is no meeting place of the ranks"))
            .fact(format!("rank {rank} waited for its word for {waited} s"))
            .fact("another program listens there, or rank 0 hangs")
            .help("set MASTER_PORT to a port that is free where rank 0 runs, the same one for all ranks"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const SHORT: Duration = Duration::from_millis(300);

    fn placed(host: &str, port: u16) -> Placement {
        let placement = Placement::of(&|name| match name {
            "RANK" => Some("1".to_owned()),
            "WORLD_SIZE" => Some("2".to_owned()),
            "MASTER_ADDR" => Some(host.to_owned()),
            "MASTER_PORT" => Some(port.to_string()),
            _ => None,
        });
        placement.unwrap().unwrap()
    }

    fn told(host: &str, port: u16) -> Diagnostic {
        let stop = AtomicBool::new(false);
        *open_store(&placed(host, port), &Patience::new(SHORT, &stop)).map(|_| ()).unwrap_err()
    }

    /// A port where nobody listens once the listener is gone.
    fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn nobody_something_else_and_no_host_are_told_apart() {
        let (listener, port) = listener();
        let begin = Instant::now();
        let problem = told("127.0.0.1", port);
        assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
        assert_eq!(problem.message, format!("what answers at 127.0.0.1:{port} is no meeting place of the ranks"));
        assert!(problem.help[0].contains("MASTER_PORT"), "{problem}");
        drop(listener);
        let problem = told("127.0.0.1", port);
        let message = format!("rank 1 found no meeting place of the ranks at 127.0.0.1:{port}: connection refused");
        assert_eq!(problem.message, message);
        // Three dots in a row are no name, and nobody is asked for it.
        let problem = told("no...name", port);
        assert_eq!(problem.message, "rank 1 cannot find the host `no...name`, where the ranks are to meet");
    }

    #[test]
    fn whoever_wants_to_stop_is_heard_at_once() {
        let (_listener, port) = listener();
        let stop = AtomicBool::new(true);
        let begin = Instant::now();
        let patience = Patience::new(Duration::from_secs(600), &stop);
        let problem = open_store(&placed("127.0.0.1", port), &patience).map(|_| ()).unwrap_err();
        assert!(problem.code == Code::INTERRUPTED && begin.elapsed() < Duration::from_secs(60), "{problem}");
    }

    #[test]
    fn a_taken_port_is_told_without_a_number_of_the_system() {
        let taken = TcpListener::bind(("::", 0)).or_else(|_| TcpListener::bind(("0.0.0.0", 0))).unwrap();
        let port = taken.local_addr().unwrap().port();
        let problem = listen(port).unwrap_err();
        assert!(problem.message.ends_with(&format!("at port {port}: address in use")), "{problem}");
        assert!(!problem.to_string().contains("os error") && !problem.help.is_empty());
    }

    #[test]
    fn work_has_its_time_and_no_more() {
        let stop = AtomicBool::new(false);
        let patience = Patience::new(SHORT, &stop);
        assert_eq!(patience.wait_for(Duration::ZERO, || 7), Ok(7));
        assert_eq!(patience.wait_for(Duration::ZERO, || sleep(Duration::from_secs(600))), Err(Over::Late));
        assert!(patience.left().is_zero());
    }
}
