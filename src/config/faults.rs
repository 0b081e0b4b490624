//! Explains why a configuration cannot be read, in the words of its author.

use figment::error::Kind;

use super::{environment::PREFIX, values::BOOLEAN_WORDS};

/// One line per error.
pub fn explained(error: &figment::Error) -> String {
    let place = error.metadata.as_ref().map(|m| m.name.as_ref());
    let at = place.map(|name| format!(" ({name})")).unwrap_or_default();
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let section =
                error.path.split_last().map(|(_, rest)| rest.join(".")).filter(|s| !s.is_empty());
            let section = section.map(|s| format!(" in [{s}]")).unwrap_or_default();
            let hint = nearest(name, known).map(|n| format!(": did you mean \"{n}\"?"));
            format!("unknown setting \"{name}\"{section}{}{at}", hint.unwrap_or_default())
        }
        // The value is not repeated: it might be a misplaced secret.
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            let variable = place.is_some_and(|name| name.contains(PREFIX));
            format!("\"{path}\" must be {}{at}", in_words(expected, variable))
        }
        Kind::UnknownVariant(_, known) => {
            format!("\"{path}\" must be one of {}{at}", known.join(", "))
        }
        Kind::Message(message) => format!("{}{at}", without_source(message)),
        kind if path.is_empty() => format!("{kind}{at}"),
        kind => format!("\"{path}\": {kind}{at}"),
    }
}

/// Names of settings in other servers, and ours.
const OTHER_NAMES: [(&str, &str); 4] =
    [("address", "listen"), ("bind", "listen"), ("host", "listen"), ("port", "listen")];

/// The known name that was probably meant: at most every third character differs. Without that
/// bound any name would be near another.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    if let Some(ours) = known.iter().find(|known| Some(**known) == other) {
        return Some(ours);
    }
    let distance = |known: &&&str| strsim::osa_distance(name, known);
    let best = known.iter().min_by_key(distance)?;
    let longest = name.chars().count().max(best.chars().count());
    (distance(&best) * 3 <= longest).then_some(best)
}

/// Types in the terms of TOML.
fn in_words(expected: &str, variable: bool) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "a sequence" => "a list",
        "a boolean" if variable => BOOLEAN_WORDS,
        "a boolean" => "true or false",
        "a string" => "a text in quotation marks",
        other => other,
    }
}

/// A parser error quotes the line, which may contain a secret.
pub fn without_source(message: &str) -> String {
    let lines: Vec<&str> =
        message.lines().filter(|line| !line.contains(" |") && !line.trim().is_empty()).collect();
    lines.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["listen", "ops_listen", "activity_timeout_seconds", "key", "origins", "log"];
        for (name, expected) in [
            ("lissten", Some("listen")),
            ("lisetn", Some("listen")),
            ("opslisten", Some("ops_listen")),
            ("activity_timeout_secs", Some("activity_timeout_seconds")),
            ("origin", Some("origins")),
            ("port", Some("listen")),
            ("metrics_port", None),
            ("redis_url", None),
            ("x", None),
            ("max_connections", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
        assert_eq!(nearest("port", &["key", "secret"]), None);
    }
}
