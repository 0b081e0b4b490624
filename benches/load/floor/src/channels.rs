//! Channels: their subscribers and the frames for them.

use std::{
    os::fd::RawFd,
    sync::{Arc, Mutex},
};

use crate::{
    scan::field,
    sys,
    worker::Worker,
    ws::{self, frame},
};

/// A message between workers: send `frame` to the subscribers of `channel`.
type Post = (Vec<u8>, Arc<[u8]>);

pub struct Mailbox {
    posts: Mutex<Vec<Post>>,
    pub wake: RawFd,
}

impl Mailbox {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { posts: Mutex::new(Vec::new()), wake: sys::eventfd()? })
    }
}

#[derive(Default)]
pub struct Channel {
    pub subscribers: Vec<u32>,
    /// Presence members, as the escaped JSON of the subscription answer.
    ids: Vec<u8>,
    hash: Vec<u8>,
    count: usize,
}

impl Worker {
    pub fn text_in(&mut self, id: u32, text: &[u8]) {
        let Some(name) = field(text, r#""channel":""#) else { return };
        if text.starts_with(br#"{"event":"client-"#) {
            let frame = frame(ws::TEXT, &[text]);
            self.publish(name, frame, Some(id));
        } else if text.starts_with(br#"{"event":"pusher:subscribe""#) {
            self.subscribe(id, name, field(text, r#""channel_data":""#));
        }
    }

    pub fn publish(&mut self, channel: &[u8], frame: Vec<u8>, except: Option<u32>) {
        let frame: Arc<[u8]> = frame.into();
        for (i, mailbox) in self.mailboxes.iter().enumerate() {
            if i != self.me {
                mailbox.posts.lock().unwrap().push((channel.to_vec(), frame.clone()));
                sys::signal(mailbox.wake);
            }
        }
        if self.coalesce && except.is_none() {
            self.pending.entry(channel.to_vec()).or_default().extend_from_slice(&frame);
        } else {
            self.deliver(channel, &frame, except);
        }
    }

    pub fn deliver(&mut self, name: &[u8], frame: &[u8], except: Option<u32>) {
        // Taken out of the map while sending, which changes no subscription.
        let Some(channel) = self.channels.get_mut(name) else { return };
        let subscribers = std::mem::take(&mut channel.subscribers);
        for id in &subscribers {
            if Some(*id) != except {
                self.send(*id, frame);
            }
        }
        if let Some(channel) = self.channels.get_mut(name) {
            channel.subscribers = subscribers;
        }
    }

    pub fn collect(&mut self) {
        let mailboxes = self.mailboxes.clone();
        let mailbox = &mailboxes[self.me];
        sys::calm(mailbox.wake);
        let posts = std::mem::take(&mut *mailbox.posts.lock().unwrap());
        for (channel, frame) in posts {
            self.deliver(&channel, &frame, None);
        }
    }

    fn subscribe(&mut self, id: u32, name: &[u8], member: Option<&[u8]>) {
        let data = match member {
            Some(member) => self.join(name, member),
            None => b"{}".to_vec(),
        };
        self.channels.entry(name.to_vec()).or_default().subscribers.push(id);
        if let Some(conn) = &mut self.conns[id as usize] {
            conn.channels.push(name.to_vec());
        }
        let answer = frame(
            ws::TEXT,
            &[
                br#"{"event":"pusher_internal:subscription_succeeded","channel":""#,
                name,
                br#"","data":""#,
                &data,
                br#""}"#,
            ],
        );
        self.send(id, &answer);
    }

    /// Announces the member to the others, and returns the answer for the new member.
    fn join(&mut self, name: &[u8], member: &[u8]) -> Vec<u8> {
        let user = field(member, r#"\"user_id\":\""#).unwrap_or_default();
        let user = user.strip_suffix(b"\\").unwrap_or(user);
        let user = &user[..user.iter().position(|b| *b == b'\\').unwrap_or(user.len())];
        let frame = frame(
            ws::TEXT,
            &[
                br#"{"event":"pusher_internal:member_added","channel":""#,
                name,
                br#"","data":""#,
                member,
                br#""}"#,
            ],
        );
        self.publish(name, frame, None);
        let channel = self.channels.entry(name.to_vec()).or_default();
        let comma: &[u8] = if channel.count > 0 { b"," } else { b"" };
        channel.count += 1;
        channel.ids.extend_from_slice(&[comma, br#"\""#, user, br#"\""#].concat());
        channel.hash.extend_from_slice(&[comma, br#"\""#, user, br#"\":{}"#].concat());
        [
            br#"{\"presence\":{\"ids\":["#.as_slice(),
            &channel.ids,
            br#"],\"hash\":{"#,
            &channel.hash,
            format!(r#"}},\"count\":{}}}}}"#, channel.count).as_bytes(),
        ]
        .concat()
    }
}
