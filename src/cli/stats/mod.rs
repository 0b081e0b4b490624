//! `sealcast stats`: the figures of a running server, once or every second.

mod rates;
mod text;
mod top;

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;
use tokio::time::sleep;

use super::{
    CliResult, CommandError,
    amounts::timestamp,
    client::{AdminClient, AppClient, runtime::block_on},
    options::ServerArgs,
    output::{OutputArgs, print, print_json},
};
use rates::{Figures, StatsLine};
use top::TopChannels;

#[derive(clap::Args)]
pub struct StatsArgs {
    /// Print the figures of each second until the command is interrupted
    #[arg(long)]
    watch: bool,
    /// Show the busiest channels of one app; it counts for three seconds first
    #[arg(long)]
    top: bool,
    /// App id, for --top; may be left out if the server has one app only
    #[arg(long, value_name = "ID", requires = "top")]
    app: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// Averages of fewer seconds jump about.
const TOP_WAIT: Duration = Duration::from_secs(3);
/// Lines of `--watch` below one header.
const LINES: usize = 20;

pub fn run(command: &StatsArgs) -> CliResult<()> {
    let admin = command.server.client()?;
    block_on(async {
        match (command.top, command.watch) {
            (true, watch) => command.top(admin, watch).await,
            (false, true) => {
                admin.confirm_token().await?;
                command.watch(&admin).await
            }
            (false, false) => {
                admin.confirm_token().await?;
                let stats = read(&admin).await?;
                command.output.show(&stats, text::of)
            }
        }
    })
}

/// Any server may answer with some object: that of Sealcast has its version.
async fn read(admin: &AdminClient) -> CliResult<Value> {
    let stats = Value::Object(admin.get("/stats").await?);
    match stats["version"].as_str() {
        Some(_) => Ok(stats),
        None => Err(CommandError::unreachable(
            "the answer to /stats has no version: is that the operations listener of a Sealcast server?",
        )),
    }
}

impl StatsArgs {
    async fn watch(&self, admin: &AdminClient) -> CliResult<()> {
        let (mut before, mut lines) = (None::<(Figures, Instant)>, 0);
        loop {
            let (figures, at) = (admin.get::<Figures>("/stats").await?, Instant::now());
            if let Some((before, since)) = before.replace((figures, at)) {
                let line = StatsLine::between(&before, &figures, at - since);
                match self.output.json {
                    true => print_json(&line.with_time(timestamp(SystemTime::now())))?,
                    false => {
                        let header = if lines % LINES == 0 { rates::HEADER } else { "" };
                        print(&format!("{header}{}", line.text(SystemTime::now())))?;
                        lines += 1;
                    }
                }
            }
            sleep(INTERVAL).await;
        }
    }

    async fn top(&self, admin: AdminClient, watch: bool) -> CliResult<()> {
        let app = match &self.app {
            Some(app) => app.clone(),
            None => admin.only_app().await?,
        };
        let server = AppClient { admin, app };
        let ask = || server.get::<TopChannels>("/top");
        // The first question begins the counting.
        if ask().await?.channels.is_empty() {
            sleep(TOP_WAIT).await;
        }
        loop {
            let top = ask().await?;
            if self.output.json {
                print_json(&top.of_app(&server.app))?;
            } else {
                let clear = if watch && io::stdout().is_terminal() { CLEAR } else { "" };
                print(&format!("{clear}{}", top.text()))?;
            }
            if !watch {
                return Ok(());
            }
            sleep(INTERVAL).await;
        }
    }
}

/// Clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";
