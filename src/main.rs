//! The thin binary.

fn main() -> std::process::ExitCode {
    geusemaker::cli::main()
}
