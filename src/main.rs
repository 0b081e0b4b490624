use std::process::ExitCode;

/// Returns memory to the system after a peak, and reports allocated bytes (DESIGN.md).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sealcast::cli::run()
}
