//! Forwards a watcher's queue to its socket.

use std::{cell::Cell, time::Duration};

use actix_rt::time::{interval, sleep, timeout};
use actix_ws::{CloseCode, CloseReason, Closed, Message, MessageStream, Session};

use crate::observe::live::{NextEntry, WatchEnd, WatchGuard};

const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Unanswered pings after which the watcher counts as gone.
const MAX_UNANSWERED_PINGS: u32 = 2;
/// Time limit for the rest of the queue, and again for the peer's close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

enum WatchOutcome {
    Ended(WatchEnd),
    /// The peer has left, or was silent for too long.
    Gone(&'static str),
}

/// Runs until the watcher is gone; returns the reason.
pub async fn run(
    watching: WatchGuard,
    session: Session,
    mut messages: MessageStream,
) -> &'static str {
    let unanswered = Cell::new(0);
    let patience = async {
        watching.ended().await;
        sleep(CLOSE_DEADLINE).await;
    };
    let over = tokio::select! {
        over = send(&watching, session.clone(), &unanswered) => over,
        () = receive(&mut messages, session.clone(), &unanswered) => WatchOutcome::Gone("left"),
        () = patience => WatchOutcome::Ended(WatchEnd::TooSlow),
    };
    // Later facts are not queued for this watcher.
    drop(watching);
    let (reason, close) = match over {
        WatchOutcome::Ended(WatchEnd::TooSlow) => {
            ("too_slow", close_frame(CloseCode::Other(4100), TOO_SLOW))
        }
        WatchOutcome::Ended(WatchEnd::Server) => {
            ("server", close_frame(CloseCode::Away, SERVER_ENDS))
        }
        WatchOutcome::Ended(WatchEnd::SwitchedOff) => {
            ("switched_off", close_frame(CloseCode::Policy, SWITCHED_OFF))
        }
        WatchOutcome::Gone(reason) => (reason, close_frame(CloseCode::Normal, "")),
    };
    let closed = timeout(CLOSE_DEADLINE, session.clone().close(Some(close))).await;
    if closed.is_ok() {
        let unanswered = Cell::new(0);
        let _ = timeout(CLOSE_DEADLINE, receive(&mut messages, session, &unanswered)).await;
    }
    reason
}

const TOO_SLOW: &str =
    "You read too slowly: waiting entries are dropped. Use filters to watch less, or reconnect";
const SWITCHED_OFF: &str = "The live feed is off since a reload: live_feed = \"off\"";
const SERVER_ENDS: &str = "The server is shutting down";

fn close_frame(code: CloseCode, says: &str) -> CloseReason {
    CloseReason { code, description: (!says.is_empty()).then(|| says.to_owned()) }
}

async fn send(watching: &WatchGuard, mut session: Session, unanswered: &Cell<u32>) -> WatchOutcome {
    let mut ticks = interval(PING_INTERVAL);
    // The first tick is immediate.
    ticks.tick().await;
    loop {
        let sent: Result<(), Closed> = tokio::select! {
            next = watching.next() => match next {
                NextEntry::Entry(line) => session.text(line).await,
                NextEntry::End(end) => return WatchOutcome::Ended(end),
            },
            _ = ticks.tick() => {
                if unanswered.replace(unanswered.get() + 1) >= MAX_UNANSWERED_PINGS {
                    return WatchOutcome::Gone("silent");
                }
                session.ping(b"").await
            }
        };
        if sent.is_err() {
            return WatchOutcome::Gone("left");
        }
    }
}

/// Reads until the peer closes, and ignores other messages.
async fn receive(messages: &mut MessageStream, mut session: Session, unanswered: &Cell<u32>) {
    while let Some(Ok(message)) = messages.recv().await {
        unanswered.set(0);
        match message {
            Message::Ping(payload) if session.pong(&payload).await.is_err() => return,
            Message::Close(_) => return,
            _ => {}
        }
    }
}
