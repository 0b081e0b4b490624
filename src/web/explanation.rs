//! The explanation of an auth string, for backends and operators: the same question, checks and
//! answer on the signed API and on the admin API.

use std::sync::Arc;

use crate::{
    domain::{
        ids::{InvalidSocketId, SocketId},
        refusal::RefusalCode,
    },
    engine::{AppRuntime, Engine},
    observe::explain::{Explanation, Subject},
    web::http::error::ApiError,
};

/// Bounds the work of one request.
const MAX_OTHER_SOCKETS: usize = 100;

/// What a client has sent or would send.
pub struct ExplanationQuestion<'a> {
    pub auth: &'a str,
    pub socket_id: &'a str,
    pub channel: Option<&'a str>,
    pub channel_data: Option<&'a str>,
    /// Of a sign-in, in place of a channel.
    pub user_data: Option<&'a str>,
    /// Other sockets it may have been signed for.
    pub other_socket_ids: &'a [String],
}

impl ExplanationQuestion<'_> {
    /// `channel_field`: the name of the field with the channel.
    pub async fn answer(
        &self,
        engine: &Engine,
        runtime: &Arc<AppRuntime>,
        channel_field: &str,
    ) -> Result<Explanation, ApiError> {
        if self.other_socket_ids.len() > MAX_OTHER_SOCKETS {
            let message = format!("More than {MAX_OTHER_SOCKETS} other_socket_ids");
            return Err(ApiError::new(RefusalCode::TooManyParameters, message));
        }
        let socket = socket_id(self.socket_id)?;
        let others = self.other_socket_ids.iter().map(|id| socket_id(id));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let subject = self.subject(channel_field)?;
        let verdict = engine.explain(runtime, self.auth, socket, &subject, &others);
        let connected = engine.check_connection(runtime, socket).await.is_ok();
        Ok(Explanation::new(&verdict, socket, &subject, Some(connected)))
    }

    fn subject(&self, channel_field: &str) -> Result<Subject<'_>, ApiError> {
        match (self.channel, self.user_data) {
            (Some(name), None) => Ok(Subject::Channel { name, data: self.channel_data }),
            (None, Some(data)) => Ok(Subject::User { data }),
            _ => Err(ApiError::new(
                RefusalCode::MissingParameter,
                format!(
                    "Send {channel_field} (and channel_data) for a channel, or user_data for a sign-in"
                ),
            )),
        }
    }
}

pub fn socket_id(text: &str) -> Result<SocketId, ApiError> {
    text.parse().map_err(|error: InvalidSocketId| {
        ApiError::new(RefusalCode::InvalidSocketId, error.to_string())
    })
}
