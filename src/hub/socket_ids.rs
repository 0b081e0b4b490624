//! Makes socket ids from random bytes of the operating system, fetched for many ids at a time.

use crate::domain::ids::{MAX_WORKER_COUNT, SocketId};

pub struct SocketIds {
    worker: usize,
    bytes: [u8; Self::BYTES],
    used: usize,
}

impl SocketIds {
    const BYTES: usize = 1024;

    pub fn of_worker(worker: usize) -> Self {
        assert!(worker < MAX_WORKER_COUNT, "the configuration allows no more workers");
        Self { worker, bytes: [0; Self::BYTES], used: Self::BYTES }
    }

    /// `node`: the slot of this node in its cluster.
    pub fn next_id_on(&mut self, node: Option<u16>) -> Result<SocketId, getrandom::Error> {
        let id = self.next_id()?;
        Ok(node.map_or(id, |slot| id.on_node(slot)))
    }

    pub fn next_id(&mut self) -> Result<SocketId, getrandom::Error> {
        if self.used == Self::BYTES {
            getrandom::fill(&mut self.bytes)?;
            self.used = 0;
        }
        let random = self.bytes[self.used..].first_chunk().expect("used up whole ids at a time");
        self.used += SocketId::RANDOM_BYTES;
        Ok(SocketId::of_random(self.worker, random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_round_trip() {
        let mut drawn = std::collections::HashSet::new();
        for worker in [0, 1, MAX_WORKER_COUNT - 1] {
            let mut ids = SocketIds::of_worker(worker);
            for _ in 0..1000 {
                let id = ids.next_id().unwrap();
                assert_eq!(id.to_string().parse(), Ok(id));
                assert_eq!(id.worker(), worker);
                drawn.insert(id);
            }
        }
        assert_eq!(drawn.len(), 3000);
    }
}
