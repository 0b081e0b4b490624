//! `sealcast listen`: subscribes to channels as a client does, on the public listener.

mod authorizer;
mod conversation;
mod frames;
mod opener;
mod printer;

use std::{cell::Cell, time::Duration};

use tokio::time::sleep;

use super::{
    CliResult, CommandError,
    client::{
        auth_endpoint::HeaderArgs,
        public::{PublicArgs, PublicServer},
        runtime::block_on,
    },
    output::OutputArgs,
    print_error,
};
use authorizer::ListenAuthorizer;
use conversation::{Conversation, End, Tools};
use opener::Opener;
use printer::ListenPrinter;

#[derive(clap::Args)]
pub struct ListenArgs {
    /// Channels to subscribe to
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<String>,
    /// Open the events of encrypted channels: ask the server's auth endpoint for the channel's secret,
    /// as a client does, with an access token made of the app's secret
    #[arg(long)]
    decrypt: bool,
    /// Ask this auth endpoint, instead of using the app's secret
    #[arg(long, value_name = "URL")]
    auth: Option<String>,
    #[command(flatten)]
    headers: HeaderArgs,
    /// User id on presence channels, where the other members see it
    #[arg(long, value_name = "ID", default_value = USER, conflicts_with = "auth", value_parser = user)]
    user: String,
    /// Exit after this many events
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    count: Option<u64>,
    #[command(flatten)]
    public: PublicArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const USER: &str = "sealcast-listen";

fn user(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("a user id has at least one character") } else { Ok(text.to_owned()) }
}

fn at_least_one(text: &str) -> Result<u64, &'static str> {
    let number = super::usage::number(text)?;
    if number > 0 { Ok(number) } else { Err("at least 1 is expected") }
}

/// What the command has done, also for its end by an interruption.
#[derive(Default)]
pub struct ListenProgress {
    /// All channels were joined at least once.
    joined: Cell<bool>,
    events: Cell<u64>,
}

pub fn run(command: &ListenArgs) -> CliResult<()> {
    let server = command.public.server()?;
    let authorizer = ListenAuthorizer::of(command, &server)?;
    let progress = ListenProgress::default();
    let ended = block_on(command.listen(&server, &authorizer, &progress));
    match ended {
        // The usual end, unless a number of events was waited for.
        Err(CommandError::Interrupted(_)) if progress.joined.get() && command.count.is_none() => {
            Ok(())
        }
        ended => ended,
    }
}

/// Pauses before attempts to reconnect; the last one is repeated.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

impl ListenArgs {
    async fn listen(
        &self,
        server: &PublicServer,
        authorizer: &ListenAuthorizer,
        progress: &ListenProgress,
    ) -> CliResult<()> {
        let (opener, printer) = (Opener::new(self.decrypt), ListenPrinter::new(self.output.json));
        let mut tools = Tools { authorizer, opener, printer, count: self.count, progress };
        let mut failures = 0;
        loop {
            let connected = Conversation::connect(server).await;
            let end = match connected {
                Ok(mut conversation) => {
                    let end = conversation.run(&self.channels, &mut tools).await?;
                    failures = 0;
                    end
                }
                // At first a wrong address is more likely than a server that restarts.
                Err(error) if !progress.joined.get() => {
                    return Err(server.clients.unreachable(&error));
                }
                Err(error) if error.is_passing() => End::Lost(error.to_string()),
                Err(error) => return Err(server.clients.unreachable(&error)),
            };
            match end {
                End::Enough => return Ok(()),
                End::GivenUp(error) => return Err(error),
                End::Silent if !progress.joined.get() => {
                    return Err(CommandError::unreachable(format_args!(
                        "{} opens a WebSocket and then says nothing: is that a Sealcast server?",
                        server.clients.destination
                    )));
                }
                End::Silent => retry("the server does not answer", &mut failures).await,
                End::Lost(why) => retry(&why, &mut failures).await,
            }
        }
    }
}

/// Says why, and waits.
async fn retry(why: &str, failures: &mut usize) {
    let pause = PAUSES[(*failures).min(PAUSES.len() - 1)];
    *failures += 1;
    print_error(format_args!("sealcast: {why}; reconnecting in {} s", pause.as_secs_f64()));
    sleep(pause).await;
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_begin_at_one() {
        assert_eq!(at_least_one("1"), Ok(1));
        assert!(at_least_one("0").is_err() && at_least_one("x").is_err());
    }
}
