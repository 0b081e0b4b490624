//! Kinds of text, as the schema tells them apart.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A text that is never shown.
pub struct SecretText;

/// A secret key in one of the forms of master keys: itself, `file:PATH`, or `env:NAME`.
pub struct KeyText;

/// A URL that may contain a login.
pub struct UrlText;

macro_rules! text {
    ($kind:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(SecretText, "SecretText", { "type": "string", "writeOnly": true });
text!(KeyText, "KeyText", { "type": "string", "writeOnly": true, "format": "key" });
text!(UrlText, "UrlText", { "type": "string", "format": "uri" });
