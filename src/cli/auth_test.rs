//! `sealcast auth test`: the rule that decides for a token and a channel, and the reasons of the
//! rules before it.

use super::{CliResult, load_config, say, token::app};
use crate::{
    app::App,
    auth::{
        Abilities, Ability, Authorizer, Credentials, JwtAuthorizer,
        claims::Claims,
        rules::{Mismatch, Rule},
    },
    config::Flags,
    domain::channel::Channel,
    platform::{clock::ServerClock, text_file},
};

#[derive(clap::Args)]
pub struct AuthTestArgs {
    /// Token, or - for standard input, out of the shell's history
    token: String,
    channel: String,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

pub fn run(command: &AuthTestArgs) -> CliResult<()> {
    let config = load_config(&command.flags)?;
    let app = app(&config, command.app.as_deref())?;
    let channel = app.channel(&command.channel)?;
    if channel.kind().is_public() {
        return Ok(say!("{channel}: a public channel needs no authorization, so no rule decides")?);
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
    actix_rt::System::new().block_on(test(app, &credentials, &channel))
}

async fn test(app: &App, credentials: &Credentials, channel: &Channel) -> CliResult<()> {
    let clock = ServerClock::default();
    match (app.access.find_in(credentials), &*app.authorizer) {
        (Some(token), _) => {
            say!("the token is an access token of this server")?;
            let (verified, _) = app.access.verify(token, None, clock.now())?;
            print_claim(&verified.claims, "sub")?;
            print_claim(&verified.claims, "channels")?;
        }
        (None, Authorizer::Jwt(jwt)) => explain(jwt, credentials, channel, &clock).await?,
        (None, other) => {
            return Err(format!(
                "the authorizer of app {} is {:?}, which looks at no token: there is nothing to test",
                app.id,
                other.name()
            )
            .into());
        }
    }
    let grant = app.decide_channel(credentials, None, channel, &clock).await?;
    say!("{channel}: granted")?;
    if let Some(member) = &grant.member {
        let info = member.user_info.as_ref().map(|info| format!(" {info}")).unwrap_or_default();
        say!("  member: {}{info}", member.user_id)?;
    }
    print_abilities(grant.abilities)?;
    if let Some(expires) = grant.expires {
        say!("  for: {} seconds", expires.saturating_sub(clock.now().wall))?;
    }
    Ok(())
}

fn print_abilities(abilities: Abilities) -> CliResult<()> {
    if !abilities.allows(Ability::Subscribe) {
        say!("  subscriptions: no")?;
    }
    if !abilities.allows(Ability::ClientEvents) {
        say!("  client events: no")?;
    }
    if !abilities.is_within(Abilities::LEGACY) {
        say!("  allowed: {abilities}")?;
    }
    Ok(())
}

async fn explain(
    jwt: &JwtAuthorizer,
    credentials: &Credentials,
    channel: &Channel,
    clock: &ServerClock,
) -> CliResult<()> {
    let claims = jwt.verify(credentials.token(), clock.now()).await?.claims;
    let Some(verdicts) = jwt.verdicts(&claims, channel) else {
        say!("there are no rules: the token's own claim decides")?;
        return print_claim(&claims, "channels");
    };
    for (index, (rule, verdict)) in verdicts.iter().enumerate() {
        say!("rule {index} {:?}: {}", &*rule.channel, describe(rule, verdict))?;
        rule.claims().try_for_each(|name| print_claim(&claims, name))?;
    }
    Ok(())
}

fn describe(rule: &Rule, verdict: &std::result::Result<(), Mismatch>) -> String {
    match (verdict, rule.abilities) {
        (Err(mismatch), _) => format!("no, {mismatch}"),
        (Ok(()), Abilities::NONE) => "decides: nobody joins".to_owned(),
        (Ok(()), abilities) => format!("decides: {abilities}"),
    }
}

fn print_claim(claims: &Claims, name: &str) -> CliResult<()> {
    Ok(match claims.get(name) {
        Some(value) => say!("  claim {name} = {value}"),
        None => say!("  claim {name} is not there"),
    }?)
}
