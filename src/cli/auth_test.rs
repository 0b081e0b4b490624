//! `sealcast auth test`: the rule that decides for a token and a channel, and the reasons of the
//! rules before it.

use super::{CliResult, CommandError, OutputArgs, load_config, options::ConfigArgs, token::app};
use crate::{
    app::auth_report::{AuthReport, AuthTestError, ClaimLine, MemberLine, RuleLine},
    auth::{Abilities, Ability, Credentials},
    platform::{clock::ServerClock, text_file},
};

#[derive(clap::Args)]
pub struct AuthTestArgs {
    /// Token, or - for standard input, out of the shell's history
    token: String,
    /// Channel that the token is shown for
    channel: String,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(command: &AuthTestArgs) -> CliResult<()> {
    let config = load_config(&command.config.flags())?;
    let app = app(&config, command.app.as_deref())?;
    let channel = app.channel(&command.channel)?;
    let token = match &*command.token {
        // No rule decides on a public channel, so none is read.
        "-" if channel.kind().is_public() => None,
        "-" => {
            let text = text_file::read_from(std::io::stdin().lock(), 64 * 1024)?;
            Some(text.trim().to_owned())
        }
        token => Some(token.to_owned()),
    };
    let credentials = Credentials { bearer: token, ..Credentials::default() };
    app.access.revoked.load()?;
    let clock = ServerClock::default();
    let test = AuthReport::test(app, &credentials, &channel, &clock);
    let report = actix_rt::System::new().block_on(test).map_err(|error| match error {
        AuthTestError::NoToken { .. } => CommandError::failed(error),
        AuthTestError::Denied(denied) => denied.into(),
    })?;
    command.output.show(&report, text)?;
    report.denied.map_or(Ok(()), |reason| Err(CommandError::Failed(reason)))
}

fn rule_text(rule: &RuleLine) -> String {
    match &rule.mismatch {
        Some(mismatch) => format!("no, {mismatch}"),
        None if rule.allow.is_empty() => "decides: nobody joins".to_owned(),
        None => format!("decides: {}", rule.allow.iter().copied().collect::<Abilities>()),
    }
}

fn text(report: &AuthReport) -> String {
    let channel = &report.channel;
    if !report.needs_authorization {
        return format!("{channel}: a public channel needs no authorization, so no rule decides\n");
    }
    let mut text = String::new();
    match (report.access_token, &report.rules) {
        (true, _) => text += "the token is an access token of this server\n",
        (false, None) => text += "there are no rules: the token's own claim decides\n",
        (false, Some(_)) => {}
    }
    text += &claims(&report.claims);
    for (index, rule) in report.rules.iter().flatten().enumerate() {
        text += &format!(
            "rule {index} {:?}: {}\n{}",
            rule.channel,
            rule_text(rule),
            claims(&rule.claims)
        );
    }
    if report.granted {
        text += &granted(report);
    }
    text
}

fn claims(lines: &[ClaimLine]) -> String {
    let line = |ClaimLine { name, value }: &ClaimLine| match value {
        Some(value) => format!("  claim {name} = {value}\n"),
        None => format!("  claim {name} is not there\n"),
    };
    lines.iter().map(line).collect()
}

fn granted(report: &AuthReport) -> String {
    let mut text = format!("{}: granted\n", report.channel);
    if let Some(MemberLine { user_id, user_info }) = &report.member {
        let info = user_info.as_ref().map(|info| format!(" {info}")).unwrap_or_default();
        text += &format!("  member: {user_id}{info}\n");
    }
    let abilities: Abilities = report.allow.iter().copied().collect();
    if !abilities.allows(Ability::Subscribe) {
        text += "  subscriptions: no\n";
    }
    if !abilities.allows(Ability::ClientEvents) {
        text += "  client events: no\n";
    }
    if !abilities.is_within(Abilities::LEGACY) {
        text += &format!("  allowed: {abilities}\n");
    }
    if let Some(expires) = report.expires {
        text += &format!("  for: {} seconds\n", expires.saturating_sub(report.now));
    }
    text
}
