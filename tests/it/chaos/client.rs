//! A client of the chaos: it does what it is told, waits for nothing, and notes what it sees.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::action::ChannelName;
use super::model::{is_logged, is_presence};
use super::plan::CHANNELS;
use super::record::{Events, ReadSoFar, Seen, Stay, Told};
use crate::support::*;

#[derive(Debug)]
pub enum Order {
    Subscribe(ChannelName),
    Unsubscribe(ChannelName),
    Say { channel: ChannelName, number: u64 },
    Close,
    Vanish,
}

pub struct ChaosClient {
    pub node: usize,
    orders: UnboundedSender<Order>,
    pub seen: Arc<Mutex<Seen>>,
}

impl ChaosClient {
    /// `read`: of the client in whose place it comes.
    pub fn start(
        who: ClientIdentity,
        read: Option<ReadSoFar>,
        addr: SocketAddr,
        events: Arc<Mutex<Events>>,
    ) -> Self {
        let node = who.node;
        let (orders, taken) = unbounded_channel();
        let seen = Arc::new(Mutex::new(Seen::heir_of(read)));
        let (addr, shared) = (addr.to_string(), seen.clone());
        tokio::spawn(async move {
            let mut connected = Task::connect(&who, &addr, shared.clone(), events.clone()).await;
            // A frozen node may let the request wait for too long.
            for _ in 0..20 {
                if connected.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                connected = Task::connect(&who, &addr, shared.clone(), events.clone()).await;
            }
            let why = match connected {
                Ok(mut task) => task.run(taken).await,
                Err(why) => why,
            };
            lock(&shared).close(why);
        });
        Self { node, orders, seen }
    }

    pub fn order(&self, order: Order) {
        // A client whose connection has ended does nothing more.
        let _ = self.orders.send(order);
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no task has failed")
}

#[derive(Clone)]
pub struct ClientIdentity {
    pub number: usize,
    pub node: usize,
    pub user: String,
}

struct Task {
    number: usize,
    node: usize,
    user: String,
    events: Arc<Mutex<Events>>,
    socket_id: String,
    socket: WebSocketStream<TcpStream>,
    seen: Arc<Mutex<Seen>>,
}

impl Task {
    async fn connect(
        who: &ClientIdentity,
        addr: &str,
        seen: Arc<Mutex<Seen>>,
        events: Arc<Mutex<Events>>,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(addr).await.map_err(|err| err.to_string())?;
        let url = format!("ws://{addr}/app/{}?protocol=7", APP.key);
        let request = url.into_client_request().expect("a good URL");
        let upgraded = tokio_tungstenite::client_async(request, stream).await;
        let (socket, _) = upgraded.map_err(|err| format!("upgrade: {err}"))?;
        let ClientIdentity { number, node, user } = who.clone();
        let socket_id = String::new();
        let mut task = Self { number, node, user, events, socket_id, socket, seen };
        let first = match task.socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            other => return Err(format!("no handshake: {other:?}")),
        };
        let first: Value = serde_json::from_str(&first).map_err(|err| err.to_string())?;
        let id = inner(&first)["socket_id"].as_str().map(str::to_owned);
        task.socket_id = id.ok_or_else(|| format!("no socket id: {first}"))?;
        lock(&task.seen).is_connected = true;
        Ok(task)
    }

    /// Returns why it ended.
    async fn run(&mut self, mut orders: UnboundedReceiver<Order>) -> String {
        loop {
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.take(&text),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(frame))) => return format!("closed: {frame:?}"),
                    Some(Ok(other)) => return format!("a frame of an unknown kind: {other:?}"),
                    Some(Err(err)) => return err.to_string(),
                    None => return "the end".to_owned(),
                },
                order = orders.recv() => match order {
                    Some(Order::Close) => {
                        let _ = self.socket.close(None).await;
                        return "it closed".to_owned();
                    }
                    Some(Order::Vanish) | None => return "it vanished".to_owned(),
                    Some(order) => {
                        let Some(frame) = self.frame(order) else { continue };
                        if let Err(err) = self.socket.send(Message::text(frame.to_string())).await {
                            return err.to_string();
                        }
                    }
                },
            }
        }
    }

    fn frame(&self, order: Order) -> Option<Value> {
        let mut seen = lock(&self.seen);
        Some(match order {
            Order::Subscribe(channel) => {
                seen.ask(channel);
                let member = json!({"user_id": self.user, "user_info": {"name": self.user}});
                let member = is_presence(channel).then(|| member.to_string());
                let auth = APP.channel_auth(&self.socket_id, channel, member.as_deref());
                let mut data = json!({"channel": channel, "auth": auth});
                if let Some(member) = member {
                    data["channel_data"] = member.into();
                }
                if is_logged(channel) {
                    data["recover"] = seen.ask_log().map_or(true.into(), Value::from);
                }
                json!({"event": "pusher:subscribe", "data": data})
            }
            Order::Unsubscribe(channel) => {
                seen.give_up(channel);
                json!({"event": "pusher:unsubscribe", "data": {"channel": channel}})
            }
            Order::Say { channel, number } if seen.is_on(channel) => {
                lock(&self.events).said(number);
                json!({"event": "client-e", "channel": channel, "data": number.to_string()})
            }
            Order::Say { .. } | Order::Close | Order::Vanish => return None,
        })
    }

    fn take(&self, text: &str) {
        let mut seen = lock(&self.seen);
        if let Err(fault) = self.note(text, &mut seen) {
            seen.faults.push(format!("client {}: {fault}: {text}", self.number));
        }
    }

    fn note(&self, text: &str, seen: &mut Seen) -> Result<(), &'static str> {
        let frame: Value = serde_json::from_str(text).map_err(|_| "not JSON")?;
        // A node that ends in order says so.
        if frame["event"] == "pusher:error" && frame["data"]["code"] == 4200 {
            return Ok(());
        }
        let name = frame["channel"].as_str().unwrap_or_default();
        let channel = CHANNELS.into_iter().find(|it| *it == name).ok_or("an unknown frame")?;
        let event = frame["event"].as_str().unwrap_or_default();
        if event == "pusher_internal:subscription_succeeded" {
            let members = ids(&inner(&frame)["presence"]["ids"]);
            if is_presence(channel) && !members.contains(&self.user) {
                return Err("a newcomer is not in its roster");
            }
            let recover = &inner(&frame)["recover"];
            let is_recovered = recover["recovered"] == true;
            let mut resumed = None;
            if is_logged(channel) {
                let end = recover["position"].as_str().ok_or("no position")?;
                resumed = seen.answer_log(Some(end).filter(|_| !is_recovered));
            }
            seen.begin(Stay {
                client: self.number,
                node: self.node,
                channel,
                user: self.user.clone(),
                answered: Instant::now(),
                ended: None,
                is_doubtful: false,
                resumed,
                is_recovered,
                members,
                told: Vec::new(),
            });
            return Ok(());
        }
        let user = || inner(&frame)["user_id"].as_str().map(str::to_owned).ok_or("no user");
        let number = || frame["data"].as_str().and_then(|it| it.parse().ok()).ok_or("no number");
        let told = match event {
            "e" | "client-e" => Told::Event(number()?),
            "pusher_internal:member_added" => Told::Added(user()?),
            "pusher_internal:member_removed" => Told::Removed(user()?),
            "pusher_internal:subscription_count" => {
                let count = inner(&frame)["subscription_count"].as_u64();
                Told::Count(count.ok_or("no count")?)
            }
            "pusher:cache_miss" => Told::CacheMiss,
            "sealcast:gap" if is_logged(channel) => {
                let gap = inner(&frame);
                // The answer had a position behind the gap that follows it.
                if !seen.awaits_gap(channel) {
                    seen.reach(gap["position"].as_str().ok_or("no position")?, None);
                }
                Told::Gap(gap["reason"].as_str().ok_or("no reason")?.to_owned())
            }
            _ => return Err("an unknown frame"),
        };
        if let (Told::Event(event), Some(position)) = (&told, frame["position"].as_str()) {
            seen.reach(position, Some(*event));
        }
        if seen.tell(channel, told) { Ok(()) } else { Err("it comes before the subscription") }
    }
}

fn ids(list: &Value) -> std::collections::BTreeSet<String> {
    let ids = list.as_array().into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}
