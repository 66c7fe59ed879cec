//! A container file in: reading around its damage gives the same in each way, and what the file without the damage
//! gives.

use super::file::{container_file, is_small, rows};
use super::{hash_rng, limits};
use crate::ways::{Way, feed, header_and_program};
use arrow_array::RecordBatch;
use avro_arrow::container::Header;
use avro_arrow::{DamagedBlock, Decoder, OnCorruptBlock, Options, ReaderBuilder};
use std::io::Cursor;
use std::sync::Arc;

/// All rows, and the blocks that were skipped: their index, where they begin, their bytes and rows.
type Read = (Option<RecordBatch>, Vec<(u64, u64, u64, Option<u64>)>);

/// The fuzz target for files read under [`OnCorruptBlock::Skip`]: what `file` takes.
///
/// # Panics
/// Where the ways of reading differ; where a file that can be read has damage, or one that cannot has none; where the
/// bytes that were not skipped are not a file of the rows that were given.
pub fn lenient(bytes: &[u8]) {
    let bytes = container_file(bytes);
    let (bytes, rng) = (bytes.as_slice(), &mut hash_rng(&bytes));
    let strict = Options::default().with_batch_size(rng.pick(8192, &[1, 3])).with_limits(limits());
    let options = strict.clone().with_on_corrupt_block(OnCorruptBlock::Skip);
    let Ok((header, program)) = header_and_program(bytes, &options) else { return };
    if !is_small(bytes, &options) {
        return;
    }
    let mut found: Vec<Read> = Vec::new();
    for size in [1, 7, usize::MAX] {
        let mut decoder = Decoder::new(&header, Arc::clone(&program));
        let outcome = feed(bytes, size, &mut decoder);
        assert!(outcome.error.is_none(), "{outcome:?}");
        found.push(read(&outcome.batches, decoder.take_damage()));
    }
    let builder = ReaderBuilder::new().with_options(options.clone());
    if let Ok(mut reader) = builder.clone().build(bytes) {
        let batches: Vec<RecordBatch> = reader.by_ref().flatten().collect();
        found.push(read(&batches, reader.take_damage()));
    }
    if let Ok(mut reader) = builder.build_parallel(Cursor::new(bytes.to_vec()), 2) {
        let batches: Vec<RecordBatch> = reader.by_ref().flatten().collect();
        found.push(read(&batches, reader.take_damage()));
    }
    assert!(found.len() == 5, "a reader does not take the file's header");
    for (one, other) in found.iter().zip(found.iter().skip(1)) {
        assert_eq!(one, other);
    }
    let Some((rows_found, skipped)) = found.pop() else { return };

    let whole = Way::Reader.read(bytes, &strict);
    assert_eq!(whole.error.is_none(), skipped.is_empty(), "{:?} {skipped:?}", whole.error);
    let left = without(bytes, &header, &skipped);
    let left = Way::Reader.read(&left, &strict);
    assert!(left.error.is_none(), "what was not skipped is damaged: {:?} {skipped:?}", left.error);
    let rows_left = rows(&left.batches);
    assert!(rows_left == rows_found, "{rows_left:?}\nis left beside {skipped:?}, and was read\n{rows_found:?}");
}

fn read(batches: &[RecordBatch], damage: Vec<DamagedBlock>) -> Read {
    (rows(batches), damage.iter().map(|d| (d.block, d.offset, d.bytes, d.rows)).collect())
}

/// The file without what was skipped, whose places must be in its order and not overlap.
fn without(bytes: &[u8], header: &Header, skipped: &[(u64, u64, u64, Option<u64>)]) -> Vec<u8> {
    let mut left = Vec::new();
    let (mut at, mut index) = (0, None);
    for &(block, offset, n_bytes, _) in skipped {
        assert!(offset >= at.max(header.len) && offset + n_bytes <= bytes.len() as u64, "{skipped:?}");
        assert!(index.is_none_or(|index| block > index), "{skipped:?}");
        left.extend_from_slice(bytes.get(at as usize..offset as usize).unwrap_or_default());
        (at, index) = (offset + n_bytes, Some(block));
    }
    left.extend_from_slice(bytes.get(at as usize..).unwrap_or_default());
    left
}
