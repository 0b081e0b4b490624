//! `sealcast doctor`, with its findings by check.

use serde_json::Value;

use super::{APP, App, Launch, Output};

/// Before its start.
pub struct Doctor(Launch);

#[derive(Debug)]
pub struct Examined {
    pub output: Output,
    findings: Vec<Value>,
}

impl Doctor {
    /// Of this address, as the backend of [`APP`].
    pub fn of(url: &str) -> Self {
        Self::as_app(url, APP)
    }

    pub fn as_app(url: &str, app: App) -> Self {
        let doctor = Self::without_app(url);
        let secret = doctor.0.dir().write("secret", app.secret);
        Self(
            doctor
                .0
                .arg("--app")
                .arg(app.id)
                .arg("--key")
                .arg(app.key)
                .arg("--secret-file")
                .arg(secret),
        )
    }

    pub fn without_app(url: &str) -> Self {
        Self(Launch::new(&["doctor", url, "--json"]))
    }

    pub fn arg(self, name: &str, value: &str) -> Self {
        Self(self.0.arg(name).arg(value))
    }

    pub fn slow(self) -> Self {
        Self(self.0.arg("--slow"))
    }

    pub fn launch(self, change: impl FnOnce(Launch) -> Launch) -> Self {
        Self(change(self.0))
    }

    /// Writes a file beside the others and names it in an option.
    pub fn file(self, option: &str, text: &str) -> Self {
        let path = self.0.dir().write("file.pem", text);
        Self(self.0.arg(option).arg(path))
    }

    /// One finding for each check, in the order of their numbers.
    pub async fn examine(self) -> Examined {
        let output = self.0.output("").await;
        let lines = output.stdout.lines();
        let lines = lines.map(|line| serde_json::from_str(line).expect("an object on a line"));
        let findings: Vec<Value> =
            lines.filter(|line: &Value| line.get("check").is_some()).collect();
        let numbers: Vec<u64> = findings.iter().filter_map(|f| f["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=16).collect::<Vec<_>>(), "{output:?}");
        Examined { output, findings }
    }
}

impl Examined {
    pub fn finding(&self, check: &str) -> &Value {
        let found = self.findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no check {check}"))
    }

    pub fn message(&self, check: &str) -> &str {
        self.finding(check)["message"].as_str().expect("a message")
    }

    pub fn result(&self, check: &str) -> &str {
        self.finding(check)["result"].as_str().expect("a result")
    }

    /// All lines of its remedies.
    pub fn fix(&self, check: &str) -> Vec<String> {
        let fixes = self.finding(check)["fix"].as_array().cloned().unwrap_or_default();
        let lines =
            fixes.iter().flat_map(|fix| fix["lines"].as_array().cloned().unwrap_or_default());
        lines.map(|line| line.as_str().expect("a text").to_owned()).collect()
    }

    /// The names of the checks with this result.
    pub fn with_result(&self, result: &str) -> Vec<&str> {
        let found = self.findings.iter().filter(|finding| finding["result"] == result);
        found.map(|finding| finding["check"].as_str().expect("a name")).collect()
    }

    /// This check fails, alone, with these words, and with this line among its remedies.
    #[track_caller]
    pub fn expect_only_fault(&self, check: &str, words: &str, line: &str) {
        assert_eq!(self.with_result("fail"), [check], "{self:#?}");
        self.expect_fault(check, words, line);
        assert_eq!(self.output.status.code(), Some(1), "{:?}", self.output);
    }

    #[track_caller]
    pub fn expect_fault(&self, check: &str, words: &str, line: &str) {
        assert_eq!(self.result(check), "fail", "{self:#?}");
        assert!(self.message(check).contains(words), "{words}: {:#}", self.finding(check));
        let fix = self.fix(check);
        assert!(fix.iter().any(|found| found.contains(line)), "{line}: {fix:#?}");
    }
}
