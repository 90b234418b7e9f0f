//! A stream of a device's own work beside its computations.

use super::{
    accelerator::{Recorded, code, runs_ahead, shim_forget_event},
    native::{RawTensor, outcome},
};
use libc::{c_int, c_void};
use std::ptr::NonNull;
use tch::{Device, TchError, Tensor};

/// libtorch's stream.
enum RawStream {}

unsafe extern "C" {
    fn shim_stream(device: c_int) -> *mut RawStream;
    fn shim_forget_stream(stream: *mut RawStream);
    fn shim_beside(
        stream: *const RawStream,
        tensor: RawTensor,
        closure: *mut c_void,
        call: unsafe extern "C" fn(*mut c_void, *mut c_void),
    ) -> *mut Recorded;
    fn shim_hold_back(event: *const Recorded) -> c_int;
    fn shim_has_come(event: *const Recorded, answer: *mut c_int) -> c_int;
    fn shim_use_device(device: c_int) -> c_int;
}

/// What is put on it goes on beside what the device computes. On a processor, whatever is put there is done at once.
pub(super) struct Stream(Option<NonNull<RawStream>>);

// SAFETY: libtorch's streams may be used from any thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream of `device`.
    pub fn of(device: Device) -> Result<Self, TchError> {
        if !runs_ahead(device) {
            return Ok(Stream(None));
        }
        // SAFETY: no pointers.
        match NonNull::new(unsafe { shim_stream(code(device)) }) {
            Some(stream) => Ok(Stream(Some(stream))),
            None => outcome(-1).map(|()| unreachable!("it failed")),
        }
    }

    /// Lets `work` put something on the stream that begins when `tensor` has been computed; it gets CUDA's handle of the stream.
    pub fn put<T>(&self, tensor: &Tensor, work: impl FnOnce(*mut c_void) -> T) -> Result<(T, End), TchError> {
        struct Call<F, T>(Option<F>, Option<T>);

        unsafe extern "C" fn call<F: FnOnce(*mut c_void) -> T, T>(closure: *mut c_void, handle: *mut c_void) {
            // SAFETY: it is what is on the stack below, and nobody else has it.
            let call = unsafe { &mut *closure.cast::<Call<F, T>>() };
            call.1 = call.0.take().map(|work| work(handle));
        }

        fn function<F: FnOnce(*mut c_void) -> T, T>(_: &Call<F, T>) -> unsafe extern "C" fn(*mut c_void, *mut c_void) {
            call::<F, T>
        }

        let Some(stream) = self.0 else { return Ok((work(std::ptr::null_mut()), End(None))) };
        let mut own = Call(Some(work), None);
        let function = function(&own);
        // SAFETY: what is pointed to lives for the whole call.
        let end =
            unsafe { shim_beside(stream.as_ptr(), tensor.as_ptr() as RawTensor, (&raw mut own).cast(), function) };
        match (NonNull::new(end), own.1) {
            (Some(end), Some(done)) => Ok((done, End(Some(end)))),
            _ => outcome(-1).map(|()| unreachable!("it failed")),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(stream) = self.0 {
            // SAFETY: nobody else has it. The stream itself is one of libtorch's pool.
            unsafe { shim_forget_stream(stream.as_ptr()) }
        }
    }
}

/// The end of what was put on a stream.
pub struct End(Option<NonNull<Recorded>>);

// SAFETY: an event that isn't recorded any more may be asked from any thread.
unsafe impl Send for End {}
// SAFETY: as above.
unsafe impl Sync for End {}

impl End {
    /// Has what the device is told to compute from now on wait for it; the host goes on.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn hold_back(&self) -> Result<(), TchError> {
        // SAFETY: the event lives as long as this.
        self.0.map_or(Ok(()), |event| outcome(unsafe { shim_hold_back(event.as_ptr()) }))
    }

    /// Whether it has come.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub fn has_come(&self) -> Result<bool, TchError> {
        let Some(event) = self.0 else { return Ok(true) };
        let mut answer = 0;
        // SAFETY: the event lives as long as this, and the answer for the whole call.
        outcome(unsafe { shim_has_come(event.as_ptr(), &raw mut answer) })?;
        Ok(answer != 0)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(event) = self.0 {
            // SAFETY: nobody else has it.
            unsafe { shim_forget_event(event.as_ptr()) }
        }
    }
}

/// Makes `device` the one that libraries find when they are called on this thread.
///
/// # Errors
/// What libtorch reports.
pub(super) fn use_device(device: Device) -> Result<(), TchError> {
    match runs_ahead(device) {
        // SAFETY: no pointers.
        true => outcome(unsafe { shim_use_device(code(device)) }),
        false => Ok(()),
    }
}
