//! The screen: an answer's bytes in, to the terminal or, where they are more than it shows at once, to a pager out.

use std::env;
use std::io::{self, Stdout, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use terminal_size::terminal_size;

use crate::error::{Result, on_stdout};
use crate::progress;

/// Bytes that wait for it to be known whether they fit the screen, at most.
const HELD_BYTES: usize = 1 << 18;

/// Standard output for one answer.
pub(crate) struct Screen {
    state: State,
    /// Lines and columns that the terminal has, but for the line of the prompt; `None` where nothing is paged.
    room: Option<(usize, usize)>,
    /// Is standard output a terminal, which bars are to be taken off?
    on_terminal: bool,
    /// Lines of the terminal that what is held takes.
    lines: usize,
}

enum State {
    Held(Vec<u8>),
    Plain(io::BufWriter<Stdout>),
    Paged(Child, Option<ChildStdin>),
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn plain(on_terminal: bool) -> Screen {
        let stdout = io::BufWriter::with_capacity(1 << 16, io::stdout());
        Screen { state: State::Plain(stdout), room: None, on_terminal, lines: 0 }
    }

    /// Standard output, a terminal; what it cannot show at once goes to the user's pager.
    pub(crate) fn paged() -> Screen {
        match terminal_size() {
            Some((width, height)) if pager().is_some() => Screen {
                state: State::Held(Vec::new()),
                room: Some((usize::from(height.0).saturating_sub(1), usize::from(width.0).max(1))),
                on_terminal: true,
                lines: 0,
            },
            _ => Screen::plain(true),
        }
    }

    /// Does the answer go to a pager by now? Where it is left, its pipe is closed, and that is no failure.
    pub(crate) fn is_paged(&self) -> bool {
        matches!(self.state, State::Paged(..))
    }

    /// May the answer go to a pager?
    pub(crate) fn may_page(&self) -> bool {
        self.room.is_some()
    }

    /// Columns of the terminal, where it is one.
    pub(crate) fn width(&self) -> Option<usize> {
        if self.on_terminal { terminal_size().map(|(width, _)| usize::from(width.0)) } else { None }
    }

    /// Everything is written. Returns when the user has left the pager.
    pub(crate) fn finish(mut self) -> Result<()> {
        Ok(self.flush()?)
    }

    /// Writes what is held to where it belongs.
    fn open(&mut self, too_long: bool) -> io::Result<()> {
        let State::Held(held) = &mut self.state else { return Ok(()) };
        let held = std::mem::take(held);
        progress::mute();
        let paged = if too_long { pager().and_then(start) } else { None };
        self.state = match paged {
            Some((child, pipe)) => State::Paged(child, Some(pipe)),
            None => State::Plain(io::BufWriter::with_capacity(1 << 16, io::stdout())),
        };
        self.write_all(&held)
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Held(held) => {
                held.extend_from_slice(bytes);
                let (lines, columns) = self.room.unwrap_or((usize::MAX, usize::MAX));
                // A long line takes several of the terminal. Bytes are more than columns where text is not ASCII: close enough.
                self.lines +=
                    bytes.split_inclusive(|b| *b == b'\n').map(|line| line.len().div_ceil(columns + 1)).sum::<usize>();
                if self.lines > lines || held.len() > HELD_BYTES {
                    self.open(true)?;
                }
                Ok(bytes.len())
            }
            State::Plain(stdout) => {
                if self.on_terminal {
                    progress::mute();
                }
                stdout.write(bytes).map_err(on_stdout)
            }
            State::Paged(_, Some(pipe)) => pipe.write(bytes),
            State::Paged(_, None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The answer is whole, and what is said about it comes next: so it must be on the terminal, and the pager gone.
    fn flush(&mut self) -> io::Result<()> {
        if let State::Held(_) = self.state {
            self.open(false)?;
        }
        match &mut self.state {
            State::Held(_) => Ok(()),
            State::Plain(stdout) => stdout.flush().map_err(on_stdout),
            State::Paged(pager, pipe) => {
                drop(pipe.take());
                pager.wait().map(|_| ())
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // An answer that was given up: what came of it may be looked at as long as the user likes.
        if let State::Paged(pager, pipe) = &mut self.state {
            drop(pipe.take());
            let _ = pager.wait();
        }
    }
}

/// The user's pager: that of the environment, or `less`. `None` where it is none at all.
fn pager() -> Option<String> {
    match env::var("PAGER") {
        Ok(pager) if pager.trim().is_empty() || pager.trim() == "cat" => None,
        Ok(pager) => Some(pager),
        Err(_) => Some("less -SFRX".to_owned()),
    }
}

/// Starts a pager; `None` where that fails, and then the answer is shown as it is.
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
