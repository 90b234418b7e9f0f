//! What devices other than the processor are asked for: numbers there and back, their memory, and how exactly they compute.

use super::{
    library::Library,
    native::{RawTensor, outcome},
};
use libc::{c_int, c_void};
use std::{
    cell::RefCell,
    ffi::CStr,
    sync::{Mutex, OnceLock, PoisonError},
};
use tch::{Device, Kind, TchError, Tensor};

/// An event of libtorch's on a device.
pub(super) enum Recorded {}

unsafe extern "C" {
    fn shim_set_up_cuda(deterministic: c_int, tf32: c_int) -> c_int;
    fn shim_memory(
        device: c_int,
        free: *mut u64,
        total: *mut u64,
        most_used: *mut u64,
        most_reserved: *mut u64,
    ) -> c_int;
    fn shim_forget_peak(device: c_int) -> c_int;
    fn shim_reseed(device: c_int, seed: u64) -> c_int;
    fn shim_upload(data: *const c_void, size: *const i64, dimensions: usize, kind: c_int, device: c_int) -> RawTensor;
    fn shim_download(there: RawTensor) -> RawTensor;
    fn shim_event(event: *mut Recorded, device: c_int) -> *mut Recorded;
    fn shim_wait(event: *const Recorded) -> c_int;
    pub(super) fn shim_forget_event(event: *mut Recorded);
}

/// The library that libtorch has its kernels for CUDA in; it registers them when it is loaded.
const KERNELS: &CStr = c"libtorch_cuda.so";
/// The driver's own library: where it is missing, there is no such device.
const DRIVER: &CStr = c"libcuda.so.1";

/// Loads libtorch's part for CUDA, once, where there is a driver; says why it cannot be had.
///
/// The program isn't linked with it: it takes seconds to load, and only those who compute there are to wait. That has to be done
/// before libtorch is first asked for its devices.
pub(super) fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let load = || {
        if cfg!(not(target_os = "linux")) {
            return Err("there is none for this system".to_owned());
        }
        Library::open_for_others(DRIVER).map_err(|_| "there is no NVIDIA driver".to_owned())?;
        // cuBLAS looks at it when it starts; without it, what it sums up may come out otherwise each time.
        let name = c"CUBLAS_WORKSPACE_CONFIG";
        // SAFETY: zero-terminated strings. Other threads of this process read the environment only through Rust, which has it
        // from the same place, and none is at that while the device is chosen.
        unsafe { libc::setenv(name.as_ptr(), c":4096:8".as_ptr(), 0) };
        Library::open_for_others(KERNELS).map(|_| ()).map_err(|reason| {
            format!("the libtorch that this program found has no part for CUDA that can be loaded: {reason}")
        })
    };
    LOADED.get_or_init(load).clone()
}

/// The number by which the shim knows a device.
pub(super) fn code(device: Device) -> c_int {
    match device {
        Device::Cuda(index) => index as c_int,
        Device::Mps => -2,
        Device::Cpu | Device::Vulkan => -1,
    }
}

fn owned(tensor: RawTensor) -> Result<Tensor, TchError> {
    if tensor.is_null() {
        return outcome(-1).map(|()| unreachable!("it failed"));
    }
    // SAFETY: a new tensor that nobody else has.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

/// Whether a device goes on by itself with what it was told, so that nobody should wait for each of its answers.
pub fn runs_ahead(device: Device) -> bool {
    matches!(device, Device::Cuda(_))
}

/// Says how computations on `device` are made, from now on: whether equal ones have to give equal bits, and whether factors of 32
/// bits may be rounded to 19. On a processor they always are as exact as they can be.
///
/// # Errors
/// What libtorch reports.
pub fn set_up_computation(device: Device, deterministic: bool, tensor_float32: bool) -> Result<(), TchError> {
    match device {
        // SAFETY: no pointers.
        Device::Cuda(_) => outcome(unsafe { shim_set_up_cuda(deterministic.into(), tensor_float32.into()) }),
        _ => Ok(()),
    }
}

/// Bytes of a device's own memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Free, for any process.
    pub free: u64,
    /// All of it.
    pub total: u64,
    /// The most that tensors of this process had at once since [`forget_peak`].
    pub most_used: u64,
    /// The most that this process had reserved for them.
    pub most_reserved: u64,
}

/// The memory of a device that has its own and tells of it.
pub fn device_memory(device: Device) -> Option<DeviceMemory> {
    let mut memory = DeviceMemory::default();
    let DeviceMemory { free, total, most_used, most_reserved } = &mut memory;
    match device {
        // SAFETY: pointers to numbers that live for the whole call.
        Device::Cuda(_) => outcome(unsafe { shim_memory(code(device), free, total, most_used, most_reserved) }).ok()?,
        _ => return None,
    }
    Some(memory)
}

/// Lets the most that was used begin anew.
pub fn forget_peak(device: Device) {
    if matches!(device, Device::Cuda(_)) {
        // SAFETY: no pointers. Where it fails, a figure in the record is too large.
        let _ = unsafe { shim_forget_peak(code(device)) };
    }
}

/// Lets the random numbers of `device` begin anew; whether it has any of its own.
///
/// # Errors
/// What libtorch reports.
pub fn reseed(device: Device, seed: u64) -> Result<bool, TchError> {
    if !has_generator(device) {
        return Ok(false);
    }
    // SAFETY: no pointers.
    outcome(unsafe { shim_reseed(code(device), seed) }).map(|()| true)
}

/// Whether noise is drawn on `device` itself, where the host would have to make and send it.
pub fn has_generator(device: Device) -> bool {
    matches!(device, Device::Cuda(_) | Device::Mps)
}

/// Numbers of which tensors are made.
pub trait Number: Copy {
    /// Their kind.
    const KIND: Kind;
}

impl Number for u8 {
    const KIND: Kind = Kind::Uint8;
}

impl Number for i64 {
    const KIND: Kind = Kind::Int64;
}

impl Number for f32 {
    const KIND: Kind = Kind::Float;
}

/// A tensor on `device` of this size with `values`.
///
/// # Errors
/// What libtorch reports, such as a lack of memory.
///
/// # Panics
/// Where these are too few or too many.
pub fn upload<T: Number>(values: &[T], size: &[i64], device: Device) -> Result<Tensor, TchError> {
    let bytes = std::mem::size_of_val(values);
    // SAFETY: all bits of these numbers are bytes.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), bytes) };
    upload_bytes(bytes, size, T::KIND, device)
}

/// As [`upload`], of numbers of `kind` that come as bytes.
///
/// # Errors
/// As there.
///
/// # Panics
/// As there.
pub fn upload_bytes(bytes: &[u8], size: &[i64], kind: Kind, device: Device) -> Result<Tensor, TchError> {
    if !runs_ahead(device) {
        return Tensor::f_from_data_size(bytes, size, kind)?.f_to_device(device);
    }
    let count = size.iter().product::<i64>() as usize;
    assert!(bytes.len() == count * kind.elt_size_in_bytes(), "as many numbers as the size says");
    // SAFETY: so many bytes lie there, and are copied before the call is over.
    owned(unsafe { shim_upload(bytes.as_ptr().cast(), size.as_ptr(), size.len(), number_of(kind), code(device)) })
}

/// libtorch's number of a kind.
fn number_of(kind: Kind) -> c_int {
    match kind {
        Kind::Uint8 => 0,
        Kind::Int64 => 4,
        Kind::Float => 6,
        other => unreachable!("{other:?} isn't sent to devices"),
    }
}

/// Tensors on their way to the host.
pub struct Download {
    copies: Vec<Tensor>,
    event: Option<Event>,
}

/// An event on a device; making one anew for each batch would take longer than the batch's other answers.
struct Event {
    recorded: *mut Recorded,
    device: Device,
}

thread_local! {
    /// An event that has come and can be used again.
    static SPARE: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

impl Event {
    /// Behind all that `device` was told so far.
    fn record(device: Device) -> Result<Self, TchError> {
        let spare = SPARE.with_borrow_mut(Vec::pop).filter(|event| event.device == device);
        let mut event = spare.unwrap_or(Event { recorded: std::ptr::null_mut(), device });
        // SAFETY: the event, where there is one, is this one's own; it is handed over and comes back.
        event.recorded =
            unsafe { shim_event(std::mem::replace(&mut event.recorded, std::ptr::null_mut()), code(device)) };
        if event.recorded.is_null() { outcome(-1).map(|()| event) } else { Ok(event) }
    }

    /// Waits for it.
    fn wait(self) -> Result<(), TchError> {
        // SAFETY: the event lives as long as this.
        outcome(unsafe { shim_wait(self.recorded) })?;
        SPARE.with_borrow_mut(|spare| spare.push(self));
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is this one's own, or null, and this is called once.
        unsafe { shim_forget_event(self.recorded) }
    }
}

impl Download {
    /// Has `tensors`, which are on one device, copied once they are computed; doesn't wait for that where the device runs ahead.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn begin(tensors: &[&Tensor]) -> Result<Self, TchError> {
        let device = tensors.first().map_or(Device::Cpu, |tensor| tensor.device());
        if !runs_ahead(device) {
            let copies = tensors.iter().map(|tensor| tensor.f_detach()?.f_to_device(Device::Cpu));
            return Ok(Download { copies: copies.collect::<Result<_, _>>()?, event: None });
        }
        // SAFETY: tensors that are borrowed for the whole call.
        let copies = tensors.iter().map(|tensor| owned(unsafe { shim_download(tensor.as_ptr() as RawTensor) }));
        let copies = copies.collect::<Result<_, _>>()?;
        Ok(Download { copies, event: Some(Event::record(device)?) })
    }

    /// The copies, once they are there.
    ///
    /// # Errors
    /// What went wrong on the device since it was last waited for.
    pub fn finish(self) -> Result<Vec<Tensor>, TchError> {
        self.event.map_or(Ok(()), Event::wait)?;
        Ok(self.copies)
    }
}

/// Rows of examples that lie on a device for good.
pub struct Resident(Mutex<Tensor>);

impl std::fmt::Debug for Resident {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Resident")
    }
}

impl Resident {
    /// Keeps these, `[examples, ...]`.
    pub fn new(examples: Tensor) -> Self {
        Resident(Mutex::new(examples))
    }

    /// The examples at these places, `[places, ...]`, and beside them numbers, one a place, that go there with these.
    ///
    /// # Errors
    /// What libtorch reports.
    ///
    /// # Panics
    /// Where there aren't as many.
    pub fn select(&self, places: &[i64], numbers: &[i64]) -> Result<(Tensor, Tensor), TchError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(places.len() == numbers.len(), "a number a place");
        let both = upload(&[places, numbers].concat(), &[2, places.len() as i64], all.device())?;
        Ok((all.f_index_select(0, &both.f_select(0, 0)?)?, both.f_select(0, 1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make cuda` sets the variable, where the program is built with a libtorch that has it. No GPU is needed.
    #[test]
    fn the_part_for_cuda_can_be_loaded() {
        if std::env::var_os("TRAINYARD_TEST_CUDA").is_some() {
            Library::open_for_others(KERNELS).map(|_| ()).unwrap_or_else(|reason| panic!("{reason}"));
            assert_eq!(super::super::open("cuda").is_ok(), load().is_ok() && tch::Cuda::device_count() > 0);
        }
    }

    #[test]
    fn what_a_processor_is_asked_for_comes_at_once() {
        let there = upload(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2], Device::Cpu).unwrap();
        let back = Download::begin(&[&there]).unwrap().finish().unwrap();
        assert_eq!(back, [Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).view([2, 2])]);
        let (rows, labels) = Resident::new(there).select(&[1, 1, 0], &[7, 8, 9]).unwrap();
        assert_eq!(rows, Tensor::from_slice(&[3.0f32, 4.0, 3.0, 4.0, 1.0, 2.0]).view([3, 2]));
        assert_eq!(labels, Tensor::from_slice(&[7i64, 8, 9]));
        assert!(!reseed(Device::Cpu, 1).unwrap() && device_memory(Device::Cpu).is_none() && !runs_ahead(Device::Cpu));
        set_up_computation(Device::Cpu, true, true).unwrap();
    }
}
