//! The entries a watcher wants; all by default.

use form_urlencoded::parse;

use super::entry::{EntryType, LiveEntry};
use crate::domain::{ids::SocketId, pattern::Pattern};

#[derive(Default, Debug)]
pub struct LiveFilter {
    app: Option<String>,
    channel: Option<Pattern>,
    types: Option<Vec<EntryType>>,
    socket: Option<SocketId>,
}

/// Each entry is compared with all of it.
const MAX_FILTER_BYTES: usize = 1024;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownFilter {
    #[error(
        "the filters are longer than {MAX_FILTER_BYTES} bytes: use * for what several names share"
    )]
    TooLong,
    #[error("there is no filter {0:?}: there are app, channel, type and socket")]
    Name(String),
    #[error("the filter {0} is given twice")]
    Twice(String),
    #[error("no type of entry is {given:?}: {}", advice(given))]
    Type { given: String },
    #[error("the filter socket: {0}")]
    Socket(#[from] crate::domain::ids::InvalidSocketId),
}

/// The names that are nearest; all of them would fill a screen.
fn advice(given: &str) -> String {
    let given = given.trim();
    let longest = |name: &str| name.len().max(given.len());
    let names = EntryType::ALL.iter().map(|kind| kind.name());
    let distance = |name: &&str| strsim::osa_distance(name, given);
    let near = names.filter(|name| distance(name) * 2 <= longest(name)).min_by_key(distance);
    let near = near.map(|name| format!("did you mean {name:?}? ")).unwrap_or_default();
    format!(
        "{near}* stands for any run of characters, as in \"auth_*\"; docs/live.md lists the types"
    )
}

impl LiveFilter {
    /// Parses the form in a URL: `app=ID&channel=PATTERN&type=A,B&socket=ID`.
    pub fn parse(query: &str) -> Result<Self, UnknownFilter> {
        if query.len() > MAX_FILTER_BYTES {
            return Err(UnknownFilter::TooLong);
        }
        let mut filter = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            let twice = match &*name {
                "app" => filter.app.replace(value.into_owned()).is_some(),
                "channel" => filter.channel.replace(Pattern::new(value)).is_some(),
                "type" => filter.types.replace(types(&value)?).is_some(),
                "socket" => filter.socket.replace(value.parse()?).is_some(),
                _ => return Err(UnknownFilter::Name(name.into_owned())),
            };
            if twice {
                return Err(UnknownFilter::Twice(name.into_owned()));
            }
        }
        Ok(filter)
    }

    /// An entry without the filtered field does not match.
    pub(super) fn wants(&self, entry: &LiveEntry<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.types.as_ref().is_none_or(|types| types.contains(&entry.r#type))
            && is(&self.app, entry.app)
            && self.socket.is_none_or(|socket| entry.socket_id == Some(socket))
            && self.channel.as_ref().is_none_or(|p| entry.channels().any(|name| p.matches(name)))
    }
}

fn types(list: &str) -> Result<Vec<EntryType>, UnknownFilter> {
    let mut wanted = Vec::new();
    for given in list.split(',') {
        let pattern = Pattern::new(given.trim());
        let mut matching =
            EntryType::ALL.iter().copied().filter(|kind| pattern.matches(kind.name())).peekable();
        if matching.peek().is_some() {
            matching.for_each(|kind| {
                if !wanted.contains(&kind) {
                    wanted.push(kind)
                }
            });
        } else {
            return Err(UnknownFilter::Type { given: given.to_owned() });
        }
    }
    Ok(wanted)
}
