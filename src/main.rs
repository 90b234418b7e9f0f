//! Calls the library and maps what comes back to an exit code.

fn main() -> std::process::ExitCode {
    trainyard::cli::main()
}
