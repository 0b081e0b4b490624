//! Entry point of the fuzz target `redis_topology`.

use super::{
    sentinel,
    slots::{SlotMap, slot_of},
};
use crate::cluster::url::RedisHost;

/// The answers of a Sentinel and of a Redis Cluster have addresses that can be written down, or
/// none.
pub fn topology(bytes: &[u8]) {
    assert!(slot_of(bytes) < 16_384);
    let Ok(answer) = redis::parse_redis_value(bytes) else { return };
    if let Ok(master) = sentinel::read(&answer) {
        check(&master);
    }
    let Some(asked) = RedisHost::parse("fd00::9", "7009") else { return };
    if let Ok(map) = SlotMap::read(answer, &asked) {
        map.masters().for_each(check);
        assert!((0..16_384).filter_map(|slot| map.master(slot)).all(|it| it.port > 0));
    }
}

fn check(master: &RedisHost) {
    assert!(master.port > 0 && !master.host.is_empty());
    assert!(!master.host.contains(['@', '/', '[', ' ']), "{master}");
}
