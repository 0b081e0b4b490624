//! How much a worker queues before it writes.

/// The amount queued in one batch, and its limits.
#[derive(Default)]
pub(super) struct BatchBudget {
    /// The maximum of bytes queued for one socket.
    bytes: usize,
    frames: usize,
}

impl BatchBudget {
    const BYTES: usize = 128 * 1024;
    const FRAMES: usize = 50_000;

    pub(super) fn add(&mut self, bytes: usize, subscribers: usize) {
        self.bytes += bytes;
        self.frames += subscribers;
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= Self::BYTES || self.frames >= Self::FRAMES
    }
}
