//! NVIDIA's NCCL: tensors on several GPUs are added up beside what these compute.
//!
//! The library is loaded when it is wanted; libtorch with CUDA brings it. Its interface in C has been the same since its version
//! 2.4: <https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api.html>.

use super::{
    accelerator,
    library::Library,
    stream::{End, Stream, use_device},
};
use libc::{c_char, c_int, c_void};
use std::{
    ffi::CStr,
    ptr::NonNull,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor};

/// How long a call that is under way is waited for before it is broken off.
const PATIENCE: Duration = Duration::from_secs(2);

/// ncclResult_t; 0 where all went well.
type Outcome = c_int;
/// ncclInProgress.
const IN_PROGRESS: Outcome = 7;
/// ncclSum.
const SUM: c_int = 0;

/// ncclComm.
enum RawCommunicator {}

/// What the members of a group know each other by: ncclUniqueId.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UniqueId([u8; 128]);

impl UniqueId {
    /// As bytes, to be sent to the others.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the bytes that another member sent; nothing where these are none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(UniqueId)
    }
}

/// The library's functions.
pub struct Nccl {
    version: c_int,
    error_string: unsafe extern "C" fn(Outcome) -> *const c_char,
    last_error: Option<unsafe extern "C" fn(*mut RawCommunicator) -> *const c_char>,
    unique_id: unsafe extern "C" fn(*mut UniqueId) -> Outcome,
    init: unsafe extern "C" fn(*mut *mut RawCommunicator, c_int, UniqueId, c_int) -> Outcome,
    all_reduce: unsafe extern "C" fn(
        *const c_void,
        *mut c_void,
        usize,
        c_int,
        c_int,
        *mut RawCommunicator,
        *mut c_void,
    ) -> Outcome,
    broadcast: unsafe extern "C" fn(
        *const c_void,
        *mut c_void,
        usize,
        c_int,
        c_int,
        *mut RawCommunicator,
        *mut c_void,
    ) -> Outcome,
    async_error: unsafe extern "C" fn(*mut RawCommunicator, *mut Outcome) -> Outcome,
    abort: unsafe extern "C" fn(*mut RawCommunicator) -> Outcome,
    destroy: unsafe extern "C" fn(*mut RawCommunicator) -> Outcome,
}

impl Nccl {
    /// The library that libtorch with CUDA brings, once; else says why it cannot be had.
    pub fn open() -> Result<Arc<Self>, String> {
        static OPENED: OnceLock<Result<Arc<Nccl>, String>> = OnceLock::new();
        let open = || {
            // libtorch's part for CUDA knows where it lies.
            accelerator::load()?;
            Self::load(c"libnccl.so.2").map(Arc::new)
        };
        OPENED.get_or_init(open).clone()
    }

    /// The library in a file, or one that the linker finds by this name.
    pub fn load(name: &CStr) -> Result<Self, String> {
        let library = Library::open(name)?;
        let lacks = |function: &CStr| format!("{} has no {}", name.to_string_lossy(), function.to_string_lossy());
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the fields that these go to have the types of NCCL's interface.
                unsafe { library.function($name) }.ok_or_else(|| lacks($name))?
            };
        }
        let tell: unsafe extern "C" fn(*mut c_int) -> Outcome = function!(c"ncclGetVersion");
        let mut nccl = Nccl {
            version: 0,
            error_string: function!(c"ncclGetErrorString"),
            // SAFETY: as above. It came with version 2.13.
            last_error: unsafe { library.function(c"ncclGetLastError") },
            unique_id: function!(c"ncclGetUniqueId"),
            init: function!(c"ncclCommInitRank"),
            all_reduce: function!(c"ncclAllReduce"),
            broadcast: function!(c"ncclBroadcast"),
            async_error: function!(c"ncclCommGetAsyncError"),
            abort: function!(c"ncclCommAbort"),
            destroy: function!(c"ncclCommDestroy"),
        };
        // SAFETY: the number lives for the whole call.
        let told = unsafe { tell(&raw mut nccl.version) };
        nccl.outcome(told, std::ptr::null_mut())?;
        Ok(nccl)
    }

    /// The library's version, such as `2.28.9`.
    pub fn version(&self) -> String {
        // Until 2.8 a digit less stood between the parts.
        let (major, rest) = if self.version < 10_000 { (1000, 100) } else { (10_000, 100) };
        format!("{}.{}.{}", self.version / major, self.version % major / rest, self.version % rest)
    }

    /// What the members of a new group will know each other by. One of them makes it.
    ///
    /// # Errors
    /// What the library says.
    pub fn unique_id(&self) -> Result<UniqueId, String> {
        let mut id = UniqueId([0; 128]);
        // SAFETY: the id lives for the whole call.
        let made = unsafe { (self.unique_id)(&raw mut id) };
        self.outcome(made, std::ptr::null_mut()).map(|()| id)
    }

    /// What the library says where it failed.
    fn outcome(&self, outcome: Outcome, communicator: *mut RawCommunicator) -> Result<(), String> {
        if outcome == 0 {
            return Ok(());
        }
        // SAFETY: the library gives zero-terminated texts that live until its next failure; the communicator is one of its own, or
        // null.
        let (text, detail) = unsafe {
            let text = |text: *const c_char| match text.is_null() {
                true => String::new(),
                false => CStr::from_ptr(text).to_string_lossy().trim().to_owned(),
            };
            (
                text((self.error_string)(outcome)),
                self.last_error.map_or_else(String::new, |last| text(last(communicator))),
            )
        };
        Err(if detail.is_empty() { text } else { format!("{text}: {detail}") })
    }
}

/// The membership of this process among those whose GPUs exchange tensors.
///
/// All members have to make the same calls in the same order; only [`Communicator::failure`] and [`Communicator::abort`] may be
/// called beside others.
pub struct Communicator {
    nccl: Arc<Nccl>,
    raw: NonNull<RawCommunicator>,
    device: Device,
    stream: Stream,
    /// Held while the library is told of an exchange.
    telling: Mutex<()>,
    /// Held while the library is asked how it stands, and when that is over for good.
    asking: Mutex<()>,
    is_over: AtomicBool,
}

// SAFETY: NCCL's communicators have no ties to a thread, and the locks keep apart what must not be at the same time.
unsafe impl Send for Communicator {}
// SAFETY: as above.
unsafe impl Sync for Communicator {}

impl Communicator {
    /// Joins the group of `id` as `rank` of `size`, with `device`; waits for all others.
    ///
    /// # Errors
    /// What the library says.
    pub fn join(nccl: Arc<Nccl>, id: UniqueId, (rank, size): (usize, usize), device: Device) -> Result<Self, String> {
        let failed = |error: tch::TchError| error.to_string();
        use_device(device).map_err(failed)?;
        let stream = Stream::of(device).map_err(failed)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the place for the communicator lives for the whole call.
        let joined = unsafe { (nccl.init)(&raw mut raw, size as c_int, id, rank as c_int) };
        nccl.outcome(joined, std::ptr::null_mut())?;
        let raw = NonNull::new(raw).ok_or("it gave no communicator")?;
        let (telling, asking, is_over) = (Mutex::new(()), Mutex::new(()), AtomicBool::new(false));
        Ok(Communicator { nccl, raw, device, stream, telling, asking, is_over })
    }

    /// The device whose tensors are exchanged.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether a tensor can be exchanged: it lies on the device, one element behind the other, and NCCL knows its kind.
    pub fn carries(&self, tensor: &Tensor) -> bool {
        tensor.device() == self.device && tensor.is_contiguous() && kind_of(tensor).is_some()
    }

    /// Begins to add up a tensor of all members, whose elements lie one behind the other. It holds the sum at the end that is given.
    ///
    /// # Errors
    /// What the library says, or that the group is no more.
    pub fn begin_sum(&self, tensor: &Tensor) -> Result<End, String> {
        self.begin(tensor, |data, count, kind, stream| {
            // SAFETY: so many elements lie there for as long as the stream may use them, and the communicator isn't over.
            unsafe { (self.nccl.all_reduce)(data, data, count, kind, SUM, self.raw.as_ptr(), stream) }
        })
    }

    /// Begins to give all members the first one's tensor, whose elements lie one behind the other.
    ///
    /// # Errors
    /// As [`Communicator::begin_sum`].
    pub fn begin_broadcast(&self, tensor: &Tensor) -> Result<End, String> {
        self.begin(tensor, |data, count, kind, stream| {
            // SAFETY: as above.
            unsafe { (self.nccl.broadcast)(data, data, count, kind, 0, self.raw.as_ptr(), stream) }
        })
    }

    fn begin(
        &self,
        tensor: &Tensor,
        tell: impl FnOnce(*mut c_void, usize, c_int, *mut c_void) -> Outcome,
    ) -> Result<End, String> {
        assert!(self.carries(tensor), "elements of the device, one behind the other");
        let kind = kind_of(tensor).expect("it was looked at");
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over.load(Ordering::Acquire) {
            return Err("the exchange was broken off".to_owned());
        }
        let put = self.stream.put(tensor, |stream| tell(tensor.data_ptr(), tensor.numel(), kind, stream));
        let (told, end) = put.map_err(|error| error.to_string())?;
        match self.is_over.load(Ordering::Acquire) {
            true => Err("the exchange was broken off".to_owned()),
            false => self.nccl.outcome(told, self.raw.as_ptr()).map(|()| end),
        }
    }

    /// What went wrong since, beside all that was begun. From then on the calling thread is one for this device.
    pub fn failure(&self) -> Option<String> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over.load(Ordering::Acquire) {
            return None;
        }
        let _ = use_device(self.device);
        let mut state = 0;
        // SAFETY: the communicator isn't over, and the number lives for the whole call.
        let asked = unsafe { (self.nccl.async_error)(self.raw.as_ptr(), &raw mut state) };
        let failed = if asked == 0 { state } else { asked };
        if failed == IN_PROGRESS { None } else { self.nccl.outcome(failed, self.raw.as_ptr()).err() }
    }

    /// Breaks off whatever is under way: the device goes on, and what it was adding up is worth nothing.
    pub fn abort(&self) {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over.swap(true, Ordering::AcqRel) {
            return;
        }
        // Whoever tells the library of an exchange can be in it for as long as others are away. Then it has to be broken off there.
        let began = Instant::now();
        while matches!(self.telling.try_lock(), Err(TryLockError::WouldBlock)) && began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
        let _ = use_device(self.device);
        // SAFETY: nobody uses the communicator from now on, but a call that hangs, which this is to end.
        let _ = unsafe { (self.nccl.abort)(self.raw.as_ptr()) };
    }
}

/// ncclDataType_t.
fn kind_of(tensor: &Tensor) -> Option<c_int> {
    match tensor.kind() {
        Kind::Uint8 => Some(1),
        Kind::Int64 => Some(4),
        Kind::Float => Some(7),
        Kind::Double => Some(8),
        _ => None,
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        if !self.is_over.swap(true, Ordering::AcqRel) {
            let _ = use_device(self.device);
            // SAFETY: nobody else has it.
            let _ = unsafe { (self.nccl.destroy)(self.raw.as_ptr()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make cuda` sets the variable, where the program is built with a libtorch that brings NCCL. No GPU is needed: a library without a
    /// driver still tells its version, and why it can do no more.
    #[test]
    fn the_library_has_all_that_is_asked_of_it() {
        if std::env::var_os("TRAINYARD_TEST_CUDA").is_some() {
            let _ = accelerator::load();
            let nccl = Nccl::load(c"libnccl.so.2").unwrap_or_else(|reason| panic!("{reason}"));
            assert!(nccl.version().starts_with("2.") && nccl.last_error.is_some(), "{}", nccl.version());
            match nccl.unique_id() {
                Ok(id) => assert!(UniqueId::of(id.bytes()).is_some() && id.bytes().iter().any(|byte| *byte != 0)),
                Err(reason) => assert!(!reason.is_empty()),
            }
        }
    }

    #[test]
    fn a_library_that_is_missing_or_another_one_is_told() {
        let missing = Nccl::load(c"libno-such-nccl.so.2").err().unwrap();
        assert!(missing.contains("libno-such-nccl.so.2"), "{missing}");
        assert_eq!(Nccl::load(c"libc.so.6").err().unwrap(), "libc.so.6 has no ncclGetVersion");
    }
}
