//! What the system tells of itself: processors, memory, names.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    time::Instant,
};

/// The processor's model, as the system names it.
pub fn processor() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The vector instructions that the processor has, and settings of libtorch's libraries that narrow them.
pub fn instructions() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    let wide = ["avx", "fma", "amx", "f16c", "sse4"];
    let mut found: Vec<String> = flags
        .map(|(_, flags)| flags.split_whitespace())
        .into_iter()
        .flatten()
        .filter(|flag| wide.iter().any(|prefix| flag.starts_with(prefix)))
        .map(str::to_owned)
        .collect();
    found.sort();
    let settings =
        ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"];
    found.extend(settings.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?))));
    found.join(" ")
}

/// The processors that this process may use, as affinity and the control group's quota allow.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

/// The memory nodes of the machine, each with processors to which it is near; 1 where nobody knows.
pub fn memory_nodes() -> usize {
    let is_node = |name: &str| name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok());
    let entries = std::fs::read_dir("/sys/devices/system/node").into_iter().flatten().flatten();
    entries.filter(|entry| is_node(&entry.file_name().to_string_lossy())).count().max(1)
}

/// Bytes of memory that the machine has.
pub fn memory() -> Option<u64> {
    let text = read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes of memory that the control groups around this process allow, where they allow less than there is.
pub fn memory_limit() -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    // Of version 2 there is one line, `0::/the/group`; in a container the group's own directory is the root.
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let files = Path::new(group).ancestors().map(|group| Path::new("/sys/fs/cgroup").join(group).join("memory.max"));
    let files = files.chain(["/sys/fs/cgroup/memory/memory.limit_in_bytes".into()]);
    let limit = files.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok()).min();
    limit.filter(|limit| memory().is_none_or(|memory| *limit < memory))
}

/// Bits a second that two programs on this machine can send each other over TCP; nothing where they cannot.
pub fn loopback_bandwidth() -> Option<f64> {
    const BYTES: usize = 32 << 20;
    let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let mut sender = TcpStream::connect(listener.local_addr().ok()?).ok()?;
    let (mut receiver, _) = listener.accept().ok()?;
    let (from, mut into) = (vec![0u8; 1 << 20], vec![0u8; 1 << 20]);
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || (0..BYTES / from.len()).try_for_each(|_| sender.write_all(&from)));
        let (start, mut received) = (Instant::now(), 0);
        while received < BYTES {
            match receiver.read(&mut into) {
                Ok(0) | Err(_) => return None,
                Ok(count) => received += count,
            }
        }
        sending.join().ok()?.ok()?;
        Some(8.0 * BYTES as f64 / start.elapsed().as_secs_f64())
    })
}

/// Seconds until a few bytes are from one program on this machine at another over TCP, half a round trip: the median of many; nothing
/// where they cannot send each other any.
pub fn message_time() -> Option<f64> {
    const ROUNDS: usize = 200;
    let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let mut asking = TcpStream::connect(listener.local_addr().ok()?).ok()?;
    let (mut answering, _) = listener.accept().ok()?;
    [&asking, &answering].iter().try_for_each(|stream| stream.set_nodelay(true)).ok()?;
    let mut times = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut message = [0u8; 32];
            while answering.read_exact(&mut message).and_then(|()| answering.write_all(&message)).is_ok() {}
        });
        let mut message = [0u8; 32];
        let mut round = || {
            let start = Instant::now();
            asking.write_all(&message).and_then(|()| asking.read_exact(&mut message)).ok()?;
            Some(start.elapsed().as_secs_f64())
        };
        let times = (0..ROUNDS).map(|_| round()).collect::<Option<Vec<f64>>>();
        // The other thread ends with the connection.
        let _ = asking.shutdown(Shutdown::Both);
        times
    })?;
    times.sort_by(f64::total_cmp);
    Some(times[ROUNDS / 2] / 2.0)
}

/// The operating system with its version, `Debian GNU/Linux 13 (trixie)`; nothing where it doesn't tell.
pub fn operating_system() -> Option<String> {
    pretty_name(&read("/etc/os-release").or_else(|| read("/usr/lib/os-release"))?)
}

/// The kernel's release.
pub fn kernel() -> Option<String> {
    read("/proc/sys/kernel/osrelease").map(|release| release.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The name in a file that a shell could read.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some(quoted.unwrap_or(value).to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_a_name() {
        let name = |text: &str| pretty_name(text);
        assert_eq!(name("ID=x\nPRETTY_NAME=\"Some Linux 13\"\n").as_deref(), Some("Some Linux 13"));
        assert_eq!(name("PRETTY_NAME='Other'").as_deref(), Some("Other"));
        assert_eq!(name("PRETTY_NAME=Plain").as_deref(), Some("Plain"));
        for none in ["", "NAME=x", "PRETTY_NAME=", "PRETTY_NAME=\"\""] {
            assert_eq!(name(none), None, "{none}");
        }
    }

    #[test]
    fn there_is_a_machine() {
        assert!(processors() > 0 && !processor().is_empty());
        assert!(memory_limit().is_none_or(|limit| memory().is_none_or(|memory| limit < memory)));
        assert!(loopback_bandwidth().is_some_and(|bits| bits > 1e6));
        assert!(message_time().is_some_and(|seconds| seconds > 0.0 && seconds < 1.0));
    }
}
