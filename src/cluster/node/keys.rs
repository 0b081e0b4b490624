//! The names that scripts use, of one node in one partition.

use bytes::Bytes;

use super::ClusterChannel;
use crate::cluster::{
    names::{AppHash, ChannelId, Incarnation, KeyLayout, Partition},
    redis::keys::{ControlKeys, Keys},
};

/// Those of a channel are left empty.
pub fn partition_keys(layout: &KeyLayout, partition: Partition, node: &Incarnation) -> Keys {
    let names = layout.partition(partition);
    Keys {
        d: names.tombstone(node).into(),
        i: names.node_channels(node).into(),
        p: names.incarnations().into(),
        g: names.lingering().into(),
        e: names.appends().into(),
        w: names.facts().into(),
        y: names.fact_marks().into(),
        o: names.owner().into(),
        f: names.floor().into(),
        ..Keys::default()
    }
}

pub fn channel_keys(layout: &KeyLayout, channel: &ClusterChannel, node: &Incarnation) -> Keys {
    let partition = channel.location.partition;
    let keys = keys_of(layout, partition, channel.location.id, &channel.app_hash, node);
    match channel.twin.filter(|_| !channel.is_mirror()) {
        Some(watchers) => {
            let topic = layout.partition(partition).channel(watchers).topic().into();
            Keys { u: topic, ..keys }
        }
        None => keys,
    }
}

pub fn keys_of(
    layout: &KeyLayout,
    partition: Partition,
    id: ChannelId,
    app: &AppHash,
    node: &Incarnation,
) -> Keys {
    let names = layout.partition(partition);
    let channel = names.channel(id);
    let topic: Bytes = channel.topic().into();
    Keys {
        c: channel.state().into(),
        m: channel.members().into(),
        r: channel.references().into(),
        l: channel.last_event().into(),
        h: channel.log().into(),
        u: topic.clone(),
        t: topic,
        a: names.occupied(app).into(),
        ..partition_keys(layout, partition, node)
    }
}

/// The keys for a snapshot: of a mirror, the state is that of the user's own channel.
pub fn snapshot_keys(layout: &KeyLayout, channel: &ClusterChannel, node: &Incarnation) -> Keys {
    let keys = channel_keys(layout, channel, node);
    match channel.twin.filter(|_| channel.is_mirror()) {
        Some(user) => {
            let state = layout.partition(channel.location.partition).channel(user).state().into();
            Keys { c: state, ..keys }
        }
        None => keys,
    }
}

pub fn topic(layout: &KeyLayout, channel: &ClusterChannel) -> Bytes {
    layout.partition(channel.location.partition).channel(channel.location.id).topic().into()
}

pub fn control_keys(layout: &KeyLayout) -> ControlKeys {
    let names = layout.control();
    ControlKeys { nodes: names.nodes().into(), slots: names.slots().into() }
}
