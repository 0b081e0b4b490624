//! The headers of all answers of the console.

use actix_web::{
    dev::ServiceResponse,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::Console;

/// Scripts, styles and requests of this origin alone; no markup from strings but by the one library
/// that makes the pages; in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html";

const FIXED: [(HeaderName, &str); 4] = [
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// Adds them to an answer, whichever it is. Answers that say nothing else must not be stored.
pub fn of_answer(mut answer: ServiceResponse) -> ServiceResponse {
    let clients = Console::of(answer.request()).trial_address(answer.request());
    let headers = answer.headers_mut();
    add(headers, clients.as_deref());
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

/// `clients`: the address of clients, if pages of the console connect there as one.
fn add(headers: &mut HeaderMap, clients: Option<&str>) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = match clients {
        Some(clients) => HeaderValue::from_str(&policy_with(clients)),
        None => Ok(HeaderValue::from_static(POLICY)),
    };
    // An address that fits in no header is connected to by nobody.
    let policy = policy.unwrap_or(HeaderValue::from_static(POLICY));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

fn policy_with(clients: &str) -> String {
    let socket = clients.replacen("http", "ws", 1);
    POLICY.replace("connect-src 'self'", &format!("connect-src 'self' {clients} {socket}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_names_the_address_of_clients_where_pages_connect_to_it() {
        let policy = policy_with("https://ws.example.com");
        let connects = "; connect-src 'self' https://ws.example.com wss://ws.example.com; ";
        assert!(policy.contains(connects), "{policy}");
        let mut headers = HeaderMap::new();
        add(&mut headers, Some("http://\nx"));
        assert_eq!(headers.get(header::CONTENT_SECURITY_POLICY).expect("a policy"), POLICY);
    }
}
