//! The process, as the system sees it. Empty on systems other than Linux.

use std::fmt;

use super::page::{BYTES, Page, SECONDS};
use crate::engine::Engine;
#[cfg(target_os = "linux")]
use crate::platform::system;

#[derive(Default)]
struct ProcessStats {
    resident_bytes: Option<u64>,
    machine_bytes: Option<u64>,
    threads: Option<u64>,
    open_descriptors: Option<u64>,
    descriptor_limit: Option<u64>,
    cpu_seconds: Option<f64>,
}

pub fn write(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let process = ProcessStats::read();
    let mut cpu = page.counter_in(&SECONDS, "process_cpu", "Time on a processor")?;
    process.cpu_seconds.map_or(Ok(()), |seconds| cpu.add(&[], seconds))?;
    let mut memory = page.gauge_in(&BYTES, "process_resident_memory", "Memory in use")?;
    process.resident_bytes.map_or(Ok(()), |bytes| memory.add(&[], bytes))?;
    let mut most = page.gauge_in(
        &BYTES,
        "process_memory_limit",
        "What it may have, or else what the machine has",
    )?;
    let limit = engine.capacity.memory_limit().or(process.machine_bytes);
    limit.map_or(Ok(()), |bytes| most.add(&[], bytes))?;
    let mut threads = page.gauge("process_threads", "Threads")?;
    process.threads.map_or(Ok(()), |threads_now| threads.add(&[], threads_now))?;
    let mut open = page.gauge("process_open_fds", "File descriptors in use")?;
    process.open_descriptors.map_or(Ok(()), |descriptors| open.add(&[], descriptors))?;
    let mut most = page.gauge("process_max_fds", "File descriptors that there may be")?;
    process.descriptor_limit.map_or(Ok(()), |descriptors| most.add(&[], descriptors))?;
    capacity(page, engine)
}

/// The limits that refuse new connections.
fn capacity(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let mut used =
        page.gauge("capacity_used_ratio", "How much is in use of what sockets may take")?;
    let usage = engine.usage();
    for (of, percent) in [
        ("descriptors", usage.descriptors),
        ("memory", usage.memory),
        ("connections", usage.connections),
    ] {
        percent.map_or(Ok(()), |percent| used.add(&[("of", of)], percent as f64 / 100.0))?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
impl ProcessStats {
    fn read() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            resident_bytes: system::resident_bytes(),
            machine_bytes: memory_of_machine(),
            threads: field(&status, "Threads:"),
            open_descriptors: system::open_descriptors(),
            descriptor_limit: system::descriptor_limit(),
            cpu_seconds: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl ProcessStats {
    fn read() -> Self {
        Self::default()
    }
}

#[cfg(target_os = "linux")]
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
fn memory_of_machine() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    field(&machine, "MemTotal:").map(|kibibytes| kibibytes * 1024)
}
