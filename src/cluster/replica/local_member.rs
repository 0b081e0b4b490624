//! A user of the channel on this node.

use super::{announced::Announced, effect::StateVerb, input::ClusterMember};

pub(super) struct LocalMember {
    pub(super) who: ClusterMember,
    /// The most members at the arrival of the last session.
    limit: u32,
    /// Sessions in the roster.
    pub(super) answered: u32,
    pub(super) waiting: u32,
    /// The user stays for a while without a session.
    pub(super) is_held: bool,
    pub(super) reference: Announced<bool>,
    /// The channel's number after the join that was sent last.
    pub(super) number: Option<u64>,
    /// The replica has applied that number.
    pub(super) is_reached: bool,
    /// How often snapshots have lacked the member, one after the other.
    pub(super) losses: u8,
}

impl LocalMember {
    pub(super) fn new(who: ClusterMember, limit: u32) -> Self {
        Self {
            who,
            limit,
            answered: 0,
            waiting: 0,
            is_held: false,
            reference: Announced::initially(false),
            number: None,
            is_reached: false,
            losses: 0,
        }
    }

    pub(super) fn wait(&mut self, who: ClusterMember, limit: u32) {
        if !self.is_wanted() {
            self.who = who;
        }
        self.limit = limit;
        self.waiting += 1;
    }

    pub(super) fn sessions(&self) -> u32 {
        self.answered + self.waiting
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.answered + self.waiting > 0 || self.is_held
    }

    /// Some client has this user in its roster.
    pub(super) fn is_shown(&self) -> bool {
        self.answered > 0 || self.is_held
    }

    /// The engine has the reference, and the replica is not behind it.
    pub(super) fn has_joined(&self) -> bool {
        self.reference.is_acknowledged(true) && self.is_reached
    }

    /// No session needs the reference, and its end has not been sent.
    pub(super) fn is_to_leave(&self) -> bool {
        !self.is_wanted() && self.reference.differs(false)
    }

    /// Neither the engine nor a session needs it any more.
    pub(super) fn is_over(&self) -> bool {
        !self.is_wanted() && self.reference.is_acknowledged(false)
    }

    /// A user who has been answered has no limit: a repair must not turn the user away.
    pub(super) fn verb(&self) -> StateVerb {
        let member = self.who.clone();
        if !self.is_wanted() {
            return StateVerb::Leave { member };
        }
        StateVerb::Join { member, limit: if self.is_shown() { 0 } else { self.limit } }
    }
}
