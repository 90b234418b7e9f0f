//! The Rust side of `native/distributed.cpp`: PyTorch's store of keys and its process group over Gloo.

use super::native::{RawTensor, outcome};
use libc::{c_char, c_int, c_void};
use std::{ffi::CString, fmt, net::TcpListener, os::fd::IntoRawFd, ptr::NonNull, time::Duration};
use tch::{TchError, Tensor};

unsafe extern "C" {
    fn shim_store_open(
        host: *const c_char,
        port: c_int,
        listener: c_int,
        timeout_ms: i64,
        out: *mut *mut c_void,
    ) -> c_int;
    fn shim_store_free(store: *mut c_void);
    fn shim_store_set(store: *mut c_void, key: *const c_char, data: *const u8, count: usize) -> c_int;
    fn shim_store_set_once(store: *mut c_void, key: *const c_char, data: *const u8, count: usize) -> c_int;
    fn shim_store_get(store: *mut c_void, key: *const c_char, data: *mut *const u8, count: *mut usize) -> c_int;
    #[allow(clippy::too_many_arguments)]
    fn shim_group_open(
        store: *mut c_void,
        prefix: *const c_char,
        rank: c_int,
        size: c_int,
        interface: *const c_char,
        address: *const c_char,
        timeout_ms: i64,
        out: *mut *mut c_void,
    ) -> c_int;
    fn shim_group_free(group: *mut c_void);
    fn shim_group_sum(group: *mut c_void, tensors: *const RawTensor, count: usize) -> c_int;
    fn shim_group_broadcast(group: *mut c_void, tensors: *const RawTensor, count: usize) -> c_int;
    fn shim_group_begin_sum(group: *mut c_void, tensor: RawTensor, out: *mut *mut c_void) -> c_int;
    fn shim_work_wait(work: *mut c_void) -> c_int;
    fn shim_work_free(work: *mut c_void);
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).expect("there is no zero in it")
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Keys with their values that all processes of a group see.
pub struct KeyStore(NonNull<c_void>);

// SAFETY: c10d's store locks itself for each call; the handle only points to it.
unsafe impl Send for KeyStore {}
// SAFETY: as above.
unsafe impl Sync for KeyStore {}

impl KeyStore {
    /// Connects to the store at `host` and `port`, which may come to life within `timeout`.
    ///
    /// # Errors
    /// Where nobody keeps it there.
    pub fn connect(host: &str, port: u16, timeout: Duration) -> Result<Self, TchError> {
        Self::open(host, port, -1, timeout)
    }

    /// Keeps the store in this process, for all who come to the `listener`, whose address is `host`.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn keep(listener: TcpListener, host: &str, timeout: Duration) -> Result<Self, TchError> {
        let port = listener.local_addr().map_err(|error| TchError::Torch(error.to_string()))?.port();
        Self::open(host, port, listener.into_raw_fd(), timeout)
    }

    fn open(host: &str, port: u16, listener: c_int, timeout: Duration) -> Result<Self, TchError> {
        let host = c_string(host);
        let mut raw = std::ptr::null_mut();
        // SAFETY: the text and the place for the handle live for the whole call; the socket is handed over.
        outcome(unsafe {
            shim_store_open(host.as_ptr(), c_int::from(port), listener, milliseconds(timeout), &raw mut raw)
        })?;
        Ok(KeyStore(NonNull::new(raw).expect("it was opened")))
    }

    /// Sets a key.
    ///
    /// # Errors
    /// Where the store is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), TchError> {
        let key = c_string(key);
        // SAFETY: what is pointed to lives for the whole call.
        outcome(unsafe { shim_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len()) })
    }

    /// Sets a key that nobody has set.
    ///
    /// # Errors
    /// Where the store is gone.
    pub fn set_once(&self, key: &str, value: &[u8]) -> Result<(), TchError> {
        let key = c_string(key);
        // SAFETY: what is pointed to lives for the whole call.
        outcome(unsafe { shim_store_set_once(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len()) })
    }

    /// The value of a key, where it is set; nobody waits for it.
    ///
    /// # Errors
    /// Where the store is gone.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, TchError> {
        let key = c_string(key);
        let (mut data, mut count) = (std::ptr::null(), 0);
        // SAFETY: what is pointed to lives for the whole call.
        outcome(unsafe { shim_store_get(self.0.as_ptr(), key.as_ptr(), &raw mut data, &raw mut count) })?;
        // SAFETY: so many bytes lie there until this thread's next call.
        Ok((!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data, count) }.to_vec()))
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle.
        unsafe { shim_store_free(self.0.as_ptr()) }
    }
}

/// Where the other members of a group reach this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// At an address or a host's name.
    Address(String),
    /// At the address of a network interface, such as `eth0`.
    Interface(String),
}

impl fmt::Display for Reached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reached::Address(address) => formatter.write_str(address),
            Reached::Interface(interface) => write!(formatter, "the network interface {interface}"),
        }
    }
}

/// Processes that exchange tensors. All of them have to make the same calls in the same order.
pub struct ProcessGroup(NonNull<c_void>);

// SAFETY: c10d's group has no ties to a thread, and locks what calls from several of them share; the handle only points to it.
unsafe impl Send for ProcessGroup {}
// SAFETY: as above.
unsafe impl Sync for ProcessGroup {}

impl ProcessGroup {
    /// Joins as `rank` of `size`; the members find each other below `prefix` in the store.
    ///
    /// # Errors
    /// Where they don't within `timeout`.
    pub fn join(
        store: &KeyStore,
        prefix: &str,
        (rank, size): (usize, usize),
        reached: &Reached,
        timeout: Duration,
    ) -> Result<Self, TchError> {
        let (interface, address) = match reached {
            Reached::Address(address) => ("", address.as_str()),
            Reached::Interface(interface) => (interface.as_str(), ""),
        };
        let (prefix, interface, address) = (c_string(prefix), c_string(interface), c_string(address));
        let mut raw = std::ptr::null_mut();
        // SAFETY: what is pointed to lives for the whole call.
        outcome(unsafe {
            shim_group_open(
                store.0.as_ptr(),
                prefix.as_ptr(),
                rank as c_int,
                size as c_int,
                interface.as_ptr(),
                address.as_ptr(),
                milliseconds(timeout),
                &raw mut raw,
            )
        })?;
        Ok(ProcessGroup(NonNull::new(raw).expect("it was opened")))
    }

    /// Adds up the tensors of all members, in place; all are of one type and travel as one message.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<(), TchError> {
        let raw = raw(tensors);
        // SAFETY: the tensors are borrowed for the whole call.
        outcome(unsafe { shim_group_sum(self.0.as_ptr(), raw.as_ptr(), raw.len()) })
    }

    /// Gives all members the first one's tensors, in place; all are of one type and travel as one message.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn broadcast(&self, tensors: &[Tensor]) -> Result<(), TchError> {
        let raw = raw(tensors);
        // SAFETY: the tensors are borrowed for the whole call.
        outcome(unsafe { shim_group_broadcast(self.0.as_ptr(), raw.as_ptr(), raw.len()) })
    }

    /// Begins to add up a tensor of all members, whose elements lie one behind the other. It holds the sum after the wait.
    ///
    /// # Errors
    /// Where a member is gone.
    pub fn begin_sum(&self, tensor: &Tensor) -> Result<Exchange, TchError> {
        let mut out = std::ptr::null_mut();
        // SAFETY: c10d counts itself among the tensor's owners for as long as it works on it.
        outcome(unsafe { shim_group_begin_sum(self.0.as_ptr(), tensor.as_ptr() as RawTensor, &raw mut out) })?;
        Ok(Exchange(NonNull::new(out).expect("it was begun")))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle.
        unsafe { shim_group_free(self.0.as_ptr()) }
    }
}

/// An exchange under way.
pub struct Exchange(NonNull<c_void>);

// SAFETY: the handle only points to c10d's work, which has no ties to a thread.
unsafe impl Send for Exchange {}

impl Exchange {
    /// Waits for its end.
    ///
    /// # Errors
    /// Where a member is gone or stays away.
    pub fn wait(self) -> Result<(), TchError> {
        // SAFETY: a handle that nobody else has.
        outcome(unsafe { shim_work_wait(self.0.as_ptr()) })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle.
        unsafe { shim_work_free(self.0.as_ptr()) }
    }
}

fn raw(tensors: &[Tensor]) -> Vec<RawTensor> {
    tensors.iter().map(|tensor| tensor.as_ptr() as RawTensor).collect()
}
