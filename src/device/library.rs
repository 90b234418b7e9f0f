//! Libraries that are loaded where they are there, and their functions.

use libc::{c_char, c_int, c_void};
use std::ffi::CStr;

/// A library, which stays loaded for the rest of the process.
pub(super) struct Library(*mut c_void);

// SAFETY: a handle for looking up symbols, which any thread may do.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads what the linker finds by this name, or a file. Fails with the linker's reason.
    pub fn open(name: &CStr) -> Result<Self, String> {
        Self::load(name, libc::RTLD_LAZY)
    }

    /// As [`Library::open`]; libraries that are loaded later find its symbols.
    pub fn open_for_others(name: &CStr) -> Result<Self, String> {
        Self::load(name, libc::RTLD_LAZY | libc::RTLD_GLOBAL)
    }

    fn load(name: &CStr, flags: c_int) -> Result<Self, String> {
        // SAFETY: zero-terminated; what these libraries do when they are loaded is their makers' affair.
        let library = unsafe { libc::dlopen(name.as_ptr(), flags) };
        if !library.is_null() {
            return Ok(Library(library));
        }
        // SAFETY: the call before failed on this thread, so a message is there, and lives until the next one.
        let message = unsafe {
            let message: *const c_char = libc::dlerror();
            if message.is_null() { "no reason given".into() } else { CStr::from_ptr(message).to_string_lossy() }
        };
        Err(message.into_owned())
    }

    /// A function of the library, where it has it.
    ///
    /// # Safety
    /// It must have the type `F`, which is a pointer to a function.
    pub unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        assert!(size_of::<F>() == size_of::<*mut c_void>());
        // SAFETY: zero-terminated; what is found has the type that the caller says.
        unsafe {
            let found = libc::dlsym(self.0, name.as_ptr());
            (!found.is_null()).then(|| std::mem::transmute_copy::<*mut c_void, F>(&found))
        }
    }
}
