//! `GET` and `DELETE /app/{key}/channels/{channel}/history`, `GET .../last`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType, HeaderValue},
};

use serde_json::value::RawValue;

use super::reader::view;
use crate::{
    auth::Ability,
    web::{
        channel_log::{
            no_history,
            page::{self, LastAnswer},
            paging::Paging,
            tag,
        },
        client::Client,
        http::{error::ApiError, headers::single},
    },
};

pub async fn show(client: Client) -> HttpResponse {
    let page = history_page(&client).await;
    client.answer(page)
}

async fn history_page(client: &Client) -> Result<HttpResponse, ApiError> {
    let channel = client.path_channel()?;
    let paging = Paging::read(&client.query)?;
    let grant = client.decide(&channel, Ability::History).await?;
    client.check_history_rate(&grant)?;
    let view = view(client, &channel, &grant).await?;
    let (engine, runtime) = (&client.worker.engine, &client.runtime);
    let page = page::read(engine, runtime, &channel, paging, view).await?;
    client.charge_history(&grant, page.bytes);
    // The user may have been taken off while the page was made.
    client.refuse_revoked(&channel, &grant)?;
    Ok(HttpResponse::Ok().json(page))
}

pub async fn clear(client: Client) -> HttpResponse {
    let cleared = clear_history(&client).await;
    client.answer(cleared)
}

async fn clear_history(client: &Client) -> Result<HttpResponse, ApiError> {
    let channel = client.path_channel()?;
    let _may_clear = client.decide(&channel, Ability::Clear).await?;
    let cleared = client.engine().clear_history(&client.runtime, &channel).settled().await?;
    match cleared.logged.is_empty() {
        true => Err(no_history()),
        false => Ok(HttpResponse::NoContent().finish()),
    }
}

fn json_text(text: Box<RawValue>) -> HttpResponse {
    let text = String::from(Box::<str>::from(text));
    HttpResponse::Ok().content_type(ContentType::json()).body(text)
}

pub async fn last(client: Client, request: HttpRequest) -> HttpResponse {
    let last = last_event(&client, &request).await;
    client.answer(last)
}

/// On a cache channel a new subscriber is given the last event anyway. Elsewhere it is from before
/// the reader came.
async fn last_event(client: &Client, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let channel = client.path_channel()?;
    let is_given = channel.kind().is_cached();
    let ability = if is_given { Ability::Subscribe } else { Ability::History };
    let grant = client.decide(&channel, ability).await?;
    let view = view(client, &channel, &grant).await?;
    let (engine, runtime) = (&client.worker.engine, &client.runtime);
    let last = match is_given {
        true => page::cached(engine, runtime, &channel, view).await?,
        false => page::newest(engine, runtime, &channel, view).await?,
    };
    client.refuse_revoked(&channel, &grant)?;
    let (event, position) = match last {
        LastAnswer::None => return Ok(HttpResponse::NoContent().finish()),
        LastAnswer::Event { event, position: None } => return Ok(json_text(event)),
        LastAnswer::Event { event, position: Some(position) } => (Some(event), position),
        LastAnswer::Hidden(position) => (None, position),
    };
    let known = single(request.headers(), header::IF_NONE_MATCH)?;
    let mut answer = match event {
        _ if known.is_some_and(|known| tag::matches(known, &position)) => {
            HttpResponse::NotModified().finish()
        }
        Some(event) => json_text(event),
        None => HttpResponse::NoContent().finish(),
    };
    let tag = HeaderValue::try_from(tag::of_position(&position));
    answer.headers_mut().insert(header::ETAG, tag.expect("a position is base64url"));
    Ok(answer)
}
