//! `sealcast trigger`: publishes an event as a backend does, on the public listener.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    time::Instant,
};

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::{
    CliResult, CommandError,
    amounts::plural,
    client::{
        http::{DEADLINE, send_on},
        patience,
        public::{PublicArgs, PublicServer},
        runtime::{block_on, naming},
        signed::{refusal, signed_request},
    },
    output::OutputArgs,
    print_error,
    terminal::harmless,
};
use crate::{crypto::key::Fingerprint, domain::channel::ChannelKind, protocol::json};

#[derive(clap::Args)]
#[command(override_usage = "sealcast trigger [OPTIONS] CHANNEL... EVENT [JSON|-]")]
pub struct TriggerArgs {
    /// One or more channels, the name of the event, and its data. The last argument is the data if it
    /// is JSON and not a plain word; - reads it from standard input. Without data it is {}
    #[arg(value_names = ["CHANNEL", "EVENT"], required = true, num_args = 2..)]
    words: Vec<String>,
    /// Connection that does not receive the event
    #[arg(long, value_name = "ID")]
    socket_id: Option<String>,
    #[command(flatten)]
    public: PublicArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The arguments, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Event<'a> {
    channels: &'a [String],
    name: &'a str,
    data: TriggerData<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum TriggerData<'a> {
    Given(&'a str),
    StandardInput,
}

#[derive(Serialize)]
struct TriggerBody<'a> {
    name: &'a str,
    channels: &'a [String],
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<&'a str>,
    info: &'a str,
}

/// More than any server takes.
const MAX_DATA_BYTES: u64 = 16 * 1024 * 1024;

/// The attributes that are shown of each channel.
const INFO: &str = "subscription_count,key";

#[derive(Deserialize)]
struct TriggeredAnswer {
    channels: BTreeMap<String, ChannelAnswer>,
}

#[derive(Deserialize)]
struct ChannelAnswer {
    subscription_count: Option<u64>,
    key: Option<Fingerprint>,
}

#[derive(Serialize)]
struct Triggered {
    status: u16,
    channels: BTreeMap<String, TriggeredChannel>,
    /// `local`: a cluster's other nodes may not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    /// From the request to its answer, without the connect.
    milliseconds: f64,
}

#[derive(Serialize)]
struct TriggeredChannel {
    /// The server has sealed the event.
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Fingerprint>,
    /// `null` with a server that does not tell.
    subscribers: Option<u64>,
}

pub fn run(command: &TriggerArgs) -> CliResult<()> {
    let event = Event::of(&command.words)?;
    let data = event.data.read()?;
    let body = TriggerBody {
        name: event.name,
        channels: event.channels,
        data: &data,
        socket_id: command.socket_id.as_deref(),
        info: INFO,
    };
    let body = serde_json::to_string(&body)?;
    let server = command.public.server()?;
    let triggered = block_on(send(&server, body))?;
    if triggered.delivery.as_deref() == Some("local") {
        print_error("sealcast: the other nodes could not be reached: they may not have the event");
    }
    command.output.show(&triggered, text)
}

async fn send(server: &PublicServer, body: String) -> CliResult<Triggered> {
    let api = server.api.as_ref().ok_or_else(|| {
        CommandError::usage("api_listen is a Unix socket: name an address with --url")
    })?;
    let request = signed_request(&server.app, Method::POST, "/events", &[], body)?;
    let stream = patience::show_while(api.connector.connect(&api.destination)).await;
    let stream = stream.map_err(|error| api.unreachable(&error))?;
    let begun = Instant::now();
    let sent = async {
        let sent = send_on(stream, &api.destination, request, DEADLINE);
        patience::show_while(sent).await.map_err(|error| api.unreachable(&error))
    };
    let answer = naming("the server may have published the event", sent).await?;
    let milliseconds = (begun.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    if answer.status != 200 {
        return Err(refusal(&answer, &api.destination));
    }
    let TriggeredAnswer { channels } = serde_json::from_slice(&answer.body).map_err(|error| {
        CommandError::unreachable(format_args!(
            "the answer cannot be read ({error}): is that a Sealcast server?"
        ))
    })?;
    let channels = channels.into_iter().map(|(name, answer)| {
        let (sealed, key, subscribers) =
            (answer.key.is_some(), answer.key, answer.subscription_count);
        (name, TriggeredChannel { sealed, key, subscribers })
    });
    Ok(Triggered {
        status: answer.status,
        channels: channels.collect(),
        delivery: answer.header("sealcast-delivery").map(str::to_owned),
        milliseconds,
    })
}

fn text(triggered: &Triggered) -> String {
    let mut text = String::new();
    for (name, channel) in &triggered.channels {
        let how = match &channel.key {
            Some(key) => format!("sealed {key}"),
            None if ChannelKind::of(name).is_encrypted() => "as it came, encrypted".into(),
            None => "in clear".into(),
        };
        let to = channel
            .subscribers
            .map_or_else(String::new, |number| format!("  {}", plural(number, "subscriber")));
        text += &format!("{}  {how}{to}\n", harmless(name));
    }
    text + &format!("{} in {} ms\n", triggered.status, triggered.milliseconds)
}

impl<'a> Event<'a> {
    fn of(words: &'a [String]) -> CliResult<Self> {
        let (last, before) = words.split_last().ok_or_else(Self::incomplete)?;
        let data = match is_data(last) && before.len() >= 2 {
            true if last == "-" => Some(TriggerData::StandardInput),
            true => Some(TriggerData::Given(last)),
            false => None,
        };
        if data.is_none() && last.contains(char::is_whitespace) {
            return Err(CommandError::usage(
                "the last argument is neither JSON nor the name of an event: a text is JSON in double quotes, as in '\"two words\"'",
            ));
        }
        let named = if data.is_some() { before } else { words };
        let (name, channels) = named.split_last().ok_or_else(Self::incomplete)?;
        if channels.is_empty() {
            return Err(Self::incomplete());
        }
        Ok(Self { channels, name, data: data.unwrap_or(TriggerData::Given("{}")) })
    }

    fn incomplete() -> CommandError {
        CommandError::usage("name at least one channel and the event")
    }
}

/// True for `-`, and for what begins as JSON: no channel and hardly an event is named so.
fn is_data(word: &str) -> bool {
    word == "-"
        || word.starts_with(['{', '[', '"'])
        || matches!(word, "true" | "false" | "null")
        || word.starts_with(|c: char| c.is_ascii_digit() || c == '-') && word.parse::<f64>().is_ok()
}

impl TriggerData<'_> {
    fn read(&self) -> CliResult<String> {
        let text = match self {
            Self::Given(text) => (*text).to_owned(),
            Self::StandardInput => {
                let mut text = String::new();
                let input = io::stdin().take(MAX_DATA_BYTES + 1);
                let read = { input }.read_to_string(&mut text).map_err(|error| {
                    CommandError::failed(format_args!("cannot read standard input: {error}"))
                })?;
                if read as u64 > MAX_DATA_BYTES {
                    return Err(CommandError::failed(
                        "standard input has more than 16 MiB: no server takes an event of that size",
                    ));
                }
                let end = text.trim_end_matches(['\n', '\r']).len();
                text.truncate(end);
                text
            }
        };
        if text.is_empty() {
            return Err(CommandError::failed("standard input has no data for the event"));
        }
        json::value(&text)
            .map_err(|error| CommandError::usage(format_args!("the data is no JSON: {error}")))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(Vec<String>, String, String)> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let event = Event::of(&words).ok()?;
        let data = match event.data {
            TriggerData::Given(text) => text.to_owned(),
            TriggerData::StandardInput => "(stdin)".into(),
        };
        Some((event.channels.to_vec(), event.name.to_owned(), data))
    }

    #[test]
    fn arguments_are_channels_then_the_event_then_data() {
        for (line, channels, name, data) in [
            ("a e", vec!["a"], "e", "{}"),
            ("a b e", vec!["a", "b"], "e", "{}"),
            ("a e {\"x\":1}", vec!["a"], "e", "{\"x\":1}"),
            ("a b e [1]", vec!["a", "b"], "e", "[1]"),
            ("a e -", vec!["a"], "e", "(stdin)"),
            ("a e \"text\"", vec!["a"], "e", "\"text\""),
            ("a e 1.5", vec!["a"], "e", "1.5"),
            ("a e null", vec!["a"], "e", "null"),
            // Without it there would be no event.
            ("a 17", vec!["a"], "17", "{}"),
            ("a b nullable", vec!["a", "b"], "nullable", "{}"),
            ("a b inf", vec!["a", "b"], "inf", "{}"),
        ] {
            let wanted = (
                channels.into_iter().map(str::to_owned).collect(),
                name.to_owned(),
                data.to_owned(),
            );
            assert_eq!(parsed(line), Some(wanted), "{line}");
        }
        assert_eq!(parsed("a"), None);
        let words = ["a", "e", "two words"].map(str::to_owned);
        assert_eq!(Event::of(&words).err().map(|error| error.exit()), Some(2), "text and no JSON");
    }

    #[test]
    fn data_is_json_and_not_empty() {
        for (text, wanted) in [("{}", Ok(())), ("\"a\"", Ok(())), ("{", Err(2)), ("", Err(1))] {
            let read = TriggerData::Given(text).read().map_err(|error| error.exit());
            assert_eq!(read, wanted.map(|()| text.to_owned()), "{text}");
        }
    }
}
