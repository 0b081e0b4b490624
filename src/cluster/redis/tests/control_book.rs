//! The model of the nodes' entries.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::contents::Contents;
use crate::cluster::redis::{
    Id,
    control::{ControlVerb, NodeEntry},
    replies::Reply,
};

#[derive(Clone, Default)]
pub struct ControlBook {
    pub nodes: BTreeMap<Id, Bytes>,
    pub slots: BTreeMap<u16, Id>,
}

impl ControlBook {
    pub fn apply(&mut self, verb: &ControlVerb) -> Reply {
        match verb {
            ControlVerb::Beat { node, slot, beat } => {
                let held = self.nodes.get(node);
                let known = held.is_some();
                if held.is_some_and(|held| held[0] == b'D') {
                    return Reply::Dying;
                }
                let holder = self.slots.get(slot).filter(|holder| *holder != node);
                if holder.is_some_and(|holder| self.nodes.contains_key(holder)) {
                    return Reply::SlotTaken;
                }
                self.slots.insert(*slot, *node);
                self.nodes.insert(*node, [b"A", &beat[..]].concat().into());
                if known { Reply::Here } else { Reply::New }
            }
            ControlVerb::Claim { node, seen, claimer } => {
                let Some(held) = self.nodes.get(node) else { return Reply::NoEntry };
                let beat = match NodeEntry::parse(seen).expect("an entry") {
                    NodeEntry::Alive { beat } | NodeEntry::Dying { beat, .. } => beat,
                };
                let claimed = [b"D", &claimer[..], beat].concat();
                if *held != claimed && held != seen {
                    return Reply::NotClaimed;
                }
                self.nodes.insert(*node, claimed.into());
                Reply::Claimed
            }
            ControlVerb::Forget { node, slot, claimer } => {
                let Some(held) = self.nodes.get(node) else { return Reply::NoEntry };
                let mine = match NodeEntry::parse(held).expect("an entry") {
                    NodeEntry::Alive { .. } => node == claimer,
                    NodeEntry::Dying { claimer: held, .. } => held == *claimer,
                };
                if !mine {
                    return Reply::NotClaimed;
                }
                self.nodes.remove(node);
                self.slots.retain(|held, holder| held != slot || holder != node);
                Reply::Forgotten
            }
        }
    }

    pub fn assert_is(&self, engine: &BTreeMap<Bytes, Contents>) {
        let held = |key: &'static [u8]| match engine.get(key) {
            Some(Contents::Hash(fields)) => fields.clone(),
            None => BTreeMap::new(),
            Some(other) => panic!("{other:?}"),
        };
        let copy = |id: &Id| Bytes::copy_from_slice(id);
        let nodes = self.nodes.iter().map(|(node, entry)| (copy(node), entry.clone()));
        assert_eq!(held(b"SC1:{ctl}nodes"), nodes.collect());
        let slots = self.slots.iter().map(|(slot, node)| (slot.to_string().into(), copy(node)));
        assert_eq!(held(b"SC1:{ctl}slots"), slots.collect());
    }
}
