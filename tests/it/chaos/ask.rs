//! HTTP requests to nodes that may be killed, frozen or gone: none of them fails a test.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::action::ChannelName;
use super::record::Outcome;
use crate::support::*;

/// A frozen node answers when it goes on.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// `None` without a whole answer.
pub async fn ask(addr: SocketAddr, request: Request, patience: Duration) -> Option<Answer> {
    tokio::time::timeout(patience, exchange_once(addr, request)).await.ok()?
}

async fn exchange_once(addr: SocketAddr, request: Request) -> Option<Answer> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let request = request.header("Connection", "close");
    stream.write_all(&request.bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

pub async fn publish(addr: SocketAddr, channel: ChannelName, number: u64) -> Outcome {
    let body = json!({"name": "e", "channel": channel, "data": number.to_string()}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let request = Request::new("POST", target).body("application/json", body);
    match ask(addr, request, PATIENCE).await {
        None => Outcome::Unknown,
        Some(answer) if answer.status != 200 => Outcome::Refused,
        Some(answer) if answer.head.contains("sealcast-delivery: local") => Outcome::Local,
        Some(_) => Outcome::Taken,
    }
}

/// A signed GET. `Err` says what came instead of 200 and JSON.
pub async fn get(addr: SocketAddr, path: &str, extra: &[(&str, &str)]) -> Result<Value, String> {
    let target = signed_target(APP, "GET", &format!("/apps/it{path}"), extra, b"");
    let answer = ask(addr, Request::new("GET", target), PATIENCE).await;
    let answer = answer.ok_or_else(|| format!("no answer to {path}"))?;
    match serde_json::from_str(&answer.body) {
        Ok(body) if answer.status == 200 => Ok(body),
        _ => Err(format!("{path} was answered {} {}", answer.status, answer.body)),
    }
}

pub async fn is_ready(ops: SocketAddr) -> bool {
    let patience = Duration::from_secs(1);
    let answer = ask(ops, Request::new("GET", "/ready"), patience).await;
    answer.is_some_and(|answer| answer.status == 200)
}
