//! The reasons for which a subscription is refused.

use crate::{
    channels::members::InvalidMember,
    domain::{
        channel::{Channel, InvalidChannel},
        refusal::RefusalCode,
    },
    protocol::{client::InvalidField, signed::AuthError},
};

#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("Invalid channel: {0}")]
    Channel(#[from] InvalidChannel),
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    #[error("Channel {0} requires authorization, but the subscription carries no auth")]
    AuthMissing(Channel),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(
        "Presence channels need channel_data with a user_id, or a connection that is signed in"
    )]
    MemberMissing,
    #[error("Invalid channel_data: {0}")]
    Member(#[from] InvalidMember),
    #[error("Channel {0} belongs to a user that this connection is not signed in as")]
    NotThatUser(Channel),
    #[error("Channel {channel} has {limit} members, which is the limit")]
    ChannelFull { channel: Channel, limit: usize },
    #[error("The authorization for channel {0} is over: ask the auth endpoint again")]
    AuthExpired(Channel),
    #[error("You have been taken off channel {0}: what was granted before that is good no longer")]
    Revoked(Channel),
    #[error("This connection has {limit} subscriptions, which is the limit")]
    TooManyChannels { limit: usize },
    #[error(
        "This connection subscribes more than {per_second} times a second: try again in a moment, or raise limits.subscribes_per_second"
    )]
    TooOften { per_second: u32 },
}

impl SubscribeError {
    /// The `type` field of `pusher:subscription_error`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Channel(_) => "InvalidChannel",
            Self::ChannelFull { .. }
            | Self::TooManyChannels { .. }
            | Self::TooOften { .. }
            | Self::Member(InvalidMember::TooLarge { .. } | InvalidMember::LongUserId { .. }) => {
                "LimitReached"
            }
            Self::AuthExpired(_) => "AuthExpired",
            Self::Revoked(_) => "Revoked",
            Self::AuthMissing(_)
            | Self::Auth(_)
            | Self::InvalidField(_)
            | Self::MemberMissing
            | Self::Member(_)
            | Self::NotThatUser(_) => "AuthError",
        }
    }

    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Channel(reason) => reason.code(),
            Self::InvalidField(invalid_field) => invalid_field.code(),
            Self::AuthMissing(_) => RefusalCode::AuthMissing,
            Self::Auth(reason) => reason.code(),
            Self::MemberMissing => RefusalCode::MemberMissing,
            Self::Member(InvalidMember::TooLarge { .. } | InvalidMember::LongUserId { .. }) => {
                RefusalCode::ChannelDataTooLarge
            }
            Self::Member(_) => RefusalCode::ChannelDataUnusable,
            Self::NotThatUser(_) => RefusalCode::NotThatUser,
            Self::AuthExpired(_) => RefusalCode::AuthorizationExpired,
            Self::ChannelFull { .. } => RefusalCode::ChannelFull,
            Self::TooManyChannels { .. } => RefusalCode::TooManyChannels,
            Self::TooOften { .. } => RefusalCode::SubscribeRate,
            Self::Revoked(_) => RefusalCode::Revoked,
        }
    }
}
