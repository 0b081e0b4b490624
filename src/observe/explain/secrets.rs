//! Secrets that are nearly right, as copied from files, dashboards and shells.

use crate::crypto::signature::AppSecret;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretMistake {
    LineBreak,
    LineBreakOfWindows,
    BlankBehind,
    BlankBefore,
    DoubleQuotes,
    SingleQuotes,
    Trimmed,
    Unquoted,
    OtherCase,
}

impl SecretMistake {
    pub fn cause(self) -> &'static str {
        match self {
            Self::LineBreak | Self::LineBreakOfWindows => {
                "the secret that signed ends with a line break"
            }
            Self::BlankBehind | Self::BlankBefore => "the secret that signed has a blank too many",
            Self::DoubleQuotes | Self::SingleQuotes => {
                "the secret that signed has quotation marks around it"
            }
            Self::Trimmed => {
                "the secret that signed lacks the blanks or line break with which the app's secret here begins or ends"
            }
            Self::Unquoted => {
                "the secret that signed lacks the quotation marks that stand around the app's secret here"
            }
            Self::OtherCase => "the secret that signed is in other capitals",
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::LineBreak | Self::LineBreakOfWindows => "secret_with_line_break",
            Self::BlankBehind | Self::BlankBefore => "secret_with_blank",
            Self::DoubleQuotes | Self::SingleQuotes => "secret_with_quotes",
            Self::Trimmed => "secret_trimmed",
            Self::Unquoted => "secret_unquoted",
            Self::OtherCase => "secret_case",
        }
    }

    pub fn fix(self) -> &'static str {
        match self {
            Self::LineBreak | Self::LineBreakOfWindows | Self::BlankBehind | Self::BlankBefore => {
                "trim the secret where your backend reads it; files and pasted variables end with line breaks"
            }
            Self::DoubleQuotes | Self::SingleQuotes => {
                "take the quotation marks off where your backend's secret is set: not every reader of .env files does"
            }
            Self::Trimmed | Self::Unquoted => {
                "correct the app's secret in the configuration of this server"
            }
            Self::OtherCase => "copy the secret again",
        }
    }
}

/// Keyed HMAC states, so that the secrets themselves need not be kept.
pub struct SimilarSecrets(Vec<(SecretMistake, AppSecret)>);

impl SimilarSecrets {
    pub fn of(secret: &str) -> Self {
        let bare = secret.trim();
        let unquoted = bare.trim_matches(['"', '\'']);
        let near = [
            (SecretMistake::LineBreak, format!("{secret}\n")),
            (SecretMistake::LineBreakOfWindows, format!("{secret}\r\n")),
            (SecretMistake::BlankBehind, format!("{secret} ")),
            (SecretMistake::BlankBefore, format!(" {secret}")),
            (SecretMistake::DoubleQuotes, format!("\"{secret}\"")),
            (SecretMistake::SingleQuotes, format!("'{secret}'")),
            (SecretMistake::Trimmed, bare.to_owned()),
            (SecretMistake::Unquoted, unquoted.to_owned()),
            (SecretMistake::OtherCase, secret.to_lowercase()),
            (SecretMistake::OtherCase, secret.to_uppercase()),
        ];
        let others =
            near.into_iter().map(|(mistake, text)| (mistake, zeroize::Zeroizing::new(text)));
        Self(
            others
                .filter(|(_, text)| ***text != *secret)
                .map(|(mistake, text)| (mistake, AppSecret::new(text.as_bytes())))
                .collect(),
        )
    }

    pub fn iter(&self) -> impl Iterator<Item = (SecretMistake, &AppSecret)> {
        self.0.iter().map(|(mistake, secret)| (*mistake, secret))
    }
}
