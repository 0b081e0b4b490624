//! One open socket of the console: a task that reads requests and sends what is watched.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::time::{Interval, interval, timeout};
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, ProtocolError,
    Session,
};
use serde_json::json;
use tokio::{sync::watch, time::MissedTickBehavior};

use super::{
    feed::FeedWatch,
    frames,
    request::{RequestId, SocketRequest, Wish},
    reveal::RevealWatch,
    watches::{SeriesWatch, Watches},
};
use crate::{
    domain::time::UnixSeconds,
    observe::live::BATCHES_PER_SECOND,
    web::{
        console::{
            Console,
            session::{SessionEnd, SessionView},
        },
        context::worker::Worker,
        http::error::ApiError,
    },
};

const BATCH_INTERVAL: Duration = Duration::from_millis(1000 / BATCHES_PER_SECOND as u64);
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Unanswered pings after which the browser counts as gone.
const MAX_UNANSWERED_PINGS: u32 = 2;
/// Time in which a browser takes one frame, and again for its close frame.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Close codes for pages: whether to sign in again, or to come back.
const SIGNED_OUT: u16 = 4401;
const TOO_SLOW: u16 = 4100;

pub struct PageConnection {
    console: Arc<Console>,
    worker: Rc<Worker>,
    session: SessionView,
    by: Arc<str>,
    out: Session,
    watches: Watches,
    rows: watch::Receiver<UnixSeconds>,
    server_ends: watch::Receiver<bool>,
    batches: Interval,
    pings: Interval,
    batch: usize,
    unanswered: u32,
}

/// The reason for the end.
#[derive(Debug)]
enum PageEnd {
    Session(SessionEnd),
    Server,
    TooSlow,
    Left,
    TooLong,
}

impl From<Closed> for PageEnd {
    fn from(Closed: Closed) -> Self {
        Self::Left
    }
}

impl PageConnection {
    pub fn new(
        console: Arc<Console>,
        worker: Rc<Worker>,
        session: SessionView,
        by: Arc<str>,
        out: Session,
    ) -> Self {
        let mut batches = interval(BATCH_INTERVAL);
        batches.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pings = interval(PING_INTERVAL);
        // The first tick is immediate.
        pings.reset();
        Self {
            rows: console.series.subscribe(),
            server_ends: console.server_ends(),
            console,
            worker,
            session,
            by,
            out,
            watches: Watches::default(),
            batches,
            pings,
            batch: 0,
            unanswered: 0,
        }
    }

    /// Until one of the two sides ends it.
    pub async fn run(mut self, mut messages: AggregatedMessageStream) {
        let end = loop {
            if let Err(end) = self.turn(&mut messages).await {
                break end;
            }
        };
        if matches!(end, PageEnd::Server) {
            // Without the mark the page would not know why.
            let marks = self.new_marks();
            let _ = self.send_all(marks).await;
        }
        // Reveals end before the close frame is taken.
        self.watches = Watches::default();
        let closed = timeout(CLOSE_DEADLINE, self.out.clone().close(end.close_frame())).await;
        if closed.is_ok() {
            let answered = async { while let Some(Ok(_)) = messages.recv().await {} };
            let _ = timeout(CLOSE_DEADLINE, answered).await;
        }
    }

    async fn turn(&mut self, messages: &mut AggregatedMessageStream) -> Result<(), PageEnd> {
        let (has_series, has_batches) = (self.watches.has_series(), self.watches.has_batches());
        tokio::select! {
            biased;
            // An error: the table is gone with the session.
            _ = self.session.end.changed() => {
                let end = *self.session.end.borrow();
                Err(PageEnd::Session(end.unwrap_or(SessionEnd::SignedOut)))
            }
            _ = self.server_ends.changed() => Err(PageEnd::Server),
            message = messages.recv() => self.receive(message).await,
            _ = self.batches.tick(), if has_batches => self.send_batches().await,
            _ = self.rows.changed(), if has_series => self.send_rows().await,
            _ = self.pings.tick() => self.ping().await,
        }
    }

    async fn receive(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<(), PageEnd> {
        self.unanswered = 0;
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => self.answer(&text).await,
            Some(Ok(AggregatedMessage::Ping(payload))) => Ok(self.out.pong(&payload).await?),
            Some(Ok(AggregatedMessage::Pong(_) | AggregatedMessage::Binary(_))) => Ok(()),
            Some(Err(ProtocolError::Overflow)) => Err(PageEnd::TooLong),
            Some(Ok(AggregatedMessage::Close(_)) | Err(_)) | None => Err(PageEnd::Left),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), PageEnd> {
        self.console.touch(self.session.number);
        let (id, wish) = match SocketRequest::parse(text) {
            Ok(parsed) => parsed,
            Err((id, error)) => return self.send(frames::error(id, &error)).await,
        };
        match self.grant(id, wish) {
            Ok(frames) => self.send_all(frames).await,
            Err(error) => self.send(frames::error(Some(id), &error)).await,
        }
    }

    /// The frames of the answer.
    fn grant(&mut self, id: RequestId, wish: Wish) -> Result<Vec<String>, ApiError> {
        if !matches!(wish, Wish::Stop(_)) {
            self.watches.check_new(id)?;
        }
        let answer = match wish {
            Wish::Series { range } => {
                let (marks, seen) = self.worker.engine.marks.since(0);
                self.watches.series.push(SeriesWatch { id, marks: seen });
                self.rows.mark_unchanged();
                frames::backfill(id, &self.console.series.backfill(range), &marks)
            }
            Wish::Feed { filter } => {
                self.watches.feeds.push(FeedWatch::begin(&self.worker, id, &filter)?);
                frames::ok(id, &json!({}))
            }
            Wish::Reveal(wish) => {
                let reveal = RevealWatch::begin(&self.worker, self.by.clone(), id, &wish)?;
                let until = reveal.until;
                self.watches.reveals.push(reveal);
                frames::ok(id, &json!({ "until": until }))
            }
            Wish::Stop(watch) => {
                let last = self.watches.stop(watch)?;
                return Ok([frames::ok(id, &json!({}))].into_iter().chain(last).collect());
            }
        };
        Ok(vec![answer])
    }

    async fn send_batches(&mut self) -> Result<(), PageEnd> {
        self.batch = (self.batch + 1) % BATCHES_PER_SECOND;
        let is_second = self.batch == 0;
        let (worker, now) = (self.worker.clone(), Instant::now());
        let mut frames = self.watches.end_reveals(|reveal| reveal.is_over(&worker, now));
        if let Err(refusal) = FeedWatch::check(&worker) {
            frames.extend(
                self.watches.feeds.drain(..).map(|feed| frames::error(Some(feed.id), &refusal)),
            );
        }
        let feeds = self.watches.feeds.iter().flat_map(|feed| feed.frames(is_second));
        frames.extend(feeds.chain(self.watches.reveals.iter().filter_map(RevealWatch::frame)));
        self.send_all(frames).await
    }

    async fn send_rows(&mut self) -> Result<(), PageEnd> {
        let newest = self.console.series.newest();
        let row = |watch: &SeriesWatch| newest.map(|(at, row)| frames::row(watch.id, at, &row));
        let mut frames: Vec<String> = self.watches.series.iter().filter_map(row).collect();
        frames.extend(self.new_marks());
        self.send_all(frames).await
    }

    fn new_marks(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        for watch in &mut self.watches.series {
            let (marks, seen) = self.worker.engine.marks.since(watch.marks);
            watch.marks = seen;
            frames.extend(marks.iter().map(|mark| frames::mark(watch.id, mark)));
        }
        frames
    }

    async fn ping(&mut self) -> Result<(), PageEnd> {
        if self.unanswered >= MAX_UNANSWERED_PINGS {
            return Err(PageEnd::Left);
        }
        self.unanswered += 1;
        Ok(self.out.ping(b"").await?)
    }

    async fn send_all(&mut self, frames: Vec<String>) -> Result<(), PageEnd> {
        for frame in frames {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: String) -> Result<(), PageEnd> {
        match timeout(SEND_DEADLINE, self.out.text(frame)).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(PageEnd::TooSlow),
        }
    }
}

impl PageEnd {
    fn close_frame(&self) -> Option<CloseReason> {
        let (code, says) = match self {
            Self::Session(end) => (CloseCode::Other(SIGNED_OUT), end.name()),
            Self::Server => (CloseCode::Away, "The server is shutting down"),
            Self::TooSlow => (CloseCode::Other(TOO_SLOW), "The page reads too slowly"),
            Self::TooLong => (CloseCode::Size, "A message is longer than 64 KiB"),
            Self::Left => (CloseCode::Normal, ""),
        };
        Some(CloseReason { code, description: (!says.is_empty()).then(|| says.to_owned()) })
    }
}
