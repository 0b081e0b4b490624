//! Forwards a watcher's queue to its socket.

use std::{cell::Cell, time::Duration};

use actix_rt::time::{interval, sleep, timeout};
use actix_ws::{CloseCode, CloseReason, Closed, Message, MessageStream, Session};

use crate::live::{End, Next, Watching};

const PING: Duration = Duration::from_secs(20);
/// Unanswered pings after which the watcher counts as gone.
const UNANSWERED: u32 = 2;
/// Time limit for the rest of the queue, and again for the peer's close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

enum Over {
    Ended(End),
    /// The peer has left, or was silent for too long.
    Gone(&'static str),
}

/// Runs until the watcher is gone; returns the reason.
pub async fn run(
    watching: Watching,
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
        () = hear(&mut messages, session.clone(), &unanswered) => Over::Gone("left"),
        () = patience => Over::Ended(End::TooSlow),
    };
    // Later facts are not queued for this watcher.
    drop(watching);
    let (reason, close) = match over {
        Over::Ended(End::TooSlow) => ("too_slow", close_frame(CloseCode::Other(4100), TOO_SLOW)),
        Over::Ended(End::Server) => ("server", close_frame(CloseCode::Away, SERVER_ENDS)),
        Over::Gone(reason) => (reason, close_frame(CloseCode::Normal, "")),
    };
    let said = timeout(CLOSE_DEADLINE, session.clone().close(Some(close))).await;
    if said.is_ok() {
        let unanswered = Cell::new(0);
        let _ = timeout(CLOSE_DEADLINE, hear(&mut messages, session, &unanswered)).await;
    }
    reason
}

const TOO_SLOW: &str =
    "You read too slowly: waiting entries are dropped. Use filters to watch less, or reconnect";
const SERVER_ENDS: &str = "The server is shutting down";

fn close_frame(code: CloseCode, says: &str) -> CloseReason {
    CloseReason { code, description: (!says.is_empty()).then(|| says.to_owned()) }
}

async fn send(watching: &Watching, mut session: Session, unanswered: &Cell<u32>) -> Over {
    let mut ticks = interval(PING);
    // The first tick is immediate.
    ticks.tick().await;
    loop {
        let sent: Result<(), Closed> = tokio::select! {
            next = watching.next() => match next {
                Next::Entry(line) => session.text(line).await,
                Next::End(end) => return Over::Ended(end),
            },
            _ = ticks.tick() => {
                if unanswered.replace(unanswered.get() + 1) >= UNANSWERED {
                    return Over::Gone("silent");
                }
                session.ping(b"").await
            }
        };
        if sent.is_err() {
            return Over::Gone("left");
        }
    }
}

/// Reads until the peer closes, and ignores other messages.
async fn hear(messages: &mut MessageStream, mut session: Session, unanswered: &Cell<u32>) {
    while let Some(Ok(message)) = messages.recv().await {
        unanswered.set(0);
        match message {
            Message::Ping(payload) if session.pong(&payload).await.is_err() => return,
            Message::Close(_) => return,
            _ => {}
        }
    }
}
