//! Progress bars: draws on standard error what a long job has done so far.
//!
//! A job has a [`Meter`], and a [`Bar`] while it runs. The bar's own thread reads the meter a few times a second, so
//! the job is not slowed down; nothing shows in the first second. Bars show only after [`enable`], which `main` calls
//! on a terminal unless options forbid it. Code that writes to the terminal calls [`clear`] before, or [`mute`] when it
//! writes the result itself.
//!
//! Crates for bars, such as `indicatif`, need to be told of progress. Here a query's metrics are polled, so the thread
//! would stay, as would the delay and the layouts for narrow terminals; the 30 lines that draw are all that would go.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

/// Nothing shows for jobs shorter than this.
const DELAY: Duration = Duration::from_secs(1);

/// Time between two reads of the meter.
const TICK: Duration = Duration::from_millis(200);

/// Columns of the terminal for the bar itself, if there is room.
const BAR_WIDTH: usize = 24;

/// Columns assumed for a terminal that does not report its width.
const USUAL_WIDTH: usize = 80;

/// Reports the progress of a job.
pub(crate) trait Meter: Send + Sync {
    /// Returns the current progress. Called a few times a second.
    fn read(&self) -> Reading;
}

/// The progress of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Total bytes to read; 0 if unknown.
    pub(crate) total_bytes: u64,
    /// Rows read.
    pub(crate) rows: u64,
}

/// A meter with counters that the job increments.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    /// Bytes read.
    pub(crate) bytes: AtomicU64,
    /// Total bytes to read; 0 if unknown.
    pub(crate) total_bytes: AtomicU64,
    /// Rows read.
    pub(crate) rows: AtomicU64,
}

impl Meter for Counter {
    fn read(&self) -> Reading {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reading { bytes: get(&self.bytes), total_bytes: get(&self.total_bytes), rows: get(&self.rows) }
    }
}

static ENABLED: AtomicBool = AtomicBool::new(false);

static LINE: Mutex<Line> = Mutex::new(Line { drawn: false, muted: false });

/// A file that counts the bytes read.
pub(crate) struct CountedFile {
    pub(crate) file: File,
    pub(crate) read: Arc<Counter>,
}

impl Read for CountedFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(to)?;
        self.read.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The terminal line in which bars are drawn.
struct Line {
    /// Whether a bar is visible now.
    drawn: bool,
    /// Whether bars are suppressed.
    muted: bool,
}

impl Line {
    fn clear(&mut self) {
        if self.drawn {
            // A closed standard error is not a failure, here and below.
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
            self.drawn = false;
        }
    }

    fn draw(&mut self, text: &str) {
        if !self.muted {
            let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
            self.drawn = true;
        }
    }
}

fn line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enables bars. Standard error must be a terminal.
pub(crate) fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Removes the bar before a line of text is printed. The bar comes back below it.
pub(crate) fn clear() {
    line().clear();
}

/// Removes the bar until the next job.
pub(crate) fn mute() {
    let mut line = line();
    line.clear();
    line.muted = true;
}

/// A bar, shown from the start of a job until it is dropped.
pub(crate) struct Bar(Option<(Sender<()>, JoinHandle<()>)>);

impl Bar {
    /// Starts the bar of a job.
    pub(crate) fn start(meter: Arc<dyn Meter>) -> Bar {
        if !ENABLED.load(Ordering::Relaxed) {
            return Bar(None);
        }
        line().muted = false;
        let (stop, stopped) = channel::<()>();
        let started = Instant::now();
        let watch = move || {
            let mut wait = DELAY;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
                wait = TICK;
                let width =
                    terminal_size::terminal_size_of(io::stderr()).map_or(USUAL_WIDTH, |(w, _)| usize::from(w.0));
                line().draw(&render(meter.read(), started.elapsed(), width));
            }
        };
        // The job runs even if the bar's thread cannot start.
        Bar(thread::Builder::new().name("progress".to_owned()).spawn(watch).ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join(); // the meter may hold files, which are closed by now
            clear();
        }
    }
}

/// Returns the line of a bar, narrower than `width`.
fn render(reading: Reading, elapsed: Duration, width: usize) -> String {
    let Reading { bytes, total_bytes, rows } = reading;
    let seconds = elapsed.as_secs_f64();
    let mut parts = Vec::new();
    let mut share = None;
    if total_bytes > 0 {
        // Read-ahead beyond a file's end and headers read twice may exceed the total.
        let done = (bytes as f64 / total_bytes as f64).min(1.0);
        share = Some(done);
        parts.push(format!("{:>3.0}%", (done * 100.0).floor()));
        parts.push(format!("{} of {}", size(bytes.min(total_bytes)), size(total_bytes)));
    } else if bytes > 0 {
        parts.push(size(bytes));
    }
    if rows > 0 {
        parts.push(format!("{} rows", thousands(rows)));
    }
    if bytes > 0 {
        parts.push(format!("{}/s", size((bytes as f64 / seconds) as u64)));
    }
    match share {
        Some(done) if done > 0.0 && done < 1.0 => {
            parts.push(format!("{} left", time(Duration::from_secs_f64(seconds * (1.0 - done) / done))));
        }
        _ => parts.push(time(elapsed)),
    }
    let mut text = String::new();
    if let Some(done) = share {
        let filled = (done * BAR_WIDTH as f64) as usize;
        let head = if filled < BAR_WIDTH { ">" } else { "" };
        let _ = write!(text, "[{:<BAR_WIDTH$}] ", format!("{}{head}", "=".repeat(filled))); // writing to a String cannot fail
    }
    let rest = parts.join("  ");
    if text.len() + rest.width() < width {
        return text + &rest;
    }
    // Too narrow: drop the bar first, then the last parts.
    while parts.len() > 1 && parts.join("  ").width() >= width {
        parts.pop();
    }
    parts.join("  ")
}

/// Formats bytes with a unit.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {}", units.get(unit).copied().unwrap_or_default())
}

/// Formats a number with thousands separators.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{} s", seconds.max(1)),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn render_fits_width() {
        let reading = |bytes, total_bytes, rows| Reading { bytes, total_bytes, rows };
        let cases: [(Reading, u64, usize, &str); 9] = [
            (
                reading(500_000_000, 2_000_000_000, 1_234_567),
                2,
                100,
                "[======>                 ]  25%  500 MB of 2.0 GB  1,234,567 rows  250 MB/s  6 s left",
            ),
            (
                reading(500_000_000, 2_000_000_000, 1_234_567),
                2,
                80,
                " 25%  500 MB of 2.0 GB  1,234,567 rows  250 MB/s  6 s left",
            ),
            (reading(500_000_000, 2_000_000_000, 1_234_567), 2, 30, " 25%  500 MB of 2.0 GB"),
            (reading(500_000_000, 2_000_000_000, 1_234_567), 2, 1, " 25%"),
            (reading(0, 100, 0), 2, 80, "[>                       ]   0%  0 B of 100 B  2 s"),
            (reading(101, 100, 9), 2, 80, "[========================] 100%  100 B of 100 B  9 rows  50 B/s  2 s"),
            (reading(1_000, 0, 5), 100, 80, "1.0 kB  5 rows  10 B/s  1:40 min"),
            (reading(0, 0, 1000), 7200, 80, "1,000 rows  2:00 h"),
            (reading(0, 0, 0), 3, 80, "3 s"),
        ];
        check_all(cases, |(reading, seconds, width, expected)| {
            let text = render(reading, Duration::from_secs(seconds), width);
            assert_eq!(text, expected, "{reading:?}");
            assert!(text.len() < width.max(5), "{text}");
        });
    }

    #[test]
    fn sizes_and_thousands_format() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_960, "100 kB"),
            (999_600, "1.0 MB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (n, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), expected);
        }
    }

    #[test]
    fn counter_read_returns_its_numbers() {
        let counter = Counter::default();
        counter.bytes.fetch_add(5, Ordering::Relaxed);
        counter.total_bytes.store(9, Ordering::Relaxed);
        counter.rows.fetch_add(2, Ordering::Relaxed);
        assert_eq!(counter.read(), Reading { bytes: 5, total_bytes: 9, rows: 2 });
    }
}
