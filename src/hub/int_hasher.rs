//! A hasher for integer keys drawn or counted by this server.

use std::hash::{BuildHasherDefault, Hasher};

/// Far cheaper than the standard hasher, without protection against chosen keys: only for keys that
/// no client can choose.
pub type BuildIntHasher = BuildHasherDefault<IntHasher>;

#[derive(Default)]
pub struct IntHasher(u64);

/// The odd 64-bit constant of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IntHasher {
    fn write_u64(&mut self, number: u64) {
        // Both halves of the product: tables take the low bits and the highest.
        let product = u128::from(self.0 ^ number) * u128::from(FACTOR);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, hash::BuildHasher};

    #[test]
    fn sequential_ids_spread_over_the_table() {
        let hash = |key: (u32, u64)| BuildIntHasher::default().hash_one(key);
        let hashes: Vec<u64> = (0..64).flat_map(|a| (0..64).map(move |b| hash((a, b)))).collect();
        let different =
            |of: fn(u64) -> u64| hashes.iter().map(|hash| of(*hash)).collect::<HashSet<_>>().len();
        // Random hashes of 4,096 keys all differ, fill about 2,590 of 4,096 buckets, and have all
        // 128 tags.
        assert_eq!(different(|hash| hash), 4096);
        assert!(different(|hash| hash & 4095) > 2400);
        assert_eq!(different(|hash| hash >> 57), 128);
    }
}
