//! Calls the library and maps what comes back to an exit code.

/// What the linker calls before it initializes the libraries.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".preinit_array")]
static BEFORE_LIBRARIES: extern "C" fn(
    std::ffi::c_int,
    *const *const std::ffi::c_char,
    *const *const std::ffi::c_char,
) = trainyard::device::before_libraries;

fn main() {
    trainyard::cli::main()
}
