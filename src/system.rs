//! What the system says of this process, and what it gives it. On other systems than Linux nothing
//! is known.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::*;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{io, path::Path};

    pub fn raise_descriptors() -> io::Result<()> {
        Ok(())
    }

    pub fn resident_bytes() -> Option<u64> {
        None
    }

    pub fn open_descriptors() -> Option<u64> {
        None
    }

    pub fn most_descriptors() -> Option<u64> {
        None
    }

    pub fn host_name() -> Option<String> {
        None
    }

    pub fn cgroup_memory(_: &Path) -> Option<u64> {
        None
    }
}
