//! The latest requests to an endpoint and its responses, for operators.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::batch::QueuedEvent;

/// Requests remembered per endpoint.
const MAX_RECORDS: usize = 200;
/// Events named per request; the others are counted.
const MAX_NAMED_EVENTS: usize = 5;

/// One request. It names events and channels and contains no client data.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryRecord {
    pub time: String,
    /// Label; unique within an app.
    pub endpoint: Arc<str>,
    /// 1 for the first request of a batch.
    pub attempt: u32,
    pub milliseconds: u64,
    pub events: usize,
    /// `name channel` of the first few events.
    pub named: Vec<String>,
    /// Error of a failed request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Default)]
pub struct DeliveryLog(Mutex<VecDeque<DeliveryRecord>>);

impl DeliveryLog {
    pub fn note(&self, delivery: DeliveryRecord) {
        let mut latest = self.0.lock();
        if latest.len() == MAX_RECORDS {
            latest.pop_front();
        }
        latest.push_back(delivery);
    }

    /// Oldest first.
    pub fn latest(&self) -> Vec<DeliveryRecord> {
        self.0.lock().iter().cloned().collect()
    }
}

/// Short names of the first events.
pub fn named(events: &[QueuedEvent]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Name<'a> {
        name: &'a str,
    }
    let name = |event: &QueuedEvent| {
        let name = serde_json::from_str::<Name<'_>>(&event.json).map_or("?", |event| event.name);
        format!("{name} {}", event.channel)
    };
    events.iter().take(MAX_NAMED_EVENTS).map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn delivery(attempt: u32) -> DeliveryRecord {
        let (time, endpoint) = (String::new(), "https://a.example/".into());
        DeliveryRecord {
            time,
            endpoint,
            attempt,
            milliseconds: 1,
            events: 1,
            named: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn oldest_entries_are_evicted() {
        let log = DeliveryLog::default();
        (1..=205).for_each(|attempt| log.note(delivery(attempt)));
        let latest: Vec<u32> = log.latest().iter().map(|delivery| delivery.attempt).collect();
        assert_eq!(latest, (6..=205).collect::<Vec<u32>>());
    }

    #[test]
    fn events_are_listed_by_name_and_channel_without_data() {
        let event = |json: &str| QueuedEvent {
            channel: "private-x".into(),
            json: json.into(),
            since: Instant::now(),
            letter: None,
            receipt: None,
        };
        let said = r#"{"name":"client_event","channel":"private-x","data":"secret"}"#;
        assert_eq!(named(&[event(said)]), ["client_event private-x"]);
        assert_eq!(named(&vec![event(said); 9]).len(), 5);
    }
}
