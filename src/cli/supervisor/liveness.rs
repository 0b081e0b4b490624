//! Proof that threads are alive: each has ticked since the last proof.

use std::time::{Duration, Instant};

pub struct Liveness {
    /// Ticks at the last proof, and when it was.
    proven: Vec<u64>,
    at: Option<Instant>,
}

#[derive(PartialEq, Eq, Debug)]
pub struct Stuck {
    /// Numbers of threads without a tick.
    pub threads: Vec<usize>,
    /// Time since the last proof.
    pub since: Duration,
}

impl Liveness {
    pub fn new(threads: usize) -> Self {
        Self { proven: vec![0; threads], at: None }
    }

    /// `ticks` of each thread, which only grow.
    pub fn look(&mut self, ticks: &[u64], now: Instant) -> Result<(), Stuck> {
        let since = now.saturating_duration_since(*self.at.get_or_insert(now));
        let pairs = self.proven.iter().zip(ticks).enumerate();
        let threads: Vec<usize> =
            pairs.filter(|(_, (before, now))| before == now).map(|(thread, _)| thread).collect();
        if !threads.is_empty() {
            return Err(Stuck { threads, since });
        }
        self.proven = ticks.to_vec();
        self.at = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stuck_thread_is_enough_for_no_proof() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let stuck = |threads: &[usize], seconds| {
            Err(Stuck { threads: threads.to_vec(), since: Duration::from_secs(seconds) })
        };
        let mut liveness = Liveness::new(3);
        // None has ticked yet.
        assert_eq!(liveness.look(&[0, 0, 0], at(0)), stuck(&[0, 1, 2], 0));
        assert_eq!(liveness.look(&[1, 0, 1], at(1)), stuck(&[1], 1));
        assert_eq!(liveness.look(&[2, 1, 2], at(2)), Ok(()));
        assert_eq!(liveness.look(&[3, 1, 3], at(3)), stuck(&[1], 1));
        // The others' further ticks change nothing.
        assert_eq!(liveness.look(&[9, 1, 9], at(9)), stuck(&[1], 7));
        assert_eq!(liveness.look(&[9, 2, 9], at(10)), Ok(()));
        assert_eq!(liveness.look(&[9, 2, 9], at(10)), stuck(&[0, 1, 2], 0));
    }
}
