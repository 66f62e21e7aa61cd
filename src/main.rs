//! The program: everything is in the library.

use std::process::ExitCode;

/// Password hashing allocates large blocks; this allocator hands them out and takes them back faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ostiary::cli::run()
}
