//! Runs the command line and turns its result into an exit code.

use std::process::ExitCode;

/// Documents come and go by the thousand, of all sizes and on all threads: here memory is found faster than with the
/// system's allocator, and given back when it is free.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    aggd::cli::run()
}
