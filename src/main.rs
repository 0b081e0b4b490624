use std::process::ExitCode;

/// Gives back what a peak has left, and says what is allocated (DESIGN.md).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sealcast::cli::run()
}
