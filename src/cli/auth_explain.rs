//! `sealcast auth explain`

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{CliResult, CommandError, OutputArgs, load_config, options::ConfigArgs, token::app};
use crate::{
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
    config: ConfigArgs,
    #[command(flatten)]
    output: OutputArgs,
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
    args.output.show(&explanation, text)?;
    match verdict {
        Verdict::Correct => Ok(()),
        Verdict::Wrong(_) => Err(CommandError::failed("the auth string would be refused")),
    }
}

fn text(explanation: &Explanation) -> String {
    let mut text = format!("{}: {}\n", explanation.code, explanation.cause);
    explanation.fix.iter().for_each(|fix| text += &format!("fix: {fix}\n"));
    explanation.expected.iter().for_each(|line| text += &format!("to be signed: {line}\n"));
    text
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
    let config = load_config(&args.config.flags())?;
    let app = app(&config, args.app.as_deref())?;
    let known = AppKnowledge {
        key: &app.key,
        secret: &app.secret,
        near: &app.near_secrets,
        is_other_app: &|key| config.apps.iter().any(|other| &*other.key == key),
    };
    Ok(explain(&known, &args.auth, args.socket_id, subject, &args.other_socket_id))
}
