//! The parts of a cluster's data. Redis Cluster keeps each part on one master.

/// All keys and topics of a channel lie in one partition, and so in one slot of Redis Cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Partition(u8);

impl Partition {
    pub const COUNT: usize = HASH_TAGS.len();
    pub const FIRST: Self = Self(0);

    /// The partition of a hash: its value modulo the count.
    pub(super) fn of_hash(hash: &[u8; 16]) -> Self {
        Self((usize::from(hash[15]) % Self::COUNT) as u8)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(|index| Self(index as u8))
    }

    /// The first one follows the last.
    pub fn following(self) -> Self {
        Self((self.0 + 1) % Self::COUNT as u8)
    }

    pub fn index(self) -> usize {
        self.0.into()
    }

    /// Selects the slot in Redis Cluster.
    pub fn hash_tag(self) -> &'static str {
        HASH_TAGS[self.index()]
    }
}

/// Some of the partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartitionSet(u128);

const _: () = assert!(Partition::COUNT <= u128::BITS as usize);

impl PartitionSet {
    pub fn all() -> Self {
        Partition::all().collect()
    }

    pub fn insert(&mut self, partition: Partition) {
        self.0 |= 1 << partition.0;
    }

    pub fn contains(self, partition: Partition) -> bool {
        self.0 & 1 << partition.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Partition> {
        Partition::all().filter(move |partition| self.contains(*partition))
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl FromIterator<Partition> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = Partition>>(partitions: I) -> Self {
        let mut set = Self::default();
        partitions.into_iter().for_each(|partition| set.insert(partition));
        set
    }
}

/// The tag of partition p has the slot 128 p + 64. Slots are dealt to masters in equal ranges, so
/// the numbers of partitions on any two masters differ by one at most.
const HASH_TAGS: [&str; 128] = [
    "qfs", "dqe", "bg5", "fr3", "avb", "ecd", "cu4", "2jb", "qb3", "l85", "bcu", "fvs", "pp2",
    "te4", "cqt", "gdr", "dhn", "htp", "fk8", "7tn", "ezo", "aoi", "gy9", "zg7", "le6", "hp0",
    "fox", "jsf", "mw7", "ib1", "g9q", "kag", "h8q", "ubw", "bv7", "fc1", "inx", "erf", "cd6",
    "gq0", "hx9", "uf7", "brw", "fgq", "ij8", "tt6", "kin", "gup", "dyl", "her", "3pj", "7el",
    "ekm", "iws", "2bk", "c95", "lt4", "ha2", "nwb", "jbd", "mf5", "is3", "oec", "kpe", "sd5",
    "wq3", "hlk", "dpu", "k94", "vc2", "awr", "ebt", "bbe", "fwc", "5kc", "dt5", "cpd", "geb",
    "as2", "ef4", "nc0", "jv6", "ukn", "h1h", "oq1", "kd7", "mrg", "any", "fnh", "jrv", "1gn",
    "ys0", "g8a", "cio", "0uo", "aj9", "su7", "nk9", "h9a", "daw", "rg6", "oy8", "afp", "esv",
    "bsg", "ffa", "5za", "de7", "caf", "g0h", "ab0", "ew6", "nr2", "jg4", "lqd", "hdb", "dYH",
    "ku5", "mce", "ivc", "nvr", "bjl", "d84", "yb2", "gmk", "cxm", "0dm", "xp3",
];
