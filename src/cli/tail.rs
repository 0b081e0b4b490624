//! `sealcast tail`: the live feed of a running server.

mod feed;
mod shown;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use form_urlencoded::Serializer;
use tokio::{runtime::Builder, signal::ctrl_c, time::sleep};

use super::{
    Result, complain,
    server::{Place, Way},
};
use feed::{Feed, NoFeed, Said};

#[derive(clap::Args)]
pub struct Tail {
    #[command(flatten)]
    place: Place,
    /// Entries of this app only
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Entries of these channels only; * is any run of characters
    #[arg(long, value_name = "PATTERN")]
    channel: Option<String>,
    /// Entries of these types only, such as refused,auth_*
    #[arg(long = "type", value_name = "A,B")]
    types: Option<String>,
    /// Entries of this connection only
    #[arg(long, value_name = "ID")]
    socket: Option<String>,
    /// Print each entry as a JSON object on a line
    #[arg(long)]
    json: bool,
    /// Wait for the server to come back after its end
    #[arg(long)]
    follow: bool,
}

const AGAIN: Duration = Duration::from_secs(1);

pub fn run(command: &Tail) -> Result<()> {
    let way = command.place.way()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = command.watch(&way) => result,
            interrupted = ctrl_c() => Ok(interrupted?),
        }
    })
}

impl Tail {
    async fn watch(&self, way: &Way) -> Result<()> {
        let (path, mut out) = (self.path(), Printer::new(self.json));
        let mut feed = Feed::open(way, &path).await?;
        loop {
            let end = match print_all(&mut feed, &mut out).await? {
                // The reader of standard output is gone.
                None => return Ok(()),
                Some(end) => end,
            };
            if !(self.follow && end.may_come_back()) {
                return Err(end.sentence().into());
            }
            complain(format_args!("sealcast: {}; waiting for it to come back", end.sentence()));
            feed = come_back(way, &path).await?;
        }
    }

    fn path(&self) -> String {
        let filters = [
            ("app", &self.app),
            ("channel", &self.channel),
            ("type", &self.types),
            ("socket", &self.socket),
        ];
        let mut query = Serializer::new(String::new());
        for (name, value) in filters {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/ops/live?{}", query.finish())
    }
}

/// Returns the reason of the end; `None` if the reader of standard output is gone.
async fn print_all(feed: &mut Feed, out: &mut Printer) -> Result<Option<feed::End>> {
    loop {
        match feed.next().await? {
            Said::End(end) => return Ok(Some(end)),
            Said::Entry(line) => match out.print(&line) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                printed => printed?,
            },
        }
    }
}

async fn come_back(way: &Way, path: &str) -> Result<Feed> {
    loop {
        sleep(AGAIN).await;
        match Feed::open(way, path).await {
            Err(NoFeed::Unreachable(_)) => {}
            opened => return Ok(opened?),
        }
    }
}

struct Printer {
    json: bool,
    colours: bool,
}

impl Printer {
    fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colours: wanted && io::stdout().is_terminal() }
    }

    fn print(&self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.json {
            true => writeln!(out, "{line}")?,
            false => writeln!(out, "{}", shown::shown(line, self.colours))?,
        }
        out.flush()
    }
}
