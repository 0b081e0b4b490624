//! The order of the settings of a table: that of the fields in the written form.

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

use crate::{
    config::raw::{
        RawConfig,
        app::RawApp,
        auth::{RawForward, RawJwt, RawRule},
        channels::{RawChannelEntry, RawChannelHistory, RawServerHistory},
        cluster::RawCluster,
        webhooks::RawWebhook,
    },
    domain::limits::{Limits, Rotation},
};

/// The names of a table's settings; a test finds a missing table.
pub fn names_of(table: &str) -> &'static [&'static str] {
    match table {
        "" => names::<RawConfig>(),
        "history" => names::<RawServerHistory>(),
        "cluster" => names::<RawCluster>(),
        "apps.ID" => names::<RawApp>(),
        "apps.ID.jwt" => names::<RawJwt>(),
        "apps.ID.rules.0" => names::<RawRule>(),
        "apps.ID.forward" => names::<RawForward>(),
        "apps.ID.rotation" => names::<Rotation>(),
        "apps.ID.channels.0" => names::<RawChannelEntry>(),
        "apps.ID.channels.0.history" => names::<RawChannelHistory>(),
        "apps.ID.webhooks.0" => names::<RawWebhook>(),
        "apps.ID.limits" => names::<Limits>(),
        _ => &[],
    }
}

fn names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Ends with an error: there is no value to read.
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

/// Notes the names that a struct asks for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = names;
        Err(Error::custom("the names are known"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
