//! Parameters of the auth endpoints, from a form or from JSON.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::{
    domain::refusal::RefusalCode,
    web::http::{body::json, error::ApiError, query::Query},
};

/// The parameters with a meaning for the server; others are ignored.
const FIELDS: [&str; 5] = ["socket_id", "channel_name", "app_key", "user_id", "user_info"];

pub type Fields = HashMap<String, String>;

pub fn form_fields(body: &[u8]) -> Result<Fields, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::new(RefusalCode::InvalidForm, "The form is not UTF-8"))?;
    let mut fields = HashMap::new();
    for (name, value) in Query::parse(text).iter() {
        insert_once(&mut fields, name, value.to_owned())?;
    }
    Ok(fields)
}

/// String parameters are taken as they are. User data may be any JSON and becomes its text; other
/// parameters must be strings: a number would lose digits of a socket id.
pub fn json_fields(body: &[u8]) -> Result<Fields, ApiError> {
    let JsonPairs(pairs) = json(body)?;
    let mut fields = HashMap::new();
    for (name, value) in pairs.into_iter().filter(|(name, _)| FIELDS.contains(&&**name)) {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            other if name.starts_with("user_") => other.to_string(),
            _ => {
                let message = format!("The parameter {name} must be a string");
                return Err(ApiError::new(RefusalCode::InvalidParameter, message));
            }
        };
        insert_once(&mut fields, &name, text)?;
    }
    Ok(fields)
}

/// Duplicates are refused: a proxy in front might choose the other one.
pub fn insert_once(fields: &mut Fields, name: &str, value: String) -> Result<(), ApiError> {
    if !FIELDS.contains(&name) {
        return Ok(());
    }
    match fields.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(duplicate_parameter(name)),
    }
}

pub fn duplicate_parameter(name: &str) -> ApiError {
    ApiError::new(RefusalCode::DuplicateParameter, format!("The parameter {name} is given twice"))
}

/// The app's key, from the body or the query.
pub fn app_key<'a>(fields: &'a Fields, query: &'a Query) -> Result<Option<&'a str>, ApiError> {
    let in_body = fields.get("app_key").map(String::as_str);
    let in_query = query.iter().filter(|(name, _)| *name == "app_key").map(|(_, value)| value);
    let mut given = in_body.into_iter().chain(in_query);
    let first = given.next();
    match given.all(|other| Some(other) == first) {
        true => Ok(first),
        false => Err(duplicate_parameter("app_key")),
    }
}

/// All members of an object in order; a map would keep only the last of each name.
struct JsonPairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for JsonPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonPairsVisitor;
        impl<'de> Visitor<'de> for JsonPairsVisitor {
            type Value = JsonPairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonPairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(JsonPairs(pairs))
            }
        }
        deserializer.deserialize_map(JsonPairsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_fields_are_refused() {
        for body in [
            r#"{"socket_id":"1.1","socket_id":"2.2"}"#,
            r#"{"socket_id":"1.1","socket_\u0069d":"2.2"}"#,
            r#"{"user_id":1,"user_id":1}"#,
        ] {
            let error = json_fields(body.as_bytes()).expect_err(body);
            assert_eq!(error.code().name(), "duplicate_parameter", "{body}");
        }
        for form in ["socket_id=1.1&socket_id=1.1", "socket_id=1.1&socket%5fid=2.2"] {
            assert_eq!(
                form_fields(form.as_bytes()).expect_err(form).code().name(),
                "duplicate_parameter"
            );
        }
        let fields =
            json_fields(br#"{"x":1,"x":2,"user_id":5,"channel_name":null}"#).expect("good");
        assert_eq!(fields, HashMap::from([("user_id".to_owned(), "5".to_owned())]));
    }

    #[test]
    fn conflicting_app_keys_are_refused() {
        let fields = |form: &str| form_fields(form.as_bytes()).expect("a form");
        for (form, query, expected) in [
            ("", "", Ok(None)),
            ("app_key=a", "", Ok(Some("a"))),
            ("", "app_key=a", Ok(Some("a"))),
            ("app_key=a", "app_key=a", Ok(Some("a"))),
            ("app_key=a", "app_key=b", Err("duplicate_parameter")),
            ("", "app_key=a&app_key=b", Err("duplicate_parameter")),
        ] {
            let (fields, query) = (fields(form), Query::parse(query));
            let found = app_key(&fields, &query).map_err(|e| e.code().name());
            assert_eq!(found, expected, "{form}");
        }
    }
}
