use bytes::Bytes;

use super::*;
use crate::hub::{Hub, fake_socket::FakeSocket, socket_ids::SocketIds};

const KIB: usize = 1024;

/// Sockets of one worker that hold so many KiB.
fn sockets(shard: &Shard, ids: &mut SocketIds, held: &[usize]) -> Vec<Rc<FakeSocket>> {
    let mut add = |held: &usize| {
        let socket = FakeSocket::new(usize::MAX);
        socket.held.set(held * KIB);
        shard.add(ids.next_id().unwrap(), FakeSocket::PEER, socket.clone());
        socket
    };
    held.iter().map(&mut add).collect()
}

fn closed(sockets: &[Rc<FakeSocket>]) -> Vec<bool> {
    sockets.iter().map(|socket| socket.outbox.closing() == Some(Close::Shed)).collect()
}

#[test]
fn f14_fullest_connections_are_closed_until_enough_is_free() {
    let hub = Hub::new(1, 1000, 1000);
    let shard = Shard::new(hub.clone());
    let held = [10, 500, 100, 400, 60, 300];
    let sockets = sockets(&shard, &mut SocketIds::of_worker(0), &held);
    let short =
        |excess: usize| MemoryPressure::Short { for_sockets: 0, excess: (excess * KIB) as u64 };
    hub.pressure.set(MemoryPressure::Tight { for_sockets: 0 }, 6);
    shard.shed();
    assert_eq!(closed(&sockets), [false; 6], "tight alone closes nobody");
    assert_eq!(shard.fair_share(), LEAST_SHARE);
    hub.pressure.set(short(600), 6);
    shard.shed();
    shard.shed();
    assert_eq!(closed(&sockets), [false, true, false, true, false, false], "once for each look");
    hub.pressure.set(short(1 << 20), 4);
    shard.shed();
    assert_eq!(closed(&sockets), [false, true, true, true, false, true], "small ones are no cause");
    hub.pressure.set(MemoryPressure::Relaxed, 4);
    assert_eq!(shard.fair_share(), usize::MAX);
}

#[test]
fn f14_sockets_are_not_closed_for_what_others_hold() {
    let hub = Hub::new(1, 1000, 1000);
    let shard = Shard::new(hub.clone());
    let sockets = sockets(&shard, &mut SocketIds::of_worker(0), &[120, 70, 10]);
    let short = |for_sockets: usize| MemoryPressure::Short {
        for_sockets: (for_sockets * KIB) as u64,
        excess: 1 << 30,
    };
    hub.pressure.set(short(200), 3);
    shard.shed();
    assert_eq!(closed(&sockets), [false; 3], "they hold what they may");
    hub.pressure.set(short(199), 3);
    shard.shed();
    assert_eq!(closed(&sockets), [true, false, false], "only what is beyond that");
}

#[test]
fn f14_queued_outbox_bytes_count_and_are_freed_at_once() {
    let hub = Hub::new(1, 1000, 1000);
    let shard = Shard::new(hub.clone());
    let sockets = sockets(&shard, &mut SocketIds::of_worker(0), &[0, 0]);
    (0..100).for_each(|_| sockets[1].outbox.push(Bytes::from(vec![0; KIB])));
    hub.pressure.set(MemoryPressure::Short { for_sockets: 0, excess: 1 }, 2);
    shard.shed();
    assert_eq!(closed(&sockets), [false, true]);
    assert!(sockets[1].outbox.queued_bytes() < KIB, "{}", sockets[1].outbox.queued_bytes());
}

#[test]
fn f14_each_worker_frees_its_share() {
    let hub = Hub::new(2, 1000, 1000);
    let shards = [Shard::new(hub.clone()), Shard::new(hub.clone())];
    let mut ids = SocketIds::of_worker(0);
    let sockets = [100, 300].map(|held| [held; 4]);
    let sockets: Vec<_> =
        (0..2).map(|n| self::sockets(&shards[n], &mut ids, &sockets[n])).collect();
    hub.pressure.set(MemoryPressure::Tight { for_sockets: 0 }, 8);
    shards.iter().for_each(|shard| shard.shed());
    hub.pressure.set(MemoryPressure::Short { for_sockets: 0, excess: 800 * KIB as u64 }, 8);
    shards.iter().for_each(|shard| shard.shed());
    let closed = [0, 1].map(|n| closed(&sockets[n]).iter().filter(|closed| **closed).count());
    assert_eq!(closed, [2, 2], "200 of 400 KiB, and 600 of 1,200");
}
