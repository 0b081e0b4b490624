//! Refuses requests of foreign pages to the operations listener: see `OpsHosts`.

use actix_web::{dev::ServiceRequest, http::header::HOST};

use crate::web::{context::worker::worker, http::error::ApiError};

pub fn check(request: &ServiceRequest) -> Result<(), ApiError> {
    let listed = &worker(request.request()).settings().ops_hosts;
    // An absolute request target overrides the header; both must be allowed.
    let of_target = request.uri().authority().map(|authority| authority.as_str());
    let of_header = request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or("?"));
    // Browsers always send a host; HTTP/1.0 probes send none.
    let mut hosts = of_target.into_iter().chain(of_header).filter(|host| !host.is_empty());
    match hosts.find(|host| !listed.admit(host)) {
        None => Ok(()),
        Some(host) => {
            let refusal = ApiError::misdirected(host);
            tracing::debug!(error = %refusal, "request to the operations listener refused");
            Err(refusal)
        }
    }
}
