//! Programs of the user: the editor and the shell.

use std::env;
use std::fs;
use std::io::Write;
use std::process::Command;

use tempfile::Builder;

use crate::error::{Error, Result, print_stderr};
use crate::terminal::interrupt;

/// Editors, in the order in which they are tried if the environment names none.
const EDITORS: [&str; 3] = ["vim", "vi", "nano"];

/// Lets the user edit a text, and returns it.
pub(super) fn edit(text: &str) -> Result<String> {
    let mut file = Builder::new().prefix("avro-sql-").suffix(".sql").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    let path = file.into_temp_path();
    let _signals = interrupt::requested(); // Ctrl-C is for the editor
    let given =
        ["VISUAL", "EDITOR"].iter().find_map(|name| env::var(name).ok()).filter(|words| !words.trim().is_empty());
    let editors = given.as_deref().map_or_else(|| EDITORS.to_vec(), |editor| vec![editor]);
    for editor in &editors {
        let mut words = editor.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        match command.args(words).arg(&path).status() {
            Ok(status) if status.success() => return Ok(fs::read_to_string(&path)?),
            Ok(status) => return Err(Error::Failed(format!("{editor} failed ({status}); the statement is unchanged"))),
            Err(_) => {}
        }
    }
    Err(Error::Failed(format!("cannot start {}; set EDITOR to your editor", editors.join(", "))))
}

/// Runs a command of the shell, or the shell itself.
pub(super) fn shell(command: &str) -> Result<()> {
    let shell = env::var("SHELL").unwrap_or_else(|_| "sh".to_owned());
    let mut process = Command::new(&shell);
    if !command.is_empty() {
        process.arg("-c").arg(command);
    }
    let _signals = interrupt::requested(); // Ctrl-C is for the command
    let status = process.status().map_err(|e| Error::Failed(format!("{shell}: {}", Error::from(e))))?;
    if let Some(code @ 1..) = status.code() {
        print_stderr(&format!("exit code {code}"));
    }
    Ok(())
}
