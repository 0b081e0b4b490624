//! `GET /openapi.json`: the document of all HTTP APIs. It names no app and no setting, so it needs no
//! token.

use actix_web::HttpResponse;
use serde_json::Value;

use crate::web::{api, auth, client_api, event_stream, openapi::Document, ops::admin};

pub async fn show() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

fn document() -> Value {
    let mut document = Document::default();
    api::openapi::describe(&mut document);
    client_api::openapi::describe(&mut document);
    event_stream::openapi::describe(&mut document);
    auth::openapi::describe(&mut document);
    admin::openapi::describe(&mut document);
    document.into_json()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The sources that register routes of these APIs.
    const ROUTES: [&str; 6] = [
        include_str!("../api/mod.rs"),
        include_str!("../client_api/mod.rs"),
        include_str!("../event_stream/open.rs"),
        include_str!("../auth/endpoints.rs"),
        include_str!("../ops/admin.rs"),
        include_str!("../ops/live.rs"),
    ];

    /// All texts of the sources that are paths.
    fn registered() -> BTreeSet<String> {
        let texts = ROUTES.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let is_path = |text: &&str| text.starts_with('/') && !text.contains(' ');
        texts.filter(is_path).map(str::to_owned).collect()
    }

    #[test]
    fn routes_and_document_have_the_same_paths() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let mut described: BTreeSet<String> = paths.keys().cloned().collect();
        // On the operations listener, beside the admin API.
        assert!(described.remove("/stats"));
        assert_eq!(described, registered());
    }

    #[test]
    fn references_and_operations_are_whole() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} is used twice");
                for part in ["summary", "security", "tags"] {
                    assert!(!operation[part].is_null(), "{part} of {method} {path}");
                }
                let responses = operation["responses"].as_object().expect("responses");
                assert!(responses.keys().any(|status| status.starts_with(['1', '2'])), "{path}");
                assert!(responses.keys().any(|status| status.starts_with('4')), "{path}");
            }
        }
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
