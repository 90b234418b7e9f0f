//! Members of a group on threads of one process, for tests.

use super::{Group, Placement};
use crate::device::KeyStore;
use std::{net::TcpListener, sync::atomic::AtomicBool, time::Duration};

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
        let group = Group::join(placement.unwrap().unwrap(), TIMEOUT, &AtomicBool::new(false))
            .unwrap_or_else(|problem| panic!("{problem}"));
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
