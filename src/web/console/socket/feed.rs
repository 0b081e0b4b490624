//! A watch of the live feed.

use super::request::RequestId;
use crate::{
    domain::refusal::RefusalCode,
    observe::live::{LiveFilter, SamplerGuard},
    platform::clock::unix_now,
    web::{
        console::socket::frames, context::worker::Worker, http::error::ApiError,
        settings::live_feed_access::LiveFeedAccess,
    },
};

pub struct FeedWatch {
    pub id: RequestId,
    sampler: SamplerGuard,
}

impl FeedWatch {
    pub fn begin(worker: &Worker, id: RequestId, filter: &str) -> Result<Self, ApiError> {
        Self::check(worker)?;
        let filter = LiveFilter::parse(filter)
            .map_err(|error| ApiError::new(RefusalCode::UnknownFilter, error.to_string()))?;
        let sampler = worker
            .engine
            .live()
            .sample(filter)
            .map_err(|error| ApiError::new(RefusalCode::TooManyWatchers, error.to_string()))?;
        Ok(Self { id, sampler })
    }

    /// A reload may switch the feed off.
    pub fn check(worker: &Worker) -> Result<(), ApiError> {
        if worker.settings().live_feed != LiveFeedAccess::Off {
            return Ok(());
        }
        let message = "The live feed is off: set live_feed = \"loopback\" to watch it";
        Err(ApiError::new(RefusalCode::LiveFeedRefused, message))
    }

    /// What is to be sent now; with the counts of the last second where `is_second`.
    pub fn frames(&self, is_second: bool) -> impl Iterator<Item = String> + use<> {
        let batch = self.sampler.take();
        let entries = (!batch.is_empty()).then(|| frames::entries(self.id, &batch));
        let counts =
            is_second.then(|| frames::counts(self.id, unix_now(), &self.sampler.take_counts()));
        entries.into_iter().chain(counts)
    }
}
