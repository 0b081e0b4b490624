//! The channels that a stream's request names, and what it may do on them.

use actix_web::HttpRequest;

use crate::{
    app::App,
    domain::refusal::RefusalCode,
    session::streams::StreamChannel,
    web::http::{error::ApiError, query::Query},
};

/// The maximum of channels of one stream, and of its query parameters.
const MAX_CHANNELS: usize = 100;
const MAX_PARAMETERS: usize = MAX_CHANNELS + 20;

/// The channels of the query, each once. If one of them is refused, all are.
pub fn channels(app: &App, request: &HttpRequest) -> Result<Vec<StreamChannel>, ApiError> {
    let query = Query::within(request.uri(), MAX_PARAMETERS)?;
    let mut names: Vec<&str> = Vec::new();
    for (_, name) in query.iter().filter(|(parameter, _)| *parameter == "channel") {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    check_count(names.len(), app.limits.channels_per_connection)?;
    names.into_iter().map(|name| authorize(app, name)).collect()
}

fn check_count(count: usize, per_connection: usize) -> Result<(), ApiError> {
    if count == 0 {
        return Err(ApiError::new(
            RefusalCode::MissingParameter,
            "The stream names no channel: add channel=NAME to the query, once for each channel",
        ));
    }
    if count > MAX_CHANNELS {
        let message = format!("The stream names {count} channels, the limit is {MAX_CHANNELS}");
        return Err(ApiError::new(RefusalCode::TooManyStreamChannels, message));
    }
    if count > per_connection {
        let message =
            format!("The stream names {count} channels, a connection may have {per_connection}");
        return Err(ApiError::new(RefusalCode::TooManyChannels, message));
    }
    Ok(())
}

fn authorize(app: &App, name: &str) -> Result<StreamChannel, ApiError> {
    let channel = app.channel(name)?;
    if channel.kind().needs_authorization() {
        let message = format!("{channel} needs authorization");
        return Err(ApiError::new(RefusalCode::Unauthenticated, message));
    }
    Ok(StreamChannel { channel, member: None, grant: None })
}
