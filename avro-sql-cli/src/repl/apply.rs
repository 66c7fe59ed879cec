//! Applies settings to the prompt, and prints them.

use super::settings::{self, Setting, Value};
use super::{ROWS_UNPAGED, Shell};
use crate::error::{Result, print_stderr, report};
use crate::output::{Format, NULL};

impl Shell {
    /// Changes a setting and keeps it, or prints one or all.
    pub(super) async fn set(&mut self, argument: &str) -> Result<()> {
        if argument.is_empty() {
            for setting in &settings::SETTINGS {
                print_stderr(&format!("{:<9} = {:<9}  {}", setting.name, self.value_of(setting), setting.what));
            }
            return Ok(());
        }
        let (setting, value) = settings::parse(argument)?;
        if value.is_empty() {
            print_stderr(&format!("{} = {}", setting.name, self.value_of(setting)));
            return Ok(());
        }
        let checked = setting.check(value)?;
        let is_default = checked == Value::Default;
        self.apply(setting, checked).await?;
        self.kept.keep(setting, (!is_default).then_some(value))
    }

    /// Changes a setting.
    async fn apply(&mut self, setting: &Setting, value: Value) -> Result<()> {
        let switched = |default: bool| if let Value::Switch(on) = value { on } else { default };
        let limit = if let Value::Limit(limit) = value { Some(limit) } else { None };
        let query = &mut self.query;
        match setting.name {
            "expanded" => query.display.expanded = switched(false),
            "pager" => self.paged = switched(true),
            "timing" => query.timing = switched(false),
            "max_rows" => {
                query.max_rows_given = limit.is_some();
                query.display.max_rows = limit.unwrap_or(query.on_terminal.then_some(ROWS_UNPAGED));
            }
            "max_width" => {
                query.max_width_given = limit.is_some();
                let width = limit.map(|limit| limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX)));
                query.display.max_width = width.unwrap_or(query.on_terminal.then_some(usize::MAX));
            }
            "null" => query.display.null = if let Value::Text(text) = value { text } else { NULL.to_owned() },
            "timezone" => {
                let zone = if let Value::Text(zone) = value {
                    format!("'{}'", zone.replace('\'', "''"))
                } else {
                    "DEFAULT".to_owned()
                };
                self.statements(&format!("SET TIME ZONE {zone}")).await?;
            }
            _ => match value {
                Value::Text(name) => self.format(&name)?,
                _ => query.format = if query.on_terminal { Format::Table } else { Format::Csv },
            },
        }
        Ok(())
    }

    /// Returns the current value of a setting.
    fn value_of(&self, setting: &Setting) -> String {
        let on = |on: bool| if on { "on" } else { "off" }.to_owned();
        let limit = |n: Option<String>| n.unwrap_or_else(|| "all".to_owned());
        let display = &self.query.display;
        match setting.name {
            "expanded" => on(display.expanded),
            "pager" => on(self.paged),
            "timing" => on(self.query.timing),
            "max_rows" if !self.query.max_rows_given => "default".to_owned(),
            "max_rows" => limit(display.max_rows.map(|n| n.to_string())),
            "max_width" if !self.query.max_width_given => "default".to_owned(),
            "max_width" => limit(display.max_width.map(|n| n.to_string())),
            "null" => format!("'{}'", display.null),
            "timezone" => {
                let zone = self.session.context().state().config_options().execution.time_zone.clone();
                zone.unwrap_or_else(|| "default".to_owned())
            }
            _ => self.query.format.name().to_owned(),
        }
    }

    /// Applies the settings of the file. Options of the command line win, and a failure is printed.
    pub(super) async fn apply_kept(&mut self) {
        for (setting, value) in self.kept.values() {
            let is_given = match setting.name {
                "max_rows" => self.query.max_rows_given,
                "max_width" => self.query.max_width_given,
                "timing" => self.query.timing,
                "format" => self.query.format_given,
                _ => false,
            };
            let applied = match setting.check(&value) {
                Ok(value) if !is_given => self.apply(setting, value).await,
                other => other.map(|_| ()),
            };
            if let Err(e) = applied {
                report(&e);
            }
        }
    }
}
