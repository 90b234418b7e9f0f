//! The Rust side of `native/gradient.cpp`: who hears of a leaf's gradient on the way back, and gradients that are put there.

use super::native::{RawTensor, outcome};
use libc::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::{TchError, Tensor};

unsafe extern "C" {
    fn shim_listen_to_gradient(
        leaf: RawTensor,
        closure: *mut c_void,
        call: unsafe extern "C" fn(*mut c_void, RawTensor),
        drop: unsafe extern "C" fn(*mut c_void),
    ) -> c_int;
    fn shim_leave_gradient(leaf: RawTensor) -> c_int;
    fn shim_set_gradient(leaf: RawTensor, gradient: RawTensor) -> c_int;
}

/// Hears of a gradient.
pub type Heard = Box<dyn Fn(&Tensor) + Send>;

/// As long as it lives, somebody hears of each gradient of a leaf as soon as it is complete, while the way back goes on.
pub struct Listening {
    leaf: Tensor,
}

impl Listening {
    /// Lets `heard` hear of the gradients of `leaf`, in the place of who did before.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn to(leaf: &Tensor, heard: Heard) -> Result<Self, TchError> {
        unsafe extern "C" fn call(heard: *mut c_void, gradient: RawTensor) {
            // SAFETY: libtorch hands back what it got below. The gradient lives for the length of the call; the clone counts for
            // itself.
            let (heard, gradient) = unsafe { (&*heard.cast::<Heard>(), Tensor::clone_from_ptr(gradient)) };
            // Nothing may unwind into C++. What a panic left undone, whoever waits for it finds undone.
            let _ = catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| heard(&gradient))));
        }

        unsafe extern "C" fn drop_heard(heard: *mut c_void) {
            // SAFETY: it is the box of below, and this is called once.
            drop(unsafe { Box::from_raw(heard.cast::<Heard>()) });
        }

        let closure = Box::into_raw(Box::new(heard)).cast();
        // SAFETY: a tensor that is borrowed for the whole call; the closure is handed over for good.
        outcome(unsafe { shim_listen_to_gradient(leaf.as_ptr() as RawTensor, closure, call, drop_heard) })?;
        Ok(Listening { leaf: leaf.shallow_clone() })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // SAFETY: a tensor that this one holds. Where it fails there is nothing to be done.
        let _ = outcome(unsafe { shim_leave_gradient(self.leaf.as_ptr() as RawTensor) });
    }
}

/// Makes `gradient` that of a leaf of its shape; both share the memory.
///
/// # Errors
/// What libtorch reports.
pub fn set_gradient(leaf: &Tensor, gradient: &Tensor) -> Result<(), TchError> {
    // SAFETY: tensors that are borrowed for the whole call.
    outcome(unsafe { shim_set_gradient(leaf.as_ptr() as RawTensor, gradient.as_ptr() as RawTensor) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tch::Kind;

    #[test]
    fn gradients_are_heard_of_in_their_order_and_not_behind_the_end() {
        let leaf = |value: f64| Tensor::from_slice(&[value as f32]).set_requires_grad(true);
        let (first, last) = (leaf(2.0), leaf(3.0));
        let (tell, told) = mpsc::channel();
        let listen = |name: &'static str, leaf: &Tensor| {
            let tell = tell.clone();
            let heard = move |gradient: &Tensor| tell.send((name, gradient.double_value(&[0]))).unwrap();
            Listening::to(leaf, Box::new(heard)).unwrap()
        };
        let listening = [listen("first", &first), listen("last", &last)];
        let way_back = || ((&first * &first) * &last).sum(Kind::Float).backward();
        way_back();
        // What was used last has its gradient first.
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [("last", 4.0), ("first", 12.0)]);
        drop(listening);
        way_back();
        assert_eq!(told.try_iter().count(), 0);
        set_gradient(&first, &Tensor::from_slice(&[7f32])).unwrap();
        assert_eq!(first.grad().double_value(&[0]), 7.0);
    }
}
