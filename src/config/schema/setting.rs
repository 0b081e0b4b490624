//! One setting or table of the schema.

use serde_json::{Map, Value};

use super::{ANY_NAME, order::names_of};
use crate::config::takes_effect::TakesEffect;

/// A view into the schema.
#[derive(Clone)]
pub struct Setting<'a> {
    /// Names in the file. `ID` stands for the id of an app or any other name, `0` for an entry of a
    /// list of tables.
    pub path: Vec<String>,
    node: &'a Value,
    /// The node with the description. An entry of a list has that of the list.
    described: &'a Value,
    effect: Option<TakesEffect>,
    in_list: bool,
}

/// The form of a value in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Boolean,
    Integer,
    /// One of a few words.
    Choice,
    /// Text whose ends do not count, such as an address or a size.
    Form,
    /// Text that counts as written.
    Text,
    List,
    Table,
    /// A table, or true or false.
    TableOrBoolean,
    ListOfTables,
    /// A table with names of the operator's choice and texts.
    Map,
}

impl<'a> Setting<'a> {
    pub fn root(node: &'a Value) -> Self {
        Self { path: Vec::new(), node, described: node, effect: None, in_list: false }
    }

    #[cfg(test)]
    pub fn as_json(&self) -> &Value {
        self.node
    }

    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// As in messages and in the documents: `apps.ID.limits.event_bytes`.
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }

    /// The same for all apps and all entries of a list.
    fn pattern(&self) -> String {
        let of_apps = self.path.first().is_some_and(|name| name == "apps");
        let names = self.path.iter().enumerate().map(|(at, name)| match name.as_str() {
            _ if at == 1 && of_apps => ANY_NAME,
            name if at > 1 && name.parse::<usize>().is_ok() => "0",
            name => name,
        });
        names.collect::<Vec<_>>().join(".")
    }

    /// True for a table with names of the operator's choice.
    pub fn has_any_names(&self) -> bool {
        self.properties().is_none() && self.entries().is_some()
    }

    /// True if a table that is there must have it.
    pub fn is_required(&self) -> bool {
        self.default_in_words().is_some_and(|words| words.starts_with("required"))
    }

    /// The setting with this name, or the entry with this number.
    pub fn child(&self, name: &str) -> Option<Self> {
        if let Some(items) = self.node.get("items") {
            name.parse::<usize>().ok()?;
            let entry = self.inner(name, items);
            return Some(Self { described: self.node, in_list: true, ..entry });
        }
        if let Some(properties) = self.properties() {
            return properties.get(name).map(|node| self.inner(name, node));
        }
        let entry = self.inner(name, self.entries()?);
        Some(Self { described: self.node, ..entry })
    }

    pub fn children(&self) -> Vec<Self> {
        if self.node.get("items").is_some() {
            return self.child("0").into_iter().collect();
        }
        match (self.properties(), self.entries()) {
            (Some(properties), _) => {
                let names = names_of(&self.pattern());
                let place = |name: &str| names.iter().position(|other| *other == name);
                let mut inner: Vec<_> =
                    properties.iter().map(|(name, node)| self.inner(name, node)).collect();
                inner.sort_by_key(|setting| place(setting.name()));
                inner
            }
            (None, Some(_)) => self.child(ANY_NAME).into_iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    fn inner(&self, name: &str, node: &'a Value) -> Self {
        let path = self.path.iter().map(String::as_str).chain([name]).map(str::to_owned).collect();
        let own = node.get("x-effect").and_then(|e| serde_json::from_value(e.clone()).ok());
        Self { path, node, described: node, effect: own.or(self.effect), in_list: self.in_list }
    }

    /// The settings of a table, also of one that may be a boolean instead.
    fn properties(&self) -> Option<&'a Map<String, Value>> {
        let choices = self.node.get("anyOf").and_then(Value::as_array);
        let mut nodes = choices.into_iter().flatten().chain([self.node]);
        nodes.find_map(|node| node.get("properties")?.as_object())
    }

    /// The entries of a table with names of the operator's choice.
    fn entries(&self) -> Option<&'a Value> {
        self.node.get("additionalProperties").filter(|node| node.is_object())
    }

    pub fn kind(&self) -> Kind {
        let has = |name: &str| self.node.get(name).is_some();
        if has("items") {
            let of_tables = self.node["items"].get("properties").is_some();
            return if of_tables { Kind::ListOfTables } else { Kind::List };
        }
        if has("anyOf") {
            return Kind::TableOrBoolean;
        }
        if let Some(entries) = self.entries() {
            return if entries.get("properties").is_some() { Kind::Table } else { Kind::Map };
        }
        match self.text_of("type") {
            Some("boolean") => Kind::Boolean,
            Some("integer") => Kind::Integer,
            Some("object") => Kind::Table,
            _ if has("enum") || has("oneOf") => Kind::Choice,
            _ if matches!(self.text_of("format"), None | Some("key" | "uri")) => Kind::Text,
            _ => Kind::Form,
        }
    }

    /// True for what the reference lists in the table of its parent.
    pub fn is_leaf(&self) -> bool {
        !matches!(self.kind(), Kind::Table | Kind::ListOfTables)
    }

    pub fn into_table(self) -> Option<Self> {
        match self.kind() {
            Kind::Table | Kind::TableOrBoolean => Some(self),
            Kind::ListOfTables => self.child("0"),
            Kind::Boolean | Kind::Integer | Kind::Choice | Kind::Form => None,
            Kind::Text | Kind::List | Kind::Map => None,
        }
    }

    pub(super) fn collect_leaves(&self, leaves: &mut Vec<Self>) {
        let children = self.children();
        leaves.extend(children.iter().filter(|child| child.is_leaf()).cloned());
        let inner = children.into_iter().filter_map(Self::into_table);
        inner.for_each(|table| table.collect_leaves(leaves));
    }

    fn text_of(&self, name: &str) -> Option<&'a str> {
        self.node.get(name)?.as_str()
    }

    pub fn description(&self) -> &'a str {
        self.described.get("description").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn unit(&self) -> Option<&'a str> {
        self.text_of("x-unit")
    }

    /// A page below `docs`, perhaps with a heading.
    pub fn see(&self) -> Option<&'a str> {
        self.described.get("x-see").and_then(Value::as_str)
    }

    /// The constant default.
    pub fn default(&self) -> Option<&'a Value> {
        self.node.get("default")
    }

    /// A default that is no constant, in words.
    pub fn default_in_words(&self) -> Option<&'a str> {
        self.text_of("x-default")
    }

    pub fn example(&self) -> Option<&'a Value> {
        self.node.get("examples")?.get(0)
    }

    pub fn is_secret(&self) -> bool {
        self.node.get("writeOnly").is_some_and(|value| value == true)
    }

    /// A key that may be in a file or variable instead: `file:PATH`, `env:NAME`.
    pub fn is_key(&self) -> bool {
        self.text_of("format") == Some("key")
    }

    pub fn is_url(&self) -> bool {
        self.text_of("format") == Some("uri")
    }

    /// The variable for the whole list that this is an entry of.
    pub fn list_variable(&self) -> Option<String> {
        let (_, list) = self.path.split_last().filter(|(entry, _)| *entry == "0")?;
        let names = list.strip_prefix(&["apps".to_owned(), ANY_NAME.to_owned()])?;
        Some(format!("SEALCAST_APP_{}", names.join("__").to_ascii_uppercase()))
    }

    /// The format of the text, as in JSON Schema.
    pub fn format(&self) -> Option<&'a str> {
        self.text_of("format")
    }

    pub fn effect(&self) -> Option<TakesEffect> {
        self.effect
    }

    /// The smallest and the largest number.
    pub fn range(&self) -> (Option<u64>, Option<u64>) {
        let bound = |name: &str| self.node.get(name)?.as_u64();
        (bound("minimum"), bound("maximum"))
    }

    /// The words of a choice, or of the entries of a list, with their descriptions.
    pub fn choices(&self) -> Vec<(&'a str, &'a str)> {
        let node = self.node.get("items").unwrap_or(self.node);
        let listed = |name: &str| node.get(name).and_then(Value::as_array).into_iter().flatten();
        let described = listed("oneOf").filter_map(|choice| {
            let description = choice.get("description").and_then(Value::as_str);
            Some((choice.get("const")?.as_str()?, description.unwrap_or_default()))
        });
        let plain = listed("enum").filter_map(|word| Some((word.as_str()?, "")));
        described.chain(plain).collect()
    }

    /// The environment variable. Entries of lists have none: a variable holds the whole list.
    pub fn variable(&self) -> Option<String> {
        if self.in_list || self.path.is_empty() {
            return None;
        }
        let names = match &*self.path {
            [apps, _, rest @ ..] if apps == "apps" => rest,
            [apps] if apps == "apps" => return None,
            path => path,
        };
        let is_short = names.first().is_some_and(|name| name.starts_with("master_key"));
        let of_app = names.len() < self.path.len() && !is_short;
        let prefix = if of_app { "SEALCAST_APP_" } else { "SEALCAST_" };
        (!names.is_empty()).then(|| format!("{prefix}{}", names.join("__").to_ascii_uppercase()))
    }
}
