//! Texts often signed by mistake.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    Subject,
    json_forms::{Style, forms},
};
use crate::{
    domain::{channel::PREFIXES, ids::SocketId},
    protocol::json,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SigningMistake {
    OtherSocket(SocketId),
    DataMissing,
    DataRewritten(Style),
    DataQuoted,
    DataEncoded,
    ChannelEncoded,
    ChannelDecoded,
    PrefixMissing,
    PrefixDoubled,
    PrefixOther(&'static str),
    ChannelCase,
    OrderReversed,
    LineBreak,
    AsUser,
    AsChannel,
}

impl SigningMistake {
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherSocket(_) => "other_socket",
            Self::DataMissing => "data_not_signed",
            Self::DataRewritten(_) => "data_rewritten",
            Self::DataQuoted => "data_quoted",
            Self::DataEncoded => "data_percent_encoded",
            Self::ChannelEncoded => "channel_percent_encoded",
            Self::ChannelDecoded => "channel_percent_decoded",
            Self::PrefixMissing => "prefix_missing",
            Self::PrefixDoubled => "prefix_doubled",
            Self::PrefixOther(_) => "other_prefix",
            Self::ChannelCase => "channel_case",
            Self::OrderReversed => "order_reversed",
            Self::LineBreak => "text_with_line_break",
            Self::AsUser => "signed_as_user",
            Self::AsChannel => "signed_as_channel",
        }
    }

    pub fn cause(&self) -> String {
        match self {
            Self::OtherSocket(id) => {
                return format!("the signature is for the socket_id {id}, another connection");
            }
            Self::DataRewritten(style) => {
                return format!(
                    "the data was serialized again after signing: the signed text is the same JSON {style}"
                );
            }
            Self::PrefixOther(prefix) => {
                return format!("what was signed has the prefix {prefix} in the place of the channel's own");
            }
            Self::DataMissing => "what was signed does not include channel_data",
            Self::DataQuoted => "what was signed is the data as a JSON string, encoded twice",
            Self::DataEncoded => "what was signed is the data percent-encoded",
            Self::ChannelEncoded => "what was signed has the channel's name percent-encoded",
            Self::ChannelDecoded => "what was signed has the channel's name percent-decoded",
            Self::PrefixMissing => "what was signed has the channel's name without its prefix",
            Self::PrefixDoubled => "what was signed has the prefix of the channel's name twice",
            Self::ChannelCase => "what was signed has the channel's name in other capitals",
            Self::OrderReversed => "what was signed is channel:socket_id, the wrong way round",
            Self::LineBreak => "what was signed ends with a line break",
            Self::AsUser => "the signature is that of a sign-in, not of a channel",
            Self::AsChannel => "the signature is that of a channel, not of a sign-in",
        }
        .to_owned()
    }

    pub fn fix(&self) -> &'static str {
        match self {
            Self::OtherSocket(_) => {
                "sign the socket_id that came with this request: each connection, and each reconnect, has a new one, so nothing may be cached"
            }
            Self::DataMissing => "sign socket_id:channel_name:channel_data",
            Self::DataRewritten(_) | Self::DataQuoted | Self::DataEncoded => {
                "serialize the JSON once, sign that text, and send exactly that text"
            }
            Self::ChannelEncoded | Self::ChannelDecoded | Self::ChannelCase => {
                "sign the channel's name as the client uses it, after the form has been decoded once"
            }
            Self::PrefixMissing | Self::PrefixDoubled | Self::PrefixOther(_) => {
                "sign the channel_name of the request as it came, prefix included"
            }
            Self::OrderReversed => "sign socket_id:channel_name, in this order",
            Self::LineBreak => "sign the text without a line break (`printf`, or `echo -n`)",
            Self::AsUser => {
                "answer channel authorization with the signature of socket_id:channel_name"
            }
            Self::AsChannel => {
                "answer user authentication with the signature of socket_id::user::user_data"
            }
        }
    }
}

/// All texts that may have been signed by mistake, most likely first.
pub fn signing_mistakes(
    socket: SocketId,
    subject: &Subject<'_>,
    others: &[SocketId],
) -> Vec<(SigningMistake, String)> {
    let mut mistakes: Vec<_> = others
        .iter()
        .filter(|other| **other != socket)
        .flat_map(|other| {
            subject
                .accepted(*other)
                .into_iter()
                .map(|text| (SigningMistake::OtherSocket(*other), text))
        })
        .collect();
    mistakes.extend(
        subject.accepted(socket).into_iter().map(|text| (SigningMistake::LineBreak, text + "\n")),
    );
    match subject {
        Subject::User { data } => user_mistakes(&mut mistakes, socket, data),
        Subject::Channel { name, data } => {
            channel_mistakes(&mut mistakes, socket, name, data.unwrap_or_default());
        }
    }
    mistakes
}

fn user_mistakes(mistakes: &mut Vec<(SigningMistake, String)>, socket: SocketId, data: &str) {
    mistakes.extend(
        other_data(data).map(|(mistake, data)| (mistake, format!("{socket}::user::{data}"))),
    );
    let id = json::value(data).ok();
    let id = id.as_ref().and_then(|user| user.get("id")?.as_str()).unwrap_or_default();
    for text in [data.to_owned(), format!("user:{data}"), format!("#server-to-user-{id}")] {
        mistakes.push((SigningMistake::AsChannel, format!("{socket}:{text}")));
    }
}

fn channel_mistakes(
    mistakes: &mut Vec<(SigningMistake, String)>,
    socket: SocketId,
    name: &str,
    data: &str,
) {
    let with = |name: &str, data: &str| match data {
        "" => format!("{socket}:{name}"),
        data => format!("{socket}:{name}:{data}"),
    };
    if !data.is_empty() {
        mistakes.push((SigningMistake::DataMissing, with(name, "")));
        mistakes.extend(other_data(data).map(|(mistake, data)| (mistake, with(name, &data))));
    }
    for (mistake, name) in other_names(name) {
        mistakes.push((mistake.clone(), with(&name, data)));
        if !data.is_empty() {
            mistakes.push((mistake, with(&name, "")));
        }
    }
    mistakes.push((SigningMistake::OrderReversed, format!("{name}:{socket}")));
    mistakes.push((SigningMistake::AsUser, format!("{socket}::user::{data}")));
}

fn other_data(data: &str) -> impl Iterator<Item = (SigningMistake, String)> {
    let rewritten =
        forms(data).into_iter().map(|(style, text)| (SigningMistake::DataRewritten(style), text));
    let encoded = utf8_percent_encode(data, NON_ALPHANUMERIC).to_string();
    let quoted = serde_json::Value::from(data).to_string();
    rewritten.chain([(SigningMistake::DataQuoted, quoted), (SigningMistake::DataEncoded, encoded)])
}

fn other_names(name: &str) -> Vec<(SigningMistake, Cow<'_, str>)> {
    let mut names = vec![
        (SigningMistake::ChannelEncoded, encoded(name).into()),
        // Form encoding leaves some characters of channel names unescaped.
        (
            SigningMistake::ChannelEncoded,
            form_urlencoded::byte_serialize(name.as_bytes()).collect(),
        ),
        (SigningMistake::ChannelDecoded, percent_decode_str(name).decode_utf8_lossy()),
        (SigningMistake::ChannelCase, name.to_lowercase().into()),
        (SigningMistake::ChannelCase, name.to_uppercase().into()),
    ];
    for prefix in PREFIXES {
        let Some(bare) = name.strip_prefix(prefix) else { continue };
        names.push((SigningMistake::PrefixMissing, bare.into()));
        names.push((SigningMistake::PrefixDoubled, format!("{prefix}{name}").into()));
        names.extend(
            PREFIXES
                .into_iter()
                .filter(|other| *other != prefix)
                .map(|other| (SigningMistake::PrefixOther(other), format!("{other}{bare}").into())),
        );
    }
    names
}

/// Encodes like `encodeURIComponent`.
fn encoded(name: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')');
    utf8_percent_encode(name, KEPT).to_string()
}
