//! Calls the library and maps what comes back to an exit code.

fn main() {
    trainyard::cli::main()
}
