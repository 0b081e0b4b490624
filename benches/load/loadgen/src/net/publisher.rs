//! Connections to the trigger API, each with one request in flight at most.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use mio::{Interest, Token};

use super::{
    Event, Net, PUBLISHERS,
    link::{Link, ReadState},
    now,
};
use crate::http;

pub struct Publisher {
    pub link: Link,
    /// The node it is connected to.
    node: usize,
    /// When the request in flight was sent.
    sent: Option<u64>,
}

impl Net {
    pub fn add_publisher(&mut self) -> Result<usize> {
        let id = self.publishers.len();
        let node = self.publishers_on;
        let link = self.open_publisher(id, node)?;
        self.publishers.push(Publisher { link, node, sent: None });
        Ok(id)
    }

    fn open_publisher(&mut self, id: usize, node: usize) -> Result<Link> {
        let mut link = self.open(node, None)?;
        self.poll.registry().register(
            &mut link.stream,
            Token(PUBLISHERS + id),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(link)
    }

    /// Triggers an event through the signed HTTP API. A server that closes the
    /// connection after each response gets a new one for each request.
    pub fn publish(&mut self, publisher: usize, body: &[u8]) -> Result<()> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        self.scratch.clear();
        self.target.app.trigger_request(
            &self.hosts[self.publishers[publisher].node],
            unix_time,
            body,
            self.close_after_trigger,
            &mut self.scratch,
        );
        let publisher = &mut self.publishers[publisher];
        if publisher.sent.replace(now()).is_some() {
            bail!("publisher has a request in flight");
        }
        publisher.link.send(&self.scratch).context("write to a publisher")
    }

    pub(super) fn read_publisher(
        &mut self,
        id: usize,
        buf: &mut [u8],
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let (len, state) = self.publishers[id].link.read(buf)?;
        let at = now();
        let Some(response) = http::parse_response(&buf[..len])? else {
            if state == ReadState::Eof {
                bail!("server closed a publisher's connection");
            }
            self.publishers[id].link.partial.extend_from_slice(&buf[..len]);
            return Ok(());
        };
        if response.len != len {
            bail!("{} bytes after an HTTP response", len - response.len);
        }
        if response.status != 200 {
            bail!("trigger answered {}", String::from_utf8_lossy(&buf[..len]));
        }
        let sent = self.publishers[id].sent.take();
        let sent = sent.context("response without a request")?;
        if response.close || state == ReadState::Eof {
            self.publishers[id].link = self.open_publisher(id, self.publishers[id].node)?;
        }
        on_event(self, Event::Response { publisher: id, sent, at })
    }
}
