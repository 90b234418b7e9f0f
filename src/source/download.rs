//! Downloads that arrive whole and unaltered, or not at all.

use super::{Progress, hexadecimal};
use crate::diagnostic::{Code, Diagnostic, Result, io_error};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;

/// Names another place to download from.
pub(super) const MIRROR: &str = "TRAINYARD_MIRROR";
const BLOCK: usize = 64 << 10;
/// How long a server may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Downloads `url` to `target`, which appears only once its SHA-256 is found to be `sha256` (hexadecimal).
///
/// The file is written beside its target; nothing is left of it if the download fails, brings more than `size_limit`
/// bytes or something else than expected, or `stop` becomes true.
///
/// # Errors
/// `download` for all that the server or the network did, `io` for what the disk did.
pub fn fetch(
    url: &str,
    sha256: &str,
    size_limit: u64,
    target: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<()> {
    let result = receive(url, sha256, size_limit, target, progress, stop);
    progress(Progress::DownloadDone);
    result
}

/// What the thread that talks to the server has to say.
enum Message {
    Begin(Option<u64>),
    Block(Vec<u8>),
    End,
    Failed(String),
}

fn receive(
    url: &str,
    sha256: &str,
    size_limit: u64,
    target: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<()> {
    let failed = |why: &str| Box::new(Diagnostic::error(Code::DOWNLOAD, format!("cannot download {url}: {why}")));
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let what = target.file_name().unwrap_or_default().to_string_lossy().into_owned();

    // Reading can block for as long as the server likes, so another thread does it: a stop needn't wait for it.
    let (sender, receiver) = mpsc::sync_channel(16);
    let address = url.to_owned();
    thread::Builder::new()
        .name("download".to_owned())
        .spawn(move || converse(&address, &sender))
        .map_err(|error| failed(&error.to_string()))?;

    let mut hash = Sha256::new();
    let (mut done, mut total) = (0, None);
    let mut file: Option<NamedTempFile> = None;
    let mut last_sign = Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(failed("interrupted"));
        }
        let message = match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) if last_sign.elapsed() > 2 * PATIENCE => {
                return Err(failed("the server keeps silent"));
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Err(failed("the connection ended")),
        };
        last_sign = Instant::now();
        match message {
            Message::Begin(length) => {
                total = length;
                if total.is_some_and(|total| total > size_limit) {
                    return Err(failed(&format!(
                        "the server sends {} bytes, and at most {size_limit} were expected",
                        total.unwrap_or_default()
                    )));
                }
                fs::create_dir_all(directory).map_err(|error| io_error("create", directory, &error))?;
                let beside = tempfile::Builder::new().prefix(".download-").tempfile_in(directory);
                file = Some(beside.map_err(|error| io_error("write to", directory, &error))?);
            }
            Message::Block(block) => {
                done += block.len() as u64;
                if done > size_limit {
                    return Err(failed(&format!("the server sends more than the {size_limit} bytes expected")));
                }
                hash.update(&block);
                if let Some(file) = &mut file {
                    file.write_all(&block).map_err(|error| io_error("write", file.path(), &error))?;
                }
                progress(Progress::Download { what: what.clone(), done, total });
            }
            Message::Failed(why) => return Err(failed(&why)),
            Message::End => break,
        }
    }

    if let Some(total) = total
        && done != total
    {
        return Err(failed(&format!("the connection ended after {done} of {total} bytes")));
    }
    let found = hexadecimal(&hash.finalize());
    if !found.eq_ignore_ascii_case(sha256) {
        return Err(Box::new(
            Diagnostic::error(Code::DOWNLOAD, format!("{url} brought something else than expected"))
                .fact(format!("its SHA-256 is {found}, and should be {sha256}"))
                .fact("nothing of it was kept"),
        ));
    }
    let file = file.ok_or_else(|| failed("the server sent nothing"))?;
    file.as_file().sync_all().map_err(|error| io_error("write", target, &error))?;
    file.persist(target).map_err(|error| io_error("write", target, &error.error))?;
    sync_directory(directory)
}

/// A folder of files that can be downloaded.
pub(super) struct Offer<'a> {
    /// What it is, for people.
    pub what: &'a str,
    /// Where the folder is to lie; made where it doesn't exist.
    pub root: PathBuf,
    /// The folder's name.
    pub folder: &'a str,
    /// Where it was looked for in vain.
    pub looked: Vec<PathBuf>,
    /// What to do where it cannot be downloaded.
    pub help: Vec<String>,
}

impl Offer<'_> {
    /// Lets `fill` make the folder, which appears whole or not at all, and says where it is. `fill` is given a directory
    /// for its own use and the path of the folder to make.
    pub fn take(self, stop: &AtomicBool, fill: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
        let new: Vec<&Path> = self.root.ancestors().take_while(|folder| !folder.exists()).collect();
        let result = self.fill(fill);
        if result.is_err() {
            // Fails where there is something in it, and is right to.
            new.into_iter().for_each(|folder| drop(fs::remove_dir(folder)));
        }
        result.map_err(|why| {
            if why.code != Code::DOWNLOAD || stop.load(Ordering::Relaxed) {
                return why;
            }
            let looked = self.looked.iter().map(|place| place.display().to_string()).collect::<Vec<_>>();
            let message = format!("{} isn't here and cannot be downloaded", self.what);
            let mut complaint = Diagnostic::error(Code::DOWNLOAD, message).fact(why.message.clone());
            complaint.notes.extend(why.notes.iter().cloned());
            let complaint = complaint.fact(format!("looked for it in {}", looked.join(", ")));
            Box::new(self.help.iter().fold(complaint, Diagnostic::help))
        })
    }

    fn fill(&self, fill: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<PathBuf> {
        let root = &self.root;
        fs::create_dir_all(root).map_err(|error| io_error("create", root, &error))?;
        // Removed with all that is in it, whatever happens.
        let workshop = tempfile::Builder::new()
            .prefix(".unpacking-")
            .tempdir_in(root)
            .map_err(|error| io_error("write to", root, &error))?;
        let made = workshop.path().join(self.folder);
        fill(workshop.path(), &made)?;
        let target = root.join(self.folder);
        match fs::rename(&made, &target) {
            Ok(()) => sync_directory(root)?,
            // Somebody else was faster.
            Err(_) if target.is_dir() => (),
            Err(error) => return Err(io_error("create", &target, &error)),
        }
        Ok(target)
    }
}

/// Makes what was renamed into `directory` outlive a power failure.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    // Only Unix can open a directory.
    if cfg!(unix) {
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| io_error("write to", directory, &error))?;
    }
    Ok(())
}

/// Talks to the server. An error in sending means that nobody listens any more.
fn converse(url: &str, sender: &SyncSender<Message>) {
    let last = match stream(url, sender) {
        Ok(()) => Message::End,
        Err(why) => Message::Failed(why),
    };
    let _ = sender.send(last);
}

fn stream(url: &str, sender: &SyncSender<Message>) -> Result<(), String> {
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("trainyard/", env!("CARGO_PKG_VERSION")))
        // An archive has to arrive as it is, not as a compressed transfer of its content.
        .accept_encoding("identity")
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE / 2))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE));
    if is_loopback(url) {
        config = config.proxy(None);
    }
    let agent = config.build().new_agent();
    let response = agent.get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => format!("the server answers with status {status}"),
        ureq::Error::Io(error) => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
        other => other.to_string(),
    })?;
    let body = response.into_body();
    let gone = |_| "nobody listens".to_owned();
    sender.send(Message::Begin(body.content_length())).map_err(gone)?;
    let mut reader = body.into_reader();
    loop {
        let mut block = vec![0; BLOCK];
        match reader.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                block.truncate(length);
                sender.send(Message::Block(block)).map_err(gone)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error) => return Err(format!("the connection broke: {error}")),
        }
    }
}

/// A server on this very machine is never reached through a proxy.
fn is_loopback(url: &str) -> bool {
    url.parse::<ureq::http::Uri>()
        .is_ok_and(|uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]" | "::1")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::source::tests::wording;
    use std::{
        net::{TcpListener, TcpStream},
        sync::Mutex,
    };

    /// A server that gives each of its connections the next answer, and its address.
    pub(in crate::source) fn serve(answers: Vec<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                read_request(&mut stream);
                let _ = stream.write_all(&answer);
            }
        });
        address
    }

    fn read_request(stream: &mut TcpStream) {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            request.push(byte[0]);
        }
    }

    /// An answer that says it holds `length` bytes.
    pub(in crate::source) fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
        let mut all =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
        all.extend(body);
        all
    }

    pub(in crate::source) fn sha256(bytes: &[u8]) -> String {
        hexadecimal(&Sha256::digest(bytes))
    }

    #[test]
    fn what_arrives_is_what_was_asked_for() {
        let body: Vec<u8> = (0..300_000u32).map(|i| (i * 7) as u8).collect();
        let address = serve(vec![answer("200 OK", body.len(), &body)]);
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("deeper/file.bin");
        let heard = Mutex::new(Vec::new());
        let hear = |progress| heard.lock().unwrap().push(progress);
        fetch(&format!("{address}/file"), &sha256(&body), 300_000, &target, &hear, &AtomicBool::new(false)).unwrap();
        assert_eq!(fs::read(&target).unwrap(), body);
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
        let heard = heard.into_inner().unwrap();
        let what = "file.bin".to_owned();
        let last = Progress::Download { what, done: 300_000, total: Some(300_000) };
        assert_eq!(heard[heard.len() - 2..], [last, Progress::DownloadDone]);
    }

    #[test]
    fn failures_say_why_and_leave_nothing() {
        let body = b"expected".as_slice();
        let unbounded = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nexpected".to_vec();
        for (served, limit, want) in [
            (answer("200 OK", 5, b"other"), 100, "brought something else than expected"),
            (answer("404 Not Found", 4, b"gone"), 100, "status 404"),
            (answer("200 OK", 8, b"expe"), 100, "connection"),
            (answer("200 OK", 8, body), 7, "at most 7 were expected"),
            (unbounded, 7, "more than the 7 bytes"),
            (b"nonsense\r\n\r\n".to_vec(), 100, "cannot download"),
        ] {
            let address = serve(vec![served]);
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let url = format!("{address}/file");
            let complaint = fetch(&url, &sha256(body), limit, &target, &|_| (), &AtomicBool::new(false)).unwrap_err();
            assert_eq!(complaint.code, Code::DOWNLOAD);
            assert!(wording(&complaint).contains(want), "{}", wording(&complaint));
            assert!(complaint.message.contains(&url));
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{want}");
        }
    }

    #[test]
    fn nobody_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        drop(listener);
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("none/file.bin");
        let complaint = fetch(&address, "", 1, &target, &|_| (), &AtomicBool::new(false)).unwrap_err();
        assert!(complaint.message.contains("refused"), "{complaint}");
        assert!(!directory.path().join("none").exists());
    }

    #[test]
    fn a_stop_does_not_wait_for_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let stop = AtomicBool::new(false);
        // Half of the body arrives, and then nothing more.
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(&answer("200 OK", 8, b"half")).unwrap();
            stream
        });
        let hear = |progress| {
            if matches!(progress, Progress::Download { .. }) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let complaint = fetch(&address, "", 8, &target, &hear, &stop).unwrap_err();
        assert!(complaint.message.contains("interrupted"), "{complaint}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        drop(server.join());
    }
}
