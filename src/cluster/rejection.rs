//! The reasons to drop a message or a stored value.

use crate::platform::counting::Count;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClusterRejection {
    #[error("it is shorter or longer than any of its kind")]
    Length,
    #[error("it is in the format of another version")]
    Version,
    #[error("it has a kind that this version does not know")]
    Kind,
    /// The place is authenticated and not sent, so that these causes cannot be told apart.
    #[error("it was altered, sealed with another cluster key, or belongs to another place")]
    Unauthentic,
    #[error("it came before")]
    Replayed,
    #[error("it is older than this node's subscription")]
    Stale,
    /// Sealed by a node of the cluster, which must be faulty.
    #[error("it opens, and its content is malformed")]
    Malformed,
}

impl ClusterRejection {
    pub const ALL: [Self; 7] = [
        Self::Length,
        Self::Version,
        Self::Kind,
        Self::Unauthentic,
        Self::Replayed,
        Self::Stale,
        Self::Malformed,
    ];

    /// The label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::Unauthentic => "unauthentic",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::Malformed => "malformed",
        }
    }
}

/// Dropped messages and values by reason.
#[derive(Default)]
pub struct ClusterRejectionCounters([Count; ClusterRejection::ALL.len()]);

impl ClusterRejectionCounters {
    /// Counts a rejection and passes the result on.
    pub fn counted<T>(&self, result: Result<T, ClusterRejection>) -> Result<T, ClusterRejection> {
        if let Err(rejection) = &result {
            self.0[*rejection as usize].add();
        }
        result
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = ClusterRejection::ALL.into_iter().zip(&self.0);
        counts.map(|(rejection, count)| (rejection.reason(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rejection_has_a_counter_of_its_own() {
        let counters = ClusterRejectionCounters::default();
        for (index, rejection) in ClusterRejection::ALL.into_iter().enumerate() {
            assert_eq!(rejection as usize, index, "{rejection:?}");
            for _ in 0..=index {
                assert_eq!(counters.counted(Err::<(), _>(rejection)), Err(rejection));
            }
        }
        assert_eq!(counters.counted(Ok(1)), Ok(1));
        let counts: Vec<u64> = counters.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7]);
    }
}
