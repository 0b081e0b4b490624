//! Explains why a value cannot be read, in the words of its author.

use figment::error::Kind as ErrorKind;

use super::{Aim, other_names::OTHER_NAMES};
use crate::config::schema::{ANY_NAME, Kind, Schema, Setting};

/// The words for a boolean in a variable.
const BOOLEAN_WORDS: &str = "true or false (also 1 or 0, yes or no, on or off)";

/// A value or a name that is not understood.
pub struct Misread {
    pub path: Vec<String>,
    pub aim: Aim,
    pub message: String,
}

/// `variable`: the one that the value comes from. The value is not repeated: it might be a misplaced
/// secret.
pub fn misread(error: &figment::Error, variable: Option<&str>, schema: &Schema) -> Misread {
    let mut path = error.path.clone();
    let dotted = path.join(".");
    let (aim, message) = match &error.kind {
        ErrorKind::UnknownField(name, known) => {
            (Aim::Name, unknown_name(name, known, &path, variable, schema))
        }
        ErrorKind::InvalidType(_, expected) | ErrorKind::InvalidValue(_, expected) => {
            let setting = schema.at(&path);
            let must_be = match variable {
                Some(variable) => form_in_variable(setting.as_ref(), expected, variable),
                None => form(setting.as_ref(), expected),
            };
            (Aim::Value, format!("{dotted} must be {must_be}{}", list_of_apps(&dotted)))
        }
        ErrorKind::UnknownVariant(_, known) => {
            (Aim::Value, format!("{dotted} must be one of {}", known.join(", ")))
        }
        ErrorKind::MissingField(name) => {
            path.push(name.to_string());
            (Aim::Value, format!("{} is missing", path.join(".")))
        }
        ErrorKind::Message(message) if path.is_empty() => (Aim::Value, one_line(message)),
        ErrorKind::Message(message) => (Aim::Value, format!("{dotted}: {}", one_line(message))),
        kind if path.is_empty() => (Aim::Value, kind.to_string()),
        kind => (Aim::Value, format!("{dotted}: {kind}")),
    };
    Misread { path, aim, message }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Other servers have a list of apps.
fn list_of_apps(path: &str) -> &'static str {
    match path {
        "apps" => " with the ids of the apps: write [apps.1001], and not [[apps]] with an id",
        _ => "",
    }
}

fn form(setting: Option<&Setting<'_>>, expected: &str) -> String {
    let Some(setting) = setting else { return expected.to_owned() };
    match setting.kind() {
        Kind::Boolean => "true or false".into(),
        Kind::Integer => whole_number(setting),
        Kind::Choice => {
            let words: Vec<_> = setting.choices().into_iter().map(|(word, _)| word).collect();
            format!("one of {}", words.join(", "))
        }
        Kind::Form | Kind::Text if expected == "a string" => "a text in quotation marks".into(),
        Kind::List => "a list".into(),
        Kind::ListOfTables => format!("a list of tables: write [[{}]]", setting.dotted()),
        Kind::Table | Kind::Map => "a table".into(),
        Kind::Form | Kind::Text | Kind::TableOrBoolean => expected.to_owned(),
    }
}

fn whole_number(setting: &Setting<'_>) -> String {
    match setting.range() {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (least, _) => format!("a whole number, {} or more", least.unwrap_or_default()),
    }
}

fn form_in_variable(setting: Option<&Setting<'_>>, expected: &str, variable: &str) -> String {
    match setting.map(Setting::kind) {
        Some(Kind::Boolean) => BOOLEAN_WORDS.into(),
        // The form alone: what was written is not repeated.
        Some(Kind::List) => {
            let entries =
                setting.and_then(|s| s.default().filter(|d| d.get(0).is_some()).or(s.example()));
            let entry = entries.and_then(|list| list.get(0)?.as_str()).unwrap_or("A");
            format!("a list, even of one: {variable}='[\"{entry}\"]'")
        }
        _ => form(setting, expected),
    }
}

fn unknown_name(
    name: &str,
    known: &[&str],
    path: &[String],
    variable: Option<&str>,
    schema: &Schema,
) -> String {
    let table = path.split_last().map_or(path, |(_, table)| table);
    let section =
        if table.is_empty() { String::new() } else { format!(" in [{}]", table.join(".")) };
    let hint = flag(name)
        .or_else(|| other_name(name, table, variable, schema))
        .or_else(|| nearest(name, known).map(|near| format!(": did you mean \"{near}\"?")))
        .or_else(|| in_table(name, table, variable?, schema))
        .or_else(|| elsewhere(name, table, variable, schema));
    format!("unknown setting \"{name}\"{section}{}", hint.unwrap_or_default())
}

/// Flags that are no settings.
fn flag(name: &str) -> Option<String> {
    let flag = ["dev", "dev_public"].contains(&name).then(|| name.replace('_', "-"))?;
    Some(format!(": it is the flag --{flag} of `sealcast serve`"))
}

/// Names that other servers have for a setting.
fn other_name(
    name: &str,
    table: &[String],
    variable: Option<&str>,
    schema: &Schema,
) -> Option<String> {
    let name = snake_case(name);
    if ["id", "app_id"].contains(&&*name) && matches!(table, [apps, _] if apps == "apps") {
        return Some(": the id is the name of the table, [apps.ID]".into());
    }
    let (_, ours) = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == name)?;
    let ours: Vec<&str> = ours.split('.').collect();
    Some(did_you_mean(&schema.at(&ours)?, table, variable))
}

/// `maxConnections` and `MAX-CONNECTIONS` as `max_connections`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(if letter == '-' { '_' } else { letter.to_ascii_lowercase() });
    }
    snake
}

/// The right name in the wrong table.
fn elsewhere(
    name: &str,
    table: &[String],
    variable: Option<&str>,
    schema: &Schema,
) -> Option<String> {
    let leaves = schema.leaves();
    let mut named = leaves.iter().filter(|setting| setting.name() == name);
    match (named.next(), named.next()) {
        (Some(only), None) => Some(did_you_mean(only, table, variable)),
        _ => None,
    }
}

/// The name alone where the table is right.
fn did_you_mean(setting: &Setting<'_>, table: &[String], variable: Option<&str>) -> String {
    if let Some(variable) = variable.and_then(|_| setting.variable()) {
        return format!(": did you mean {variable}?");
    }
    let mut path = setting.path.clone();
    if let (Some(id), [_, of_app, ..]) = (path.get_mut(1), table)
        && *id == ANY_NAME
    {
        id.clone_from(of_app);
    }
    match path.strip_prefix(table) {
        Some([name]) => format!(": did you mean \"{name}\"?"),
        _ => format!(": did you mean {}?", path.join(".")),
    }
}

/// A setting of a table within this one, whose variable has two underscores in front of its name.
fn in_table(name: &str, table: &[String], variable: &str, schema: &Schema) -> Option<String> {
    let tables = schema.at(table)?.children().into_iter().filter_map(Setting::into_table);
    let rest = |inner: Setting<'_>| {
        Some(name.strip_prefix(inner.name())?.strip_prefix('_')?.len()).filter(|rest| *rest > 0)
    };
    let rest = tables.filter_map(rest).next()?;
    let (section, setting) = variable.split_at_checked(variable.len().checked_sub(rest)?)?;
    Some(format!(": did you mean {section}_{setting}?"))
}

/// The known name that was probably meant: at most every third character differs. Without that
/// bound any name would be near another.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&&str| strsim::osa_distance(name, known);
    let best = known.iter().min_by_key(distance)?;
    let longest = name.chars().count().max(best.chars().count());
    (distance(&best) * 3 <= longest).then_some(best)
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
            ("flux_capacitor", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }

    fn suggested(name: &str, table: &str, variable: Option<&str>) -> String {
        let table: Vec<&str> = table.split('.').filter(|name| !name.is_empty()).collect();
        let mut path: Vec<String> = table.iter().map(|name| (*name).to_owned()).collect();
        path.push(name.to_owned());
        let schema = Schema::new();
        let children = schema.at(&table).unwrap().children();
        let known: Vec<&str> = children.iter().map(Setting::name).collect();
        let message = unknown_name(name, &known, &path, variable, &schema);
        message.split_once("did you mean ").map_or(String::new(), |(_, rest)| rest.to_owned())
    }

    #[test]
    fn names_of_other_servers_are_known() {
        for (name, table, expected) in [
            ("port", "", "\"listen\"?"),
            ("host", "", "\"listen\"?"),
            ("ssl_cert", "", "\"tls_cert_file\"?"),
            ("max_connections", "", "apps.ID.limits.connections?"),
            ("max_connections", "apps.7", "apps.7.limits.connections?"),
            ("maxConnections", "apps.7", "apps.7.limits.connections?"),
            ("max-connections", "apps.7.limits", "\"connections\"?"),
            ("allowed_origins", "apps.7", "\"origins\"?"),
            ("event_bytes", "apps.7", "apps.7.limits.event_bytes?"),
            ("redis_url", "", "cluster.url?"),
            ("flux_capacitor", "", ""),
        ] {
            assert_eq!(suggested(name, table, None), expected, "{name} in [{table}]");
        }
        let variable = Some("SEALCAST_APP_MAX_CONNECTIONS");
        assert_eq!(
            suggested("max_connections", "apps.7", variable),
            "SEALCAST_APP_LIMITS__CONNECTIONS?"
        );
    }

    #[test]
    fn f28_section_setting_is_named_as_a_variable() {
        let of = |name: &str| {
            let variable = format!("SEALCAST_APP_{}", name.to_ascii_uppercase());
            suggested(name, "apps.7", Some(&variable))
        };
        assert_eq!(of("limits_event_bytes"), "SEALCAST_APP_LIMITS__EVENT_BYTES?");
        assert_eq!(of("jwt_issuer"), "SEALCAST_APP_JWT__ISSUER?");
        for none in ["limits_", "limitsx", "x_limits_a"] {
            assert!(!of(none).contains("__"), "{none}");
        }
    }
}
