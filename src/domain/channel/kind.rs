//! The kinds of channels and their rules. Code elsewhere asks a kind about a rule and never compares
//! kinds; each rule is a match over all of them.

/// The authorization a channel requires, and the treatment of its payloads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Public,
    Private,
    /// Private, with ciphertext payloads.
    Encrypted,
    Presence,
    /// `#server-to-user-<id>`: the connections signed in as that user.
    User,
    /// Internal: the watchers of a user. Clients cannot name it.
    Watch,
}

/// Two dimensions, because a private channel may be cached as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelKind {
    pub(super) access: Access,
    cached: bool,
}

pub const ENCRYPTED_PREFIX: &str = "private-encrypted-";
const PRIVATE_PREFIX: &str = "private-";
const PRESENCE_PREFIX: &str = "presence-";

/// All prefixes of channels with authorization.
pub const PREFIXES: [&str; 3] = [ENCRYPTED_PREFIX, PRIVATE_PREFIX, PRESENCE_PREFIX];

impl ChannelKind {
    pub const ALL: [Self; 10] = [
        Self::new(Access::Public, false),
        Self::new(Access::Public, true),
        Self::new(Access::Private, false),
        Self::new(Access::Private, true),
        Self::new(Access::Encrypted, false),
        Self::new(Access::Encrypted, true),
        Self::new(Access::Presence, false),
        Self::new(Access::Presence, true),
        Self::USER,
        Self::WATCH,
    ];

    pub(super) const USER: Self = Self::new(Access::User, false);
    pub(super) const WATCH: Self = Self::new(Access::Watch, false);

    const fn new(access: Access, cached: bool) -> Self {
        Self { access, cached }
    }

    /// The kind of a name without `#`, or of all names with this beginning. Longest prefix first; a
    /// prefix only counts with its dash ("privateer" is public).
    pub fn of(name: &str) -> Self {
        let (access, rest) = if let Some(rest) = name.strip_prefix(ENCRYPTED_PREFIX) {
            (Access::Encrypted, rest)
        } else if let Some(rest) = name.strip_prefix(PRIVATE_PREFIX) {
            (Access::Private, rest)
        } else if let Some(rest) = name.strip_prefix(PRESENCE_PREFIX) {
            (Access::Presence, rest)
        } else {
            (Access::Public, name)
        };
        Self { access, cached: rest.starts_with("cache-") }
    }

    /// The kind in metrics and traces, where being cached is a label of its own.
    pub fn label(self) -> &'static str {
        match self.access {
            Access::Public => "public",
            Access::Private => "private",
            Access::Encrypted => "encrypted",
            Access::Presence => "presence",
            Access::User => "user",
            Access::Watch => "watch",
        }
    }

    /// True if the channel keeps its last event for new subscribers.
    pub fn is_cached(self) -> bool {
        self.cached
    }

    /// True if every client of the app may subscribe.
    pub fn is_public(self) -> bool {
        match self.access {
            Access::Public => true,
            Access::Private
            | Access::Encrypted
            | Access::Presence
            | Access::User
            | Access::Watch => false,
        }
    }

    /// True if an auth endpoint decides about each subscription.
    pub fn needs_authorization(self) -> bool {
        match self.access {
            Access::Private | Access::Encrypted | Access::Presence => true,
            Access::Public | Access::User | Access::Watch => false,
        }
    }

    /// True if subscribers have an identity and see each other.
    pub fn has_members(self) -> bool {
        match self.access {
            Access::Presence => true,
            Access::Public | Access::Private | Access::Encrypted | Access::User | Access::Watch => {
                false
            }
        }
    }

    /// True if payloads travel as ciphertext.
    pub fn is_encrypted(self) -> bool {
        match self.access {
            Access::Encrypted => true,
            Access::Public | Access::Private | Access::Presence | Access::User | Access::Watch => {
                false
            }
        }
    }

    /// True if clients may send events (protocol.md 6).
    pub fn takes_client_events(self) -> bool {
        match self.access {
            Access::Private | Access::Presence => true,
            Access::Public | Access::Encrypted | Access::User | Access::Watch => false,
        }
    }

    /// True if subscribers are sent subscription counts. Members are counted by their identity
    /// instead.
    pub fn sends_counts(self) -> bool {
        match self.access {
            Access::Public | Access::Private | Access::Encrypted => true,
            Access::Presence | Access::User | Access::Watch => false,
        }
    }

    /// True if the API and webhooks show the channel: user channels and internal topics are reserved
    /// (protocol.md 5.2).
    pub fn is_listed(self) -> bool {
        match self.access {
            Access::Public | Access::Private | Access::Encrypted | Access::Presence => true,
            Access::User | Access::Watch => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels of the kinds with this answer.
    fn kinds_with(answer: impl Fn(ChannelKind) -> bool) -> Vec<&'static str> {
        ChannelKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_cached() && answer(*kind))
            .map(ChannelKind::label)
            .collect()
    }

    #[test]
    fn each_rule_holds_for_its_kinds() {
        assert_eq!(kinds_with(ChannelKind::is_public), ["public"]);
        let authorized = ["private", "encrypted", "presence"];
        assert_eq!(kinds_with(ChannelKind::needs_authorization), authorized);
        assert_eq!(kinds_with(ChannelKind::has_members), ["presence"]);
        assert_eq!(kinds_with(ChannelKind::is_encrypted), ["encrypted"]);
        assert_eq!(kinds_with(ChannelKind::takes_client_events), ["private", "presence"]);
        assert_eq!(kinds_with(ChannelKind::sends_counts), ["public", "private", "encrypted"]);
        let listed = ["public", "private", "encrypted", "presence"];
        assert_eq!(kinds_with(ChannelKind::is_listed), listed);
    }

    #[test]
    fn caching_changes_no_other_rule() {
        for cached in ChannelKind::ALL.into_iter().filter(|kind| kind.is_cached()) {
            let answers = |kind: ChannelKind| {
                [
                    kind.is_public(),
                    kind.needs_authorization(),
                    kind.has_members(),
                    kind.is_encrypted(),
                    kind.takes_client_events(),
                    kind.sends_counts(),
                    kind.is_listed(),
                ]
            };
            let plain = ChannelKind { cached: false, ..cached };
            assert_eq!(answers(cached), answers(plain), "{}", cached.label());
        }
    }

    #[test]
    fn prefixes_are_those_of_the_kinds_with_authorization() {
        for prefix in PREFIXES {
            assert!(ChannelKind::of(prefix).needs_authorization(), "{prefix}");
        }
    }
}
