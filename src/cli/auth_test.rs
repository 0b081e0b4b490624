//! `sealcast auth test`: the rule that decides for a token and a channel, and the reasons of the
//! rules before it.

use serde::Serialize;
use serde_json::Value;

use super::{CliResult, CommandError, OutputArgs, load_config, options::ConfigArgs, token::app};
use crate::{
    app::App,
    auth::{
        Abilities, Ability, Authorizer, Credentials, Grant, JwtAuthorizer,
        claims::Claims,
        rules::{Mismatch, Rule},
    },
    domain::{channel::Channel, time::UnixSeconds},
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

/// What decided, and how.
#[derive(Serialize)]
struct AuthReport {
    channel: String,
    granted: bool,
    /// True for an access token of this server, which no rule looks at.
    access_token: bool,
    /// False for a public channel.
    needs_authorization: bool,
    /// Claims that decide instead of rules.
    claims: Vec<ClaimLine>,
    /// `None`: the app has no rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<RuleLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<MemberLine>,
    allow: Vec<Ability>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<UnixSeconds>,
    /// The reason of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<String>,
    #[serde(skip)]
    now: UnixSeconds,
}

#[derive(Serialize)]
struct RuleLine {
    channel: String,
    decides: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
    allow: Vec<Ability>,
    claims: Vec<ClaimLine>,
}

#[derive(Serialize)]
struct ClaimLine {
    name: String,
    /// `null`: the token does not have it.
    value: Option<Value>,
}

#[derive(Serialize)]
struct MemberLine {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<Value>,
}

pub fn run(command: &AuthTestArgs) -> CliResult<()> {
    let config = load_config(&command.config.flags())?;
    let app = app(&config, command.app.as_deref())?;
    let channel = app.channel(&command.channel)?;
    let mut report = AuthReport::of(&channel);
    if channel.kind().is_public() {
        (report.granted, report.needs_authorization) = (true, false);
        return command.output.show(&report, text);
    }
    let token = match &*command.token {
        "-" => {
            let text = text_file::read_from(std::io::stdin().lock(), 64 * 1024)?;
            text.trim().to_owned()
        }
        token => token.to_owned(),
    };
    let credentials = Credentials { bearer: Some(token), ..Credentials::default() };
    app.access.revoked.load()?;
    let test = test(app, &credentials, &channel, &mut report);
    actix_rt::System::new().block_on(test)?;
    command.output.show(&report, text)?;
    report.denied.map_or(Ok(()), |reason| Err(CommandError::Failed(reason)))
}

async fn test(
    app: &App,
    credentials: &Credentials,
    channel: &Channel,
    report: &mut AuthReport,
) -> CliResult<()> {
    let clock = ServerClock::default();
    match (app.access.find_in(credentials), &*app.authorizer) {
        (Some(token), _) => {
            report.access_token = true;
            let (verified, _) = app.access.verify(token, None, clock.now())?;
            let claims = ["sub", "channels"].map(|name| claim(&verified.claims, name));
            report.claims.extend(claims);
        }
        (None, Authorizer::Jwt(jwt)) => {
            explain(jwt, credentials, channel, &clock, report).await?;
        }
        (None, other) => {
            return Err(CommandError::failed(format_args!(
                "the authorizer of app {} is {:?}, which looks at no token: there is nothing to test",
                app.id,
                other.name()
            )));
        }
    }
    report.now = clock.now().wall;
    match app.decide_channel(credentials, None, channel, &clock).await {
        Ok(grant) => report.grant(grant),
        Err(denied) => report.denied = Some(denied.to_string()),
    }
    Ok(())
}

async fn explain(
    jwt: &JwtAuthorizer,
    credentials: &Credentials,
    channel: &Channel,
    clock: &ServerClock,
    report: &mut AuthReport,
) -> CliResult<()> {
    let claims = jwt.verify(credentials.token(), clock.now()).await?.claims;
    match jwt.verdicts(&claims, channel) {
        Some(verdicts) => {
            let line = |(rule, verdict): &(&Rule, _)| RuleLine::new(rule, verdict, &claims);
            report.rules = Some(verdicts.iter().map(line).collect());
        }
        None => report.claims.push(claim(&claims, "channels")),
    }
    Ok(())
}

impl AuthReport {
    fn of(channel: &Channel) -> Self {
        Self {
            channel: channel.to_string(),
            granted: false,
            access_token: false,
            needs_authorization: true,
            claims: Vec::new(),
            rules: None,
            member: None,
            allow: Vec::new(),
            expires: None,
            denied: None,
            now: 0,
        }
    }

    fn grant(&mut self, grant: Grant) {
        self.granted = true;
        self.allow = grant.abilities.iter().collect();
        self.expires = grant.expires;
        self.member = grant
            .member
            .map(|member| MemberLine { user_id: member.user_id, user_info: member.user_info });
    }
}

impl RuleLine {
    fn new(rule: &Rule, verdict: &Result<(), Mismatch>, claims: &Claims) -> Self {
        Self {
            channel: rule.channel.to_string(),
            decides: verdict.is_ok(),
            mismatch: verdict.as_ref().err().map(Mismatch::to_string),
            allow: rule.abilities.iter().collect(),
            claims: rule.claims().map(|name| claim(claims, name)).collect(),
        }
    }

    fn text(&self) -> String {
        match &self.mismatch {
            Some(mismatch) => format!("no, {mismatch}"),
            None if self.allow.is_empty() => "decides: nobody joins".to_owned(),
            None => format!("decides: {}", self.allow.iter().copied().collect::<Abilities>()),
        }
    }
}

fn claim(claims: &Claims, name: &str) -> ClaimLine {
    ClaimLine { name: name.to_owned(), value: claims.get(name).cloned() }
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
        text +=
            &format!("rule {index} {:?}: {}\n{}", rule.channel, rule.text(), claims(&rule.claims));
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
