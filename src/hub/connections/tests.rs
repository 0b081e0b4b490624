use std::sync::Arc;

use futures_util::FutureExt as _;

use super::*;
use crate::{
    hub::{
        Hub, fake_socket::FakeSocket, mailbox::WorkerCommand, socket::Peer, socket_ids::SocketIds,
    },
    protocol::disconnect::DisconnectCode,
};

const TOPIC: TopicId = TopicId(7);
const OURS: AppRuntimeId = AppRuntimeId(1);

struct Rig {
    hub: Arc<Hub>,
    shard: Rc<Shard>,
    ids: SocketIds,
}

impl Rig {
    fn new() -> Self {
        let hub = Hub::new(1, 1 << 20, 1000);
        Self { shard: Shard::new(hub.clone()), hub, ids: SocketIds::of_worker(0) }
    }

    fn enter(&mut self, runtime: AppRuntimeId) -> (Slot, SocketId, Rc<FakeSocket>) {
        let (id, socket) = (self.ids.next_id().unwrap(), FakeSocket::new(1 << 20));
        let peer = Peer { runtime: Some(runtime), ..FakeSocket::PEER };
        (self.shard.add(id, peer, socket.clone()), id, socket)
    }

    fn page(
        &self,
        from: Slot,
        topic: Option<TopicId>,
        user: Option<&str>,
        limit: usize,
    ) -> ConnectionPage {
        let (answer, mut answered) = oneshot::channel();
        let user = user.map(Into::into);
        let ask = ConnectionsRequest { runtime: OURS, from, topic, user, limit, answer };
        self.hub.mailbox(0).put(WorkerCommand::ForOperator(OperatorRequest::List(ask)));
        self.shard.handle_posted();
        (&mut answered).now_or_never().expect("at once").expect("an answer")
    }

    /// All pages of this size.
    fn all(&self, topic: Option<TopicId>, limit: usize) -> Vec<SocketId> {
        let (mut found, mut from) = (Vec::new(), Some(0));
        while let Some(first) = from {
            let page = self.page(first, topic, None, limit);
            assert!(page.connections.len() <= limit);
            found.extend(page.connections.iter().map(|it| it.socket));
            from = page.next;
        }
        found
    }
}

#[test]
fn pages_list_each_connection_of_the_app_once() {
    let mut rig = Rig::new();
    let mut ours = Vec::new();
    for n in 0..23 {
        let (slot, id, _) = rig.enter(if n % 3 == 2 { AppRuntimeId(2) } else { OURS });
        if n % 3 == 2 {
            continue;
        }
        ours.push((slot, id));
        if n % 2 == 0 {
            assert!(rig.shard.subscribe(TOPIC, slot, 0));
        }
    }
    // The subscribers' list is in another order than the slots.
    rig.shard.unsubscribe(TOPIC, 0);
    assert!(rig.shard.subscribe(TOPIC, 0, 0));
    let ids = |wanted: &dyn Fn(Slot) -> bool| -> Vec<SocketId> {
        ours.iter().filter(|(slot, _)| wanted(*slot)).map(|(_, id)| *id).collect()
    };
    for limit in [1, 2, 5, 100] {
        assert_eq!(rig.all(None, limit), ids(&|_| true), "{limit}");
        assert_eq!(rig.all(Some(TOPIC), limit), ids(&|slot| slot % 2 == 0), "{limit}");
    }
    assert!(rig.page(Slot::MAX, None, None, 5).connections.is_empty(), "a forged cursor");
}

#[test]
fn walk_is_cut_where_it_is_long() {
    let mut rig = Rig::new();
    for _ in 0..MAX_WALK + 10 {
        rig.enter(AppRuntimeId(2));
    }
    let (_, last, _) = rig.enter(OURS);
    let page = rig.page(0, None, None, 5);
    assert_eq!((page.connections.len(), page.next), (0, Some(MAX_WALK as Slot)));
    assert_eq!(rig.all(None, 5), [last]);
}

#[test]
fn user_and_waiting_bytes_are_shown_and_closing_connections_are_not() {
    let mut rig = Rig::new();
    let (slot, id, socket) = rig.enter(OURS);
    rig.enter(OURS);
    rig.shard.set_user(slot, Some("alice".into()));
    socket.send("frame".into());
    let page = rig.page(0, None, Some("alice"), 5);
    let [only] = &*page.connections else { panic!("{page:?}") };
    assert_eq!((only.socket, only.waiting_bytes, only.last_heard), (id, 5, None));
    assert_eq!(only.user.as_deref(), Some("alice"));
    assert!(rig.page(0, None, Some("bob"), 5).connections.is_empty());
    socket.outbox.close(Close::Terminated);
    assert!(rig.page(0, None, Some("alice"), 5).connections.is_empty());
}

#[test]
fn disconnect_closes_with_its_code_and_only_in_its_app() {
    let mut rig = Rig::new();
    let (_, id, socket) = rig.enter(OURS);
    let end = |runtime, socket| {
        let (answer, mut answered) = oneshot::channel();
        let code = DisconnectCode::new(4009).expect("a code");
        let ask = DisconnectRequest { runtime, socket, code, answer };
        rig.hub.mailbox(0).put(WorkerCommand::ForOperator(OperatorRequest::Disconnect(ask)));
        rig.shard.handle_posted();
        (&mut answered).now_or_never().expect("at once").expect("an answer")
    };
    assert!(!end(AppRuntimeId(2), id) && !socket.outbox.is_closing());
    assert!(!end(OURS, "1.2".parse().unwrap()));
    assert!(end(OURS, id));
    assert_eq!(socket.outbox.closing().and_then(|close| close.code()), Some(4009));
    assert!(!end(OURS, id), "it is closing already");
}

#[test]
fn inquiry_is_answered_once_and_refused_for_another_app() {
    let mut rig = Rig::new();
    let (_, socket, fake) = rig.enter(OURS);
    let ask = |runtime| {
        let (answer, answered) = oneshot::channel();
        let ask = ConnectionRequest { runtime, socket, answer };
        rig.hub.mailbox(0).put(WorkerCommand::ForOperator(OperatorRequest::Describe(ask)));
        rig.shard.handle_posted();
        answered
    };
    assert!(ask(AppRuntimeId(2)).now_or_never().expect("dropped").is_err());
    let answered = ask(OURS);
    let [SessionCommand::Describe(inquiry)] = &*fake.commands.take() else { panic!("one") };
    inquiry.answer(Vec::new());
    inquiry.answer(Vec::new());
    let detail = answered.now_or_never().expect("at once").expect("an answer");
    assert_eq!(detail.summary.socket, socket);
}
