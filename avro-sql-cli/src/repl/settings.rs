//! Settings of the prompt: `\set NAME VALUE` changes one and keeps it in a file, which the next prompt reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::atomic_file::AtomicFile;

/// A setting.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: SettingKind,
    /// Its description.
    pub(super) what: &'static str,
}

/// Which values a setting takes. All take `default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettingKind {
    /// A number above 0, or `all`.
    Limit,
    /// `on` or `off`.
    Switch,
    /// A name of an output format.
    Format,
    Text,
}

pub(super) const SETTINGS: [Setting; 8] = [
    Setting { name: "expanded", kind: SettingKind::Switch, what: "one line for each value, as \\x" },
    Setting { name: "format", kind: SettingKind::Format, what: "the output format" },
    Setting { name: "max_rows", kind: SettingKind::Limit, what: "rows that a table shows, or all" },
    Setting { name: "max_width", kind: SettingKind::Limit, what: "width of a table in characters, or all" },
    Setting { name: "null", kind: SettingKind::Text, what: "the text of NULL in tables" },
    Setting { name: "pager", kind: SettingKind::Switch, what: "page results longer than the screen" },
    Setting { name: "timezone", kind: SettingKind::Text, what: "the time zone of instants, as SET TIME ZONE" },
    Setting { name: "timing", kind: SettingKind::Switch, what: "print the time of each statement" },
];

/// A checked value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Default,
    /// A maximum, or `None` for no limit.
    Limit(Option<u64>),
    Switch(bool),
    /// The text of the other kinds.
    Text(String),
}

/// Returns the names of all settings.
pub(super) fn names() -> Vec<&'static str> {
    SETTINGS.iter().map(|setting| setting.name).collect()
}

/// Splits `NAME VALUE` or `NAME=VALUE` into a setting and its value, which may be empty.
pub(super) fn parse(argument: &str) -> Result<(&'static Setting, &str)> {
    let end = argument.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(argument.len());
    let (name, value) = argument.split_at(end);
    let value = value.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    let found = SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name));
    let unknown = || Error::Failed(format!("there is no setting `{name}`; settings are {}", names().join(", ")));
    Ok((found.ok_or_else(unknown)?, value))
}

impl Setting {
    /// Checks a value. Quotes around it are removed.
    pub(super) fn check(&self, text: &str) -> Result<Value> {
        let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        if quoted.is_none() && text.eq_ignore_ascii_case("default") {
            return Ok(Value::Default);
        }
        let text = quoted.unwrap_or(text);
        let wrong = |expected: &str| Err(Error::Failed(format!("{}: expected {expected}, found `{text}`", self.name)));
        match self.kind {
            SettingKind::Limit if ["all", "0"].contains(&text) => Ok(Value::Limit(None)),
            SettingKind::Limit => match text.parse() {
                Ok(n) => Ok(Value::Limit(Some(n))),
                Err(_) => wrong("a number, all or default"),
            },
            SettingKind::Switch if text.eq_ignore_ascii_case("on") => Ok(Value::Switch(true)),
            SettingKind::Switch if text.eq_ignore_ascii_case("off") => Ok(Value::Switch(false)),
            SettingKind::Switch => wrong("on, off or default"),
            SettingKind::Format | SettingKind::Text => Ok(Value::Text(text.to_owned())),
        }
    }
}

/// The settings that differ from their defaults, and the file that keeps them.
pub(super) struct Kept {
    path: Option<PathBuf>,
    /// Values as the user wrote them, by the names of settings.
    values: BTreeMap<&'static str, String>,
}

impl Kept {
    /// Reads the file; without one, there are no values. Lines that are not settings are ignored.
    pub(super) fn read(path: Option<PathBuf>) -> Kept {
        let text = path.as_deref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let line = |line: &str| {
            let (setting, value) = parse(line.trim()).ok()?;
            (!value.is_empty()).then(|| (setting.name, value.to_owned()))
        };
        Kept { path, values: text.lines().filter_map(line).collect() }
    }

    /// Returns the values with their settings.
    pub(super) fn values(&self) -> Vec<(&'static Setting, String)> {
        let of = |name: &str| SETTINGS.iter().find(|setting| setting.name == name);
        self.values.iter().filter_map(|(name, value)| Some((of(name)?, value.clone()))).collect()
    }

    /// Keeps a value, or removes it if it is the default one.
    pub(super) fn keep(&mut self, setting: &'static Setting, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self.values.insert(setting.name, value.to_owned()),
            None => self.values.remove(setting.name),
        };
        let Some(path) = &self.path else { return Ok(()) };
        let mut text = String::new();
        for (name, value) in &self.values {
            let _ = writeln!(text, "{name} = {value}"); // writing to a String cannot fail
        }
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(|e| Error::file(path, e))?;
        let mut file = AtomicFile::create(path)?;
        file.write_all(text.as_bytes()).map_err(|e| Error::file(path, e))?;
        file.commit()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_check_their_values() {
        let cases = [
            ("max_rows 7", Ok(Value::Limit(Some(7)))),
            ("MAX_ROWS=all", Ok(Value::Limit(None))),
            ("max_rows = default", Ok(Value::Default)),
            ("max_rows few", Err("max_rows: expected a number, all or default, found `few`")),
            ("null ''", Ok(Value::Text(String::new()))),
            ("null 'default'", Ok(Value::Text("default".to_owned()))),
            ("null (none)", Ok(Value::Text("(none)".to_owned()))),
            ("timing on", Ok(Value::Switch(true))),
            ("timing 1", Err("timing: expected on, off or default, found `1`")),
            ("color red", Err("there is no setting `color`; settings are expanded, format, max_rows")),
        ];
        for (argument, expected) in cases {
            let found = parse(argument).and_then(|(setting, value)| setting.check(value));
            match (found, expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{argument}"),
                (Err(e), Err(expected)) => assert!(e.to_string().starts_with(expected), "{e}"),
                (found, _) => assert!(found.is_err(), "{argument}: {found:?}"),
            }
        }
    }

    #[test]
    fn settings_are_kept_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/settings");
        let mut kept = Kept::read(Some(path.clone()));
        kept.keep(&SETTINGS[2], Some("7")).unwrap();
        kept.keep(&SETTINGS[4], Some("'a b'")).unwrap();
        kept.keep(&SETTINGS[2], Some("8")).unwrap();
        let read = Kept::read(Some(path.clone()));
        assert_eq!(read.values, kept.values);
        kept.keep(&SETTINGS[2], None).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "null = 'a b'\n");
    }
}
