//! What a client may do on a channel. An authorization gives a set of abilities, and each request
//! needs one of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The names are those of `allow` in rules, tokens and answers of the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Join, and read what a new subscriber is given.
    Subscribe,
    /// Send client events as a subscriber.
    ClientEvents,
    /// Read what the channel's log still has.
    History,
    /// Publish over HTTP, as a backend does.
    Trigger,
    /// Delete the channel's log and its last event.
    Clear,
}

/// A set of abilities: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Abilities(u8);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAbilities {
    #[error("{0:?} is none of {names}", names = Abilities::ALL)]
    Unknown(String),
    #[error("it is empty: leave it out for {default}", default = Abilities::LEGACY)]
    Empty,
    #[error("\"client_events\" is for subscribers: add \"subscribe\"")]
    ClientEventsAlone,
}

impl Ability {
    pub const ALL: [Self; 5] =
        [Self::Subscribe, Self::ClientEvents, Self::History, Self::Trigger, Self::Clear];

    pub fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::ClientEvents => "client_events",
            Self::History => "history",
            Self::Trigger => "trigger",
            Self::Clear => "clear",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ability| ability.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Abilities {
    pub const NONE: Self = Self(0);
    pub const SUBSCRIBE: Self = Self::of(Ability::Subscribe);
    /// What an authorization gave before it could name abilities. Who names none gets these and
    /// never more, so that nobody gains anything by an upgrade of the server.
    pub const LEGACY: Self = Self(Ability::Subscribe.bit() | Ability::ClientEvents.bit());
    pub const ALL: Self = Self((1 << Ability::ALL.len()) - 1);

    pub const fn of(ability: Ability) -> Self {
        Self(ability.bit())
    }

    /// For another node.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Without abilities that this version does not know.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    pub const fn and(self, ability: Ability) -> Self {
        Self(self.0 | ability.bit())
    }

    pub fn allows(self, ability: Ability) -> bool {
        self.0 & ability.bit() != 0
    }

    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// True if all of these are abilities of `other` as well.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Ability> {
        Ability::ALL.into_iter().filter(move |ability| self.allows(*ability))
    }

    /// The set a grantor has written down.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Result<Self, InvalidAbilities> {
        let known = |name: &S| {
            let name = name.as_ref();
            Ability::of_name(name).ok_or_else(|| InvalidAbilities::Unknown(name.to_owned()))
        };
        let set: Self = names.iter().map(known).collect::<Result<_, _>>()?;
        if set.is_empty() {
            return Err(InvalidAbilities::Empty);
        }
        set.check()
    }

    /// Refuses a set of which a part has no effect.
    pub fn check(self) -> Result<Self, InvalidAbilities> {
        if self.allows(Ability::ClientEvents) && !self.allows(Ability::Subscribe) {
            return Err(InvalidAbilities::ClientEventsAlone);
        }
        Ok(self)
    }
}

impl FromIterator<Ability> for Abilities {
    fn from_iter<I: IntoIterator<Item = Ability>>(abilities: I) -> Self {
        Self(abilities.into_iter().fold(0, |bits, ability| bits | ability.bit()))
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ability) in self.iter().enumerate() {
            write!(f, "{}{ability}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_contain_what_they_were_made_of() {
        for bits in 0..=Abilities::ALL.0 {
            let set = Abilities(bits);
            assert_eq!(set.iter().collect::<Abilities>(), set);
            assert_eq!(set.iter().count() as u32, bits.count_ones());
            assert!(set.is_within(Abilities::ALL) && Abilities::NONE.is_within(set));
            assert_eq!(set.is_within(Abilities::NONE), set.is_empty());
        }
        assert_eq!(Abilities::LEGACY.to_string(), "subscribe, client_events");
        assert_eq!(Abilities::ALL.iter().collect::<Vec<_>>(), Ability::ALL);
    }

    #[test]
    fn names_are_those_of_the_written_form() {
        for ability in Ability::ALL {
            let written = serde_json::to_string(&ability).unwrap();
            assert_eq!(written, format!("\"{ability}\""));
            assert_eq!(Ability::of_name(ability.name()), Some(ability));
        }
        for name in ["", "Subscribe", "SUBSCRIBE", " history", "publish"] {
            assert_eq!(Ability::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_list() {
        let error = Abilities::named(&["subscribe", "read"]).unwrap_err().to_string();
        assert_eq!(error, "\"read\" is none of subscribe, client_events, history, trigger, clear");
        assert_eq!(Abilities::named::<&str>(&[]), Err(InvalidAbilities::Empty));
        assert_eq!(Abilities::named(&["client_events"]), Err(InvalidAbilities::ClientEventsAlone));
        let set = Abilities::named(&["trigger", "trigger", "history"]).unwrap();
        assert_eq!(set.to_string(), "history, trigger");
    }
}
