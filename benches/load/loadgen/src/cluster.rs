//! What stands behind the nodes of a cluster: Redis, and what a node says of itself.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddrV4, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::http;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to Redis for commands with one line as the answer.
pub struct Redis(BufReader<TcpStream>);

impl Redis {
    pub fn connect(address: SocketAddrV4) -> Result<Self> {
        Ok(Self(BufReader::new(open(address).context("connect to Redis")?)))
    }

    /// The answer without its type.
    pub fn ask(&mut self, command: &str) -> Result<String> {
        let mut answer = String::new();
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.0.read_line(&mut answer)?;
        let answer = answer.trim_end();
        match answer.as_bytes().first() {
            Some(b'+' | b':') => Ok(answer[1..].to_owned()),
            _ => bail!("Redis answered {command} with {answer:?}"),
        }
    }

    /// Closes the connections of all others.
    pub fn cut_all(&mut self) -> Result<()> {
        let mut cut = 0;
        for kind in ["pubsub", "normal"] {
            cut += self.ask(&format!("CLIENT KILL TYPE {kind} SKIPME yes"))?.parse::<usize>()?;
        }
        ensure!(cut > 0, "no node was connected to Redis");
        Ok(())
    }
}

/// The listener for operations of a node.
pub struct Operations {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Operations {
    pub fn connect(address: SocketAddrV4) -> Result<Self> {
        let stream = open(address).context("connect to the listener for operations")?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub fn is_ready(&mut self) -> Result<bool> {
        Ok(self.get("/ready")? == 200)
    }

    /// Channels that are synchronized with Redis.
    pub fn open_channels(&mut self) -> Result<usize> {
        let status = self.get("/metrics")?;
        ensure!(status == 200, "/metrics answered {status}");
        let text = std::str::from_utf8(&self.buffer)?;
        let open = text
            .lines()
            .filter_map(|line| line.strip_prefix("sealcast_cluster_replicas{"))
            .find(|line| line.contains("state=\"open\""))
            .and_then(|line| line.rsplit(' ').next())
            .context("no open replicas in /metrics")?;
        Ok(open.parse()?)
    }

    /// The status; head and body stay in the buffer.
    fn get(&mut self, path: &str) -> Result<u16> {
        self.buffer.clear();
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        let mut part = [0; 16 * 1024];
        loop {
            let length = self.stream.read(&mut part)?;
            ensure!(length > 0, "the node closed its listener for operations");
            self.buffer.extend_from_slice(&part[..length]);
            if let Some(response) = http::parse_response(&self.buffer)? {
                return Ok(response.status);
            }
        }
    }
}

fn open(address: SocketAddrV4) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address.into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
