//! The Rust side of `native/shim.cpp`, the threads that libtorch computes with, and the allocator's settings.

use libc::{c_char, c_int, c_uint, c_void};
use std::{
    ffi::{CStr, CString},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, OnceLock, PoisonError},
};
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

pub(super) type RawTensor = *mut C_tensor;

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
    fn shim_differentiable(
        output: RawTensor,
        inputs: *const RawTensor,
        count: usize,
        closure: *mut c_void,
        call: unsafe extern "C" fn(*mut c_void, RawTensor, *mut RawTensor) -> *const c_char,
        drop: unsafe extern "C" fn(*mut c_void),
    ) -> c_int;
    fn shim_forget_gradient(leaf: RawTensor) -> c_int;
    fn shim_kernel_gradient(gradient: RawTensor, input: RawTensor, kernel: RawTensor, padding: i64) -> RawTensor;
    fn shim_is_recording() -> c_int;
}

/// What the last call that gave `failed` had to say.
pub(super) fn outcome(failed: c_int) -> Result<(), TchError> {
    if failed == 0 {
        return Ok(());
    }
    // SAFETY: the last call on this thread failed, so a message is there.
    Err(TchError::Torch(text(unsafe { shim_error() })))
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
        outcome(failed)
    }
}

/// From the gradient of an output to those of the inputs, as many as there are; none for an input that needs none.
pub type Backward = Box<dyn Fn(&Tensor) -> Result<Vec<Option<Tensor>>, TchError> + Send>;

/// Makes `output`, which was computed without autograd, depend on `inputs`: on the way back, `backward` gives their gradients.
///
/// # Errors
/// What libtorch reports.
pub fn differentiable(output: &Tensor, inputs: &[&Tensor], backward: Backward) -> Result<(), TchError> {
    /// The closure, the number of inputs, and what went wrong, as long as somebody reads it.
    struct State {
        backward: Backward,
        inputs: usize,
        message: CString,
    }

    unsafe extern "C" fn call(state: *mut c_void, gradient: RawTensor, results: *mut RawTensor) -> *const c_char {
        // SAFETY: libtorch hands back what it got below, one call at a time, with room for a result an input.
        let (state, results) = unsafe {
            let state = &mut *state.cast::<State>();
            let inputs = state.inputs;
            (state, std::slice::from_raw_parts_mut(results, inputs))
        };
        // SAFETY: the tensor lives for the length of the call; the clone counts for itself.
        let gradient = unsafe { Tensor::clone_from_ptr(gradient) };
        let done = catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| (state.backward)(&gradient))));
        let message = match done {
            Ok(Ok(gradients)) => {
                assert!(gradients.len() == results.len(), "a gradient an input");
                for (result, gradient) in results.iter_mut().zip(gradients) {
                    // Whoever gets it frees it.
                    *result = gradient.map_or(std::ptr::null_mut(), |gradient| {
                        let raw = gradient.as_ptr() as RawTensor;
                        std::mem::forget(gradient);
                        raw
                    });
                }
                return std::ptr::null();
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a mistake of the program on the way back".to_owned(),
        };
        state.message = CString::new(message.replace('\0', " ")).unwrap_or_default();
        state.message.as_ptr()
    }

    unsafe extern "C" fn drop_state(state: *mut c_void) {
        // SAFETY: it is the box of below, and this is called once.
        drop(unsafe { Box::from_raw(state.cast::<State>()) });
    }

    let state = Box::new(State { backward, inputs: inputs.len(), message: CString::default() });
    let raw: Vec<RawTensor> = inputs.iter().map(|input| input.as_ptr() as RawTensor).collect();
    // SAFETY: the pointers are to tensors that are borrowed for the whole call; the state is handed over for good.
    outcome(unsafe {
        let output = output.as_ptr() as RawTensor;
        shim_differentiable(output, raw.as_ptr(), raw.len(), Box::into_raw(state).cast(), call, drop_state)
    })
}

/// The gradient of `kernel`, OIHW, of a convolution of stride 1 over `input`, from that of its output.
///
/// # Errors
/// What libtorch reports.
pub fn kernel_gradient(gradient: &Tensor, input: &Tensor, kernel: &Tensor, padding: i64) -> Result<Tensor, TchError> {
    let raw = |tensor: &Tensor| tensor.as_ptr() as RawTensor;
    // SAFETY: tensors that are borrowed for the whole call.
    let result = unsafe { shim_kernel_gradient(raw(gradient), raw(input), raw(kernel), padding) };
    if result.is_null() {
        return outcome(-1).map(|()| unreachable!("it failed"));
    }
    // SAFETY: a new tensor that nobody else has.
    Ok(unsafe { Tensor::from_ptr(result) })
}

/// Forgets the gradient of a leaf, so that the next one takes its place instead of being added to it.
///
/// # Errors
/// What libtorch reports.
pub fn forget_gradient(leaf: &Tensor) -> Result<(), TchError> {
    // SAFETY: a tensor that is borrowed for the whole call.
    outcome(unsafe { shim_forget_gradient(leaf.as_ptr() as RawTensor) })
}

/// The numbers of a tensor on the CPU whose elements lie one behind the other in some order.
///
/// # Panics
/// Where it isn't one.
pub fn numbers(tensor: &Tensor) -> &[f32] {
    assert!(tensor.kind() == tch::Kind::Float, "numbers of 32 bits");
    // SAFETY: the kind says what they are.
    unsafe { elements(tensor) }
}

/// As [`numbers`], of bytes.
///
/// # Panics
/// Where it isn't a tensor of bytes.
pub fn bytes(tensor: &Tensor) -> &[u8] {
    assert!(tensor.kind() == tch::Kind::Uint8, "bytes");
    // SAFETY: the kind says what they are.
    unsafe { elements(tensor) }
}

/// A new tensor on the CPU with the shape `[batch, height, width, channels]` or whatever is wanted, filled by `fill`, which
/// gets all its numbers, whatever is in them.
///
/// # Errors
/// Where there is no memory for it.
pub fn filled(size: &[i64], fill: impl FnOnce(&mut [f32])) -> Result<Tensor, TchError> {
    let tensor = Tensor::f_empty(size, tch::kind::FLOAT_CPU)?;
    let count = tensor.numel();
    if count > 0 {
        // SAFETY: nobody else has the tensor yet. Its memory holds any bits, all of which are numbers.
        fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count) });
    }
    Ok(tensor)
}

/// Lets `fill` write all bytes of a tensor on the CPU that nobody else has.
///
/// # Panics
/// Where its elements don't lie one behind the other, or aren't bytes.
pub fn fill_bytes(tensor: &Tensor, fill: impl FnOnce(&mut [u8])) {
    match bytes(tensor).len() {
        0 => fill(&mut []),
        // SAFETY: so many bytes lie there, and the caller says that nobody else has them.
        count => fill(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count) }),
    }
}

/// Whether operations are recorded for the way back.
pub fn is_recording() -> bool {
    // SAFETY: no arguments, no state but the thread's own.
    unsafe { shim_is_recording() != 0 }
}

/// The elements, which are of this type.
unsafe fn elements<T>(tensor: &Tensor) -> &[T] {
    let is_dense = tensor.numel() == 0 || is_dense(tensor);
    assert!(tensor.device() == tch::Device::Cpu && is_dense, "elements on the CPU, one behind the other");
    match tensor.numel() {
        0 => &[],
        // SAFETY: so many elements of the caller's type lie there, and live as long as the tensor.
        count => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), count) },
    }
}

/// Whether the elements lie one behind the other, without gaps, in whatever order of the axes.
fn is_dense(tensor: &Tensor) -> bool {
    let (size, stride) = (tensor.size(), tensor.stride());
    let mut axes: Vec<(i64, i64)> = stride.into_iter().zip(size).filter(|(_, size)| *size != 1).collect();
    axes.sort_unstable();
    let mut next = 1;
    axes.into_iter().all(|(stride, size)| std::mem::replace(&mut next, stride * size) == stride)
}

type Region = unsafe extern "C" fn(*mut c_void);
type Parallel = unsafe extern "C" fn(Region, *mut c_void, c_uint, c_uint);

/// OpenMP's way into a parallel region, in the library that libtorch brought along: other threads beside those would wait
/// for processors on which libtorch's spin.
fn openmp() -> Option<Parallel> {
    static FOUND: OnceLock<Option<Parallel>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name is zero-terminated. The function has had this type since OpenMP 4.
        unsafe {
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"GOMP_parallel".as_ptr());
            (!found.is_null()).then(|| std::mem::transmute::<*mut c_void, Parallel>(found))
        }
    })
}

/// How often libtorch's threads look for work before they sleep: about a tenth of a millisecond. libgomp's own 300,000 are no
/// faster, and beside any other program at work they take the processor from the threads that are waited for: a step then takes
/// up to ten times as long.
#[cfg(target_os = "linux")]
const SPINS: &CStr = c"GOMP_SPINCOUNT=10000";

/// What the linker calls: with the number of arguments, the arguments, the environment.
#[cfg(target_os = "linux")]
pub type Initializer = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// Starts the program once more with [`SPINS`] in its environment, unless the environment says how threads wait. libgomp reads that
/// when it is loaded and never again; the linker calls this before (`.preinit_array`), when only the files are mapped, so that it
/// costs milliseconds. Where it cannot be done, all goes on as it is.
///
/// # Safety
/// The arrays end with a null, and what they point to with a zero.
#[cfg(target_os = "linux")]
pub unsafe extern "C" fn before_libraries(
    _: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    const MOST: usize = 4096;
    let mut with_spins = [std::ptr::null(); MOST + 2];
    // SAFETY: the linker hands over the arrays that the kernel made, which end with a null. libc isn't initialized yet, so nothing
    // of it is used but the system call.
    unsafe {
        let mut count = 0;
        while !(*environment.add(count)).is_null() {
            let variable = CStr::from_ptr(*environment.add(count)).to_bytes();
            if count >= MOST || variable.starts_with(b"GOMP_SPINCOUNT=") || variable.starts_with(b"OMP_WAIT_POLICY=") {
                return;
            }
            with_spins[count] = *environment.add(count);
            count += 1;
        }
        with_spins[count] = SPINS.as_ptr();
        libc::execve(c"/proc/self/exe".as_ptr(), arguments, with_spins.as_ptr());
    }
}

/// Ends the process without the libraries' tidying up, which takes longer than a small command. All that was written is
/// written by then.
pub fn leave(code: u8) -> ! {
    // SAFETY: nothing of this process is used any more.
    unsafe { libc::_exit(code.into()) }
}

/// Does all of `tasks`, on libtorch's threads, one a thread where there are as many.
pub fn in_parallel<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Sync) {
    struct Shared<'a, T> {
        tasks: Mutex<std::vec::IntoIter<T>>,
        work: &'a (dyn Fn(T) + Sync),
        panicked: Mutex<Option<Box<dyn std::any::Any + Send>>>,
    }
    unsafe extern "C" fn region<T: Send>(shared: *mut c_void) {
        // SAFETY: the region ends before what it shares does.
        let shared = unsafe { &*shared.cast::<Shared<'_, T>>() };
        let next = || shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(task) = next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (shared.work)(task))) {
                *shared.panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
        }
    }
    let count = tasks.len().min(super::threads());
    let parallel = openmp().filter(|_| count > 1);
    let mut shared = Shared { tasks: Mutex::new(tasks.into_iter()), work: &work, panicked: Mutex::new(None) };
    let pointer = (&raw mut shared).cast::<c_void>();
    // SAFETY: the region gets what it expects, and all threads have left it when this returns.
    unsafe {
        match parallel {
            Some(parallel) => parallel(region::<T>, pointer, count as c_uint, 0),
            None => region::<T>(pointer),
        }
    }
    if let Some(panic) = shared.panicked.into_inner().unwrap_or_else(PoisonError::into_inner) {
        std::panic::resume_unwind(panic);
    }
}
