//! The screen: prints a result, or pages it if it is longer than the terminal.

use std::env;
use std::io::{self, Stdout, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use terminal_size::terminal_size;
use unicode_width::UnicodeWidthStr;

use crate::error::{Result, on_stdout};
use crate::progress;
use crate::terminal::colors;

/// Maximum number of bytes held until it is known whether they fit the screen.
const HELD_BYTES: usize = 1 << 18;

/// Standard output for one result.
pub(crate) struct Screen {
    state: ScreenState,
    /// Lines and columns of the terminal, without the prompt's line; `None` if nothing is paged.
    room: Option<(usize, usize)>,
    /// Whether standard output is a terminal, on which a bar must be cleared first.
    on_terminal: bool,
    /// Terminal lines of the held bytes.
    lines: usize,
}

enum ScreenState {
    Held(Vec<u8>),
    Plain(io::BufWriter<Stdout>),
    Paged(Child, Option<ChildStdin>),
}

impl Screen {
    /// Returns unpaged standard output.
    pub(crate) fn plain(on_terminal: bool) -> Screen {
        let stdout = io::BufWriter::with_capacity(1 << 16, io::stdout());
        Screen { state: ScreenState::Plain(stdout), room: None, on_terminal, lines: 0 }
    }

    /// Returns a terminal's standard output that pages long results.
    pub(crate) fn paged() -> Screen {
        match terminal_size() {
            Some((width, height)) if pager().is_some() => Screen {
                state: ScreenState::Held(Vec::new()),
                room: Some((usize::from(height.0).saturating_sub(1), usize::from(width.0).max(1))),
                on_terminal: true,
                lines: 0,
            },
            _ => Screen::plain(true),
        }
    }

    /// Whether the result goes to a pager. Leaving the pager closes its pipe, which is not a failure.
    pub(crate) fn is_paged(&self) -> bool {
        matches!(self.state, ScreenState::Paged(..))
    }

    /// Whether the result may go to a pager.
    pub(crate) fn may_page(&self) -> bool {
        self.room.is_some()
    }

    /// Whether the screen interprets colors: a pager other than `less` may show their codes.
    pub(crate) fn has_colors(&self) -> bool {
        if !self.on_terminal || !colors::enabled() {
            return false;
        }
        let Some(pager) = pager().filter(|_| self.may_page()) else { return true };
        let mut words = pager.split_whitespace();
        let is_less = words.next().is_some_and(|program| Path::new(program).ends_with("less"));
        let is_raw = |options: &str| options.contains(['R', 'r']);
        is_less && (env::var("LESS").map_or(true, |options| is_raw(&options)) || words.any(is_raw))
    }

    /// Returns the terminal's columns.
    pub(crate) fn width(&self) -> Option<usize> {
        if self.on_terminal { terminal_size().map(|(width, _)| usize::from(width.0)) } else { None }
    }

    /// Finishes the result. Returns when the user has left the pager.
    pub(crate) fn finish(mut self) -> Result<()> {
        Ok(self.flush()?)
    }

    /// Writes the held bytes to their destination.
    fn open(&mut self, too_long: bool) -> io::Result<()> {
        let ScreenState::Held(held) = &mut self.state else { return Ok(()) };
        let held = std::mem::take(held);
        progress::mute();
        let paged = if too_long { pager().and_then(start) } else { None };
        self.state = match paged {
            Some((child, pipe)) => ScreenState::Paged(child, Some(pipe)),
            None => ScreenState::Plain(io::BufWriter::with_capacity(1 << 16, io::stdout())),
        };
        self.write_all(&held)
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            ScreenState::Held(held) => {
                held.extend_from_slice(bytes);
                let (lines, columns) = self.room.unwrap_or((usize::MAX, usize::MAX));
                // A long line takes several terminal lines.
                let text = String::from_utf8_lossy(bytes);
                self.lines += text.lines().map(|line| visible_width(line).div_ceil(columns).max(1)).sum::<usize>();
                if self.lines > lines || held.len() > HELD_BYTES {
                    self.open(true)?;
                }
                Ok(bytes.len())
            }
            ScreenState::Plain(stdout) => {
                if self.on_terminal {
                    progress::mute();
                }
                stdout.write(bytes).map_err(on_stdout)
            }
            ScreenState::Paged(_, Some(pipe)) => pipe.write(bytes),
            ScreenState::Paged(_, None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Called after the result and before messages about it: the result must be on the terminal, and the pager gone.
    fn flush(&mut self) -> io::Result<()> {
        if let ScreenState::Held(_) = self.state {
            self.open(false)?;
        }
        match &mut self.state {
            ScreenState::Held(_) => Ok(()),
            ScreenState::Plain(stdout) => stdout.flush().map_err(on_stdout),
            ScreenState::Paged(pager, pipe) => {
                drop(pipe.take());
                pager.wait().map(|_| ())
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A canceled result: its part stays in the pager until the user leaves.
        if let ScreenState::Paged(pager, pipe) = &mut self.state {
            drop(pipe.take());
            let _ = pager.wait();
        }
    }
}

/// Returns the terminal columns of a line, in which color codes take none.
fn visible_width(line: &str) -> usize {
    let mut parts = line.split("\x1b[");
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    first + parts.map(|part| part.split_once('m').map_or(part, |(_, text)| text).width()).sum::<usize>()
}

/// Returns the user's pager: that of the environment, or `less`; `None` if it is disabled.
fn pager() -> Option<String> {
    match env::var("PAGER") {
        Ok(pager) if pager.trim().is_empty() || pager.trim() == "cat" => None,
        Ok(pager) => Some(pager),
        Err(_) => Some("less -SFRX".to_owned()),
    }
}

/// Starts a pager; `None` if that fails, and the result is printed unpaged.
fn start(pager: String) -> Option<(Child, ChildStdin)> {
    let mut words = pager.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        command.env("LESS", "SFRX"); // lines are not folded, and a page that fits is just shown
    }
    let mut child = command.spawn().ok()?;
    let pipe = child.stdin.take()?;
    Some((child, pipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_codes_take_no_columns() {
        for (line, expected) in [("", 0), ("abc", 3), ("a\x1b[90mNULL\x1b[0m b", 7), ("\x1b[1m日本\x1b[0m", 4)] {
            assert_eq!(visible_width(line), expected, "{line:?}");
        }
    }
}
