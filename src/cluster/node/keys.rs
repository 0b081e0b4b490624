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
        w: names.facts().into(),
        o: names.owner().into(),
        f: names.floor().into(),
        ..Keys::default()
    }
}

pub fn channel_keys(layout: &KeyLayout, channel: &ClusterChannel, node: &Incarnation) -> Keys {
    let partition = channel.location.partition;
    keys_of(layout, partition, channel.location.id, &channel.app_hash, node)
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
    Keys {
        c: channel.state().into(),
        m: channel.members().into(),
        r: channel.references().into(),
        l: channel.last_event().into(),
        t: channel.topic().into(),
        a: names.occupied(app).into(),
        ..partition_keys(layout, partition, node)
    }
}

pub fn topic(layout: &KeyLayout, channel: &ClusterChannel) -> Bytes {
    layout.partition(channel.location.partition).channel(channel.location.id).topic().into()
}

pub fn control_keys(layout: &KeyLayout) -> ControlKeys {
    let names = layout.control();
    ControlKeys { nodes: names.nodes().into(), slots: names.slots().into() }
}
