//! What NVIDIA's own libraries tell of a GPU: its name, and how busy it is. They belong to the driver, and are loaded where they are.

use super::library::Library;
use libc::{c_char, c_int, c_uint, c_void};
use std::{
    ffi::CStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// What fits into `buffer`, as text.
fn text(buffer: &[c_char]) -> Option<String> {
    let bytes: Vec<u8> = buffer.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

type CuInit = unsafe extern "C" fn(c_uint) -> c_int;
type CuDeviceGet = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type CuDeviceText = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;

/// A text that the driver has of the GPU that CUDA counts so: its name, or its place on the bus.
fn driver_text(index: usize, function: &CStr) -> Option<String> {
    let library = Library::open(c"libcuda.so.1").ok()?;
    let mut buffer = [0; 256];
    // SAFETY: the driver's interface, whose types have been these since CUDA 4; the buffer is as long as it is told.
    let told = unsafe {
        let init = library.function::<CuInit>(c"cuInit")?;
        let get = library.function::<CuDeviceGet>(c"cuDeviceGet")?;
        let tell = library.function::<CuDeviceText>(function)?;
        let mut device = 0;
        init(0) == 0
            && get(&raw mut device, index as c_int) == 0
            && tell(buffer.as_mut_ptr(), buffer.len() as c_int, device) == 0
    };
    if told { text(&buffer) } else { None }
}

/// The place on the bus of the GPU that CUDA counts so, which tells it from all others of the machine: `0000:1B:00.0`.
pub(super) fn gpu_place(index: usize) -> Option<String> {
    driver_text(index, c"cuDeviceGetPCIBusId")
}

/// The model of the GPU that CUDA counts so.
pub(super) fn gpu_name(index: usize) -> Option<String> {
    driver_text(index, c"cuDeviceGetName")
}

/// nvmlUtilization_t.
#[repr(C)]
#[derive(Default)]
struct Rates {
    gpu: c_uint,
    memory: c_uint,
}

type NvmlInit = unsafe extern "C" fn() -> c_int;
type NvmlByBus = unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> c_int;
type NvmlRates = unsafe extern "C" fn(*mut c_void, *mut Rates) -> c_int;

/// The share of the last moments in which a GPU was at work, asked again and again.
struct Meter {
    library: Library,
    gpu: *mut c_void,
}

// SAFETY: NVML may be called from any thread, with handles from any other.
unsafe impl Send for Meter {}

impl Meter {
    fn new(index: usize) -> Option<Self> {
        let place = std::ffi::CString::new(gpu_place(index)?).ok()?;
        let library = Library::open(c"libnvidia-ml.so.1").ok()?;
        let mut gpu = std::ptr::null_mut();
        // SAFETY: NVML's interface; the text is zero-terminated.
        let found = unsafe {
            let init = library.function::<NvmlInit>(c"nvmlInit_v2")?;
            let find = library.function::<NvmlByBus>(c"nvmlDeviceGetHandleByPciBusId_v2")?;
            init() == 0 && find(place.as_ptr(), &raw mut gpu) == 0
        };
        found.then_some(Meter { library, gpu })
    }

    /// Per cent.
    fn read(&self) -> Option<u32> {
        let mut rates = Rates::default();
        // SAFETY: NVML's interface, with a handle that it gave.
        let read = unsafe {
            let ask = self.library.function::<NvmlRates>(c"nvmlDeviceGetUtilizationRates")?;
            ask(self.gpu, &raw mut rates) == 0
        };
        read.then_some(rates.gpu)
    }
}

/// How often the meter is read. NVML's own figure is over a sixth of a second to a second.
const INTERVAL: Duration = Duration::from_millis(500);

/// Watches how busy a GPU is, on a thread of its own.
pub struct Watch {
    stop: Arc<AtomicBool>,
    sums: Arc<Mutex<(u64, u64)>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch `device`; nothing where nobody tells how busy it is.
    pub fn begin(device: tch::Device) -> Option<Self> {
        let tch::Device::Cuda(index) = device else { return None };
        let meter = Meter::new(index)?;
        let (stop, sums) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new((0, 0))));
        let (stopped, into) = (stop.clone(), sums.clone());
        let watch = move || {
            let mut next = Instant::now() + INTERVAL;
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
                if Instant::now() < next {
                    continue;
                }
                next += INTERVAL;
                if let Some(percent) = meter.read() {
                    let mut sums = into.lock().unwrap_or_else(PoisonError::into_inner);
                    *sums = (sums.0 + u64::from(percent), sums.1 + 1);
                }
            }
        };
        let thread = std::thread::Builder::new().name("gpu".to_owned()).spawn(watch).ok();
        Some(Watch { stop, sums, thread })
    }

    /// The share of the time in which it was at work, from 0 to 1, where that was read at all.
    pub fn end(mut self) -> Option<f64> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        let (sum, count) = *self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        (count > 0).then(|| sum as f64 / count as f64 / 100.0)
    }
}
