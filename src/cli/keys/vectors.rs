//! `sealcast keys vector`: expected results for an SDK, as JSON.

use md5::{Digest, Md5};
use serde::Serialize;

use super::{CommandError, print_error, read_key, say};
use crate::{
    cli::CliResult,
    crypto::{
        encoding::hex,
        secret::Salt,
        signature::AppSecret,
        vectors::{SealedVector, example_key, example_salt},
    },
    domain::{
        channel::Channel,
        ids::{SocketId, is_app_id},
    },
    protocol::signed::{signed_for_channel, signed_for_user},
};

#[derive(clap::Args)]
pub struct VectorArgs {
    /// Test key, or - for standard input; by default the published example
    ///
    /// The output opens everything sealed with this key on these channels.
    #[arg(long)]
    key: Option<String>,
    /// 32 bytes in base64 for derivation hkdf; by default the bytes 32 to 63
    ///
    /// A running server draws its own at each start and shows it nowhere.
    #[arg(long, value_name = "BASE64")]
    salt: Option<String>,
    /// Encrypted channel; may be repeated
    #[arg(long, value_name = "NAME", default_values = ["private-encrypted-my-channel", "private-encrypted-cache-a"])]
    channel: Vec<String>,
    /// App id, a part of API paths and of secrets with derivation hkdf
    #[arg(long, value_name = "ID", default_value = "3")]
    app: String,
}

/// The app of Pusher's documentation.
const APP_KEY: &str = "278d425bdf160c739803";
const APP_SECRET: &str = "7ad3773142a6692b25b8";
const SOCKET_ID: &str = "1234.1234";
const MEMBER: &str = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
const USER: &str = r#"{"id":"12345"}"#;
const BODY: &str = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
const HOOK: &str =
    r#"{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#;

#[derive(Serialize)]
struct Vectors {
    master_key: KeyVector,
    /// Base64; for derivation `hkdf` only.
    salt: String,
    encrypted: Vec<SealedVector>,
    app: AppVector,
    socket_id: &'static str,
    channel_auth: Vec<ChannelAuthVector>,
    user_auth: UserAuthVector,
    request: RequestVector,
    webhook: WebhookVector,
}

#[derive(Serialize)]
struct KeyVector {
    fingerprint: String,
    /// The published example only: a given key is not repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<String>,
}

#[derive(Serialize)]
struct AppVector {
    id: String,
    key: &'static str,
    secret: &'static str,
}

#[derive(Serialize)]
struct ChannelAuthVector {
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<&'static str>,
    string_to_sign: String,
    auth: String,
}

#[derive(Serialize)]
struct UserAuthVector {
    user_data: &'static str,
    string_to_sign: String,
    auth: String,
}

#[derive(Serialize)]
struct RequestVector {
    body: &'static str,
    body_md5: String,
    string_to_sign: String,
    auth_signature: String,
}

#[derive(Serialize)]
struct WebhookVector {
    body: &'static str,
    signature: String,
}

pub fn run(command: &VectorArgs) -> CliResult<()> {
    if command.key.is_none() {
        print_error("no --key: these are of the published example key, which no server takes");
    }
    say!("{}", serde_json::to_string_pretty(&vectors(command)?)?)
}

fn vectors(command: &VectorArgs) -> CliResult<Vectors> {
    if !is_app_id(&command.app) {
        return Err(CommandError::usage(format_args!("{:?} is no app id", command.app)));
    }
    let key = command.key.as_deref().map(read_key).transpose()?;
    let example = key.is_none().then(|| example_key().to_text().to_string());
    let key = key.unwrap_or_else(example_key);
    let salt = match &command.salt {
        Some(text) => Salt::parse(text)
            .ok_or_else(|| CommandError::usage("--salt must be 32 bytes in base64"))?,
        None => example_salt(),
    };
    let channels =
        command.channel.iter().map(|name| encrypted(name)).collect::<CliResult<Vec<_>>>()?;
    let signer = VectorSigner::new();
    Ok(Vectors {
        master_key: KeyVector { fingerprint: key.fingerprint().to_string(), example },
        salt: salt.to_base64(),
        encrypted: channels
            .iter()
            .flat_map(|channel| SealedVector::all(&key, salt, &command.app, channel))
            .collect(),
        app: AppVector { id: command.app.clone(), key: APP_KEY, secret: APP_SECRET },
        socket_id: SOCKET_ID,
        channel_auth: signer.channels(channels)?,
        user_auth: signer.user()?,
        request: signer.request(&command.app),
        webhook: WebhookVector { body: HOOK, signature: signer.sign(HOOK) },
    })
}

fn encrypted(name: &str) -> CliResult<Channel> {
    let channel = Channel::parse(name, 200).map_err(CommandError::usage)?;
    if channel.kind().is_encrypted() {
        Ok(channel)
    } else {
        Err(CommandError::usage(format_args!(
            "{name} is no encrypted channel: its name must begin with private-encrypted-"
        )))
    }
}

struct VectorSigner(AppSecret);

impl VectorSigner {
    fn new() -> Self {
        Self(AppSecret::new(APP_SECRET.as_bytes()))
    }

    fn sign(&self, text: &str) -> String {
        self.0.sign(&[text.as_bytes()]).to_hex()
    }

    fn auth(&self, text: &str) -> String {
        format!("{APP_KEY}:{}", self.sign(text))
    }

    fn channels(&self, encrypted: Vec<Channel>) -> CliResult<Vec<ChannelAuthVector>> {
        let socket_id: SocketId = SOCKET_ID.parse()?;
        let plain = [("private-foobar", None), ("presence-foobar", Some(MEMBER))];
        let mut entries = Vec::new();
        for (name, data) in plain {
            entries.push((Channel::parse(name, 200)?, data));
        }
        entries.extend(encrypted.into_iter().map(|channel| (channel, None)));
        let signed = entries.into_iter().map(|(channel, channel_data)| {
            let string_to_sign = signed_for_channel(socket_id, &channel, channel_data);
            let auth = self.auth(&string_to_sign);
            ChannelAuthVector { channel: channel.to_string(), channel_data, string_to_sign, auth }
        });
        Ok(signed.collect())
    }

    fn user(&self) -> CliResult<UserAuthVector> {
        let string_to_sign = signed_for_user(SOCKET_ID.parse()?, USER);
        Ok(UserAuthVector { user_data: USER, auth: self.auth(&string_to_sign), string_to_sign })
    }

    fn request(&self, app: &str) -> RequestVector {
        let body_md5 = hex(&Md5::digest(BODY));
        let string_to_sign = format!(
            "POST\n/apps/{app}/events\nauth_key={APP_KEY}&auth_timestamp=1353088179&auth_version=1.0&body_md5={body_md5}"
        );
        let auth_signature = self.sign(&string_to_sign);
        RequestVector { body: BODY, body_md5, string_to_sign, auth_signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_protocol_section_13() {
        let signer = VectorSigner::new();
        let request = signer.request("3");
        assert_eq!(request.body_md5, "ec365a775a4cd0599faeb73354201b6f");
        for (signature, expected) in [
            (
                request.auth_signature,
                "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
            ),
            (signer.sign(HOOK), "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf"),
        ] {
            assert_eq!(signature, expected);
        }
        let auth = signer.channels(Vec::new()).unwrap();
        assert!(auth[0].auth.ends_with("843651c3a4") && auth[1].auth.ends_with("ca481bc80"));
        assert!(signer.user().unwrap().auth.ends_with("43aa6de336ba"));
    }
}
