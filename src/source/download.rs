//! Downloads that arrive whole and unaltered, or not at all.

use super::Progress;
use crate::{
    diagnostic::{Code, Diagnostic, Result, io_error},
    text::hexadecimal,
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

/// Names another place to download from.
pub(super) const MIRROR: &str = "TRAINYARD_MIRROR";
const BLOCK: usize = 64 << 10;
/// How long a server may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be downloaded.
pub struct Download<'a> {
    /// Where from.
    pub url: &'a str,
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
    /// The most bytes that it may have.
    pub size_limit: u64,
    /// The directory in which what has come so far is kept, so that another try goes on from there.
    pub partials: &'a Path,
}

/// Downloads to `target`, which appears only once its SHA-256 is found to be the expected one.
///
/// What has come is kept in a file of its own where the download breaks off or `stop` becomes true, and the next call goes
/// on behind it, where the server can. Nothing is left of what is too long or not what was expected.
///
/// # Errors
/// `download` for all that the server or the network did, `io` for what the disk did.
pub fn fetch(
    download: &Download<'_>,
    target: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<()> {
    let result = receive(download, target, progress, stop);
    progress(Progress::DownloadDone);
    result
}

/// What the thread that talks to the server has to say.
enum Message {
    /// Where in the file it begins, and how long the file is.
    Begin(u64, Option<u64>),
    Block(Vec<u8>),
    End,
    Failed(String),
}

/// What has come of a file so far.
struct Partial {
    path: PathBuf,
    file: File,
    hash: Sha256,
    done: u64,
}

impl Partial {
    /// What an earlier try left in `directory`, or nothing yet.
    fn open(directory: &Path, sha256: &str, stop: &AtomicBool) -> Result<Self> {
        let name = sha256.get(..16).unwrap_or(sha256);
        let path = directory.join(format!(".partial-{name}"));
        let failed = |error| io_error("write to", directory, &error);
        fs::create_dir_all(directory).map_err(failed)?;
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut partial = Partial { file: options.map_err(failed)?, path, hash: Sha256::new(), done: 0 };
        // Another run may be fetching the same: it goes first.
        loop {
            match partial.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if stop.load(Ordering::Relaxed) => {
                    return Err(Box::new(Diagnostic::error(
                        Code::DOWNLOAD,
                        "waiting for another download was interrupted",
                    )));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(100)),
            }
        }
        let mut block = vec![0; BLOCK];
        loop {
            match partial.file.read(&mut block).map_err(failed)? {
                0 => return Ok(partial),
                length => {
                    partial.hash.update(&block[..length]);
                    partial.done += length as u64;
                }
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<()> {
        self.hash.update(block);
        self.done += block.len() as u64;
        self.file.write_all(block).map_err(|error| io_error("write", &self.path, &error))
    }

    /// Begins anew.
    fn clear(&mut self) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        (self.hash, self.done) = (Sha256::new(), 0);
        cleared.map_err(|error| io_error("write", &self.path, &error))
    }

    fn sha256(&self) -> String {
        hexadecimal(&self.hash.clone().finalize())
    }

    /// Puts the whole file into its place.
    fn finish(self, target: &Path) -> Result<()> {
        let failed = |error| io_error("write", target, &error);
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, target).map_err(failed)?;
        sync_directory(directory)
    }

    /// Takes it away, where it is of no use.
    fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn receive(
    download: &Download<'_>,
    target: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<()> {
    let Download { url, sha256, partials, .. } = *download;
    let mut partial = Partial::open(partials, sha256, stop)?;
    while !partial.path.exists() {
        // Whoever was first has put it into its place, or given up.
        partial = Partial::open(partials, sha256, stop)?;
    }
    // A try that was killed between the last byte and the renaming.
    if partial.done > 0 && partial.sha256().eq_ignore_ascii_case(sha256) {
        return partial.finish(target);
    }
    let what = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match converse_until_done(download, &mut partial, &what, progress, stop) {
        Ok(()) => {}
        Err(Broken::Off(problem)) => {
            if partial.done == 0 {
                partial.discard();
                return Err(problem);
            }
            let kept = format!("{} bytes that came are kept: another try goes on from there", partial.done);
            return Err(Box::new(problem.fact(kept)));
        }
        Err(Broken::ForGood(problem)) => {
            partial.discard();
            return Err(problem);
        }
    }
    let found = partial.sha256();
    if !found.eq_ignore_ascii_case(sha256) {
        partial.discard();
        return Err(Box::new(
            Diagnostic::error(Code::DOWNLOAD, format!("{url} brought something else than expected"))
                .fact(format!("its SHA-256 is {found}, and should be {sha256}"))
                .fact("nothing of it was kept"),
        ));
    }
    partial.finish(target)
}

/// Why a download didn't come to its end.
enum Broken {
    /// Another try may go on where it stopped.
    Off(Box<Diagnostic>),
    /// What has come is of no use.
    ForGood(Box<Diagnostic>),
}

fn converse_until_done(
    download: &Download<'_>,
    partial: &mut Partial,
    what: &str,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> std::result::Result<(), Broken> {
    let Download { url, size_limit, .. } = *download;
    let complaint = |why: &str| Box::new(Diagnostic::error(Code::DOWNLOAD, format!("cannot download {url}: {why}")));
    let off = |why: &str| Broken::Off(complaint(why));
    // Reading can block for as long as the server likes, so another thread does it: a stop needn't wait for it.
    let (sender, receiver) = mpsc::sync_channel(16);
    let (address, from) = (url.to_owned(), partial.done);
    thread::Builder::new()
        .name("download".to_owned())
        .spawn(move || converse(&address, from, &sender))
        .map_err(|error| off(&error.to_string()))?;
    let mut total = None;
    let mut last_sign = Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(off("interrupted"));
        }
        let message = match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) if last_sign.elapsed() > 2 * PATIENCE => {
                return Err(off("the server keeps silent"));
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Err(off("the connection ended")),
        };
        last_sign = Instant::now();
        match message {
            Message::Begin(at, length) => {
                total = length;
                if let Some(total) = total.filter(|total| *total > size_limit) {
                    let why = format!("the server sends {total} bytes, and at most {size_limit} were expected");
                    return Err(Broken::ForGood(complaint(&why)));
                }
                if at != partial.done {
                    partial.clear().map_err(Broken::ForGood)?;
                }
            }
            Message::Block(block) => {
                if partial.done + block.len() as u64 > size_limit {
                    let why = format!("the server sends more than the {size_limit} bytes expected");
                    return Err(Broken::ForGood(complaint(&why)));
                }
                partial.write(&block).map_err(Broken::Off)?;
                progress(Progress::Download { what: what.to_owned(), done: partial.done, total });
            }
            Message::Failed(why) => return Err(off(&why)),
            Message::End => break,
        }
    }
    match total {
        Some(total) if partial.done != total => {
            Err(off(&format!("the connection ended after {} of {total} bytes", partial.done)))
        }
        _ if partial.done == 0 => Err(off("the server sent nothing")),
        _ => Ok(()),
    }
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
    /// for its own use, which lies in [`Offer::root`], and the path of the folder to make.
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
fn converse(url: &str, from: u64, sender: &SyncSender<Message>) {
    let last = match stream(url, from, sender) {
        Ok(()) => Message::End,
        Err(why) => Message::Failed(why),
    };
    let _ = sender.send(last);
}

/// Sends what stands behind the first `from` bytes, or, where the server cannot begin there, all.
fn stream(url: &str, from: u64, sender: &SyncSender<Message>) -> Result<(), String> {
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
    let said = |error| match error {
        ureq::Error::StatusCode(status) => format!("the server answers with status {status}"),
        ureq::Error::Io(error) => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
        other => other.to_string(),
    };
    let response = match from {
        0 => agent.get(url).call(),
        from => match agent.get(url).header("Range", format!("bytes={from}-")).call() {
            // There is nothing behind it: what is here is something else.
            Err(ureq::Error::StatusCode(416)) => agent.get(url).call(),
            other => other,
        },
    };
    let response = response.map_err(said)?;
    let range = response.headers().get("Content-Range").and_then(|range| range.to_str().ok()).and_then(range);
    let partly = response.status() == 206;
    let body = response.into_body();
    let gone = |_| "nobody listens".to_owned();
    let begin = match (partly, range) {
        (true, Some((at, total))) if at == from => Message::Begin(at, total),
        (true, _) => return Err("the server sends another part than it was asked for".to_owned()),
        (false, _) => Message::Begin(0, body.content_length()),
    };
    sender.send(begin).map_err(gone)?;
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

/// Where a part begins, and how long the whole is: `bytes 100-199/200`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (part, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()))
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

    fn read_request(stream: &mut TcpStream) -> String {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            request.push(byte[0]);
        }
        String::from_utf8_lossy(&request).into_owned()
    }

    fn fetched(url: &str, sha256: &str, size_limit: u64, target: &Path) -> Result<()> {
        let download = Download { url, sha256, size_limit, partials: target.parent().unwrap() };
        fetch(&download, target, &|_| (), &AtomicBool::new(false))
    }

    /// A server that breaks off after `cut` bytes and then, asked for a part, sends what is behind it; where it cannot send
    /// parts, all. Gives its address and what it was asked.
    fn broken_server(body: Vec<u8>, cut: usize, parts: bool) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut asked = Vec::new();
            for turn in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                asked.push(read_request(&mut stream).to_lowercase());
                let (status, range, part) = match (turn, parts) {
                    (0, _) => ("200 OK", String::new(), &body[..cut]),
                    (_, true) => {
                        let (last, all) = (body.len() - 1, body.len());
                        ("206 Partial Content", format!("Content-Range: bytes {cut}-{last}/{all}\r\n"), &body[cut..])
                    }
                    (_, false) => ("200 OK", String::new(), &body[..]),
                };
                let length = if turn == 0 { body.len() } else { part.len() };
                let head = format!("HTTP/1.1 {status}\r\n{range}Content-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), part].concat());
            }
            asked
        });
        (address, server)
    }

    #[test]
    fn a_download_that_broke_off_goes_on_where_it_stopped() {
        let body: Vec<u8> = (0..200_000u32).map(|i| (i * 11) as u8).collect();
        for (parts, range) in [(true, true), (false, true)] {
            let (url, server) = broken_server(body.clone(), 70_000, parts);
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let complaint = fetched(&url, &sha256(&body), 200_000, &target).unwrap_err();
            let wording = wording(&complaint);
            assert!(wording.contains("bytes that came are kept"), "{wording}");
            let kept: Vec<PathBuf> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(kept.len(), 1);
            assert_eq!(fs::read(&kept[0]).unwrap(), body[..70_000]);
            fetched(&url, &sha256(&body), 200_000, &target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), body);
            assert!(!kept[0].exists());
            let asked = server.join().unwrap();
            assert_eq!(asked[1].contains("range: bytes=70000-"), range, "{asked:?}");
        }
    }

    #[test]
    fn what_was_kept_of_something_else_is_not_trusted() {
        let body = b"the right content".as_slice();
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let partial = directory.path().join(format!(".partial-{}", &sha256(body)[..16]));
        // Complete already: nobody is asked.
        fs::write(&partial, body).unwrap();
        fetched("http://127.0.0.1:1/file", &sha256(body), 100, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), body);
        // Too long: the server has nothing behind it, and sends all.
        fs::write(&partial, [body, b" and more"].concat()).unwrap();
        let address = serve(vec![answer("416 Range Not Satisfiable", 0, b""), answer("200 OK", body.len(), body)]);
        fetched(&format!("{address}/file"), &sha256(body), 100, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), body);
        // Of the right length, and wrong: found out in the end, and taken away.
        fs::write(&partial, b"the wrong").unwrap();
        let mut part =
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 9-16/17\r\nContent-Length: 8\r\n\r\n".to_vec();
        part.extend(&body[9..]);
        let complaint = fetched(&format!("{}/file", serve(vec![part])), &sha256(body), 100, &target).unwrap_err();
        assert!(complaint.message.contains("something else"), "{complaint}");
        assert!(!partial.exists());
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
        let (url, sha256) = (format!("{address}/file"), sha256(&body));
        let download = Download { url: &url, sha256: &sha256, size_limit: 300_000, partials: target.parent().unwrap() };
        fetch(&download, &target, &hear, &AtomicBool::new(false)).unwrap();
        assert_eq!(fs::read(&target).unwrap(), body);
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
        let heard = heard.into_inner().unwrap();
        let what = "file.bin".to_owned();
        let last = Progress::Download { what, done: 300_000, total: Some(300_000) };
        assert_eq!(heard[heard.len() - 2..], [last, Progress::DownloadDone]);
    }

    #[test]
    fn failures_say_why_and_leave_only_what_is_of_use() {
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
            let complaint = fetched(&url, &sha256(body), limit, &target).unwrap_err();
            assert_eq!(complaint.code, Code::DOWNLOAD);
            assert!(wording(&complaint).contains(want), "{}", wording(&complaint));
            assert!(complaint.message.contains(&url));
            let kept = usize::from(want == "connection");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), kept, "{want}");
        }
    }

    #[test]
    fn nobody_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        drop(listener);
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("none/file.bin");
        let complaint = fetched(&address, "", 1, &target).unwrap_err();
        assert!(complaint.message.contains("refused"), "{complaint}");
        assert_eq!(directory.path().join("none").read_dir().unwrap().count(), 0);
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
        let download = Download { url: &address, sha256: "", size_limit: 8, partials: directory.path() };
        let complaint = fetch(&download, &target, &hear, &stop).unwrap_err();
        assert!(complaint.message.contains("interrupted"), "{complaint}");
        assert!(!target.exists());
        drop(server.join());
    }
}
