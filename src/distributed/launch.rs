//! Starting the processes of a group on this machine, watching them, and ending all where one fails.

use super::{
    ATTEMPT,
    placement::PARENT,
    watch::{Failure, first_failure, leave_failure},
};
use crate::{
    device::{self, KeyStore},
    diagnostic::{Code, Diagnostic, Result},
};
use std::{
    collections::VecDeque,
    env,
    io::Read,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

/// Below this key the one that leads leaves word of where its run is.
pub const UNDER_WAY: &str = "run-under-way";

/// How long the others have to end in order after one failed, and how long where rank 0 has ended, which had the most to do.
const GRACE: Duration = Duration::from_secs(10);
const SHORT_GRACE: Duration = Duration::from_secs(1);

/// How long the store may take to open.
const OPENING: Duration = Duration::from_secs(30);

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// So much of what a process says is kept, from its end.
const KEPT: usize = 16 << 10;

/// Processes that were started, rank 0 first. Those that still live when it is dropped are killed.
pub struct Launch {
    members: Vec<Member>,
    store: Arc<KeyStore>,
}

struct Member {
    child: Child,
    said: Arc<Mutex<VecDeque<u8>>>,
    ended: Option<ExitStatus>,
}

/// How all of them ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Rank 0's exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    /// The first that failed.
    pub failed: Option<Failed>,
}

/// A process that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its rank.
    pub rank: usize,
    /// `was ended by signal 9 (SIGKILL)`, `ended with exit code 1`, or what the ranks say of it.
    pub how: String,
    /// What else is known of it.
    pub facts: Vec<String>,
    /// The last that it said; nothing of rank 0, which speaks for itself.
    pub said: String,
}

impl Launch {
    /// Starts this program once more for each of `processes` ranks, with the same arguments. Only rank 0 reads and writes
    /// where this process does.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn start(processes: usize) -> Result<Self> {
        let refused = |what: &str, error: &dyn std::fmt::Display| {
            Box::new(Diagnostic::error(Code::RANK, format!("cannot {what}: {error}")))
        };
        // The system chooses a port that is free, and nobody else on the network reaches it.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(|error| refused("open a meeting place for the ranks", &error.kind()))?;
        let address = listener.local_addr();
        let address = address.map_err(|error| refused("open a meeting place for the ranks", &error.kind()))?;
        let host = address.ip().to_string();
        let store = KeyStore::keep(listener, &host, OPENING)
            .map_err(|_| refused("open a meeting place for the ranks", &"it doesn't answer"))?;
        let mut launch = Launch { members: Vec::new(), store: Arc::new(store) };
        let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        for rank in 0..processes {
            let mut command = Command::new(&program);
            command
                .args(env::args_os().skip(1))
                .env("RANK", rank.to_string())
                .env("WORLD_SIZE", processes.to_string())
                .env("LOCAL_RANK", rank.to_string())
                .env("LOCAL_WORLD_SIZE", processes.to_string())
                .env("MASTER_ADDR", &host)
                .env("MASTER_PORT", address.port().to_string())
                .env("TORCHELASTIC_USE_AGENT_STORE", "True")
                .env("TORCHELASTIC_RESTART_COUNT", "0")
                .env(PARENT, std::process::id().to_string())
                .env_remove("GLOO_SOCKET_IFNAME")
                .stdin(Stdio::null());
            if rank > 0 {
                command.stdout(Stdio::null()).stderr(Stdio::piped());
            }
            let mut child = command.spawn().map_err(|error| refused(&format!("start rank {rank}"), &error.kind()))?;
            let said = Arc::default();
            if let Some(stderr) = child.stderr.take() {
                let kept = Arc::clone(&said);
                std::thread::spawn(move || keep_last(stderr, &kept));
            }
            launch.members.push(Member { child, said, ended: None });
        }
        Ok(launch)
    }

    /// What tells where the run is that the processes are at work on, as rank 0 has left word of it.
    pub fn place_of_run(&self) -> impl Fn() -> Option<PathBuf> + Clone + Send + Sync + 'static {
        let store = self.store.clone();
        move || {
            let word = store.get(&format!("trainyard/{UNDER_WAY}")).ok()??;
            Some(PathBuf::from(String::from_utf8(word).ok()?))
        }
    }

    /// Waits until all have ended. Where one fails, the others get a moment to end in order. Where `stop` gives a signal, it
    /// is sent to all, once.
    pub fn wait(mut self, stop: impl Fn() -> Option<i32>) -> Left {
        let mut failed: Option<(Failed, Instant)> = None;
        let mut told_to_stop = false;
        while self.members.iter().any(|member| member.ended.is_none()) {
            for rank in 0..self.members.len() {
                let member = &mut self.members[rank];
                if member.ended.is_some() {
                    continue;
                }
                let Ok(Some(status)) = member.child.try_wait() else { continue };
                member.ended = Some(status);
                if failed.is_none() && is_failure(status) {
                    failed = Some((self.first_failure(rank, in_words(status)), Instant::now()));
                }
            }
            if let Some(signal) = stop().filter(|_| !told_to_stop) {
                told_to_stop = true;
                self.living().for_each(|member| device::signal(member.child.id(), signal));
            }
            let grace = if self.members[0].ended.is_some() { SHORT_GRACE } else { GRACE };
            if failed.as_ref().is_some_and(|(_, since)| since.elapsed() > grace) {
                self.kill();
            }
            sleep(LOOK);
        }
        let code = self.members.first().and_then(|first| first.ended).and_then(|status| status.code());
        let said = |rank: usize| self.members.get(rank).map(Member::last_words).unwrap_or_default();
        let failed = failed.map(|(failed, _)| Failed { said: said(failed.rank), ..failed });
        Left { code, failed }
    }

    /// What there is to say where `rank` ended first, and `how`: the ranks may blame another one, which hangs and is killed.
    fn first_failure(&mut self, rank: usize, how: String) -> Failed {
        let prefix = format!("{ATTEMPT}/0");
        let own = Failure::new(rank, how);
        leave_failure(&self.store, &prefix, &own);
        let Failure { rank, how, facts } = first_failure(&self.store, &prefix).ok().flatten().unwrap_or(own);
        let mut about = Vec::new();
        if let Some(member) = self.members.get_mut(rank) {
            about.push(format!("it was process {}", member.child.id()));
            if member.ended.is_none() {
                let _ = member.child.kill();
            }
        }
        Failed { rank, how, facts: about.into_iter().chain(facts).collect(), said: String::new() }
    }

    fn living(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.iter_mut().filter(|member| member.ended.is_none())
    }

    fn kill(&mut self) {
        for member in self.living() {
            let _ = member.child.kill();
            member.ended = member.child.wait().ok();
        }
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Member {
    fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said.iter().copied().collect::<Vec<_>>()).trim().to_owned()
    }
}

/// Whether a process ended in a way that is no ending of a run: by a signal, or with exit code 1 or one that nobody knows.
/// 2 and 3 say something of the pipeline, those above 128 of a wish to stop.
fn is_failure(status: ExitStatus) -> bool {
    !matches!(status.code(), Some(0 | 2 | 3 | 129 | 130 | 143))
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = signal_hook::low_level::signal_name(signal).map(|name| format!(" ({name})")).unwrap_or_default();
            format!("was ended by signal {signal}{name}")
        }
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Reads to the end, and keeps the last of it.
fn keep_last(mut stream: ChildStderr, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..count]);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn an_end_is_told_in_words() {
        let cases = [
            (9, "was ended by signal 9 (SIGKILL)", true),
            (1 << 8, "ended with exit code 1", true),
            (101 << 8, "ended with exit code 101", true),
            (0, "ended with exit code 0", false),
            (2 << 8, "ended with exit code 2", false),
            (130 << 8, "ended with exit code 130", false),
        ];
        for (raw, words, failure) in cases {
            let status = ExitStatus::from_raw(raw);
            assert_eq!((in_words(status).as_str(), is_failure(status)), (words, failure));
        }
    }
}
