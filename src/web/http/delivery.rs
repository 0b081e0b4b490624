//! The header of an event that may not have reached all nodes.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};

use crate::engine::cluster::Delivery;

const DELIVERY: HeaderName = HeaderName::from_static("sealcast-delivery");

pub fn told(delivery: Delivery, mut response: HttpResponse) -> HttpResponse {
    match delivery {
        Delivery::Everywhere => {}
        Delivery::Local => {
            response.headers_mut().insert(DELIVERY, HeaderValue::from_static("local"));
        }
    }
    response
}
