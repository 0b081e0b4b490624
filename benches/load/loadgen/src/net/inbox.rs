//! The input of a client: the head of the response, then messages.

use anyhow::{Context, Result, anyhow, bail};
use memchr::memmem;

use super::{
    Event, Net,
    client::{Carrier, Phase},
    link::ReadState,
    now,
};
use crate::{
    event_stream, pusher,
    ws::{self, opcode},
};

impl Net {
    pub(super) fn read_client(
        &mut self,
        id: usize,
        buf: &mut [u8],
        eof_pending: bool,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        loop {
            let Some(link) = &mut self.clients[id].link else {
                return Ok(());
            };
            let (len, state) = link.read(buf).context("read from a client")?;
            let at = now();
            let used = self.serve(id, &buf[..len], at, on_event)?;
            if let Some(link) = &mut self.clients[id].link
                && used < len
            {
                link.partial.extend_from_slice(&buf[used..len]);
            }
            match state {
                ReadState::Eof => {
                    let asked = self.clients[id].phase == Phase::Closing;
                    self.hang_up(id)?;
                    return on_event(self, Event::Closed { client: id, asked });
                }
                ReadState::Drained if !eof_pending => return Ok(()),
                _ => {}
            }
        }
    }

    /// Serves what is whole of `bytes`, and returns how many bytes that were.
    fn serve(
        &mut self,
        id: usize,
        bytes: &[u8],
        at: u64,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        let carrier = self.clients[id].carrier;
        if self.clients[id].phase == Phase::Opening {
            match memmem::find(bytes, b"\r\n\r\n") {
                None => return Ok(0),
                Some(end) if bytes.starts_with(carrier.accepted()) => {
                    self.clients[id].phase = Phase::Greeting;
                    used = end + 4;
                }
                Some(_) => bail!("refused: {}", String::from_utf8_lossy(bytes)),
            }
        }
        let rest = &bytes[used..];
        Ok(used
            + match carrier {
                Carrier::WebSocket => self.serve_frames(id, rest, at, on_event)?,
                Carrier::EventStream => self.serve_blocks(id, rest, at, on_event)?,
            })
    }

    fn serve_blocks(
        &mut self,
        id: usize,
        bytes: &[u8],
        at: u64,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        while let Some((block, size)) = event_stream::parse(&bytes[used..]) {
            used += size;
            if let Some(position) = block.id {
                let position = std::str::from_utf8(position).context("an id is not UTF-8")?;
                self.clients[id].note_position(position);
            }
            if !block.data.is_empty() {
                self.on_text(id, block.data, at, on_event)?;
            }
        }
        Ok(used)
    }

    fn serve_frames(
        &mut self,
        id: usize,
        bytes: &[u8],
        at: u64,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut used = 0;
        loop {
            let parsed = ws::parse(&bytes[used..]).map_err(|e| anyhow!("bad frame: {e:?}"))?;
            let Some((frame, size)) = parsed else { return Ok(used) };
            used += size;
            match frame.opcode {
                opcode::TEXT => self.on_text(id, frame.payload, at, on_event)?,
                opcode::PING => self.send_frame(id, opcode::PONG, frame.payload)?,
                opcode::CLOSE if self.clients[id].phase != Phase::Closing => {
                    bail!("server closed: {}", String::from_utf8_lossy(frame.payload));
                }
                _ => {}
            }
        }
    }

    fn on_text(
        &mut self,
        id: usize,
        payload: &[u8],
        at: u64,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let has = |needle: &str| memmem::find(payload, needle.as_bytes()).is_some();
        match self.clients[id].phase {
            Phase::Greeting if has("pusher:connection_established") => {
                let socket_id = pusher::socket_id(payload).context("no socket id")?;
                self.clients[id].socket_id = socket_id.to_owned();
                self.clients[id].phase = Phase::Established;
                if self.clients[id].carrier == Carrier::EventStream {
                    // Its request has named the channel.
                    self.clients[id].phase = Phase::Subscribing;
                    return Ok(());
                }
                match self.clients[id].wanted.take() {
                    Some(subscription) => self.subscribe(id, &subscription),
                    None => on_event(self, Event::Established(id)),
                }
            }
            Phase::Subscribing if pusher::is_subscribed(payload) => {
                self.clients[id].phase = Phase::Subscribed;
                if let Some(position) = pusher::position(payload) {
                    self.clients[id].note_position(position);
                }
                on_event(self, Event::Subscribed(id))
            }
            Phase::Greeting | Phase::Subscribing => {
                bail!("unexpected {}", String::from_utf8_lossy(payload))
            }
            _ if payload.starts_with(br#"{"event":"pusher:error""#) => {
                bail!("{}", String::from_utf8_lossy(payload))
            }
            _ if has(r#""pusher:ping""#) => {
                self.send_text(id, br#"{"event":"pusher:pong","data":{}}"#)
            }
            _ => on_event(self, Event::Message { client: id, payload, at }),
        }
    }
}
