//! Calls the library and maps what comes back to an exit code.

/// What the linker calls before it initializes the libraries.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".preinit_array")]
static BEFORE_LIBRARIES: trainyard::device::Initializer = trainyard::device::before_libraries;

fn main() {
    trainyard::cli::main()
}
