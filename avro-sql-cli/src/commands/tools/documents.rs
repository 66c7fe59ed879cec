//! Splits a stream of JSON documents into chunks of whole documents.
//!
//! It only counts brackets and quotes; parsing checks the JSON.

use std::io::Read;

use crate::error::{Error, Result};

/// Bytes of a chunk. Chunks do not depend on how the bytes arrive.
const CHUNK_BYTES: usize = 1 << 20;

/// The UTF-8 byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A run of whole documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// The end of each document in `bytes`. White space may precede a document.
    pub(crate) ends: Vec<usize>,
    /// Number of documents before the chunk.
    pub(crate) first: u64,
    /// Number of line breaks before the chunk.
    pub(crate) lines: u64,
}

impl Chunk {
    /// Returns each document with its position.
    pub(crate) fn documents(&self) -> impl Iterator<Item = Document<'_>> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let bytes = |(start, end): (usize, &usize)| self.bytes.get(start..*end).unwrap_or_default();
        let bounds = starts.zip(&self.ends).enumerate();
        bounds.map(move |(n, (start, end))| Document { bytes: bytes((start, end)), chunk: self, n, start })
    }
}

/// A document of a chunk.
pub(crate) struct Document<'a> {
    pub(crate) bytes: &'a [u8],
    chunk: &'a Chunk,
    n: usize,
    start: usize,
}

impl Document<'_> {
    /// Returns its text.
    pub(crate) fn text(&self) -> Result<&str, String> {
        str::from_utf8(self.bytes).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))
    }

    /// Returns the number of documents before it.
    pub(crate) fn before(&self) -> u64 {
        self.chunk.first + self.n as u64
    }

    /// Returns its position for errors.
    pub(crate) fn place(&self) -> String {
        let blank = self.bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let line = self.chunk.lines + n_lines(self.chunk.bytes.get(..self.start + blank).unwrap_or_default()) + 1;
        format!("document {} (line {line})", self.before() + 1)
    }
}

/// Splits a stream into chunks.
pub(crate) struct Documents<R> {
    read: R,
    /// Bytes read and not yet returned.
    bytes: Vec<u8>,
    /// The number of scanned bytes, and the ends of the documents in them.
    scanned: usize,
    ends: Vec<usize>,
    inside: Inside,
    ended: bool,
    n_documents: u64,
    n_lines: u64,
    /// Maximum bytes of a document.
    max: usize,
    begun: bool,
}

/// What the scanner is inside of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inside {
    Nothing,
    /// A number or a word.
    Word,
    /// This many brackets.
    Brackets(usize),
    /// A string inside this many brackets.
    Text(usize),
    /// A string after a backslash.
    Escape(usize),
}

impl<R: Read> Documents<R> {
    /// Splits this stream; documents have at most `max` bytes.
    pub(crate) fn new(read: R, max: usize) -> Self {
        let (bytes, ends, inside) = (Vec::new(), Vec::new(), Inside::Nothing);
        let (scanned, ended, n_documents, n_lines, begun) = (0, false, 0, 0, false);
        Documents { read, bytes, scanned, ends, inside, ended, n_documents, n_lines, max, begun }
    }

    /// Returns the next chunk, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            self.scan();
            let whole = self.ends.last().copied().unwrap_or(0);
            if whole >= CHUNK_BYTES {
                // Fill a chunk, however many more documents there are.
                let n = self.ends.partition_point(|end| *end < CHUNK_BYTES) + 1;
                return Ok(Some(self.take(n)));
            }
            if self.scanned - whole > self.max {
                return Err(Error::Failed(format!(
                    "document {}: larger than {} bytes; raise the limit with --option block_bytes",
                    self.n_documents + self.ends.len() as u64 + 1,
                    self.max
                )));
            }
            if self.ended {
                if self.inside != Inside::Nothing {
                    // The parser rejects an incomplete document; a number ends at the end of the file.
                    self.inside = Inside::Nothing;
                    self.ends.push(self.bytes.len());
                }
                let n = self.ends.len();
                return Ok((n > 0).then(|| self.take(n)));
            }
            let n = self.read.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut self.bytes)?;
            self.ended = n == 0;
            if !self.begun && self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.bytes.drain(..BYTE_ORDER_MARK.len());
            }
            self.begun = true;
        }
    }

    /// Removes the first `n` documents.
    fn take(&mut self, n: usize) -> Chunk {
        let mut ends: Vec<usize> = self.ends.drain(..n.min(self.ends.len())).collect();
        let end = match self.ends.is_empty() && self.inside == Inside::Nothing {
            true => self.scanned, // with the white space after it
            false => ends.last().copied().unwrap_or(0),
        };
        ends.shrink_to_fit();
        let rest = self.bytes.split_off(end);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        self.scanned -= end;
        self.ends.iter_mut().for_each(|later| *later -= end);
        let chunk = Chunk { ends, first: self.n_documents, lines: self.n_lines, bytes };
        self.n_documents += chunk.ends.len() as u64;
        self.n_lines += n_lines(&chunk.bytes);
        chunk
    }

    /// Scans all new bytes.
    fn scan(&mut self) {
        let mut inside = self.inside;
        for (at, &byte) in self.bytes.iter().enumerate().skip(self.scanned) {
            // A word ends before a character that starts something else.
            if inside == Inside::Word && matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'{' | b'[' | b'"') {
                self.ends.push(at);
                inside = Inside::Nothing;
            }
            inside = match (inside, byte) {
                (Inside::Nothing, b' ' | b'\n' | b'\r' | b'\t') => Inside::Nothing,
                (Inside::Nothing, b'{' | b'[') => Inside::Brackets(1),
                (Inside::Nothing, b'"') => Inside::Text(0),
                (Inside::Nothing, _) => Inside::Word,
                (Inside::Brackets(n), b'{' | b'[') => Inside::Brackets(n + 1),
                (Inside::Brackets(n), b'"') => Inside::Text(n),
                (Inside::Brackets(1), b'}' | b']') | (Inside::Text(0), b'"') => {
                    self.ends.push(at + 1);
                    Inside::Nothing
                }
                (Inside::Brackets(n), b'}' | b']') => Inside::Brackets(n - 1),
                (Inside::Text(n), b'"') => Inside::Brackets(n),
                (Inside::Text(n), b'\\') => Inside::Escape(n),
                (Inside::Escape(n), _) => Inside::Text(n),
                (same, _) => same,
            };
        }
        self.inside = inside;
        self.scanned = self.bytes.len();
    }
}

/// Counts line breaks.
pub(crate) fn n_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    /// Yields a few bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(to.len());
            self.0.read(to.get_mut(..n).unwrap())
        }
    }

    fn documents(text: &str, pace: usize) -> Vec<String> {
        let mut documents = Documents::new(Slowly(text.as_bytes(), pace), 1 << 20);
        let mut found = Vec::new();
        while let Some(chunk) = documents.next().unwrap() {
            assert_eq!(chunk.first as usize, found.len());
            let mut start = 0;
            for end in chunk.ends {
                let text = str::from_utf8(chunk.bytes.get(start..end).unwrap()).unwrap();
                found.push(text.trim().to_owned());
                start = end;
            }
        }
        found
    }

    #[test]
    fn documents_split_between_values() {
        let cases: [(&str, &[&str]); 11] = [
            ("", &[]),
            (" \n ", &[]),
            ("{\"a\":1}\n{\"a\":2}\n", &["{\"a\":1}", "{\"a\":2}"]),
            ("{}{}[] []", &["{}", "{}", "[]", "[]"]),
            ("1 2\n3", &["1", "2", "3"]),
            ("null true\"a\"\"b\"1{}", &["null", "true", "\"a\"", "\"b\"", "1", "{}"]),
            ("{\"a}\\\"{\":[{\"]\":1}]} 7", &["{\"a}\\\"{\":[{\"]\":1}]}", "7"]),
            ("\u{feff}{}\n", &["{}"]),
            ("{\"a\":", &["{\"a\":"]),
            ("\"a", &["\"a"]),
            ("} 1", &["}", "1"]),
        ];
        check_all(cases, |(text, want)| {
            for pace in [1, 3, 1000] {
                assert_eq!(documents(text, pace), want, "{text}");
            }
        });
    }

    #[test]
    fn chunks_do_not_depend_on_read_sizes() {
        let text: String = (0..300_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        let chunks = |pace| {
            let mut documents = Documents::new(Slowly(text.as_bytes(), pace), 1 << 20);
            std::iter::from_fn(move || documents.next().unwrap()).collect::<Vec<Chunk>>()
        };
        let whole = chunks(usize::MAX);
        assert_eq!(whole.len(), text.len().div_ceil(CHUNK_BYTES));
        assert_eq!(whole.iter().map(|chunk| chunk.ends.len()).sum::<usize>(), 300_000);
        // The line break after a document is in the next chunk.
        assert_eq!(whole.last().map(|chunk| chunk.lines + 1), whole.last().map(|chunk| chunk.first));
        for pace in [777, 100_001] {
            assert_eq!(chunks(pace), whole);
        }
        let error = Documents::new(text.replace(['\n', '}'], "").as_bytes(), 1000).next().unwrap_err();
        assert!(error.to_string().starts_with("document 1: larger than 1000 bytes"), "{error}");
    }
}
