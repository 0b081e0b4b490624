//! The frames of the server.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::request::RequestId;
use crate::{
    domain::time::UnixSeconds,
    engine::{marks::TimelineMark, reveal::RevealedEvent},
    observe::live::{ClassCounts, FeedBatch},
    web::{
        console::series::{Backfill, SeriesRow},
        http::error::{ApiError, ErrorBody},
    },
};

pub fn ok(id: RequestId, answer: &impl Serialize) -> String {
    json!({ "id": id, "ok": answer }).to_string()
}

pub fn error(id: Option<RequestId>, error: &ApiError) -> String {
    #[derive(Serialize)]
    struct ErrorFrame<'a> {
        id: Option<RequestId>,
        error: ErrorBody<'a>,
    }
    text(&ErrorFrame { id, error: error.body() })
}

/// The answer to a watch of the series.
pub fn backfill(id: RequestId, backfill: &Backfill, marks: &[TimelineMark]) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        backfill: &'a Backfill,
        marks: &'a [TimelineMark],
    }
    #[derive(Serialize)]
    struct BackfillFrame<'a> {
        id: RequestId,
        ok: Answer<'a>,
    }
    text(&BackfillFrame { id, ok: Answer { backfill, marks } })
}

pub fn row(watch: RequestId, at: UnixSeconds, row: &SeriesRow) -> String {
    #[derive(Serialize)]
    struct RowFrame<'a> {
        watch: RequestId,
        at: UnixSeconds,
        v: &'a SeriesRow,
    }
    text(&RowFrame { watch, at, v: row })
}

pub fn mark(watch: RequestId, mark: &TimelineMark) -> String {
    json!({ "watch": watch, "mark": mark }).to_string()
}

/// Entries are JSON already.
pub fn entries(watch: RequestId, batch: &FeedBatch) -> String {
    let mut frame = format!("{{\"watch\":{watch},\"entries\":[");
    for (index, entry) in batch.urgent.iter().chain(&batch.others).enumerate() {
        if index > 0 {
            frame.push(',');
        }
        frame.push_str(entry);
    }
    frame.push(']');
    if batch.more > 0 {
        // Into a string: it does not fail.
        let _ = write!(frame, ",\"more\":{}", batch.more);
    }
    frame.push('}');
    frame
}

pub fn counts(watch: RequestId, at: UnixSeconds, counts: &ClassCounts) -> String {
    #[derive(Serialize)]
    struct Counts<'a> {
        at: UnixSeconds,
        #[serde(flatten)]
        counts: &'a ClassCounts,
    }
    json!({ "watch": watch, "counts": Counts { at, counts } }).to_string()
}

pub fn revealed(watch: RequestId, events: &[RevealedEvent]) -> String {
    #[derive(Serialize)]
    struct RevealedFrame<'a> {
        watch: RequestId,
        revealed: &'a [RevealedEvent],
    }
    text(&RevealedFrame { watch, revealed: events })
}

pub fn ended(watch: RequestId, reason: &str) -> String {
    json!({ "watch": watch, "ended": reason }).to_string()
}

fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}
