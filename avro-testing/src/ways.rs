//! The ways to read a file: its bytes in; its batches, and the error after them if there is one, out.

use arrow_array::{Array, RecordBatch};
use avro_arrow::container::Header;
use avro_arrow::{DecodeResult, Decoder, Error, Limits, Options, Program, ReaderBuilder, Result, reference};
use std::fmt;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

/// A way to read a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a reader.
    Reader,
    /// By this many threads.
    Parallel(usize),
    /// By a decoder that is fed this many bytes at a time.
    Pieces(usize),
    /// By the slow decoder, which knows no batch size.
    Reference,
}

/// All ways that make batches.
pub const WAYS: [Way; 9] = [
    Way::Reader,
    Way::Parallel(1),
    Way::Parallel(2),
    Way::Parallel(4),
    Way::Pieces(1),
    Way::Pieces(3),
    Way::Pieces(5),
    Way::Pieces(1000),
    Way::Pieces(usize::MAX),
];

/// The outcome of reading: the batches before the error.
#[derive(Debug)]
pub struct Outcome {
    /// The batches.
    pub batches: Vec<RecordBatch>,
    /// The error after them, if there is one.
    pub error: Option<Error>,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Way {
    /// Reads the whole file.
    pub fn read(self, file: &[u8], options: &Options) -> Outcome {
        match self {
            Way::Reader => outcome(ReaderBuilder::new().with_options(options.clone()).build(file)),
            Way::Parallel(threads) => outcome(
                ReaderBuilder::new().with_options(options.clone()).build_parallel(Cursor::new(file.to_vec()), threads),
            ),
            Way::Pieces(size) => match header_and_program(file, options) {
                Ok((header, program)) => pieces(file, size, Decoder::new(&header, program)),
                Err(error) => failed(error),
            },
            Way::Reference => match reference::read(file, options) {
                Ok(batches) => Outcome { batches, error: None },
                Err(error) => failed(error),
            },
        }
    }
}

impl Outcome {
    /// The batches of a file that must be readable.
    pub fn unwrap(self, what: &str) -> Vec<RecordBatch> {
        if let Some(error) = self.error {
            panic!("{what}: {error}");
        }
        self.batches
    }

    /// The rows of all batches.
    pub fn n_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// The header, which must be complete, and the program of its schema.
pub fn header_and_program(file: &[u8], options: &Options) -> Result<(Header, Arc<Program>)> {
    let (header, _) = Header::read(&mut &*file, &options.limits)?;
    let program = Arc::new(Program::compile(&header.schema, options)?);
    Ok((header, program))
}

/// Feeds a file in pieces to a decoder, as far as it needs them.
pub fn pieces(file: &[u8], size: usize, mut decoder: Decoder) -> Outcome {
    feed(file, size, &mut decoder)
}

/// Feeds a file in pieces to a decoder, which can be inspected afterwards.
pub fn feed(file: &[u8], size: usize, decoder: &mut Decoder) -> Outcome {
    let mut batches = Vec::new();
    let mut pieces = file.get(decoder.first_offset() as usize..).unwrap_or_default().chunks(size);
    let error = loop {
        match decoder.try_decode() {
            Ok(DecodeResult::Batch(batch)) => batches.push(batch),
            Ok(DecodeResult::NeedsData(_)) => match pieces.next() {
                Some(piece) => decoder.feed(piece.to_vec().into()),
                None => decoder.finish(),
            },
            Ok(DecodeResult::Finished) => break None,
            Err(error) => break Some(error),
        }
    };
    Outcome { batches, error }
}

/// Decodes the ranges between these offsets one after the other, up to the first error. Also returns whether the spans
/// that the decoders found meet, from the header's marker to the last.
pub fn ranges(file: &[u8], header: &Header, program: &Arc<Program>, bounds: &[u64]) -> (Outcome, bool) {
    let mut all = Outcome { batches: Vec::new(), error: None };
    let mut at = header.len - 16;
    let mut meet = true;
    for (from, to) in bounds.iter().zip(bounds.iter().skip(1)) {
        let range: Range<u64> = *from..*to;
        let mut decoder = Decoder::for_range(header, program.clone(), range, file.len() as u64);
        let one = feed(file, usize::MAX, &mut decoder);
        all.batches.extend(one.batches);
        if one.error.is_some() {
            return (Outcome { error: one.error, ..all }, meet);
        }
        if let Some(span) = decoder.covered_range() {
            meet &= span.start == at;
            at = span.end;
        }
    }
    (all, meet && at == file.len() as u64 - 16)
}

/// All rows of a valid file in one batch.
pub fn whole(what: &str, file: &[u8], options: &Options) -> RecordBatch {
    let options = options.clone().with_batch_size(1 << 30);
    let (header, program) = header_and_program(file, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
    let schema = program.arrow_schema().clone();
    let batches = pieces(file, usize::MAX, Decoder::new(&header, program)).unwrap(what);
    assert!(batches.len() < 2, "{what}: {} batches where one was asked for", batches.len());
    batches.into_iter().next().unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// Checks that these batches are the first rows of `whole`, and returns their number.
pub fn assert_prefix(what: &str, batches: &[RecordBatch], whole: &RecordBatch) -> usize {
    let mut n_rows = 0;
    for batch in batches {
        assert!(n_rows + batch.num_rows() <= whole.num_rows(), "{what}: too many rows");
        assert!(*batch == whole.slice(n_rows, batch.num_rows()), "{what}: rows from {n_rows} on differ\n{batch:?}");
        n_rows += batch.num_rows();
    }
    n_rows
}

/// Checks that the arrays are valid Arrow.
pub fn assert_valid(what: &str, batches: &[RecordBatch]) {
    for column in batches.iter().flat_map(RecordBatch::columns) {
        column.to_data().validate_full().unwrap_or_else(|e| panic!("{what}: {e}"));
    }
}

/// Returns all that an iterator of batches gives.
pub fn outcome(reader: Result<impl Iterator<Item = Result<RecordBatch>>>) -> Outcome {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return failed(error),
    };
    let mut batches = Vec::new();
    let error = loop {
        match reader.next() {
            Some(Ok(batch)) => batches.push(batch),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(reader.next().is_none(), "there is something after the end");
    Outcome { batches, error }
}

fn failed(error: Error) -> Outcome {
    Outcome { batches: Vec::new(), error: Some(error) }
}

/// Returns where a valid file may end: after its header and after each of its blocks, with the rows up to there.
pub fn block_ends(file: &[u8]) -> Vec<(usize, u64)> {
    let header = Header::parse(file, &Limits::default()).expect("a header").expect("a whole header");
    let (mut at, mut rows) = (header.len as usize, 0);
    let mut ends = vec![(at, rows)];
    while at < file.len() {
        rows += read_long(file, &mut at);
        at += read_long(file, &mut at) as usize + header.sync.len();
        ends.push((at, rows));
    }
    assert_eq!(at, file.len());
    ends
}

/// Reads a varint that is not negative.
fn read_long(file: &[u8], at: &mut usize) -> u64 {
    let mut bits = 0;
    for shift in (0..).step_by(7) {
        let byte = file[*at];
        *at += 1;
        bits |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    bits >> 1
}
