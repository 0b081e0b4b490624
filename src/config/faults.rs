//! Explains why a configuration cannot be read, in the words of its author.

use figment::error::Kind;

use super::values::BOOLEAN_WORDS;

/// In front of the name of the variable that a value comes from.
const VARIABLE: &str = "environment variable ";

/// One line per error.
pub fn describe(error: &figment::Error) -> String {
    let place = error.metadata.as_ref().map(|m| m.name.as_ref());
    let at = place.map(|name| format!(" ({name})")).unwrap_or_default();
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let section =
                error.path.split_last().map(|(_, rest)| rest.join(".")).filter(|s| !s.is_empty());
            let section = section.map(|s| format!(" in [{s}]")).unwrap_or_default();
            let near = || nearest(name, known).map(|n| format!(": did you mean \"{n}\"?"));
            let variable = place.and_then(|place| place.strip_prefix(VARIABLE));
            let hint = flag(name).or_else(near).or_else(|| in_section(name, known, variable?));
            format!("unknown setting \"{name}\"{section}{}{at}", hint.unwrap_or_default())
        }
        // The value is not repeated: it might be a misplaced secret.
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            let variable = place.and_then(|place| place.strip_prefix(VARIABLE));
            let must_be = match (expected.as_str(), variable) {
                ("a sequence", Some(variable)) => list_in(variable, &path),
                (expected, variable) => type_in_words(expected, variable.is_some()).to_owned(),
            };
            format!("\"{path}\" must be {must_be}{at}")
        }
        Kind::UnknownVariant(_, known) => {
            format!("\"{path}\" must be one of {}{at}", known.join(", "))
        }
        Kind::Message(message) if path.is_empty() => format!("{}{at}", without_source(message)),
        Kind::Message(message) => format!("\"{path}\": {}{at}", without_source(message)),
        kind if path.is_empty() => format!("{kind}{at}"),
        kind => format!("\"{path}\": {kind}{at}"),
    }
}

/// Flags that are no settings.
fn flag(name: &str) -> Option<String> {
    let flag = ["dev", "dev_public"].contains(&name).then(|| name.replace('_', "-"))?;
    Some(format!(": it is the flag --{flag} of `sealcast serve`"))
}

/// Sections of an app and of the server, whose settings have two underscores in front as variables.
const SECTIONS: [&str; 6] = ["cluster", "forward", "history", "jwt", "limits", "rotation"];

fn in_section(name: &str, known: &[&str], variable: &str) -> Option<String> {
    let sections = SECTIONS.iter().filter(|section| known.contains(*section));
    let rest = |section: &&str| name.strip_prefix(section)?.strip_prefix('_').map(str::len);
    let rest = sections.filter_map(rest).find(|length| *length > 0)?;
    let (section, setting) = variable.split_at_checked(variable.len().checked_sub(rest)?)?;
    Some(format!(": did you mean {section}_{setting}?"))
}

/// The form alone: what was written is not repeated.
fn list_in(variable: &str, path: &str) -> String {
    let entry = match path.rsplit('.').next() {
        Some("origins") => "https://a.example",
        Some("trusted_proxies") => "10.0.0.0/8",
        Some("ops_hosts") => "sealcast.internal",
        _ => "A",
    };
    format!("a list, even of one: {variable}='[\"{entry}\"]'")
}

/// Names that other servers have for what is called otherwise here.
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
fn type_in_words(expected: &str, variable: bool) -> &str {
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
    fn only_similar_names_are_suggested() {
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

    #[test]
    fn f28_section_setting_is_named_as_a_variable() {
        let known = ["key", "secret", "limits", "jwt"];
        let of = |name: &str| {
            let variable = format!("SEALCAST_APP_{}", name.to_ascii_uppercase());
            in_section(name, &known, &variable)
        };
        let named = |hint: &str| Some(format!(": did you mean SEALCAST_APP_{hint}?"));
        assert_eq!(of("limits_event_bytes"), named("LIMITS__EVENT_BYTES"));
        assert_eq!(of("jwt_issuer"), named("JWT__ISSUER"));
        for none in ["limits", "limits_", "limitsx", "rotation_grace_seconds", "x_limits_a"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
