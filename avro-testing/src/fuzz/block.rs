//! Schemas, options and the bytes of blocks in: the program and the reference decoder make the same of them.

use super::schema::assert_refused;
use super::{COLUMN_BYTES_MAX, Input, limits, line_rng, patch};
use crate::oracle::{RawFile, RawRows, check_sizes};
use crate::{Rng, evolved_schema, random_paths, random_rows, random_schema};
use arrow_array::RecordBatch;
use avro_arrow::schema::{MergedSchema, OnConflict, Schema};
use avro_arrow::{DecodeResult, Decoder, ErrorKind, Fault, FieldMatch, Options, Program, reference};
use std::sync::Arc;

/// The fuzz target for blocks. After the schema's line come a byte of options, a byte that is the seed of a projection
/// (0: all columns), one that says how many blocks there are and how they are made, one with the rows of the block that
/// matters, and then its bytes, changes to random rows, or, after a structured line, the choices of its rows.
///
/// # Panics
/// Where the program and the reference decoder differ: for any number of lanes, size of batches, kind of CPU.
pub fn block(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(schema) = schema_of(input.line()) else { return };
    let mut options = input.options();
    let projection = input.byte();
    if projection > 0 {
        let Ok(whole) = Program::compile(&schema, &options) else { return };
        options.projection = Some(random_paths(&mut Rng::new(projection.into()), whole.arrow_schema()));
    }
    match Program::compile(&schema, &options) {
        Ok(program) => compare(&Arc::new(program), &options, &blocks_of(&mut input, &schema)),
        // Names with dots in them may be ambiguous as paths.
        Err(error) if matches!(error.kind(), ErrorKind::Argument { .. }) && projection > 0 => {}
        Err(error) => assert_refused(&error),
    }
}

/// The fuzz target for schema resolution: what [`block`] takes, with a line for the reader's schema after the writer's;
/// an odd second byte matches fields by their ids.
///
/// # Panics
/// Where the program and the reference decoder differ; where a reader's schema without [mismatches](Schema::mismatches)
/// does not read all that was written, or is refused; where what both schemas are merged to reads less.
pub fn resolve(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(writer) = schema_of(input.line()) else { return };
    let line = input.line();
    let reader = parse(line).or_else(|| {
        let changed = evolved_schema(&mut line_rng(line), writer.json())?;
        Schema::parse(&changed, &limits()).ok()
    });
    let Some(reader) = reader else { return };
    let plain = input.options();
    let field_match = if input.byte() & 1 == 1 { FieldMatch::Id } else { FieldMatch::Name };
    let blocks = blocks_of(&mut input, &writer);
    let Ok(mismatches) = reader.mismatches(&writer, field_match, &plain.limits) else { return };
    let written = rows_of(&writer, &plain, &blocks) == Rows::All;

    let options = plain.clone().with_reader_schema(Some(reader.clone())).with_field_match(field_match);
    match Program::compile(&writer, &options) {
        Ok(program) => {
            compare(&Arc::new(program), &options, &blocks);
            if mismatches.is_empty() && written {
                assert_ne!(
                    rows_of(&writer, &options, &blocks),
                    Rows::Damaged,
                    "rows are not read by {}",
                    reader.json()
                );
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::Resolve { .. }) => {
            assert!(!mismatches.is_empty(), "{error}");
        }
        Err(error) => assert_refused(&error),
    }

    let merged = MergedSchema::of([("writer", &writer), ("reader", &reader)], OnConflict::Widen, &plain.limits);
    let Ok(merged) = merged else { return };
    let options = plain.with_reader_schema(Some(merged.schema.clone()));
    match Program::compile(&writer, &options) {
        Ok(_) if written => {
            assert_ne!(rows_of(&writer, &options, &blocks), Rows::Damaged, "merged: {}", merged.schema.json());
        }
        Ok(_) => {}
        Err(error) => assert_refused(&error),
    }
}

/// The schema in a line, or a random one. None where that is too large.
pub(super) fn schema_of(line: &[u8]) -> Option<Schema> {
    parse(line).or_else(|| Schema::parse(&random_schema(&mut line_rng(line)), &limits()).ok())
}

/// The schema in a line.
pub(super) fn parse(line: &[u8]) -> Option<Schema> {
    Schema::parse(std::str::from_utf8(line).ok()?, &limits()).ok()
}

/// Blocks for one to eight lanes, of which one is made of the rest of the input. The others have random rows, or, where
/// the highest bit is set, are the same.
pub(super) fn blocks_of(input: &mut Input<'_>, schema: &Schema) -> Vec<RawRows> {
    let how = input.byte();
    let n_rows = input.byte();
    let n_blocks = match how & 3 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 9,
    };
    let (is_raw, all_alike) = (how & 0x40 > 0, how & 0x80 > 0);
    let rng = &mut Rng::new(u64::from(how) << 8 | u64::from(n_rows));
    let mut block = if is_raw {
        (n_rows.into(), input.rest().to_vec())
    } else if input.is_structured {
        random_block(&mut Rng::from_bytes(input.rest()), schema, n_rows.into(), BLOCK_BYTES)
    } else {
        random_block(rng, schema, n_rows.into(), BLOCK_BYTES)
    };
    if !is_raw {
        patch(&mut block.1, input.rest());
    }
    let matters = usize::from(how >> 2 & 15) % n_blocks;
    let blocks = (0..n_blocks).map(|at| {
        if at == matters || all_alike {
            return block.clone();
        }
        let n_rows = rng.pick(1, &[0, 2, 3, 7]);
        random_block(rng, schema, n_rows, OTHER_BLOCKS_BYTES)
    });
    blocks.collect()
}

/// Bytes at which a block is full, so that inputs take little time: of the block that matters, and of one beside it.
const BLOCK_BYTES: usize = 4 << 10;
const OTHER_BLOCKS_BYTES: usize = 1 << 10;

/// Makes rows until the block has this many or is full.
fn random_block(rng: &mut Rng, schema: &Schema, n_rows: u64, full: usize) -> RawRows {
    let mut block = (0, Vec::new());
    while block.0 < n_rows && block.1.len() < full {
        block.1.extend(random_rows(rng, schema, 1));
        block.0 += 1;
    }
    block
}

/// The program's rows are those of the reference decoder, where they are not too large to compare.
fn compare(program: &Arc<Program>, options: &Options, blocks: &[RawRows]) {
    if is_small(program, options, blocks) {
        check_sizes(program.schema().json(), program.schema(), options, blocks, None, &[3, 8192]);
    }
}

/// Whether the readable columns of these blocks fit in memory together.
pub(super) fn is_small(program: &Arc<Program>, options: &Options, blocks: &[RawRows]) -> bool {
    let Ok(file) = RawFile::new(program.schema(), options, blocks) else { return true };
    let mut decoder = Decoder::new(file.header(), Arc::clone(program));
    let mut blocks = file.blocks().iter();
    let mut n_bytes = 0;
    loop {
        match decoder.try_decode() {
            Ok(DecodeResult::Batch(batch)) => n_bytes += column_bytes(&batch),
            Ok(DecodeResult::NeedsData(_)) => match blocks.next() {
                Some(block) => decoder.feed(block.clone().into()),
                None => decoder.finish(),
            },
            Ok(DecodeResult::Finished) => return true,
            // An error is compared, except that a row is too large.
            Err(error) => return !matches!(error.kind(), ErrorKind::Limit { limit: "batch_bytes", .. }),
        }
        if n_bytes > COLUMN_BYTES_MAX {
            return false;
        }
    }
}

/// Bytes of a batch's columns.
pub(super) fn column_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.get_array_memory_size()).sum()
}

/// What the reference decoder makes of blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rows {
    All,
    Damaged,
    /// A limit or the schemas do not allow it, or bytes that are read as a string or decimal are invalid.
    Excused,
}

fn rows_of(writer: &Schema, options: &Options, blocks: &[RawRows]) -> Rows {
    let Ok(file) = RawFile::new(writer, options, blocks) else { return Rows::Excused };
    match reference::read(file.bytes().as_slice(), options) {
        Ok(_) => Rows::All,
        Err(error) => match error.kind() {
            ErrorKind::Value(Fault::Utf8 | Fault::DecimalRange | Fault::DurationRange(_)) => Rows::Excused,
            ErrorKind::Value(_) => Rows::Damaged,
            _ => Rows::Excused,
        },
    }
}
