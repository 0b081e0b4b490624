//! Texts with placeholders for claims: `private-org-{claims.org}-*`, `{claims.sub}`.

use serde_json::Value;

use super::claims::Claims;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    Text(String),
    Claim(String),
    /// `{id}`: an id and its signature (`auth::signed_id`).
    Id,
    /// `*`: any run of characters, or none.
    Any,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTemplate {
    #[error("a {{ or }} has no counterpart")]
    Braces,
    #[error(
        "{{{0}}} is no placeholder: there is {{claims.NAME}}, and {{id}} in a channel whose rule says idsig = true"
    )]
    Placeholder(String),
}

/// Splits a text into parts. `*` is a wildcard in channels and a plain character elsewhere.
pub fn parse(text: &str, channel: bool) -> Result<Vec<TemplatePart>, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}', '*']) {
        let (before, found) = rest.split_at(at);
        push_text(&mut parts, before);
        if let Some(after) = found.strip_prefix('*') {
            if channel {
                parts.push(TemplatePart::Any)
            } else {
                push_text(&mut parts, "*")
            }
            rest = after;
            continue;
        }
        let inside = found.strip_prefix('{').ok_or(InvalidTemplate::Braces)?;
        let (name, after) = inside.split_once('}').ok_or(InvalidTemplate::Braces)?;
        parts.push(match name.strip_prefix("claims.") {
            Some(claim) if !claim.is_empty() && !claim.contains('{') => {
                TemplatePart::Claim(claim.to_owned())
            }
            _ if name == "id" && channel => TemplatePart::Id,
            _ => return Err(InvalidTemplate::Placeholder(name.to_owned())),
        });
        rest = after;
    }
    push_text(&mut parts, rest);
    Ok(parts)
}

fn push_text(parts: &mut Vec<TemplatePart>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(TemplatePart::Text(before)) => before.push_str(text),
        _ => parts.push(TemplatePart::Text(text.to_owned())),
    }
}

/// A value built from claims: a member's id, or a field of its info.
#[derive(Debug, Clone)]
pub struct Template(Vec<TemplatePart>);

impl Template {
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        parse(text, false).map(Self)
    }

    /// A single claim keeps its JSON type; everything else is text. `None` if a claim is missing.
    pub fn value(&self, claims: &Claims) -> Option<Value> {
        match &*self.0 {
            [TemplatePart::Claim(name)] => claims.get(name).cloned(),
            _ => self.text(claims).map(Value::String),
        }
    }

    pub fn text(&self, claims: &Claims) -> Option<String> {
        let part = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => Some(text.clone()),
            TemplatePart::Claim(name) => claims.text(name),
            TemplatePart::Id | TemplatePart::Any => None,
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_parts() {
        use TemplatePart::*;
        let text = |t: &str| Text(t.to_owned());
        let claim = |t: &str| Claim(t.to_owned());
        for (input, parts) in [
            ("", vec![]),
            ("a", vec![text("a")]),
            ("a-{claims.org}-*", vec![text("a-"), claim("org"), text("-"), Any]),
            ("{claims.a.b}", vec![claim("a.b")]),
            ("{id}x", vec![Id, text("x")]),
        ] {
            assert_eq!(parse(input, true), Ok(parts), "{input}");
        }
        assert_eq!(parse("a*b", false), Ok(vec![text("a*b")]));
        for bad in
            ["{", "}", "a}b", "{claims.a", "{}", "{claims.}", "{sub}", "{claims.{a}}", "{ID}"]
        {
            assert!(parse(bad, true).is_err(), "{bad}");
        }
        assert!(parse("{id}", false).is_err());
    }
}
