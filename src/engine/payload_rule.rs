//! The rule of a channel for payloads. Every event passes here before it is encoded.

use super::event::PublishError;
use crate::{
    app::App,
    domain::{channel::Channel, channel_settings::PayloadRule},
    protocol::ciphertext::is_ciphertext,
};

pub fn check_payload(app: &App, channel: &Channel, data: &str) -> Result<(), PublishError> {
    match app.channel_settings(channel).payload {
        PayloadRule::Any => Ok(()),
        PayloadRule::Ciphertext if is_ciphertext(data) => Ok(()),
        PayloadRule::Ciphertext => Err(PublishError::NotCiphertext { channel: channel.clone() }),
    }
}
