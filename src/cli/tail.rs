//! `sealcast tail`: the live feed of a running server.

mod feed;
mod render;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use form_urlencoded::Serializer;
use tokio::time::sleep;

use super::{
    CliResult,
    client::{AdminClient, runtime::block_on},
    options::ServerArgs,
    output::{OutputArgs, print},
    print_error,
    terminal::{json_line, wants_colours},
};
use feed::{FeedClient, FeedError, FeedMessage, TailEnd};

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
    #[command(flatten)]
    output: OutputArgs,
    /// Wait for the server to come back after its end
    #[arg(long)]
    follow: bool,
}

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub fn run(command: &TailArgs) -> CliResult<()> {
    let admin = command.server.client()?;
    block_on(command.watch(&admin))
}

impl TailArgs {
    async fn watch(&self, admin: &AdminClient) -> CliResult<()> {
        let (path, out) = (self.path(), Printer::new(self.output));
        let mut feed = FeedClient::open(admin, &path).await.map_err(FeedError::into_inner)?;
        loop {
            let end = print_all(&mut feed, &out).await?;
            if !(self.follow && end.may_reconnect()) {
                return Err(end.into());
            }
            print_error(format_args!("sealcast: {}; waiting for it to come back", end.sentence()));
            feed = reconnect(admin, &path).await?;
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

async fn print_all(feed: &mut FeedClient, out: &Printer) -> CliResult<TailEnd> {
    loop {
        match feed.next().await? {
            FeedMessage::End(end) => return Ok(end),
            FeedMessage::Entry(line) => out.print(&line)?,
        }
    }
}

async fn reconnect(admin: &AdminClient, path: &str) -> CliResult<FeedClient> {
    loop {
        sleep(RETRY_INTERVAL).await;
        match FeedClient::open(admin, path).await {
            Err(FeedError::Passing(_)) => {}
            opened => return opened.map_err(FeedError::into_inner),
        }
    }
}

struct Printer {
    json: bool,
    colours: bool,
}

impl Printer {
    fn new(output: OutputArgs) -> Self {
        Self { json: output.json, colours: wants_colours(io::stdout().is_terminal()) }
    }

    fn print(&self, line: &str) -> CliResult<()> {
        print(&match self.json {
            true => json_line(line),
            false => format!("{}\n", render::render(line, self.colours)),
        })
    }
}
