//! Members of a group on threads of one process, for tests.

use super::{Group, Placement};
use crate::device::{KeyStore, Nccl};
use std::{
    ffi::CString,
    net::TcpListener,
    os::unix::ffi::OsStrExt,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tch::Device;

/// What stands in for NCCL between tensors in the host's memory.
pub fn stand_in() -> Arc<Nccl> {
    static LOADED: OnceLock<Arc<Nccl>> = OnceLock::new();
    let load = || {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("libnccl.so.2");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nccl/stand_in.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let done = Command::new(compiler).args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(done.unwrap().success());
        let name = CString::new(library.as_os_str().as_bytes()).unwrap();
        Arc::new(Nccl::load(&name).unwrap_or_else(|reason| panic!("{reason}")))
    };
    LOADED.get_or_init(load).clone()
}

/// As [`together`]; what lies in the host's memory goes over a link.
pub fn together_linked<T: Send>(size: usize, work: impl Fn(&Group) -> T + Sync) -> Vec<T> {
    together(size, |group| {
        let last_word = |problem: &_| panic!("nobody heard of it: {problem}");
        group.link(stand_in(), Device::Cpu, Box::new(last_word)).unwrap_or_else(|problem| panic!("{problem}"));
        work(group)
    })
}

/// Lets the members of a group of so many do `work`, each on a thread of its own; gives what they came to, by rank.
pub fn together<T: Send>(size: usize, work: impl Fn(&Group) -> T + Sync) -> Vec<T> {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let _store = KeyStore::keep(listener, "127.0.0.1", TIMEOUT).unwrap();
    let member = |rank: usize| {
        let placement = Placement::of(&|name| match name {
            "RANK" | "LOCAL_RANK" => Some(rank.to_string()),
            "WORLD_SIZE" | "LOCAL_WORLD_SIZE" => Some(size.to_string()),
            "MASTER_ADDR" => Some("127.0.0.1".to_owned()),
            "MASTER_PORT" => Some(port.to_string()),
            "TORCHELASTIC_USE_AGENT_STORE" => Some("True".to_owned()),
            _ => None,
        });
        let group = Group::join(placement.unwrap().unwrap(), TIMEOUT).unwrap_or_else(|problem| panic!("{problem}"));
        let done = work(&group);
        group.leave();
        done
    };
    std::thread::scope(|scope| {
        let member = &member;
        let threads: Vec<_> = (0..size).map(|rank| scope.spawn(move || member(rank))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
