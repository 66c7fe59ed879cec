//! A terminal for tests: runs the command in a pseudo-terminal, sends keys, and keeps the screen.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::Folder;

/// Longest wait for anything. Test machines are sometimes slow.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const UP: &str = "\x1b[A";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";

/// A terminal in which the command runs.
pub(crate) struct Terminal {
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Screen,
    /// Lines above this one were checked.
    seen: usize,
}

impl Terminal {
    /// Starts the command in a folder, in a terminal of 100 columns and 30 lines.
    pub(crate) fn start(folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Terminal {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_avro-sql"));
        command.args(arguments);
        command.cwd(folder.path(""));
        command.env_clear();
        command.env("HOME", folder.path(""));
        command.env("PATH", std::env::var("PATH").unwrap());
        command.env("TERM", "xterm-256color");
        command.env("PAGER", "cat");
        settings.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (send, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if send.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let screen = Screen::new(usize::from(size.cols));
        Terminal { _master: pair.master, keys, output, child, screen, seen: 0 }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// Waits until this text shows below the last checked line, and returns how long it took.
    #[track_caller]
    pub(crate) fn see(&mut self, text: &str) -> Duration {
        let start = Instant::now();
        loop {
            if let Some(at) = self.screen.find(text, self.seen) {
                self.seen = at;
                return start.elapsed();
            }
            match self.output.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(bytes) => self.screen.write(&bytes),
                Err(why) => panic!("{text:?} does not show ({why}):\n{}", self.screen.text()),
            }
        }
    }

    /// Checks only what shows below from now on.
    pub(crate) fn below(&mut self) -> &mut Self {
        self.seen = self.screen.row + 1;
        self
    }

    /// Checks the whole screen.
    pub(crate) fn anywhere(&mut self) -> &mut Self {
        self.seen = 0;
        self
    }

    /// Reads output for this time.
    pub(crate) fn wait(&mut self, time: Duration) -> &mut Self {
        let start = Instant::now();
        while let Ok(bytes) = self.output.recv_timeout(time.saturating_sub(start.elapsed())) {
            self.screen.write(&bytes);
        }
        self
    }

    /// Presses keys and return, and waits for the prompt below.
    #[track_caller]
    pub(crate) fn ask(&mut self, keys: &str) -> &mut Self {
        let row = self.screen.row;
        self.press(keys).press("\r");
        self.seen = row + 1;
        self.see("avro-sql> ");
        self
    }

    /// Whether any text was colored.
    pub(crate) fn colored(&self) -> bool {
        self.screen.colored
    }

    /// Returns all text of the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.text()
    }

    /// Returns the id of the command's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits for the command to end, and returns its exit code.
    pub(crate) fn end(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            match self.output.recv_timeout(Duration::from_millis(20)) {
                Ok(bytes) => self.screen.write(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if self.child.try_wait().unwrap().is_some() {
                        break;
                    }
                    assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.screen.text());
                }
            }
        }
        self.wait(Duration::from_millis(50));
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The part of a terminal that the prompt uses: text, returns, cursor movement, and clearing to the end.
struct Screen {
    width: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    colored: bool,
    /// Bytes of an incomplete character or sequence.
    rest: Vec<u8>,
}

impl Screen {
    fn new(width: usize) -> Screen {
        Screen { width, lines: vec![Vec::new()], row: 0, column: 0, colored: false, rest: Vec::new() }
    }

    fn text(&self) -> String {
        let line = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Returns the first line from `row` on that contains the text.
    fn find(&self, text: &str, row: usize) -> Option<usize> {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>() + " ");
        lines.enumerate().skip(row).find(|(_, line)| line.contains(text)).map(|(at, _)| at)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(e) => e.valid_up_to(),
        };
        let text = String::from_utf8(self.rest[..whole].to_vec()).unwrap();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            if c != '\x1b' {
                self.put(c);
                rest = after;
                continue;
            }
            // `ESC [ numbers letter`; anything else is one letter.
            let Some(sequence) = after.strip_prefix('[') else {
                let Some(letter) = after.chars().next() else { break };
                rest = &after[letter.len_utf8()..];
                continue;
            };
            let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic()) else { break };
            self.act(&sequence[..end], sequence.as_bytes()[end]);
            rest = &sequence[end + 1..];
        }
        let done = whole - rest.len();
        self.rest.drain(..done);
    }

    fn put(&mut self, c: char) {
        match c {
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            '\x08' => self.column = self.column.saturating_sub(1),
            c if c.is_control() => {}
            c => {
                if self.column == self.width {
                    (self.row, self.column) = (self.row + 1, 0);
                }
                self.reach();
                let line = &mut self.lines[self.row];
                line.resize(line.len().max(self.column + 1), ' ');
                line[self.column] = c;
                self.column += 1;
            }
        }
        self.reach();
    }

    fn act(&mut self, numbers: &str, letter: u8) {
        let n = numbers.parse().unwrap_or(1).max(1);
        match letter {
            b'A' => self.row = self.row.saturating_sub(n),
            b'B' => self.row += n,
            b'C' => self.column = (self.column + n).min(self.width - 1),
            b'D' => self.column = self.column.saturating_sub(n),
            b'G' => self.column = n - 1,
            b'K' => self.lines[self.row].truncate(self.column),
            b'J' => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            b'm' => self.colored = true,
            _ => {} // modes
        }
        self.reach();
    }

    fn reach(&mut self) {
        let rows = self.lines.len().max(self.row + 1);
        self.lines.resize(rows, Vec::new());
    }
}
