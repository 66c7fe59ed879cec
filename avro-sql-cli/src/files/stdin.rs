//! Standard input as a file that SQL can read, as in `FROM '-'`: it is copied once to a temporary file, whose extension
//! tells the format. A scan needs the end of Parquet files and several ranges of Avro files, which a pipe cannot give.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use avro_datafusion::data_files::MAGIC;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// Names of standard input.
const NAMES: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Bytes from which the format is recognized.
const HEAD_BYTES: u64 = 64 << 10;

/// First bytes of formats, and their extensions.
const MAGICS: [(&[u8], &str); 4] =
    [(MAGIC, "avro"), (b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow")];

/// First bytes of compressed files, their extensions, and the command that decompresses them.
const COMPRESSED: [(&[u8], &str, FileCompressionType, &str); 4] = [
    (b"\x1f\x8b", "gz", FileCompressionType::GZIP, "gunzip"),
    (b"BZh", "bz2", FileCompressionType::BZIP2, "bunzip2"),
    (b"\xfd7zXZ\0", "xz", FileCompressionType::XZ, "unxz"),
    (b"\x28\xb5\x2f\xfd", "zst", FileCompressionType::ZSTD, "unzstd"),
];

/// Whether standard input has the SQL to run.
static HAS_STATEMENTS: AtomicBool = AtomicBool::new(false);

/// The directory of the copy, removed by [`clean_up`].
static DIRECTORY: Mutex<Option<TempDir>> = Mutex::new(None);

/// The copy, or the reason why it failed. Locked while it is made.
static COPY: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);

/// Whether this path is standard input.
pub(crate) fn is_stdin(path: &str) -> bool {
    NAMES.contains(&path)
}

/// Tells that standard input has the SQL to run, so that it cannot be a table too.
pub(crate) fn has_statements() {
    HAS_STATEMENTS.store(true, Ordering::Relaxed);
}

/// Returns the path of a file with the bytes of standard input. The first call waits for its end.
pub(crate) async fn copy() -> Result<PathBuf> {
    let (send, copied) = oneshot::channel();
    // Waiting for a pipe must not block the threads that handle Ctrl-C.
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut copy = lock(&COPY);
        let copied = copy.get_or_insert_with(|| read().map_err(|e| format!("standard input: {e}")));
        let _ = send.send(copied.clone());
    })?;
    let copied = copied.await.unwrap_or_else(|_| Err("internal error: a thread stopped".to_owned()));
    copied.map_err(Error::Failed)
}

/// Removes the copy, before the process ends.
pub(crate) fn clean_up() {
    drop(lock(&DIRECTORY).take());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read() -> Result<PathBuf> {
    if HAS_STATEMENTS.load(Ordering::Relaxed) {
        return Err(Error::Failed(
            "it has the SQL to run; pass the SQL with -c or -f to read a table from it".to_owned(),
        ));
    }
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        let what = "it is the terminal; pipe a file into it, as in cat x.avro | avro-sql -c \"FROM '-'\"";
        return Err(Error::Failed(what.to_owned()));
    }
    let mut head = Vec::new();
    stdin.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let extension = extension(&head)?;
    let directory = tempfile::Builder::new().prefix("avro-sql-").tempdir()?;
    let path = directory.path().join(format!("stdin.{extension}"));
    *lock(&DIRECTORY) = Some(directory);
    let mut file = File::create(&path).map_err(|e| Error::file(&path, e))?;
    file.write_all(&head).and_then(|()| io::copy(&mut stdin, &mut file)).map_err(|e| Error::file(&path, e))?;
    Ok(path)
}

/// Returns the extension of a file that begins with these bytes.
fn extension(head: &[u8]) -> Result<String> {
    if let Some((_, extension)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok((*extension).to_owned());
    }
    let Some((_, suffix, compression, command)) = COMPRESSED.iter().find(|(magic, ..)| head.starts_with(magic)) else {
        return text_extension(head).map(str::to_owned);
    };
    let mut text = Vec::new();
    // The bytes may end inside a compressed block.
    let _ = compression.convert_read(Cursor::new(head.to_vec()))?.take(HEAD_BYTES).read_to_end(&mut text);
    match MAGICS.iter().find(|(magic, _)| text.starts_with(magic)) {
        Some((_, format)) => {
            Err(Error::Failed(format!("it is a compressed {format} file; decompress it first: {command} -c")))
        }
        None => Ok(format!("{}.{suffix}", text_extension(&text)?)),
    }
}

fn text_extension(head: &[u8]) -> Result<&'static str> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(Error::Failed("it is empty".to_owned())),
        _ if text.contains(&0) => {
            Err(Error::Failed("unknown format; expected Avro, Parquet, Arrow, CSV, NDJSON or JSON".to_owned()))
        }
        Some(b'{') => Ok("ndjson"),
        Some(b'[') => Ok("json"),
        Some(_) => Ok("csv"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn extension_is_that_of_the_first_bytes() {
        let cases: [(&[u8], &str); 9] = [
            (b"Obj\x01..", "avro"),
            (b"PAR1", "parquet"),
            (b"ARROW1\0\0", "arrow"),
            (b" {\"a\":1}\n", "ndjson"),
            (b"\xef\xbb\xbf[{}]", "json"),
            (b"a,b\n", "csv"),
            (b"\n", "it is empty"),
            (b"\x7fELF\0", "unknown format; expected Avro, Parquet, Arrow, CSV, NDJSON or JSON"),
            (b"Ob", "csv"),
        ];
        check_all(cases, |(head, expected)| {
            assert_eq!(extension(head).unwrap_or_else(|e| e.to_string()), expected);
        });
    }
}
