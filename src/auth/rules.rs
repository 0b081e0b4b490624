//! Ordered rules. The first match for a channel decides; without a match, access is denied. Pure:
//! no I/O and no clock.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    abilities::Abilities,
    claims::Claims,
    signed_id::SignedIds,
    template::{InvalidTemplate, Template, TemplatePart, parse},
};
use crate::domain::{
    channel::{ChannelKind, check_characters},
    pattern::Pattern,
};

pub struct Rules {
    rules: Vec<Rule>,
    ids: SignedIds,
}

pub struct Rule {
    /// The pattern as configured.
    pub channel: Arc<str>,
    parts: Vec<TemplatePart>,
    /// Empty: the rule denies access.
    pub abilities: Abilities,
    pub max_ttl: Option<u64>,
    presence: PresenceData,
}

pub struct PresenceData {
    pub user_id: Template,
    /// `None` uses the claim of that name.
    pub user_info: Option<BTreeMap<String, Template>>,
}

/// The reason why a rule does not match a channel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("the name is not as the rule says")]
    Name,
    #[error("the token has no claim {0:?} that is a text, a whole number or a truth value")]
    NoClaim(String),
    #[error(
        "the claim {0:?} holds what no channel name can: it is empty, too long, or has characters other than letters, digits and _ - = @ , . ;"
    )]
    Unusable(String),
    #[error("the id carries no signature that was made for this place")]
    Id,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidRule {
    #[error("{0}")]
    Template(#[from] InvalidTemplate),
    #[error("it is empty")]
    Empty,
    #[error("it contains {0:?}, which no channel name has")]
    Character(char),
    #[error(
        "a claim is followed by * or another claim at once, so that the value 1 would let into what belongs to 12: put a character between them that no value has"
    )]
    OpenEnd,
    #[error(
        "{{id}} may stand there once, in front of every *, and something other than a claim behind it"
    )]
    IdPlace,
    #[error("{{id}} and idsig = true belong together: write both, or none")]
    IdSig,
    #[error("only channels that begin with private- or presence- are authorized")]
    Unauthorized,
}

const MAX_VALUE_BYTES: usize = 200;

impl Rule {
    pub fn new(
        channel: &str,
        idsig: bool,
        abilities: Abilities,
        max_ttl: Option<u64>,
        presence: PresenceData,
    ) -> Result<Self, InvalidRule> {
        let parts = parse(channel, true)?;
        check(&parts)?;
        if idsig != parts.contains(&TemplatePart::Id) {
            return Err(InvalidRule::IdSig);
        }
        Ok(Self { channel: channel.into(), parts, abilities, max_ttl, presence })
    }

    /// Names of the claims the channel is compared with.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Claim(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// A claim in front of the id may be any text.
    fn takes_signed_id(&self, prefix: &str) -> bool {
        let before_id =
            self.parts.split(|part| *part == TemplatePart::Id).next().unwrap_or_default();
        if before_id.len() == self.parts.len() {
            return false;
        }
        let pattern: String = before_id
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => text.as_str(),
                TemplatePart::Claim(_) | TemplatePart::Id | TemplatePart::Any => "*",
            })
            .collect();
        Pattern::new(pattern).matches(prefix)
    }

    /// Checks if the rule matches the channel.
    fn matches(&self, claims: &Claims, ids: &SignedIds, channel: &str) -> Result<(), Mismatch> {
        let first_star = self.parts.iter().position(|part| *part == TemplatePart::Any);
        let (head, tail) = self.parts.split_at(first_star.unwrap_or(self.parts.len()));
        let mut rest = channel;
        for part in head {
            rest = match part {
                TemplatePart::Id => {
                    let prefix = &channel[..channel.len() - rest.len()];
                    ids.strip(prefix, rest).ok_or(Mismatch::Id)?
                }
                literal => {
                    rest.strip_prefix(&*literal_text(literal, claims)?).ok_or(Mismatch::Name)?
                }
            };
        }
        let runs = runs(tail, claims)?;
        let matches = match &*runs {
            [] => rest.is_empty(),
            runs => contains_in_order(rest, runs),
        };
        if matches { Ok(()) } else { Err(Mismatch::Name) }
    }

    pub fn member_id(&self, claims: &Claims) -> Option<String> {
        self.presence.user_id.text(claims).filter(|id| !id.is_empty())
    }

    pub fn member_info(&self, claims: &Claims) -> Option<Value> {
        let Some(fields) = &self.presence.user_info else {
            return claims.get("user_info").cloned();
        };
        let field =
            |(name, template): (&String, &Template)| Some((name.clone(), template.value(claims)?));
        Some(Value::Object(fields.iter().filter_map(field).collect::<Map<_, _>>()))
    }
}

fn check(parts: &[TemplatePart]) -> Result<(), InvalidRule> {
    let stem = match parts.first() {
        None => return Err(InvalidRule::Empty),
        Some(TemplatePart::Text(text)) => text.as_str(),
        Some(_) => "",
    };
    if !ChannelKind::of(stem).needs_authorization() {
        return Err(InvalidRule::Unauthorized);
    }
    for part in parts {
        if let TemplatePart::Text(text) = part
            && let Some(bad) = text.chars().find(|c| check_characters(&c.to_string(), 4).is_err())
        {
            return Err(InvalidRule::Character(bad));
        }
    }
    let ids = parts.iter().filter(|part| **part == TemplatePart::Id).count();
    let star_before =
        parts.iter().take_while(|part| **part != TemplatePart::Id).any(|p| *p == TemplatePart::Any);
    if ids > 1 || (ids == 1 && star_before) {
        return Err(InvalidRule::IdPlace);
    }
    for pair in parts.windows(2) {
        match pair {
            [
                TemplatePart::Claim(_),
                TemplatePart::Any | TemplatePart::Claim(_) | TemplatePart::Id,
            ] => {
                return Err(InvalidRule::OpenEnd);
            }
            [TemplatePart::Id, TemplatePart::Claim(_)] => return Err(InvalidRule::IdPlace),
            _ => {}
        }
    }
    Ok(())
}

/// Claim values are inserted literally. A value that cannot be part of a channel name matches
/// nothing.
fn literal_text(part: &TemplatePart, claims: &Claims) -> Result<String, Mismatch> {
    match part {
        TemplatePart::Text(text) => Ok(text.clone()),
        TemplatePart::Claim(name) => {
            let value = claims.text(name).ok_or_else(|| Mismatch::NoClaim(name.clone()))?;
            match check_characters(&value, MAX_VALUE_BYTES) {
                Ok(()) => Ok(value),
                Err(_) => Err(Mismatch::Unusable(name.clone())),
            }
        }
        TemplatePart::Id | TemplatePart::Any => Err(Mismatch::Name),
    }
}

/// The texts after each `*`.
fn runs(parts: &[TemplatePart], claims: &Claims) -> Result<Vec<String>, Mismatch> {
    let mut runs: Vec<String> = Vec::new();
    for part in parts {
        match (part, runs.last_mut()) {
            (TemplatePart::Any, _) => runs.push(String::new()),
            (literal, Some(run)) => run.push_str(&literal_text(literal, claims)?),
            (_, None) => return Err(Mismatch::Name),
        }
    }
    Ok(runs)
}

/// For `*a*b`: true if `a` occurs and `b` ends the text. The leftmost match is as good as any.
fn contains_in_order(mut text: &str, runs: &[String]) -> bool {
    let Some((last, middle)) = runs.split_last() else { return text.is_empty() };
    for run in middle {
        let Some(at) = text.find(run.as_str()) else { return false };
        text = &text[at + run.len()..];
    }
    text.ends_with(last.as_str())
}

impl Rules {
    /// True if a rule reads a signed id behind this prefix of a channel name.
    pub fn takes_signed_id(&self, prefix: &str) -> bool {
        self.rules.iter().any(|rule| rule.takes_signed_id(prefix))
    }

    pub fn new(rules: Vec<Rule>, ids: SignedIds) -> Self {
        Self { rules, ids }
    }

    /// The first rule that matches.
    pub fn decide(&self, claims: &Claims, channel: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(claims, &self.ids, channel).is_ok())
    }

    /// The verdict of each rule, up to the first match.
    pub fn verdicts(&self, claims: &Claims, channel: &str) -> Vec<(&Rule, Result<(), Mismatch>)> {
        let mut verdicts = Vec::new();
        for rule in &self.rules {
            let verdict = rule.matches(claims, &self.ids, channel);
            let decides = verdict.is_ok();
            verdicts.push((rule, verdict));
            if decides {
                break;
            }
        }
        verdicts
    }
}

#[cfg(test)]
mod tests;
