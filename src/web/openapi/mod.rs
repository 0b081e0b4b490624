//! The OpenAPI document of the HTTP APIs. Each shelf with routes describes its own; `server` puts
//! them together.

mod operation;
mod refusals;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

pub use operation::{ApiOperation, history_parameters, integer, object, text};

use crate::web::http::error::ErrorBody;

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ApiGroup {
    Signed,
    Client,
    Auth,
    Admin,
}

impl ApiGroup {
    pub const ALL: [Self; 4] = [Self::Signed, Self::Client, Self::Auth, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Client => "client",
            Self::Auth => "auth",
            Self::Admin => "admin",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Signed => {
                "The Pusher HTTP API for backends, on the public listener or on api_listen. Each request is signed with the app's secret."
            }
            Self::Client => {
                "For pages, on the public listener, with a client's token. path_prefix stands before the paths."
            }
            Self::Auth => {
                "The server's own auth endpoints for clients, on the public listener. Bodies are forms or JSON."
            }
            Self::Admin => "For operators, on ops_listen with the admin token, or on admin.sock.",
        }
    }

    /// Alternatives; an empty one means that a request may come without.
    fn security(self) -> Value {
        match self {
            Self::Signed => json!([{
                "auth_key": [], "auth_timestamp": [], "auth_version": [], "auth_signature": []
            }]),
            Self::Client | Self::Auth => json!([{"client_token": []}, {}]),
            Self::Admin => json!([{"admin_token": []}]),
        }
    }
}

#[derive(Default)]
pub struct Document {
    paths: BTreeMap<&'static str, Map<String, Value>>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl Document {
    pub fn add(&mut self, operation: ApiOperation) {
        let (path, method) = (operation.path(), operation.method());
        let described = operation.render(&mut self.schemas);
        let before = self.paths.entry(path).or_default().insert(method.into(), described);
        debug_assert!(before.is_none(), "{method} {path} is described twice");
    }

    pub fn into_json(mut self) -> Value {
        self.schemas.insert(ErrorBody::name().into(), ErrorBody::schema());
        let tags: Vec<_> = ApiGroup::ALL
            .map(|group| json!({"name": group.name(), "description": group.description()}))
            .into();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Sealcast",
                "version": env!("CARGO_PKG_VERSION"),
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
                "description": "The HTTP APIs of a Sealcast server. An error has a sentence and a stable code; docs/troubleshooting.md has cause and fix of each."
            },
            "tags": tags,
            "paths": self.paths,
            "components": {"schemas": self.schemas, "securitySchemes": security_schemes()},
        })
    }
}

fn security_schemes() -> Value {
    let parameter = |name: &str, description: &str| json!({"type": "apiKey", "in": "query", "name": name, "description": description});
    json!({
        "auth_key": parameter("auth_key", "The key of the app."),
        "auth_timestamp": parameter("auth_timestamp", "Whole seconds since 1970, less than 600 from the server's time."),
        "auth_version": parameter("auth_version", "1.0"),
        "auth_signature": parameter(
            "auth_signature",
            "Hex HMAC-SHA256 under the app's secret over METHOD, path and sorted query, joined by line feeds; with a body, body_md5 is part of the query. docs/internals/protocol.md 7.1.",
        ),
        "client_token": {
            "type": "http", "scheme": "bearer",
            "description": "An access token of this server, or a token of the app's authorizer."
        },
        "admin_token": {"type": "http", "scheme": "bearer", "description": "The setting admin_token."},
    })
}
