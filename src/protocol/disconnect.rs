//! The close codes that an operator may choose.

/// A code that clients understand: its range decides how they go on. 4000 and the codes from 4300 are
/// left out: the first makes clients try TLS, the others make pusher-js give up like 4009.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DisconnectCode(u16);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a close code is 4001 to 4099 (the client gives up), 4100 to 4199 (it waits, then reconnects) or 4200 to 4299 (it reconnects at once)"
)]
pub struct InvalidDisconnectCode;

impl DisconnectCode {
    /// The client may return.
    pub const RECONNECT: Self = Self(4200);

    pub fn new(code: u16) -> Result<Self, InvalidDisconnectCode> {
        match code {
            4001..=4299 => Ok(Self(code)),
            _ => Err(InvalidDisconnectCode),
        }
    }

    pub fn number(self) -> u16 {
        self.0
    }

    pub fn message(self) -> &'static str {
        match self.0 {
            ..4100 => "An operator of the server has closed this connection",
            4100..4200 => {
                "An operator of the server has closed this connection, please try again in a moment"
            }
            4200.. => "An operator of the server has closed this connection, please reconnect",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_with_a_meaning_for_clients() {
        for code in [0, 1000, 3999, 4000, 4300, 4999, u16::MAX] {
            assert_eq!(DisconnectCode::new(code), Err(InvalidDisconnectCode), "{code}");
        }
        for (code, end) in [
            (4001, "connection"),
            (4009, "connection"),
            (4100, "in a moment"),
            (4199, "in a moment"),
            (4200, "please reconnect"),
            (4299, "please reconnect"),
        ] {
            let code = DisconnectCode::new(code).expect("a code");
            assert!(code.message().ends_with(end), "{code:?}");
        }
        assert_eq!(DisconnectCode::new(4200), Ok(DisconnectCode::RECONNECT));
    }
}
