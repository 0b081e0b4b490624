//! How much an application may do; the defaults are those of PROTOCOL section 11.

use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct Limits {
    pub connections: Option<usize>,
    pub event_bytes: usize,
    pub event_name_chars: usize,
    pub channel_name_bytes: usize,
    pub channels_per_event: usize,
    pub batch_events: usize,
    pub client_event_bytes: usize,
    pub client_events_per_second: u32,
    pub presence_members: usize,
    pub presence_member_bytes: usize,
    pub user_id_chars: usize,
    pub watchlist_ids: usize,
    pub cache_ttl: Duration,
    pub channels_per_connection: usize,
}

/// Lets `rate` things a second pass, and up to `rate` of them at once after a pause.
#[derive(Debug)]
pub struct TokenBucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub fn new(rate: u32, now: Instant) -> Self {
        Self { rate: f64::from(rate), tokens: f64::from(rate), filled: now }
    }

    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate);
        self.filled = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, start);
        let granted = |bucket: &mut TokenBucket, ms, tries| {
            (0..tries).filter(|_| bucket.take(start + Duration::from_millis(ms))).count()
        };
        assert_eq!(granted(&mut bucket, 0, 100), 10);
        assert_eq!(granted(&mut bucket, 99, 100), 0);
        assert_eq!(granted(&mut bucket, 1099, 100), 10);
        assert_eq!(granted(&mut bucket, 99_000, 100), 10);
        assert_eq!(TokenBucket::new(0, start).take(start), false);
    }
}
