//! Information about this process from the operating system. Systems other than Linux provide none.

use std::{io, path::Path};

/// Two steps: another process may come in between.
fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    match to.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
    }
}

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

    pub fn descriptor_limit() -> Option<u64> {
        None
    }

    pub fn host_name() -> Option<String> {
        None
    }

    pub fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
        super::rename_if_absent(from, to)
    }

    pub fn volatile_filesystem(_: &Path) -> Option<&'static str> {
        None
    }

    pub fn cgroup_memory(_: &Path) -> Option<u64> {
        None
    }
}
