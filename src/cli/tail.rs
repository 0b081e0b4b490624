//! `sealcast tail`: the live feed of a running server.

mod feed;
mod render;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use form_urlencoded::Serializer;
use tokio::{runtime::Builder, signal::ctrl_c, time::sleep};

use super::{
    CliResult, print_error,
    server::{AdminEndpoint, ServerArgs},
};
use feed::{FeedClient, FeedError, FeedMessage};

#[derive(clap::Args)]
pub struct TailArgs {
    #[command(flatten)]
    server: ServerArgs,
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

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(command: &TailArgs) -> CliResult<()> {
    let endpoint = command.server.endpoint()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = command.watch(&endpoint) => result,
            interrupted = ctrl_c() => Ok(interrupted?),
        }
    })
}

impl TailArgs {
    async fn watch(&self, endpoint: &AdminEndpoint) -> CliResult<()> {
        let (path, mut out) = (self.path(), Printer::new(self.json));
        let mut feed = FeedClient::open(endpoint, &path).await?;
        loop {
            let end = match print_all(&mut feed, &mut out).await? {
                // The reader of standard output is gone.
                None => return Ok(()),
                Some(end) => end,
            };
            if !(self.follow && end.may_reconnect()) {
                return Err(end.sentence().into());
            }
            print_error(format_args!("sealcast: {}; waiting for it to come back", end.sentence()));
            feed = reconnect(endpoint, &path).await?;
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
async fn print_all(feed: &mut FeedClient, out: &mut Printer) -> CliResult<Option<feed::TailEnd>> {
    loop {
        match feed.next().await? {
            FeedMessage::End(end) => return Ok(Some(end)),
            FeedMessage::Entry(line) => match out.print(&line) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                printed => printed?,
            },
        }
    }
}

async fn reconnect(endpoint: &AdminEndpoint, path: &str) -> CliResult<FeedClient> {
    loop {
        sleep(RETRY_INTERVAL).await;
        match FeedClient::open(endpoint, path).await {
            Err(FeedError::Unreachable(_)) => {}
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
            false => writeln!(out, "{}", render::render(line, self.colours))?,
        }
        out.flush()
    }
}
