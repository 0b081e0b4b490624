//! The parameters of a page.

use crate::{
    channels::log::{GapReason, LogNumber, PageOrder, PageQuery},
    domain::{channel::Channel, channel_settings::HistoryStore, refusal::RefusalCode},
    engine::{AppRuntime, Engine},
    history::position::PositionLookup,
    web::http::{error::ApiError, query::Query},
};

pub const MAX_EVENTS: usize = 1000;
const DEFAULT_EVENTS: usize = 100;
/// Bytes of an answer.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The parameters as they were sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Paging {
    after: Option<String>,
    before: Option<String>,
    order: PageOrder,
    limit: usize,
}

impl Paging {
    pub const NEWEST: Self =
        Self { after: None, before: None, order: PageOrder::NewestFirst, limit: 1 };

    pub fn read(query: &Query) -> Result<Self, ApiError> {
        let invalid = |message: String| ApiError::new(RefusalCode::InvalidPage, message);
        let once = |name: &str| {
            let mut values = query.iter().filter(|(key, _)| *key == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (first, None) => Ok(first),
                (_, Some(_)) => Err(invalid(format!("The parameter {name} is given twice"))),
            }
        };
        let order = match once("order")? {
            None | Some("oldest") => PageOrder::OldestFirst,
            Some("newest") => PageOrder::NewestFirst,
            Some(_) => return Err(invalid("order is oldest or newest".into())),
        };
        let limit = match once("limit")? {
            None => DEFAULT_EVENTS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_EVENTS).contains(limit))
                .ok_or_else(|| invalid(format!("limit is a number from 1 to {MAX_EVENTS}")))?,
        };
        let owned = |name: &str| Ok::<_, ApiError>(once(name)?.map(str::to_owned));
        Ok(Self { after: owned("after")?, before: owned("before")?, order, limit })
    }

    /// The query, and a gap that it begins with: a position of another life of the log, or of
    /// nothing here.
    pub fn resolve(
        &self,
        engine: &Engine,
        runtime: &AppRuntime,
        channel: &Channel,
        store: HistoryStore,
    ) -> (PageQuery, Option<GapReason>) {
        let number = |position: &Option<String>| -> Result<Option<LogNumber>, GapReason> {
            let Some(position) = position else { return Ok(None) };
            match engine.history.look_up(runtime, channel, store, position) {
                Some(PositionLookup::Named(number)) => Ok(Some(number)),
                Some(PositionLookup::Restarted) => Err(GapReason::Restarted),
                Some(PositionLookup::Ambiguous | PositionLookup::NotNamed) | None => {
                    Err(GapReason::UnknownPosition)
                }
            }
        };
        let (after, before) = (number(&self.after), number(&self.before));
        let gap = after.err().or(before.err());
        let query = PageQuery {
            after: after.unwrap_or_default(),
            // Nothing is known to be older than an unknown position.
            before: before.unwrap_or(Some(LogNumber(0))),
            order: self.order,
            limit: self.limit,
            bytes: MAX_BYTES,
        };
        (query, gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let read = |query: &str| Paging::read(&Query::parse(query));
        let default = read("").expect("all have defaults");
        assert_eq!((default.limit, default.order), (100, PageOrder::OldestFirst));
        let paging = read("after=a&before=b&order=newest&limit=1000&x=y&x=z").expect("good");
        assert_eq!((paging.after.as_deref(), paging.before.as_deref()), (Some("a"), Some("b")));
        assert_eq!((paging.limit, paging.order), (1000, PageOrder::NewestFirst));
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=",
            "limit=1e2",
            "limit=99999999999999999999",
            "order=",
            "order=desc",
            "after=a&after=a",
            "limit=1&limit=1",
        ] {
            let error = read(query).expect_err(query);
            assert_eq!(error.code().name(), "invalid_page", "{query}");
        }
    }
}
