//! Why a replica has to learn anew what the engine has.

use crate::platform::counting::Count;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepairCause {
    /// A message names another predecessor than the last one that was applied.
    Gap,
    /// The topic was not heard for a while.
    Reconnected,
    /// The engine had forgotten this node, or had taken it for dead.
    Forgotten,
    /// A snapshot or an audit lacked what the engine had acknowledged.
    Lost,
    /// More waited than a replica keeps, or a join came back and its member did not.
    Overtaken,
}

impl RepairCause {
    pub const ALL: [Self; 5] =
        [Self::Gap, Self::Reconnected, Self::Forgotten, Self::Lost, Self::Overtaken];

    /// The label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Reconnected => "reconnected",
            Self::Forgotten => "forgotten",
            Self::Lost => "lost",
            Self::Overtaken => "overtaken",
        }
    }
}

#[derive(Default)]
pub struct RepairCounters([Count; RepairCause::ALL.len()]);

impl RepairCounters {
    pub fn add(&self, cause: RepairCause) {
        self.0[cause as usize].add();
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = RepairCause::ALL.into_iter().zip(&self.0);
        counts.map(|(cause, count)| (cause.name(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_counter_of_its_own() {
        let counters = RepairCounters::default();
        for (index, cause) in RepairCause::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| counters.add(cause));
        }
        let counts: Vec<u64> = counters.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5]);
    }
}
