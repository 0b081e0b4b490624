//! A strict reader of `/metrics` by OpenMetrics 1.0: any deviation fails the test.
//! `tests/sdk_python` reads it with Prometheus' own parser.

use std::collections::{BTreeMap, BTreeSet};

use super::{Request, TestServer, exchange, until};

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

#[derive(Default, Debug)]
pub struct Family {
    pub kind: String,
    pub unit: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Scrape {
    pub text: String,
    pub families: BTreeMap<String, Family>,
}

impl Scrape {
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF and nothing after it");
        let mut families = BTreeMap::<String, Family>::new();
        let mut current = String::new();
        for line in body.lines() {
            let Some(head) = line.strip_prefix("# ") else {
                let sample = sample(line);
                let family = families.get_mut(&current).expect("a head before its samples");
                assert!(belongs(&sample, &current, family), "{line:?} stands below {current}");
                family.samples.push(sample);
                continue;
            };
            let mut words = head.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line:?} is cut"));
            let (what, name, text) = (word(), word().to_owned(), word().to_owned());
            if what == "HELP" {
                assert!(
                    !text.is_empty() && families.insert(name.clone(), Family::default()).is_none(),
                    "{line:?}"
                );
                current = name.clone();
            }
            let family = families.get_mut(&name).filter(|_| name == current);
            let family = family.unwrap_or_else(|| panic!("{line:?} is not where it belongs"));
            assert!(family.samples.is_empty(), "{line:?} comes after samples");
            match what {
                "HELP" => {}
                "TYPE" => family.kind = text,
                "UNIT" => {
                    assert!(name.ends_with(&format!("_{text}")), "{line:?}");
                    family.unit = text;
                }
                _ => panic!("{line:?}"),
            }
        }
        families.iter().for_each(|(name, family)| check(name, family));
        Self { text: text.to_owned(), families }
    }

    /// The sum of all samples with this name and these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.families.iter().find(|(family, found)| {
            *family == name || found.samples.iter().any(|sample| sample.name == name)
        });
        let (_, family) = family.unwrap_or_else(|| panic!("there is no {name} in {}", self.text));
        let has = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        family.samples.iter().filter(has).map(|sample| sample.value).sum()
    }
}

/// True if the sample's suffix is allowed for the type of its family.
fn belongs(sample: &Sample, name: &str, family: &Family) -> bool {
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        kind => panic!("{name} is a {kind:?}"),
    };
    sample.name.strip_prefix(name).is_some_and(|suffix| suffixes.contains(&suffix))
}

fn check(name: &str, family: &Family) {
    assert!(name.starts_with("sealcast_"), "{name}");
    assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}");
    let mut seen = BTreeSet::new();
    let mut keys: Option<Vec<&String>> = None;
    for sample in &family.samples {
        assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        assert!(sample.value.is_finite(), "{sample:?}");
        if family.kind != "gauge" {
            assert!(sample.value >= 0.0, "{sample:?}");
        }
        let these: Vec<&String> = sample.labels.keys().filter(|key| *key != "le").collect();
        assert_eq!(*keys.get_or_insert_with(|| these.clone()), these, "{name}: labels differ");
    }
    if family.kind == "histogram" {
        check_histogram(name, family);
    }
}

fn check_histogram(name: &str, family: &Family) {
    let mut series = BTreeMap::<BTreeMap<String, String>, Vec<(f64, f64)>>::new();
    for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").expect("a bucket has a bound").replace("+Inf", "inf");
        series.entry(labels).or_default().push((bound.parse().expect("a number"), sample.value));
    }
    for (labels, buckets) in series {
        for pair in buckets.windows(2) {
            assert!(
                pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1,
                "{name}{labels:?} {buckets:?}"
            );
        }
        let last = buckets.last().expect("buckets");
        let count = family
            .samples
            .iter()
            .find(|sample| sample.name.ends_with("_count") && sample.labels == labels);
        assert_eq!((last.0, Some(last.1)), (f64::INFINITY, count.map(|c| c.value)), "{name}");
    }
}

fn sample(line: &str) -> Sample {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, rest) = line.split_at(name_end.unwrap_or_else(|| panic!("{line:?}")));
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
    let value = value.parse().unwrap_or_else(|err| panic!("{err}: {line:?}"));
    Sample { name: name.to_owned(), labels, value }
}

fn labels<'a>(mut rest: &'a str, line: &str) -> (BTreeMap<String, String>, &'a str) {
    let mut labels = BTreeMap::new();
    loop {
        let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
        assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line:?}");
        let (mut value, mut characters) = (String::new(), after.char_indices());
        let end = loop {
            match characters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    other => panic!("{other:?} is escaped in {line:?}"),
                },
                Some((_, character)) => value.push(character),
                None => panic!("a label does not end in {line:?}"),
            }
        };
        assert!(labels.insert(key.to_owned(), value).is_none(), "{line:?}");
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (labels, rest.strip_prefix('}').unwrap_or_else(|| panic!("{line:?}"))),
        }
    }
}

impl TestServer {
    pub async fn scrape(&self) -> Scrape {
        self.expect_alone("one page of metrics");
        self.own_scrape().await
    }

    pub(super) async fn own_scrape(&self) -> Scrape {
        let response = exchange(self.own_ops(), &Request::new("GET", "/metrics")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(response.header("Content-Type"), Some(kind));
        Scrape::parse(&response.text())
    }

    /// Waits until the sum has this value.
    pub async fn until_metric(&self, name: &str, labels: &[(&str, &str)], wanted: f64) -> Scrape {
        until(format!("{name}{labels:?} = {wanted}"), async || {
            let scrape = self.scrape().await;
            (scrape.sum(name, labels) == wanted).then_some(scrape)
        })
        .await
    }
}
