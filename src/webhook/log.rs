//! The latest requests to an endpoint and its responses, for operators.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::batch::Event;

/// Requests remembered per endpoint.
const MOST: usize = 200;
/// Events named per request; the others are counted.
const NAMED: usize = 5;

/// One request. It names events and channels and contains no client data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
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
pub struct DeliveryLog(Mutex<VecDeque<Delivery>>);

impl DeliveryLog {
    pub fn note(&self, delivery: Delivery) {
        let mut latest = self.0.lock();
        if latest.len() == MOST {
            latest.pop_front();
        }
        latest.push_back(delivery);
    }

    /// Oldest first.
    pub fn latest(&self) -> Vec<Delivery> {
        self.0.lock().iter().cloned().collect()
    }
}

/// Short names of the first events.
pub fn named(events: &[Event]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Name<'a> {
        name: &'a str,
    }
    let name = |event: &Event| {
        let name = serde_json::from_str::<Name<'_>>(&event.json).map_or("?", |event| event.name);
        format!("{name} {}", event.channel)
    };
    events.iter().take(NAMED).map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn delivery(attempt: u32) -> Delivery {
        let (time, endpoint) = (String::new(), "https://a.example/".into());
        Delivery {
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
    fn the_oldest_give_way() {
        let log = DeliveryLog::default();
        (1..=205).for_each(|attempt| log.note(delivery(attempt)));
        let latest: Vec<u32> = log.latest().iter().map(|delivery| delivery.attempt).collect();
        assert_eq!(latest, (6..=205).collect::<Vec<u32>>());
    }

    #[test]
    fn events_are_named_by_what_they_are_and_where_but_not_by_what_was_said() {
        let event = |json: &str| Event {
            channel: "private-x".into(),
            json: json.into(),
            since: Instant::now(),
            letter: None,
        };
        let said = r#"{"name":"client_event","channel":"private-x","data":"secret"}"#;
        assert_eq!(named(&[event(said)]), ["client_event private-x"]);
        assert_eq!(named(&vec![event(said); 9]).len(), 5);
    }
}
