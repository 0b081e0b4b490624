//! Watchers see the users of all nodes.

use super::scene::{NodeScene, until, wait};
use crate::{
    cluster::{node::commands::NodeCommand, replica::input::ChannelMemory},
    domain::channel::Channel,
};

#[test]
fn watchers_see_the_first_connection_come_and_the_last_one_go() {
    let scene = NodeScene::start(3);
    let (user, watchers) = (Channel::of_user("u1"), Channel::of_watchers("u1"));
    let own = [0, 1].map(|at| scene.nodes[at].record_of(&user, ChannelMemory::CountAlone));
    let early = scene.nodes[2].record_of(&watchers, ChannelMemory::Mirror);
    scene.nodes[2].enter(&early, None);
    assert_eq!(early.read(|state| state.total), Some(0), "nobody is there");
    let first = scene.nodes[0].enter(&own[0], None);
    until(&early, "the user", |state| state.total == Some(1));
    // A second connection elsewhere changes nothing for watchers, and late ones read the state.
    let second = scene.nodes[1].enter(&own[1], None);
    let late = scene.nodes[1].record_of(&watchers, ChannelMemory::Mirror);
    scene.nodes[1].enter(&late, None);
    assert!(late.read(|state| state.total.is_some_and(|total| total > 0)));
    own[0].leave(first.id, None);
    until(&own[1], "one connection", |state| state.total == Some(1));
    assert!(early.read(|state| state.total.is_some_and(|total| total > 0)));
    own[1].leave(second.id, None);
    for watching in [&early, &late] {
        until(watching, "nobody", |state| state.total == Some(0));
    }
}

/// A rolling restart: nobody sees the user go.
#[test]
fn watchers_do_not_see_a_user_who_returns_from_a_drained_node() {
    let scene = NodeScene::start(3);
    let (user, watchers) = (Channel::of_user("u1"), Channel::of_watchers("u1"));
    let own = [0, 1].map(|at| scene.nodes[at].record_of(&user, ChannelMemory::CountAlone));
    let watching = scene.nodes[2].record_of(&watchers, ChannelMemory::Mirror);
    scene.nodes[2].enter(&watching, None);
    let first = scene.nodes[0].enter(&own[0], None);
    until(&watching, "the user", |state| state.total == Some(1));
    scene.nodes[0].node.send(NodeCommand::Drain);
    own[0].leave(first.id, None);
    wait("the departure lingers", || own[0].read(|state| state.replica.is_closed()));
    assert_eq!(watching.read(|state| state.total), Some(1));
    // One who begins to watch meanwhile sees the user as well.
    let late = scene.nodes[1].record_of(&watchers, ChannelMemory::Mirror);
    scene.nodes[1].enter(&late, None);
    assert_eq!(late.read(|state| state.total), Some(1));
    let second = scene.nodes[1].enter(&own[1], None);
    assert_eq!(watching.read(|state| state.total), Some(1));
    own[1].leave(second.id, None);
    for watching in [&watching, &late] {
        until(watching, "nobody", |state| state.total == Some(0));
    }
}
