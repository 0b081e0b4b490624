//! The checks in their order, and the result of one.

use serde::Serialize;

/// In the order in which they run. A check needs what the ones before it have found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorCheck {
    Name,
    Tcp,
    Tls,
    Health,
    Upgrade,
    Handshake,
    Api,
    Signature,
    Clock,
    Path,
    Address,
    Origin,
    Auth,
    Events,
    Idle,
    Frame,
}

impl DoctorCheck {
    pub const ALL: [Self; 16] = [
        Self::Name,
        Self::Tcp,
        Self::Tls,
        Self::Health,
        Self::Upgrade,
        Self::Handshake,
        Self::Api,
        Self::Signature,
        Self::Clock,
        Self::Path,
        Self::Address,
        Self::Origin,
        Self::Auth,
        Self::Events,
        Self::Idle,
        Self::Frame,
    ];

    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// The same on a terminal and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Health => "health",
            Self::Upgrade => "upgrade",
            Self::Handshake => "handshake",
            Self::Api => "api",
            Self::Signature => "signature",
            Self::Clock => "clock",
            Self::Path => "path",
            Self::Address => "address",
            Self::Origin => "origin",
            Self::Auth => "auth",
            Self::Events => "events",
            Self::Idle => "idle",
            Self::Frame => "frame",
        }
    }

    pub fn ok(self, message: impl Into<String>) -> Finding {
        self.found(Judgement::Ok, message, Vec::new())
    }

    /// Something to look at. Clients still connect.
    pub fn warn(self, message: impl Into<String>, remedies: Vec<Remedy>) -> Finding {
        self.found(Judgement::Warn, message, remedies)
    }

    pub fn fail(self, message: impl Into<String>, remedies: Vec<Remedy>) -> Finding {
        self.found(Judgement::Fail, message, remedies)
    }

    /// `why` the check did not run.
    pub fn skip(self, why: impl Into<String>) -> Finding {
        self.found(Judgement::Skip, why, Vec::new())
    }

    fn found(
        self,
        judgement: Judgement,
        message: impl Into<String>,
        remedies: Vec<Remedy>,
    ) -> Finding {
        Finding { check: self, judgement, message: message.into(), remedies }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    Ok,
    Warn,
    Fail,
    Skip,
}

impl Judgement {
    /// On a terminal. The one that needs somebody is in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub check: DoctorCheck,
    pub judgement: Judgement,
    pub message: String,
    pub remedies: Vec<Remedy>,
}

/// One way to mend a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// The file or program that the lines belong to; `None` for advice in a sentence.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub lines: Vec<String>,
}

impl Remedy {
    pub fn advice(sentence: impl Into<String>) -> Self {
        Self { place: None, lines: vec![sentence.into()] }
    }

    pub fn lines<S: Into<String>>(
        place: impl Into<String>,
        lines: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { place: Some(place.into()), lines: lines.into_iter().map(Into::into).collect() }
    }

    /// Lines of the server's configuration file.
    pub fn sealcast<S: Into<String>>(lines: impl IntoIterator<Item = S>) -> Self {
        Self::lines("Sealcast's configuration", lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_numbered_in_their_order_and_named_once() {
        for (index, check) in DoctorCheck::ALL.into_iter().enumerate() {
            assert_eq!(check.number(), index + 1);
            assert_eq!(serde_json::json!(check), check.name());
        }
    }
}
