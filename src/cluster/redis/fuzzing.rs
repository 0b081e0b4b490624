//! Entry point of the fuzz target `redis_topology`.

use super::sentinel;

/// The answer of a Sentinel has an address that is written and read again as the same, or none.
pub fn topology(bytes: &[u8]) {
    let Ok(answer) = redis::parse_redis_value(bytes) else { return };
    if let Ok(master) = sentinel::read(&answer) {
        assert!(master.port > 0 && !master.host.is_empty());
        assert!(!master.host.contains(['@', '/', '[', ' ']), "{master}");
    }
}
