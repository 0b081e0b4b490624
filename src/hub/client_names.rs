//! The names that client libraries give themselves in the URL. Thousands of connections share one, so
//! each worker keeps it once.

use indexmap::IndexSet;

/// As the client wrote them, cut: strangers choose them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ClientName {
    pub name: Option<Box<str>>,
    pub version: Option<Box<str>>,
    pub protocol: Option<u8>,
}

/// The index of a name in its worker's table. 0: the client gave none, or the table was full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientNameId(u16);

impl ClientNameId {
    pub const NONE: Self = Self(0);
}

/// More than there are libraries in their versions. Made-up names beyond them are not kept.
const MAX_NAMES: usize = 500;
const MAX_CHARS: usize = 40;

impl ClientName {
    /// From the parameters `client`, `version` and `protocol`.
    pub fn of(name: Option<&str>, version: Option<&str>, protocol: Option<&str>) -> Self {
        let cut = |text: &str| text.chars().take(MAX_CHARS).collect::<String>().into();
        let cut = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(cut);
        let protocol = protocol.and_then(|number| number.parse().ok());
        Self { name: cut(name), version: cut(version), protocol }
    }
}

#[derive(Default)]
pub struct ClientNames(IndexSet<ClientName>);

impl ClientNames {
    pub fn id(&mut self, name: ClientName) -> ClientNameId {
        if name == ClientName::default() {
            return ClientNameId::NONE;
        }
        let known = self.0.get_index_of(&name);
        let index = known.or_else(|| {
            let has_room = self.0.len() < MAX_NAMES;
            has_room.then(|| self.0.insert_full(name).0)
        });
        ClientNameId(index.map_or(0, |index| index as u16 + 1))
    }

    pub fn get(&self, id: ClientNameId) -> ClientName {
        let index = usize::from(id.0).checked_sub(1);
        index.and_then(|index| self.0.get_index(index)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_kept_once() {
        let mut names = ClientNames::default();
        let js = ClientName::of(Some("js"), Some("8.4.0"), Some("7"));
        let first = names.id(js.clone());
        assert_eq!(names.id(js.clone()), first);
        assert_eq!((names.get(first), names.0.len()), (js, 1));
        assert_eq!(names.id(ClientName::of(None, Some(""), None)), ClientNameId::NONE);
        assert_eq!(names.get(ClientNameId::NONE), ClientName::default());
    }

    #[test]
    fn made_up_names_have_a_bound() {
        let mut names = ClientNames::default();
        let made_up = |n: usize| ClientName::of(Some(&format!("{n}")), None, None);
        for n in 0..2 * MAX_NAMES {
            names.id(made_up(n));
        }
        assert_eq!(names.0.len(), MAX_NAMES);
        assert_eq!(names.id(made_up(MAX_NAMES)), ClientNameId::NONE);
        assert_ne!(names.id(made_up(0)), ClientNameId::NONE);
        let long = ClientName::of(Some(&"é".repeat(1000)), None, Some("seven"));
        assert_eq!(long.name.map(|name| name.chars().count()), Some(MAX_CHARS));
        assert_eq!(long.protocol, None);
    }
}
