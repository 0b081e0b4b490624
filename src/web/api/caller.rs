//! `GET /apps/{id}/caller`: the request as this server sees it. A proxy may have changed it on the
//! way: `sealcast doctor` compares.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, http::header::ORIGIN};
use serde::Serialize;

use super::verify::SignedRequest;
use crate::{
    domain::time::UnixSeconds,
    platform::clock::unix_now,
    web::http::{error::ApiError, headers::single, remote::remote},
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct CallerView<'a> {
    /// Rate limits count this address. `None` on a Unix socket if no header names one.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// The other end of the connection, or the load balancer's own address. `None` on a Unix socket.
    #[schema(value_type = Option<String>)]
    peer: Option<IpAddr>,
    /// True if a forwarded header of this peer is believed.
    trusted: bool,
    /// True if the request has the header named by `forwarded_header`.
    forwarded: bool,
    forwarded_header: &'static str,
    /// With the prefix, as it arrived.
    path: &'a str,
    path_prefix: &'a str,
    origin: Option<&'a str>,
    time: UnixSeconds,
}

pub async fn show(request: HttpRequest, signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let settings = signed.worker.settings();
    let (proxies, remote, headers) = (&settings.proxies, remote(&request), request.headers());
    let peer = remote.map(|remote| proxies.peer(remote));
    let header = proxies.header.name();
    let view = CallerView {
        address: remote.and_then(|remote| proxies.client(remote, headers)),
        peer: peer.and_then(|peer| peer.address),
        trusted: peer.is_some_and(|peer| peer.is_trusted),
        forwarded: headers.contains_key(header),
        forwarded_header: header,
        path: request.uri().path(),
        path_prefix: &signed.worker.start_settings.path_prefix,
        origin: single(headers, ORIGIN)?,
        time: unix_now(),
    };
    Ok(HttpResponse::Ok().json(view))
}
