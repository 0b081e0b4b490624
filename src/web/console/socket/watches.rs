//! The watches of one socket.

use super::{feed::FeedWatch, request::RequestId, request::invalid, reveal::RevealWatch};
use crate::web::http::error::ApiError;

/// Enough for all that one page shows.
const MAX_WATCHES: usize = 8;

#[derive(Default)]
pub struct Watches {
    pub series: Vec<SeriesWatch>,
    pub feeds: Vec<FeedWatch>,
    pub reveals: Vec<RevealWatch>,
}

pub struct SeriesWatch {
    pub id: RequestId,
    /// Marks that were sent.
    pub marks: u64,
}

impl Watches {
    fn ids(&self) -> impl Iterator<Item = RequestId> {
        let series = self.series.iter().map(|watch| watch.id);
        let feeds = self.feeds.iter().map(|watch| watch.id);
        series.chain(feeds).chain(self.reveals.iter().map(|watch| watch.id))
    }

    pub fn check_new(&self, id: RequestId) -> Result<(), ApiError> {
        if self.ids().any(|known| known == id) {
            return Err(invalid("There is a watch with this id: stop it, or count on"));
        }
        if self.ids().count() >= MAX_WATCHES {
            return Err(invalid("This socket has eight watches, which is the limit"));
        }
        Ok(())
    }

    pub fn has_series(&self) -> bool {
        !self.series.is_empty()
    }

    /// True if something is to be sent ten times a second.
    pub fn has_batches(&self) -> bool {
        !(self.feeds.is_empty() && self.reveals.is_empty())
    }

    /// The last frame of a stopped watch, if it has one. The error: there is no such watch.
    pub fn stop(&mut self, id: RequestId) -> Result<Option<String>, ApiError> {
        if !self.ids().any(|known| known == id) {
            return Err(invalid("There is no watch with this id"));
        }
        self.series.retain(|watch| watch.id != id);
        self.feeds.retain(|watch| watch.id != id);
        Ok(self.end_reveals(|watch| (watch.id == id).then_some("stopped")).pop())
    }

    /// Ends those with a reason; returns the frames that say so.
    pub fn end_reveals(
        &mut self,
        reason: impl Fn(&RevealWatch) -> Option<&'static str>,
    ) -> Vec<String> {
        let (mut kept, mut frames) = (Vec::new(), Vec::new());
        for watch in self.reveals.drain(..) {
            match reason(&watch) {
                Some(reason) => frames.push(watch.end(reason)),
                None => kept.push(watch),
            }
        }
        self.reveals = kept;
        frames
    }
}
