//! Answers: events of a log, at most a mebibyte of them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    no_history,
    paging::{MAX_BYTES, Paging},
    store,
};
use crate::{
    domain::{channel::Channel, refusal::RefusalCode},
    engine::{
        AppRuntime, Engine,
        history::{
            last::{LastForReader, Logged},
            reading::{HistoryEvent, HistoryPage, ReaderView},
        },
    },
    web::http::error::{ApiError, blocking},
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct HistoryAnswer {
    #[schema(value_type = Vec<EventAnswer>)]
    events: Vec<Box<RawValue>>,
    more: bool,
    /// Why events next to the page's bounds are missing.
    gap: Option<&'static str>,
    /// The end of the log: who has read all of it goes on from here.
    position: String,
    /// Bytes of the events.
    #[serde(skip)]
    pub bytes: usize,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct EventAnswer<'a> {
    name: &'a str,
    data: &'a str,
    position: Option<&'a str>,
    /// Milliseconds since 1970.
    time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

/// The newest event, for one reader.
pub enum LastAnswer {
    None,
    /// It is from before the reader was let in again. Its position, for a condition.
    Hidden(String),
    Event {
        event: Box<RawValue>,
        position: Option<String>,
    },
}

/// A page of the channel's log.
pub async fn read(
    engine: &Arc<Engine>,
    runtime: &Arc<AppRuntime>,
    channel: &Channel,
    paging: Paging,
    view: ReaderView,
) -> Result<HistoryAnswer, ApiError> {
    let store = store(runtime, channel)?;
    let (query, gap) = paging.resolve(engine, runtime, channel, store);
    let part = engine.read_log(runtime, channel, &query, view).await?;
    let read = {
        let (engine, runtime, channel) = (engine.clone(), runtime.clone(), channel.clone());
        move || {
            let page = match &part {
                Some(part) => Some(engine.log_page(&runtime, &channel, &query, view, part)),
                None => engine.history_page(&runtime, &channel, &query, view),
            };
            let page = page.ok_or_else(no_history)?;
            let gap = gap.or(page.gap).map(|gap| gap.name());
            answer(&engine, &runtime, &channel, &page, gap)
        }
    };
    // Events of a sealed channel are opened and sealed again, which other requests need not wait
    // for.
    if runtime.app().ring(channel).is_some() { blocking(read).await } else { read() }
}

fn answer(
    engine: &Engine,
    runtime: &AppRuntime,
    channel: &Channel,
    page: &HistoryPage,
    gap: Option<&'static str>,
) -> Result<HistoryAnswer, ApiError> {
    let place = |number| engine.history.position(runtime, channel, page.store, number);
    let (mut events, mut bytes) = (Vec::with_capacity(page.events.len()), 0);
    let mut more = page.more;
    for event in &page.events {
        let written = write(event, &place(event.number))?;
        bytes += written.get().len();
        if bytes > MAX_BYTES && !events.is_empty() {
            more = true;
            break;
        }
        events.push(written);
    }
    Ok(HistoryAnswer { events, more, gap, position: place(page.last), bytes })
}

fn write(event: &HistoryEvent, position: &str) -> Result<Box<RawValue>, ApiError> {
    let answer = EventAnswer {
        name: &event.name,
        data: &event.data,
        position: Some(position),
        time: Some(event.at_micros / 1000),
        user_id: event.user_id.as_deref(),
    };
    to_raw_value(&answer).map_err(unwritable)
}

/// The newest event of the channel's log.
pub async fn newest(
    engine: &Arc<Engine>,
    runtime: &Arc<AppRuntime>,
    channel: &Channel,
    view: ReaderView,
) -> Result<LastAnswer, ApiError> {
    let store = store(runtime, channel)?;
    let (query, _) = Paging::NEWEST.resolve(engine, runtime, channel, store);
    let page = match engine.read_log(runtime, channel, &query, view).await? {
        Some(part) => Some(engine.log_page(runtime, channel, &query, view, &part)),
        None => engine.history_page(runtime, channel, &query, view),
    };
    let page = page.ok_or_else(no_history)?;
    let place = |number| engine.history.position(runtime, channel, page.store, number);
    let Some(event) = page.events.first() else {
        // A page without bounds has no other reason for a gap.
        return Ok(match page.gap {
            Some(_) => LastAnswer::Hidden(place(page.last)),
            None => LastAnswer::None,
        });
    };
    let position = place(event.number);
    Ok(LastAnswer::Event { event: write(event, &position)?, position: Some(position) })
}

/// The last event of a cache channel, as a new subscriber is given it.
pub async fn cached(
    engine: &Engine,
    runtime: &AppRuntime,
    channel: &Channel,
    view: ReaderView,
) -> Result<LastAnswer, ApiError> {
    let last = match engine.read_last(runtime, channel, view).await? {
        Some(last) => last,
        None => runtime.last_for_reader(channel, view.version),
    };
    let Some(last) = last else { return Ok(LastAnswer::None) };
    let LastForReader { name, data, logged } = &last;
    let logged = logged.as_ref();
    let place =
        |logged: &Logged| engine.history.position(runtime, channel, logged.store, logged.number);
    if let Some(hidden) = logged.filter(|logged| logged.number.0 < view.not_before) {
        return Ok(LastAnswer::Hidden(place(hidden)));
    }
    let position = logged.map(place);
    let answer = EventAnswer {
        name,
        data,
        position: position.as_deref(),
        time: logged.map(|logged| logged.at_micros / 1000),
        user_id: logged.and_then(|logged| logged.user_id.as_deref()),
    };
    Ok(LastAnswer::Event { event: to_raw_value(&answer).map_err(unwritable)?, position })
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::new(RefusalCode::InvalidData, error.to_string())
}
