//! The decoder against the reference decoder: a schema, options and blocks in; nothing out, or a panic that says how
//! they differ.

use crate::wire;
use arrow_array::RecordBatch;
use avro_arrow::container::Header;
use avro_arrow::schema::Schema;
use avro_arrow::{CpuKind, DecodeResult, Decoder, OnCorruptBlock, Options, Program, Result, reference};
use std::sync::Arc;

/// Rows and bytes of a block.
pub type RawRows = (u64, Vec<u8>);

/// Blocks of a schema's rows, to be decoded as those of an uncompressed container file.
#[derive(Debug)]
pub struct RawFile {
    header: Header,
    head: Vec<u8>,
    /// Each with its frame.
    blocks: Vec<Vec<u8>>,
    /// All rows as one block.
    joined: Vec<u8>,
}

impl RawFile {
    /// Makes a file of these blocks.
    ///
    /// # Errors
    /// Returns an error if the options' limits do not allow its header.
    pub fn new(schema: &Schema, options: &Options, blocks: &[RawRows]) -> Result<RawFile> {
        let head = wire::header(&[("avro.schema", schema.json().as_bytes()), ("avro.codec", b"null")]);
        let header = Header::parse(&head, &options.limits)?.expect("a whole header");
        let n_rows: u64 = blocks.iter().map(|(rows, _)| *rows).fold(0, u64::saturating_add);
        let bytes: Vec<&[u8]> = blocks.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let joined = wire::block(i64::try_from(n_rows).unwrap_or(i64::MAX), &bytes.concat());
        let blocks = blocks.iter().map(|(rows, bytes)| wire::block(*rows as i64, bytes)).collect();
        Ok(RawFile { header, head, blocks, joined })
    }

    /// Decodes the blocks with a program of this file's schema. Each is in a buffer of its own, after which nothing
    /// may be read.
    ///
    /// # Errors
    /// Returns the error that the decoder finds.
    pub fn decode(&self, program: &Arc<Program>) -> Result<Vec<RecordBatch>> {
        self.decode_with(Decoder::new(&self.header, Arc::clone(program))).1
    }

    /// Decodes the blocks with a decoder for this file's [`header`](Self::header), and returns it too.
    pub fn decode_with(&self, mut decoder: Decoder) -> (Decoder, Result<Vec<RecordBatch>>) {
        let mut blocks = self.blocks.iter();
        let mut batches = Vec::new();
        let result = loop {
            match decoder.try_decode() {
                Ok(DecodeResult::Batch(batch)) => batches.push(batch),
                Ok(DecodeResult::NeedsData(_)) => match blocks.next() {
                    Some(block) => decoder.feed(block.clone().into()),
                    None => decoder.finish(),
                },
                Ok(DecodeResult::Finished) => break Ok(batches),
                Err(error) => break Err(error),
            }
        };
        (decoder, result)
    }

    /// The blocks with their frames.
    pub fn blocks(&self) -> &[Vec<u8>] {
        &self.blocks
    }

    /// The bytes of the whole file.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.blocks.concat()].concat()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns what the reference decoder makes of the blocks, in one batch; `None` if they are damaged.
    pub fn reference(&self, options: &Options) -> Option<RecordBatch> {
        let mut batches = reference::read(self.bytes().as_slice(), options).ok()?;
        if self.blocks.len() != 1 {
            // Rows of intact blocks are those of one block, except that limits are for each block.
            let n_blocks = self.blocks.len().max(1);
            let mut options = options.clone();
            options.limits.zero_width_items = options.limits.zero_width_items.saturating_mul(n_blocks as u64);
            options.limits.block_bytes = options.limits.block_bytes.saturating_mul(n_blocks);
            let file = [self.head.as_slice(), &self.joined].concat();
            batches = reference::read(file.as_slice(), &options).expect("rows of intact blocks");
        }
        assert!(batches.len() < 2, "{} batches of one block", batches.len());
        // A block without rows has no batch.
        batches.pop().or_else(|| {
            let program = Program::compile(&self.header.schema, options).ok()?;
            Some(RecordBatch::new_empty(program.arrow_schema().clone()))
        })
    }
}

/// Returns what the decoder makes of these blocks.
///
/// # Errors
/// Returns the error that the decoder finds.
pub fn decoded_batches(program: &Arc<Program>, options: &Options, blocks: &[RawRows]) -> Result<Vec<RecordBatch>> {
    RawFile::new(program.schema(), options, blocks)?.decode(program)
}

/// Returns what the reference decoder makes of these blocks, in one batch; `None` if they are damaged.
pub fn reference_batch(schema: &Schema, options: &Options, blocks: &[RawRows]) -> Option<RecordBatch> {
    RawFile::new(schema, options, blocks).ok()?.reference(options)
}

/// Checks that the decoder and the reference decoder give the same rows, or both an error, for batches of these sizes
/// and on all kinds of CPU. The number of blocks is the number of lanes. `valid` says which of both, if it is known.
///
/// # Panics
/// Panics if they differ.
pub fn check_sizes(
    what: &str,
    schema: &Schema,
    options: &Options,
    blocks: &[RawRows],
    valid: Option<bool>,
    batch_sizes: &[usize],
) {
    // Where a fuzz target's limits do not allow the header, there is nothing to compare.
    let Ok(file) = RawFile::new(schema, options, blocks) else { return };
    let want = file.reference(options);
    if let Some(valid) = valid {
        assert_eq!(want.is_some(), valid, "{what}");
    }
    for &batch_size in batch_sizes {
        // Without columns, rows are counted and not walked, except where damage is skipped.
        let walks = options.projection.as_ref().is_some_and(Vec::is_empty);
        let on_corrupt_block = if walks { OnCorruptBlock::Skip } else { OnCorruptBlock::Error };
        let options = options.clone().with_batch_size(batch_size).with_on_corrupt_block(on_corrupt_block);
        let program = Arc::new(Program::compile(schema, &options).expect("a program"));
        for cpu in CpuKind::all() {
            let (mut decoder, got) = cpu.force(|| file.decode_with(Decoder::new(&file.header, Arc::clone(&program))));
            let got = decoder.take_damage().pop().map_or(got, |damaged| Err(damaged.error));
            let (want, got) = match (&want, got) {
                (Some(want), Ok(got)) => (want, got),
                (None, Err(_)) => continue,
                (None, Ok(_)) => panic!("{what}: read though the reference does not\n{program}"),
                (Some(_), Err(error)) => panic!("{what}: {error}\n{program}"),
            };
            let mut first = 0;
            for batch in got {
                assert!(batch.num_rows() <= batch_size, "{what}");
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap_or_else(|e| panic!("{what}: {e}\n{program}"));
                }
                let same = want.slice(first, batch.num_rows());
                assert_eq!(same, batch, "{what}, batch size {batch_size}, from row {first}\n{program}");
                first += batch.num_rows();
            }
            assert_eq!(first, want.num_rows(), "{what}");
        }
    }
}

/// Runs code on one of the kinds of CPU that this one can be; on another for the next number.
pub fn on_some_cpu<T>(number: usize, run: impl FnOnce() -> T) -> T {
    let kinds = CpuKind::all();
    kinds[number % kinds.len()].force(run)
}
