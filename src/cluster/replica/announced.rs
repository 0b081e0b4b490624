//! One value that this node keeps in the engine: a count, or a reference to a member.
//!
//! Levels are compared, not edges: what is wanted with what was sent last. So a retry, a repair and
//! a new life of the node are one code.
//!
//! One request at a time is on its way. Requests without an answer are sent again, and a join that is
//! done again behind a departure would be a second arrival.

use super::effect::RequestNumber;

/// What was sent of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced<T> {
    /// `None`: it is unknown what the engine has.
    sent: Option<T>,
    /// The last request that carries the value.
    request: RequestNumber,
    is_acknowledged: bool,
}

impl<T: Copy + PartialEq> Announced<T> {
    /// The engine has `value` of a node that it has never heard of.
    pub(super) fn initially(value: T) -> Self {
        Self { sent: Some(value), request: RequestNumber(0), is_acknowledged: true }
    }

    pub(super) fn unknown() -> Self {
        Self { sent: None, request: RequestNumber(0), is_acknowledged: false }
    }

    pub(super) fn differs(&self, wanted: T) -> bool {
        self.sent != Some(wanted)
    }

    /// `None` if it is unknown what the engine has, or will have.
    pub(super) fn sent(&self) -> Option<T> {
        self.sent
    }

    pub(super) fn is_acknowledged(&self, value: T) -> bool {
        self.is_acknowledged && self.sent == Some(value)
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        self.sent.is_some() && !self.is_acknowledged
    }

    pub(super) fn request(&self) -> RequestNumber {
        self.request
    }

    pub(super) fn send(&mut self, value: T, request: RequestNumber) {
        *self = Self { sent: Some(value), request, is_acknowledged: false };
    }

    /// True if the answer is to the last request: an earlier one says nothing more.
    pub(super) fn acknowledge(&mut self, request: RequestNumber) -> bool {
        let is_last = self.request == request && self.sent.is_some();
        self.is_acknowledged |= is_last;
        is_last
    }

    /// The request was not done. A later one decides, if there is any.
    pub(super) fn fail(&mut self, request: RequestNumber) -> bool {
        let is_last = self.request == request;
        if is_last {
            self.void();
        }
        is_last
    }

    /// The engine may have lost the value, or have another one.
    pub(super) fn void(&mut self) {
        self.sent = None;
        self.is_acknowledged = false;
    }

    /// An audit, asked by `asked`, has found `value`. True if another one was acknowledged.
    pub(super) fn found(&mut self, value: T, asked: RequestNumber) -> bool {
        if self.request >= asked || self.sent == Some(value) {
            return false;
        }
        self.sent = Some(value);
        std::mem::replace(&mut self.is_acknowledged, true)
    }
}
