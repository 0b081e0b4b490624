//! The Lua scripts: their texts, and the commands that run them.

use aws_lc_rs::digest;
use redis::Cmd;

use super::keys::Key;
use crate::crypto::encoding::hex;

/// Ends the first line of a script. Redis then refuses it as a whole: keys that are not declared or
/// in another slot, a replica, missing replicas, and, without the flag, a full memory.
const REFUSED_WHEN_FULL: &str = "#!lua";
/// Takes something away, or is needed to do so. A full engine can shrink only through these.
const RUNS_WHEN_FULL: &str = "#!lua flags=allow-oom";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Script {
    Admit,
    Bury,
    Retire,
    Floor,
    Own,
    Ack,
    Take,
    Mark,
    Fact,
    Count,
    Join,
    Leave,
    End,
    Last,
    Renew,
    Append,
    Clear,
    Read,
    Snapshot,
    Beat,
    Claim,
    Forget,
}

struct Definition {
    first_line: &'static str,
    keys: &'static [Key],
    /// The variables of the keys behind these.
    more: &'static [&'static str],
    /// Joined to one text after the keys.
    parts: &'static [&'static str],
}

/// Of the scripts that change a log.
const LOG_WRITE_KEYS: [Key; 9] = [
    Key::Tombstone,
    Key::Incarnations,
    Key::State,
    Key::LastEvent,
    Key::Log,
    Key::Appends,
    Key::Lingering,
    Key::Floor,
    Key::Topic,
];

const FENCE: &str = include_str!("scripts/fence.lua");
const NUMBERS: &str = include_str!("scripts/numbers.lua");
const CLOCK: &str = include_str!("scripts/clock.lua");
const CHANNEL: &str =
    concat!(include_str!("scripts/clock.lua"), include_str!("scripts/channel.lua"));
const FACT_QUEUE: &str = include_str!("scripts/fact_queue.lua");
const REMOVAL: &str = include_str!("scripts/removal.lua");
const STORED: &str = include_str!("scripts/stored.lua");
const KEEPING: &str = include_str!("scripts/keeping.lua");
const LOG: &str = include_str!("scripts/log.lua");
const LOG_LIFE: &str = include_str!("scripts/log_life.lua");
const LOG_ENDING: &str = include_str!("scripts/log_ending.lua");

impl Script {
    pub const ALL: [Self; 22] = [
        Self::Admit,
        Self::Bury,
        Self::Retire,
        Self::Floor,
        Self::Own,
        Self::Ack,
        Self::Take,
        Self::Mark,
        Self::Fact,
        Self::Count,
        Self::Join,
        Self::Leave,
        Self::End,
        Self::Last,
        Self::Renew,
        Self::Append,
        Self::Clear,
        Self::Read,
        Self::Snapshot,
        Self::Beat,
        Self::Claim,
        Self::Forget,
    ];

    /// The keys of a partition, in the order of the command.
    pub(super) fn keys(self) -> &'static [Key] {
        self.definition().keys
    }

    fn definition(self) -> Definition {
        use Key::{Floor as FloorKey, *};
        let always =
            |keys, parts| Definition { first_line: RUNS_WHEN_FULL, keys, more: &[], parts };
        let control = |parts| Definition { more: &["nodes", "slots"], ..always(&[], parts) };
        let adds =
            |keys, parts| Definition { first_line: REFUSED_WHEN_FULL, ..always(keys, parts) };
        match self {
            Self::Admit => {
                always(&[Tombstone, Incarnations], &[FENCE, include_str!("scripts/admit.lua")])
            }
            Self::Bury => always(&[Tombstone, NodeChannels], &[include_str!("scripts/bury.lua")]),
            Self::Retire => always(
                &[NodeChannels, Incarnations, Appends],
                &[include_str!("scripts/retire.lua")],
            ),
            Self::Floor => always(&[FloorKey], &[NUMBERS, include_str!("scripts/floor.lua")]),
            Self::Own => always(&[Owner], &[include_str!("scripts/own.lua")]),
            Self::Ack => always(&[Owner, Facts, Marks], &[include_str!("scripts/ack.lua")]),
            Self::Take => {
                always(&[Owner, Facts, Marks, FloorKey], &[include_str!("scripts/take.lua")])
            }
            Self::Mark => always(&[Owner, Marks], &[include_str!("scripts/mark.lua")]),
            Self::Fact => adds(
                &[State, Facts, FloorKey],
                &[NUMBERS, FACT_QUEUE, include_str!("scripts/fact.lua")],
            ),
            Self::Count => always(
                &[
                    Tombstone,
                    NodeChannels,
                    Incarnations,
                    State,
                    Members,
                    LastEvent,
                    Lingering,
                    Occupied,
                    Facts,
                    FloorKey,
                    Topic,
                    WatchersTopic,
                ],
                &[
                    FENCE,
                    NUMBERS,
                    FACT_QUEUE,
                    CHANNEL,
                    REMOVAL,
                    LOG,
                    LOG_LIFE,
                    include_str!("scripts/count.lua"),
                ],
            ),
            Self::Join => adds(
                &[
                    Tombstone,
                    NodeChannels,
                    Incarnations,
                    State,
                    Members,
                    References,
                    Lingering,
                    Facts,
                    FloorKey,
                    Topic,
                ],
                &[FENCE, NUMBERS, FACT_QUEUE, CHANNEL, include_str!("scripts/join.lua")],
            ),
            Self::Leave => always(
                &[
                    Tombstone,
                    NodeChannels,
                    State,
                    Members,
                    References,
                    LastEvent,
                    Lingering,
                    Facts,
                    FloorKey,
                    Topic,
                ],
                &[FENCE, NUMBERS, FACT_QUEUE, CHANNEL, REMOVAL, include_str!("scripts/leave.lua")],
            ),
            Self::End => always(
                &[
                    State,
                    Members,
                    References,
                    LastEvent,
                    Log,
                    Lingering,
                    Occupied,
                    Facts,
                    FloorKey,
                    Topic,
                    WatchersTopic,
                ],
                &[
                    NUMBERS,
                    FACT_QUEUE,
                    CHANNEL,
                    REMOVAL,
                    LOG_ENDING,
                    include_str!("scripts/end.lua"),
                ],
            ),
            Self::Last => adds(
                &[Tombstone, State, LastEvent, Lingering, FloorKey, Topic],
                &[FENCE, NUMBERS, CHANNEL, STORED, KEEPING, include_str!("scripts/last.lua")],
            ),
            Self::Append => adds(
                &LOG_WRITE_KEYS,
                &[
                    FENCE,
                    NUMBERS,
                    CHANNEL,
                    STORED,
                    KEEPING,
                    LOG,
                    include_str!("scripts/append.lua"),
                ],
            ),
            Self::Clear => always(
                &LOG_WRITE_KEYS,
                &[FENCE, NUMBERS, CHANNEL, LOG, include_str!("scripts/clear.lua")],
            ),
            Self::Read => always(
                &[State, Log, FloorKey],
                &[NUMBERS, CLOCK, LOG, include_str!("scripts/read.lua")],
            ),
            Self::Renew => adds(&[LastEvent], &[STORED, include_str!("scripts/renew.lua")]),
            Self::Snapshot => Definition {
                more: &["mark_topic"],
                ..always(&[State, Members, LastEvent, Log], &[include_str!("scripts/snapshot.lua")])
            },
            Self::Beat => control(&[include_str!("scripts/beat.lua")]),
            Self::Claim => control(&[include_str!("scripts/claim.lua")]),
            Self::Forget => control(&[include_str!("scripts/forget.lua")]),
        }
    }

    fn text(self) -> String {
        let Definition { first_line, keys, more, parts } = self.definition();
        let variables = keys.iter().map(|key| key.variable()).chain(more.iter().copied());
        let variables = variables.collect::<Vec<_>>().join(", ");
        let declared = format!("{first_line}\nlocal {variables} = unpack(KEYS)\n");
        parts.iter().fold(declared, |text, part| text + part)
    }
}

/// The texts of all scripts with the names that Redis gives them. Built once for each process.
pub struct Scripts([LoadableScript; Script::ALL.len()]);

struct LoadableScript {
    text: String,
    sha1: String,
}

impl Scripts {
    pub fn new() -> Self {
        Self(Script::ALL.map(|script| {
            let text = script.text();
            // The protocol of Redis names scripts by SHA-1. Nothing relies on its strength.
            let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
            LoadableScript { sha1: hex(sha1.as_ref()), text }
        }))
    }

    /// The commands that make all scripts known to a master, before anything else on a connection.
    pub fn load(&self) -> impl Iterator<Item = Cmd> {
        self.0.iter().map(|script| {
            let mut command = redis::cmd("SCRIPT");
            command.arg("LOAD").arg(&script.text);
            command
        })
    }

    pub(super) fn sha1(&self, script: Script) -> &str {
        &self.0[script as usize].sha1
    }
}

impl Default for Scripts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [Key; 16] = [
        Key::Tombstone,
        Key::NodeChannels,
        Key::Incarnations,
        Key::State,
        Key::Members,
        Key::References,
        Key::LastEvent,
        Key::Log,
        Key::Appends,
        Key::Lingering,
        Key::Occupied,
        Key::Facts,
        Key::Marks,
        Key::Owner,
        Key::Floor,
        Key::Topic,
    ];

    fn code(script: Script) -> Vec<String> {
        let text = script.text();
        let lines = text.lines().skip(2).map(|line| line.split("--").next().unwrap_or_default());
        let words = |line: &str| -> Vec<String> {
            line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .map(str::to_owned)
                .collect()
        };
        lines.flat_map(words).collect()
    }

    #[test]
    fn scripts_declare_the_keys_that_they_use() {
        for script in Script::ALL {
            let words = code(script);
            for key in KEYS {
                let used = words.iter().any(|word| word == key.variable());
                assert_eq!(used, script.keys().contains(&key), "{script:?} {key:?}");
            }
        }
    }

    #[test]
    fn each_script_has_a_place_and_a_text_of_its_own() {
        let scripts = Scripts::new();
        for (at, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, at);
            let same = Script::ALL.iter().filter(|it| scripts.sha1(**it) == scripts.sha1(script));
            assert_eq!(same.count(), 1, "{script:?}");
        }
    }
}
