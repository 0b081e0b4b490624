//! `sealcast token` and `sealcast signed-id`: made offline with the app's secret.

use serde::Serialize;

use super::{
    CliResult, CommandError, OutputArgs, load_config, options::ConfigArgs, print_error,
    usage::number,
};
use crate::{
    app::App,
    auth::{
        Abilities, Authorizer,
        access::{DEFAULT_TTL, TokenRequest},
        signed_id::SignedIds,
    },
    config::Config,
    domain::channel::check_characters,
    platform::clock::{ClockReading, ServerClock},
    protocol::json,
};

#[derive(clap::Args)]
pub struct TokenArgs {
    /// User id of the token's bearer
    #[arg(long, value_name = "ID")]
    user: String,
    /// Channel or pattern, with * for any run of characters; may be repeated
    #[arg(long, value_name = "NAME", required = true)]
    channel: Vec<String>,
    /// Lifetime in seconds
    #[arg(long, default_value_t = DEFAULT_TTL, value_parser = number::<u64>)]
    ttl: u64,
    /// JSON for the other members of presence channels
    #[arg(long, value_name = "JSON")]
    user_info: Option<String>,
    /// Origin of the only pages allowed to use it
    #[arg(long)]
    origin: Option<String>,
    /// Abilities: subscribe, client_events, history, trigger, clear; default: the first two
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow: Vec<String>,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(clap::Args)]
pub struct SignedIdArgs {
    /// Text before the id, such as private-list-
    prefix: String,
    id: String,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Allowed clock difference between this machine and the server, in seconds.
const CLOCK_SKEW: u64 = 10;

pub fn run(command: &TokenArgs) -> CliResult<()> {
    let config = load_config(&command.config.flags())?;
    let app = app(&config, command.app.as_deref())?;
    let user_info = command.user_info.as_deref().map(json::value).transpose();
    let wanted = TokenRequest {
        user_id: command.user.clone(),
        user_info: user_info
            .map_err(|e| CommandError::usage(format_args!("--user-info is not JSON: {e}")))?,
        channels: command.channel.clone(),
        ttl: command.ttl,
        origin: command.origin.clone(),
        allow: (!command.allow.is_empty())
            .then(|| Abilities::named(&command.allow))
            .transpose()
            .map_err(|e| CommandError::usage(format_args!("--allow: {e}")))?,
    };
    let now = ServerClock::default().now();
    // Backdated for servers with a slow clock; a revocation in the next moment is still newer.
    let now = ClockReading { latest: now.latest.saturating_sub(CLOCK_SKEW), ..now };
    let minted = app.mint(&wanted, now).map_err(CommandError::usage)?;
    command.output.show(&minted, |minted| format!("{}\n", minted.token))
}

#[derive(Serialize)]
struct SignedName {
    channel: String,
}

pub fn signed_id(command: &SignedIdArgs) -> CliResult<()> {
    let config = load_config(&command.config.flags())?;
    let app = app(&config, command.app.as_deref())?;
    let SignedIdArgs { prefix, id, .. } = command;
    if id.contains('.') {
        return Err(CommandError::usage("an id has no dot: that is what its signature follows"));
    }
    let checked = check_characters(id, app.limits.channel_name_bytes);
    checked.map_err(|e| CommandError::usage(format_args!("the id {id:?} {e}")))?;
    let name = SignedIds::new(app.secret.clone()).name(prefix, id);
    if app.channel(&name)?.kind().is_public() {
        return Err(CommandError::usage(format_args!(
            "{name} is a public channel, which everybody joins without a rule: begin the prefix with private-, private-encrypted- or presence-, such as private-{prefix}"
        )));
    }
    if let Authorizer::Jwt(jwt) = &*app.authorizer
        && !jwt.rules.as_ref().is_some_and(|rules| rules.takes_signed_id(prefix))
    {
        print_error(format_args!(
            "warning: no rule of app {} with idsig = true has a channel that begins with {prefix:?} and {{id}}, so that no token opens {name}",
            app.id
        ));
    }
    command.output.show(&SignedName { channel: name }, |name| format!("{}\n", name.channel))
}

/// The named app, or the only one.
pub fn app<'a>(config: &'a Config, id: Option<&str>) -> CliResult<&'a App> {
    match (id, &*config.apps) {
        (None, [only]) => Ok(only),
        (None, _) => Err(CommandError::usage("there are several apps: say which with --app")),
        (Some(id), apps) => apps.iter().find(|app| *app.id == *id).ok_or_else(|| {
            CommandError::failed(format_args!("there is no app {id:?} in the configuration"))
        }),
    }
}
