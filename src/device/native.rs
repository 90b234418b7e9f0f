//! The Rust side of `native/shim.cpp`, and the allocator's settings. All unsafe code of the crate is here.

use libc::{c_char, c_int};
use std::ffi::CStr;
use tch::Tensor;
use torch_sys::C_tensor;

type RawTensor = *mut C_tensor;

unsafe extern "C" {
    fn shim_error() -> *const c_char;
    fn shim_torch_version() -> *const c_char;
    fn shim_cpu_capability() -> *const c_char;
    #[allow(clippy::too_many_arguments)]
    fn shim_fused_adam(
        parameters: *const RawTensor,
        gradients: *const RawTensor,
        first_moments: *const RawTensor,
        second_moments: *const RawTensor,
        steps: *const RawTensor,
        count: usize,
        learning_rate: f64,
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
    ) -> c_int;
}

/// A static C string as Rust's.
fn text(pointer: *const c_char) -> String {
    // SAFETY: the shim returns zero-terminated strings that live at least until its next call on this thread.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// libtorch's version, such as `2.11.0`.
pub fn torch_version() -> String {
    // SAFETY: no arguments, no state.
    text(unsafe { shim_torch_version() })
}

/// The vector instructions that libtorch's kernels use, such as `AVX512`.
pub fn cpu_capability() -> String {
    // SAFETY: no arguments, no state.
    text(unsafe { shim_cpu_capability() })
}

/// Keeps large freed buffers in the heap: returning them to the system and faulting them in again at every step costs
/// more than a third of the time.
pub fn keep_freed_memory() {
    #[cfg(target_os = "linux")]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// A file's bytes as memory.
///
/// # Errors
/// Where the system cannot map it, as with an empty one.
pub fn map_file(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the file is one that we wrote whole before it got its name, and that is replaced by another, never changed in
    // place. Removing it does no harm; nobody has a reason to shorten it.
    unsafe { memmap2::Mmap::map(file) }
}

/// One Adam step over several tensors at once, with PyTorch's place for epsilon.
pub struct FusedAdam<'a> {
    /// What is trained; changed in place.
    pub parameters: &'a [Tensor],
    /// Their gradients, of the same shapes.
    pub gradients: &'a [Tensor],
    /// First moments; changed in place.
    pub first_moments: &'a [Tensor],
    /// Second moments; changed in place.
    pub second_moments: &'a [Tensor],
    /// How many steps were made, this one included: a float32 scalar a tensor.
    pub steps: &'a [Tensor],
}

impl FusedAdam<'_> {
    /// Makes the step.
    ///
    /// # Errors
    /// With libtorch's message, where shapes or devices differ.
    pub fn step(&self, learning_rate: f64, beta_1: f64, beta_2: f64, epsilon: f64) -> Result<(), tch::TchError> {
        let count = self.parameters.len();
        let lists = [self.gradients, self.first_moments, self.second_moments, self.steps];
        assert!(lists.iter().all(|list| list.len() == count), "one of each for every parameter");
        let raw = |tensors: &[Tensor]| tensors.iter().map(|t| t.as_ptr() as RawTensor).collect::<Vec<_>>();
        let (p, g, m, v, s) = (
            raw(self.parameters),
            raw(self.gradients),
            raw(self.first_moments),
            raw(self.second_moments),
            raw(self.steps),
        );
        // SAFETY: each list holds `count` pointers to tensors that are borrowed for the whole call.
        let failed = unsafe {
            shim_fused_adam(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                v.as_ptr(),
                s.as_ptr(),
                count,
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            )
        };
        if failed == 0 {
            return Ok(());
        }
        // SAFETY: the last call on this thread failed, so a message is there.
        Err(tch::TchError::Torch(text(unsafe { shim_error() })))
    }
}
