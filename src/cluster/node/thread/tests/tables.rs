//! Key tables of nodes, on a real Redis.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::{
    host::TestHost,
    scene::{APP, NodeScene, ThreadNode, layout, wait},
};
use crate::{
    cluster::{
        content::{TableContent, TableRevocation},
        key::tests::example_key,
        names::ClusterNames,
        node::{
            ClusterNode,
            asking::Unacknowledged,
            host::{Company, HostTable},
            status::{LinkStatus, RefusedBy},
        },
        redis::tests::{proxy::Flow, server::ask},
    },
    crypto::secret::Derivation,
};

/// A host's table: a set of revocations, as the simplest thing that only grows.
#[derive(Default)]
pub struct TestTables {
    has_begun: bool,
    revoked: BTreeSet<String>,
    /// Whom it found when it took its first table.
    pub company: Option<Company>,
    /// Why it takes none.
    pub refuses: Option<String>,
    /// It cannot save what others change.
    pub is_read_only: bool,
    /// Changes that came before it could take any.
    early_changes: usize,
    /// Its next takings wait for these, in turn.
    pub gates: VecDeque<oneshot::Receiver<()>>,
}

fn content<'a>(revoked: impl Iterator<Item = &'a String>) -> Vec<u8> {
    let revocation = |user: &'a String| TableRevocation { channel: "room", user, at: 1 };
    let table = TableContent {
        derivation: Derivation::Hkdf,
        keys: Vec::new(),
        epochs: Vec::new(),
        revocations: revoked.map(revocation).collect(),
        salt: None,
    };
    table.to_bytes()
}

impl TestTables {
    pub fn take_all(
        &mut self,
        stored: Vec<HostTable>,
        company: Company,
    ) -> Result<Vec<Arc<str>>, String> {
        if let Some(reason) = &self.refuses {
            return Err(reason.clone());
        }
        self.company.get_or_insert(company);
        self.has_begun = true;
        let mut behind = Vec::new();
        for (app, stored) in stored {
            assert_eq!(&*app, APP);
            let stored = stored.map(|stored| users(&TableContent::parse(&stored).expect("ours")));
            let stored = stored.unwrap_or_default();
            self.revoked.extend(stored.iter().cloned());
            if stored != self.revoked {
                behind.push(app);
            }
        }
        Ok(behind)
    }

    pub fn take_change(&mut self, change: &TableContent<'_>) -> bool {
        self.early_changes += usize::from(!self.has_begun);
        let may_take = self.has_begun && !self.is_read_only;
        if may_take {
            self.revoked.extend(users(change));
        }
        may_take
    }

    pub fn content(&self) -> Option<Vec<u8>> {
        self.has_begun.then(|| content(self.revoked.iter()))
    }
}

fn users(table: &TableContent<'_>) -> BTreeSet<String> {
    table.revocations.iter().map(|it| it.user.to_owned()).collect()
}

/// As the host does it: here first, then everywhere.
fn revoke(node: &ThreadNode, user: &str) -> Result<(), Unacknowledged> {
    revoke_at(&node.host, &node.node, user)
}

fn revoke_at(host: &TestHost, node: &ClusterNode, user: &str) -> Result<(), Unacknowledged> {
    host.tables.lock().revoked.insert(user.to_owned());
    let change = content([user.to_owned()].iter());
    node.share_table(APP, change.into())
}

fn has(node: &ThreadNode, user: &str) -> bool {
    node.host.tables.lock().revoked.contains(user)
}

fn key() -> Vec<u8> {
    layout().control().key_table(&ClusterNames::new(&example_key()).app(APP))
}

fn stored(scene: &NodeScene) -> Option<Vec<u8>> {
    let answer = ask(&mut scene.server.connect(), redis::cmd("GET").arg(key())).expect("a table");
    redis::from_redis_value(answer).expect("bytes")
}

fn restore(scene: &NodeScene, value: &[u8]) {
    let mut set = redis::cmd("SET");
    ask(&mut scene.server.connect(), set.arg(key()).arg(value)).expect("OK");
}

fn generation(value: &[u8]) -> u64 {
    u64::from_be_bytes(*value.first_chunk().expect("a generation"))
}

fn start(nodes: usize) -> NodeScene {
    let scene = NodeScene::start(nodes);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    scene
}

#[test]
fn change_reaches_all_nodes_and_those_that_join_later() {
    let mut scene = start(3);
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()));
    assert!(scene.nodes.iter().all(|node| has(node, "u1")));
    scene.add_node();
    scene.nodes[3].until_up();
    assert!(has(&scene.nodes[3], "u1"), "it reads the table before it is a member");
    let company = |at: usize| scene.nodes[at].host.tables.lock().company;
    assert_eq!(company(3), Some(Company::Others));
}

#[test]
fn first_node_finds_no_company() {
    let scene = start(1);
    assert_eq!(scene.nodes[0].host.tables.lock().company, Some(Company::None));
}

/// Each expects a generation that the other has taken.
#[test]
fn changes_at_the_same_time_are_all_kept() {
    let scene = start(3);
    std::thread::scope(|threads| {
        for (at, node) in scene.nodes.iter().enumerate() {
            let (host, node) = (&node.host, &node.node);
            threads.spawn(move || {
                for number in 0..5 {
                    assert_eq!(revoke_at(host, node, &format!("u{at}-{number}")), Ok(()));
                }
            });
        }
    });
    for node in &scene.nodes {
        assert_eq!(node.host.tables.lock().revoked.len(), 15);
    }
}

#[test]
fn node_that_cannot_save_a_change_is_named() {
    let scene = start(2);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    second.host.tables.lock().is_read_only = true;
    let revoked = revoke(first, "u1");
    let Err(Unacknowledged::Nodes(slots)) = revoked else { panic!("{revoked:?}") };
    assert_eq!(slots.len(), 1);
    assert!(slots.iter().all(|slot| second.node.slots().has(*slot)));
}

#[test]
fn node_that_was_away_takes_what_it_has_missed() {
    let scene = start(2);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    second.proxy.set(Flow::Cut);
    second.until_away();
    assert!(revoke(first, "u1").is_err());
    assert!(!has(second, "u1"));
    second.proxy.set(Flow::Open);
    second.until_up();
    assert!(has(second, "u1"));
    assert_eq!(revoke(first, "u2"), Ok(()));
}

#[test]
fn empty_redis_is_filled_again() {
    let scene = start(2);
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()));
    let before = generation(&stored(&scene).expect("a table"));
    ask(&mut scene.server.connect(), &redis::cmd("FLUSHALL")).expect("OK");
    wait("the table is back", || stored(&scene).is_some_and(|it| generation(&it) > before));
    assert_eq!(revoke(&scene.nodes[1], "u2"), Ok(()));
}

/// Nothing falls, and what was lost is mended by a node that has it.
#[test]
fn older_copy_of_the_table_takes_nothing_back() {
    let mut scene = start(2);
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()));
    let old = stored(&scene).expect("a table");
    assert_eq!(revoke(&scene.nodes[0], "u2"), Ok(()));
    let new = generation(&stored(&scene).expect("a table"));
    restore(&scene, &old);
    // Another node stores under a generation that is given out already.
    assert_eq!(revoke(&scene.nodes[1], "u3"), Ok(()));
    wait("it is above all", || stored(&scene).is_some_and(|it| generation(&it) > new));
    scene.add_node();
    scene.nodes[2].until_up();
    for node in &scene.nodes {
        wait("all is known", || ["u1", "u2", "u3"].iter().all(|user| has(node, user)));
    }
}

#[test]
fn altered_table_is_counted_and_replaced() {
    let scene = start(1);
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()));
    let mut altered = stored(&scene).expect("a table");
    *altered.last_mut().expect("bytes") ^= 1;
    // The look goes by the head.
    altered[10] ^= 1;
    restore(&scene, &altered);
    wait("it is replaced", || stored(&scene).is_some_and(|it| it != altered));
    let rejected = scene.nodes[0].node.status().rejected.iter();
    assert!(rejected.into_iter().any(|(name, count)| name == "unauthentic" && count > 0));
}

#[test]
fn node_without_the_clusters_keys_is_red_until_it_has_them() {
    let mut scene = start(1);
    scene.add_node_that_refuses("other keys");
    let stranger = &scene.nodes[1];
    let refused = || match stranger.node.status().link() {
        LinkStatus::Refused { by: RefusedBy::Keys, reason } => Some(reason),
        _ => None,
    };
    wait("it is refused", || refused().is_some());
    assert_eq!(refused().as_deref(), Some("other keys"));
    assert_eq!(scene.nodes[0].node.status().nodes(), 1, "it has no entry");
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()), "nobody waits for it");
    stranger.host.tables.lock().refuses = None;
    stranger.until_up();
    assert!(has(stranger, "u1"));
    // A member that no longer agrees leaves.
    stranger.host.tables.lock().refuses = Some("again".into());
    assert_eq!(revoke(&scene.nodes[0], "u2"), Ok(()));
    restore(&scene, b"another table");
    wait("it is refused again", || refused().is_some());
}

/// Its answer is lost, and the same bytes come again.
#[test]
fn lost_answer_is_no_lost_change() {
    let scene = start(2);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    first.proxy.set(Flow::AnswersLost);
    std::thread::scope(|threads| {
        let (host, node) = (&first.host, &first.node);
        let revoking = threads.spawn(|| revoke_at(host, node, "u1"));
        wait("the change has arrived", || has(second, "u1"));
        first.proxy.set(Flow::Cut);
        wait("the connection is lost", || !first.node.status().is_up());
        first.proxy.set(Flow::Open);
        assert_eq!(revoking.join().expect("an answer"), Ok(()));
    });
}

fn entries(scene: &NodeScene) -> u64 {
    let nodes = layout().control().nodes();
    let count = ask(&mut scene.server.connect(), redis::cmd("HLEN").arg(nodes)).expect("a count");
    redis::from_redis_value(count).expect("a number")
}

/// The change comes behind the reading of the table, and before the node is a member: nobody waits
/// for it then.
#[test]
fn je23_change_beside_a_booting_node_is_known_before_it_is_a_member() {
    let mut scene = start(1);
    assert_eq!(revoke(&scene.nodes[0], "u1"), Ok(()));
    let [first, second] = scene.add_node_that_waits();
    let [member, booting] = &scene.nodes[..] else { panic!("two nodes") };
    let waits = |left| booting.host.tables.lock().gates.len() == left;
    wait("it has read the table", || waits(1));
    assert_eq!(revoke(member, "u2"), Ok(()));
    wait("it hears the change", || booting.host.tables.lock().early_changes == 1);
    first.send(()).expect("it waits");
    wait("it reads the table again", || waits(0));
    assert_eq!(entries(&scene), 1, "it is no member yet");
    second.send(()).expect("it waits");
    booting.until_up();
    assert!(has(booting, "u1") && has(booting, "u2"));
}
