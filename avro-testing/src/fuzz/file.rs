//! A container file in: it is the same rows, or an error, in whichever way it is read.

use super::block::{blocks_of, column_bytes, schema_of};
use super::{COLUMN_BYTES_MAX, Input, hash_rng, limits, patch};
use crate::ways::{Outcome, Way, assert_prefix, assert_valid, header_and_program, ranges};
use crate::wire;
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use avro_arrow::container::{Framer, Header, count_rows};
use avro_arrow::{Codec, Compressor, ErrorKind, Options, ReaderBuilder};
use std::io::Cursor;

const WAYS: [Way; 6] =
    [Way::Reader, Way::Parallel(2), Way::Pieces(1), Way::Pieces(7), Way::Pieces(usize::MAX), Way::Reference];

/// The fuzz target for files. What does not start as a file does is what one is made of: a line with a schema, a byte
/// for the codec, and blocks without changes; then, after a newline, changes to the file's bytes.
///
/// # Panics
/// Where the ways of reading differ.
pub fn file(bytes: &[u8]) {
    let bytes = container_file(bytes);
    let (bytes, rng) = (bytes.as_slice(), &mut hash_rng(&bytes));
    let options = Options::default().with_batch_size(rng.pick(8192, &[1, 3])).with_limits(limits());
    if !is_small(bytes, &options) {
        return;
    }
    let outcomes: Vec<Outcome> = WAYS.iter().map(|way| way.read(bytes, &options)).collect();
    let longest = outcomes.iter().max_by_key(|outcome| outcome.n_rows()).and_then(|outcome| rows(&outcome.batches));
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    assert!(failed == 0 || failed == WAYS.len(), "{outcomes:?}");
    for (outcome, way) in outcomes.iter().zip(WAYS) {
        let n_rows = match &longest {
            Some(longest) => assert_prefix(&way.to_string(), &outcome.batches, longest),
            None => 0,
        };
        let all = longest.as_ref().map_or(0, RecordBatch::num_rows);
        assert!(failed > 0 || n_rows == all, "{way}: {n_rows} rows of {all}");
        assert_valid("arrays", &outcome.batches);
    }
    let n_rows = (failed == 0).then(|| longest.as_ref().map_or(0, RecordBatch::num_rows));
    counted(bytes, &options, n_rows);
    in_ranges(bytes, &options, longest.as_ref(), n_rows, rng.bits());
}

/// All rows in one batch; none where there are no batches.
pub(super) fn rows(batches: &[RecordBatch]) -> Option<RecordBatch> {
    concat_batches(&batches.first()?.schema(), batches).ok()
}

/// Whether all its columns together are small. They are not kept here.
pub(super) fn is_small(bytes: &[u8], options: &Options) -> bool {
    let Ok(reader) = ReaderBuilder::new().with_options(options.clone()).build(bytes) else { return true };
    let mut n_bytes = 0;
    for batch in reader {
        match batch {
            Ok(batch) => n_bytes += column_bytes(&batch),
            Err(error) => return !matches!(error.kind(), ErrorKind::Limit { limit: "batch_bytes", .. }),
        }
        if n_bytes > COLUMN_BYTES_MAX {
            return false;
        }
    }
    true
}

/// Counts of rows, where there is something to count; of damaged files, any or an error.
fn counted(bytes: &[u8], options: &Options, want: Option<usize>) {
    let count = count_rows(&mut Cursor::new(bytes), &options.limits);
    let none = options.clone().with_projection(Some(vec![]));
    let empty = Way::Reader.read(bytes, &none);
    if let Some(want) = want {
        assert!(count.as_ref().is_ok_and(|n| *n == want as u64), "{want} rows, counted {count:?}");
        assert!(empty.error.is_none() && empty.n_rows() == want, "{want} rows, counted {empty:?}");
    }
}

/// Ranges that meet give the same as the whole file.
fn in_ranges(bytes: &[u8], options: &Options, all: Option<&RecordBatch>, n_rows: Option<usize>, seed: u64) {
    let Ok((header, program)) = header_and_program(bytes, options) else { return };
    let len = bytes.len() as u64;
    let mut bounds = [0, seed % (len + 1), (seed >> 32) % (len + 1), len];
    bounds.sort_unstable();
    let (outcome, meet) = ranges(bytes, &header, &program, &bounds);
    match n_rows {
        // A value may hold what looks like a marker: then the ranges do not meet, or what follows it is no block.
        Some(n_rows) if meet && outcome.error.is_none() => {
            let found = all.map_or(0, |all| assert_prefix("ranges", &outcome.batches, all));
            assert_eq!(found, n_rows, "rows in ranges {bounds:?}");
        }
        Some(_) => {
            let markers = bytes.windows(header.sync.len()).filter(|bytes| *bytes == header.sync).count();
            assert!(markers > n_blocks(bytes, &header, options) + 1, "ranges {bounds:?}: {outcome:?}");
        }
        None => assert!(outcome.error.is_some() || !meet, "damage is not found in ranges {bounds:?}"),
    }
}

/// Blocks of a valid file.
fn n_blocks(bytes: &[u8], header: &Header, options: &Options) -> usize {
    let mut framer = Framer::new(header, &options.limits);
    framer.feed(bytes.get(header.len as usize..).unwrap_or_default().to_vec().into());
    framer.finish();
    std::iter::from_fn(|| framer.next_block().ok().flatten()).count()
}

/// The file that an input is, or one made as it says.
pub(super) fn container_file(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"Obj") {
        return bytes.to_vec();
    }
    let mut input = Input::new(bytes);
    let Some(schema) = schema_of(input.line()) else { return bytes.to_vec() };
    let codecs = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];
    let codec = codecs.get(usize::from(input.byte()) % codecs.len()).copied().unwrap_or(Codec::Null);
    let is_structured = input.is_structured;
    let blocks = blocks_of(&mut Input { rest: input.line(), is_structured }, &schema);
    let mut compressor = Compressor::new(codec, None).expect("a codec that is enabled");
    let mut stored = |data: &[u8]| {
        let mut out = Vec::new();
        compressor.compress(data, &mut out).expect("compressed data");
        out
    };
    let blocks: Vec<_> = blocks.iter().map(|(rows, data)| wire::block(*rows as i64, &stored(data))).collect();
    let mut file = wire::file(schema.json(), codec.name(), &blocks);
    patch(&mut file, input.rest());
    file
}
