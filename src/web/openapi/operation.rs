//! One operation: a method on a path.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{ApiGroup, refusals};
use crate::domain::refusal::RefusalCode;

type Schemas = BTreeMap<String, RefOr<Schema>>;

pub struct ApiOperation {
    group: ApiGroup,
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: Vec<RefusalCode>,
    schemas: Schemas,
    needs_token: bool,
}

pub fn text() -> Value {
    json!({"type": "string"})
}

pub fn integer(from: u64, to: u64) -> Value {
    json!({"type": "integer", "minimum": from, "maximum": to})
}

pub fn object() -> Value {
    json!({"type": "object"})
}

impl ApiOperation {
    pub fn new(
        group: ApiGroup,
        (method, path): (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let parameters = path_parameters(path);
        let (answers, schemas) = (BTreeMap::new(), BTreeMap::new());
        let refusals = refusals::common(group, method);
        Self {
            group,
            method,
            path,
            id,
            summary,
            parameters,
            body: None,
            answers,
            refusals,
            schemas,
            needs_token: true,
        }
    }

    pub fn path(&self) -> &'static str {
        self.path
    }

    pub fn method(&self) -> &'static str {
        self.method
    }

    pub fn query(mut self, name: &str, description: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": false,
            "description": description, "schema": schema,
        }));
        self
    }

    pub fn required_query(mut self, name: &str, description: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": true,
            "description": description, "schema": schema,
        }));
        self
    }

    pub fn header(mut self, name: &str, description: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false,
            "description": description, "schema": text(),
        }));
        self
    }

    /// The body, as JSON.
    pub fn body<T: ToSchema>(mut self, example: Value) -> Self {
        let schema = self.reference::<T>();
        self.body = Some(json!({
            "required": true,
            "content": {"application/json": {"schema": schema, "example": example}},
        }));
        self
    }

    pub fn optional_body<T: ToSchema>(self, example: Value) -> Self {
        let mut with = self.body::<T>(example);
        if let Some(body) = &mut with.body {
            body["required"] = false.into();
        }
        with
    }

    pub fn raw_body(mut self, content: Value) -> Self {
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    pub fn answer<T: ToSchema>(mut self, status: u16, what: &str, example: Value) -> Self {
        let schema = self.reference::<T>();
        self.schema_answer(status, what, schema, example)
    }

    pub fn schema_answer(mut self, status: u16, what: &str, schema: Value, example: Value) -> Self {
        let content = json!({"application/json": {"schema": schema, "example": example}});
        self.answers.insert(status, json!({"description": what, "content": content}));
        self
    }

    /// An answer that is no JSON.
    pub fn other_answer(mut self, status: u16, what: &str, content: Option<&str>) -> Self {
        let mut answer = json!({"description": what});
        if let Some(content) = content {
            answer["content"] = json!({content: {"schema": text()}});
        }
        self.answers.insert(status, answer);
        self
    }

    /// For all who reach the listener.
    pub fn without_token(mut self) -> Self {
        self.needs_token = false;
        self
    }

    /// Refusals besides those of the whole group.
    pub fn refuses(mut self, codes: &[RefusalCode]) -> Self {
        self.refusals.extend(codes);
        self
    }

    fn reference<T: ToSchema>(&mut self) -> Value {
        let mut found = Vec::new();
        T::schemas(&mut found);
        self.schemas.extend(found);
        let name = T::name().into_owned();
        self.schemas.insert(name.clone(), T::schema());
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    pub(super) fn render(self, schemas: &mut Schemas) -> Value {
        schemas.extend(self.schemas);
        let mut responses: Map<String, Value> =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        responses.extend(refusals::responses(&self.refusals));
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.group.name()],
            "summary": self.summary,
            "parameters": self.parameters,
            "security": if self.needs_token { self.group.security() } else { json!([]) },
            "responses": responses,
        });
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        operation
    }
}

/// The names in braces.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    names
        .map(|name| {
            let (description, example) = match name {
                "app" => ("The id of the app.", "shop"),
                "key" => ("The key of the app.", "shop-key"),
                "channel" => ("The name of a channel, up to 200 bytes.", "private-room-7"),
                "user" => ("The id of a user.", "42"),
                "socket" => ("The id of a connection.", "123.456"),
                "node" => ("The name of a node.", "self"),
                "id" => ("The id of a key.", "310d0c348ad5"),
                _ => ("", ""),
            };
            json!({
                "name": name, "in": "path", "required": true,
                "description": description, "schema": text(), "example": example,
            })
        })
        .collect()
}

/// The parameters of a page of a channel's history.
pub fn history_parameters(operation: ApiOperation) -> ApiOperation {
    operation
        .query("after", "A position: events behind it, the oldest first.", text())
        .query("before", "A position: events before it, the newest first.", text())
        .query("limit", "Events in the page; 100 without it.", integer(1, 1000))
        .query("order", "Which come first.", json!({"enum": ["oldest", "newest"]}))
}
