//! `sealcast auth explain`

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{CliResult, load_config, say};
use crate::{
    app::App,
    config::Flags,
    crypto::signature::AppSecret,
    domain::ids::SocketId,
    observe::explain::{AppKnowledge, Explanation, SimilarSecrets, Subject, Verdict, explain},
    platform::text_file,
};

#[derive(Args)]
pub struct ExplainArgs {
    /// Auth string, KEY:SIGNATURE
    auth: String,
    /// Socket id of the connection
    #[arg(long, value_name = "ID")]
    socket_id: SocketId,
    /// Channel name, as the client sends it
    #[arg(long, value_name = "NAME", required_unless_present = "user_data")]
    channel: Option<String>,
    /// Channel data, byte for byte
    #[arg(long, value_name = "JSON", requires = "channel")]
    channel_data: Option<String>,
    /// User data of a sign-in, byte for byte, instead of a channel
    #[arg(long, value_name = "JSON", conflicts_with = "channel")]
    user_data: Option<String>,
    /// Another socket id to try; may be repeated
    #[arg(long, value_name = "ID")]
    other_socket_id: Vec<SocketId>,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// App key, instead of a configuration
    #[arg(long, requires = "secret", conflicts_with = "app")]
    key: Option<String>,
    /// App secret, instead of a configuration; - reads it from standard input, out of sight
    #[arg(long, requires = "key", hide_env_values = true)]
    secret: Option<SecretString>,
    #[command(flatten)]
    flags: Flags,
}

pub fn run(args: &ExplainArgs) -> CliResult<()> {
    let subject = match (&args.channel, &args.user_data) {
        (Some(name), _) => Subject::Channel { name, data: args.channel_data.as_deref() },
        (None, data) => Subject::User { data: data.as_deref().unwrap_or_default() },
    };
    let verdict = match (&args.key, &args.secret) {
        (Some(key), Some(secret)) => by_secret(args, key, secret, &subject)?,
        _ => by_configuration(args, &subject)?,
    };
    let explanation = Explanation::new(&verdict, args.socket_id, &subject, None);
    say!("{}: {}", explanation.code, explanation.cause)?;
    explanation.fix.iter().try_for_each(|fix| say!("fix: {fix}"))?;
    explanation.expected.iter().try_for_each(|text| say!("to be signed: {text}"))?;
    match verdict {
        Verdict::Correct => Ok(()),
        Verdict::Wrong(_) => Err("the auth string would be refused".into()),
    }
}

fn by_secret(
    args: &ExplainArgs,
    key: &str,
    secret: &SecretString,
    subject: &Subject<'_>,
) -> CliResult<Verdict> {
    let read: Zeroizing<String>;
    let secret = match secret.expose_secret() {
        "-" => {
            read = text_file::read_from(std::io::stdin().lock(), 64 * 1024)?;
            // The line break comes from the terminal or from `echo`.
            read.trim_end_matches(['\r', '\n'])
        }
        secret => secret,
    };
    let known = AppKnowledge {
        key,
        secret: &AppSecret::new(secret.as_bytes()),
        near: &SimilarSecrets::of(secret),
        is_other_app: &|_| false,
    };
    let verdict = explain(&known, &args.auth, args.socket_id, subject, &args.other_socket_id);
    Ok(verdict)
}

fn by_configuration(args: &ExplainArgs, subject: &Subject<'_>) -> CliResult<Verdict> {
    let config = load_config(&args.flags)?;
    let app = select_app(&config.apps, args.app.as_deref())?;
    let known = AppKnowledge {
        key: &app.key,
        secret: &app.secret,
        near: &app.near_secrets,
        is_other_app: &|key| config.apps.iter().any(|other| &*other.key == key),
    };
    Ok(explain(&known, &args.auth, args.socket_id, subject, &args.other_socket_id))
}

fn select_app<'a>(apps: &'a [App], id: Option<&str>) -> CliResult<&'a App> {
    match (id, apps) {
        (Some(id), _) => apps
            .iter()
            .find(|app| &*app.id == id)
            .ok_or_else(|| format!("there is no app {id} in the configuration").into()),
        (None, [app]) => Ok(app),
        (None, _) => {
            Err("there are several apps in the configuration: say which with --app".into())
        }
    }
}
