mod tripwire;

use super::*;
use crate::{
    domain::channel::Channel,
    hub::{fake_socket::FakeSocket, rekey::rekey_policy::AppRuntimeId, socket_ids::SocketIds},
    protocol::{content::Content, frame::Frame, message::Message},
};
use tokio::task::{LocalSet, spawn_local, yield_now};

const TOPIC: TopicId = TopicId(7);

fn delivery(sequence: u64) -> WorkerCommand {
    let channel = Channel::parse("c", 200).unwrap();
    let content = Content::Same(Frame::new(&Message::event(&channel, "e", "").unwrap()));
    let audience = Audience::All;
    WorkerCommand::Deliver(TopicDelivery {
        topic: TOPIC,
        content,
        sequence,
        except: None,
        audience,
        accepted: None,
    })
}

fn enter(shard: &Shard, ids: &mut SocketIds, peer: Peer) -> (Slot, Rc<FakeSocket>) {
    let socket = FakeSocket::new(1 << 20);
    (shard.add(ids.next_id().unwrap(), peer, socket.clone()), socket)
}

fn subscribers(shard: &Shard, size: usize) -> Vec<(Slot, Rc<FakeSocket>)> {
    let mut ids = SocketIds::of_worker(0);
    let mut join = || {
        let (slot, socket) = enter(shard, &mut ids, FakeSocket::PEER);
        assert!(shard.subscribe(TOPIC, slot, 0));
        (slot, socket)
    };
    (0..size).map(|_| join()).collect()
}

#[tokio::test]
async fn late_close_command_spares_newer_subscriptions() {
    let hub = Hub::new(1, 1 << 20, 1000);
    let (shard, mut ids) = (Shard::new(hub.clone()), SocketIds::of_worker(0));
    let mut enter = |runtime| {
        let runtime = Some(AppRuntimeId(runtime));
        let app_closings = hub.app_closings();
        let peer = Peer { runtime, app_closings, ..FakeSocket::PEER };
        enter(&shard, &mut ids, peer).1
    };
    let (before, other) = (enter(1), enter(2));
    hub.close_app(AppRuntimeId(1), &Close::AppDisabled);
    let since = enter(1);
    let read = async {
        spawn_local(shard.clone().run());
        yield_now().await;
    };
    LocalSet::new().run_until(read).await;
    let closing = [before, other, since].map(|socket| socket.outbox.is_closing());
    assert_eq!(closing, [true, false, false]);
}

#[tokio::test]
async fn frame_in_progress_skips_leavers_and_reaches_others_once() {
    let (posts, size) = ([vec![1], vec![1, 2]], WRITES_PER_SLICE + 40);
    for sequences in posts {
        let hub = Hub::new(1, 1 << 20, 1000);
        let shard = Shard::new(hub.clone());
        let sockets = subscribers(&shard, size);
        let (returning, left) = (sockets[size - 1].0, sockets[size - 2].0);
        LocalSet::new()
            .run_until(async {
                spawn_local(shard.clone().run());
                sequences.iter().for_each(|n| hub.mailbox(0).put(delivery(*n)));
                yield_now().await;
                for slot in [left, returning] {
                    assert_eq!(shard.unsubscribe(TOPIC, slot), None);
                }
                assert!(shard.subscribe(TOPIC, returning, sequences.len() as u64));
                for _ in 0..10 {
                    yield_now().await;
                }
            })
            .await;
        let WorkerCommand::Deliver(delivery) = delivery(1) else { unreachable!() };
        let bytes = delivery.content.bytes() * sequences.len();
        for (slot, socket) in &sockets[..size - 2] {
            assert_eq!(socket.outbox.queued_bytes(), bytes, "slot {slot}");
        }
        // Several frames are queued at once, before a subscriber can leave.
        let late = if sequences.len() == 1 { 0 } else { bytes };
        assert_eq!(sockets[size - 1].1.outbox.queued_bytes(), late);
        assert_eq!(sockets[size - 2].1.outbox.queued_bytes(), late);
    }
}
