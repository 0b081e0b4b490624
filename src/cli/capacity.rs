//! The resource limits of the process, raised and logged at the start.

use std::path::Path;

use super::ServerResult;
use crate::platform::{capacity::Capacity, system};

const CGROUPS: &str = "/sys/fs/cgroup";

/// `memory`: the configured limit in bytes.
pub fn measure(memory: Option<u64>) -> ServerResult<Capacity> {
    let before = system::descriptor_limit();
    if let Err(error) = system::raise_descriptors() {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised");
    }
    let memory = memory.or_else(|| system::cgroup_memory(Path::new(CGROUPS)));
    let capacity = Capacity::new(memory).map_err(|e| format!("cannot open /dev/null: {e}"))?;
    tracing::info!(
        descriptors.now = system::descriptor_limit(),
        descriptors.before = before,
        sockets = capacity.sockets(),
        memory.limit = memory,
        "limits of this process: file descriptors, sockets that they allow, and bytes of memory"
    );
    Ok(capacity)
}
