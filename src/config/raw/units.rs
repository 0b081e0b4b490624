//! Sizes and times, written as text with a unit.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor},
};

/// Bytes, written as "256KiB".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub struct RawSize(pub usize);

/// Written as "24h".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub struct RawTime(pub Duration);

/// The largest first.
const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl RawSize {
    /// A whole number and a unit. Units of 1000 bytes are refused: few people mean them.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, bytes) = UNITS.into_iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<usize>().ok()?.checked_mul(bytes).map(Self)
    }
}

/// In the largest unit without a fraction.
impl fmt::Display for RawSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &(&str, usize)| self.0 >= unit.1 && self.0.is_multiple_of(unit.1);
        let (name, bytes) = UNITS.into_iter().find(fits).unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

/// In the largest unit without a fraction: a year in days, not in months of the mean year.
impl fmt::Display for RawTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
        let seconds = self.0.as_secs();
        let fits = |unit: &(&str, u64)| seconds >= unit.1 && seconds.is_multiple_of(unit.1);
        match UNITS.into_iter().find(fits).filter(|_| self.0.subsec_nanos() == 0) {
            Some((name, unit)) => write!(f, "{}{name}", seconds / unit),
            None => humantime::format_duration(self.0).fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a text with a unit (B, KiB, MiB or GiB), such as \"256KiB\"";
        deserializer.deserialize_any(WithUnit { expected, parse: Self::parse })
    }
}

impl<'de> Deserialize<'de> for RawTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a text with a unit (s, m, h or days), such as \"24h\"";
        let parse = |text: &str| humantime::parse_duration(text.trim()).ok().map(Self);
        deserializer.deserialize_any(WithUnit { expected, parse })
    }
}

impl Serialize for RawSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for RawTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for RawSize {
    fn schema_name() -> Cow<'static, str> {
        "RawSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "size",
            "pattern": r"^\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*$",
        })
    }
}

impl JsonSchema for RawTime {
    fn schema_name() -> Cow<'static, str> {
        "RawTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "time-span",
            "pattern": r"^\s*[0-9]+\s*[a-zA-Zµ]+(\s*[0-9]+\s*[a-zA-Zµ]+)*\s*$",
        })
    }
}

/// Takes texts alone: a bare number would have to be guessed.
struct WithUnit<F> {
    expected: &'static str,
    parse: F,
}

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for WithUnit<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, from_value, json};

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, expected) in [
            ("1B", Some(1)),
            ("256KiB", Some(256 * 1024)),
            (" 1 MiB ", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("0KiB", Some(0)),
            ("1", None),
            ("KiB", None),
            ("", None),
            ("-1KiB", None),
            ("1.5MiB", None),
            ("256KB", None),
            ("256kib", None),
            ("99999999999999999999B", None),
            ("18446744073709551615GiB", None),
        ] {
            let size = from_value::<RawSize>(json!(text)).ok();
            assert_eq!(size, expected.map(RawSize), "{text:?}");
        }
    }

    #[test]
    fn times_are_numbers_with_a_unit() {
        for (text, expected) in [
            ("24h", Some(86_400)),
            ("1h 30m", Some(5400)),
            ("5 m", Some(300)),
            ("2days", Some(172_800)),
            ("24", None),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("99999999999999999999h", None),
        ] {
            let time = from_value::<RawTime>(json!(text)).ok();
            assert_eq!(time, expected.map(Duration::from_secs).map(RawTime), "{text:?}");
        }
    }

    #[test]
    fn bare_numbers_are_refused_with_the_right_form() {
        for bare in [json!(256), json!(1.5), json!(true), Value::Null, json!(["1h"])] {
            let error = from_value::<RawSize>(bare.clone()).unwrap_err().to_string();
            assert!(error.contains("such as \"256KiB\""), "{bare}: {error}");
            let error = from_value::<RawTime>(bare.clone()).unwrap_err().to_string();
            assert!(error.contains("such as \"24h\""), "{bare}: {error}");
        }
    }

    proptest! {
        #[test]
        fn shown_size_is_read_as_the_same(bytes: usize) {
            prop_assert_eq!(RawSize::parse(&RawSize(bytes).to_string()), Some(RawSize(bytes)));
        }

        #[test]
        fn shown_time_is_read_as_the_same(seconds in 0..u64::from(u32::MAX), millis in 0_u64..2) {
            let time = Duration::from_secs(seconds) + Duration::from_millis(millis);
            let text = RawTime(time).to_string();
            prop_assert_eq!(humantime::parse_duration(&text), Ok(time), "{}", text);
        }
    }
}
