//! Avro container files, written: values go in row by row, and the header and blocks go out. This is not the project's
//! writer: an engine's benchmark should not depend on that engine.

pub use avro_testing::wire::Encoder;

use avro_testing::wire::{header_with_sync, long};
use std::error::Error;
use std::io::Write;

/// Fixed, so that a file is the same each time.
const SYNC: [u8; 16] = *b"avro-benches:16B";

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codec {
    Null,
    Snappy,
    Zstandard,
    Deflate,
}

impl Codec {
    /// Avro's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
            Codec::Deflate => "deflate",
        }
    }
}

/// Where a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// After this number of rows.
    Rows(u64),
    /// After the first row that makes it this many bytes or more, before compression.
    Bytes(usize),
}

/// The size of block that most files here have.
pub const KIB_64: Blocks = Blocks::Bytes(64 << 10);

/// Writes a container file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    codec: Codec,
    blocks: Blocks,
    block: Encoder,
    block_rows: u64,
    rows: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(mut out: W, schema: &str, codec: Codec, blocks: Blocks) -> std::io::Result<Writer<W>> {
        let metadata = [("avro.schema", schema.as_bytes()), ("avro.codec", codec.name().as_bytes())];
        out.write_all(&header_with_sync(&metadata, &SYNC))?;
        Ok(Writer { out, codec, blocks, block: Encoder::default(), block_rows: 0, rows: 0 })
    }

    /// Adds a row, of which `write` encodes the fields in their order.
    pub fn row(&mut self, write: impl FnOnce(&mut Encoder)) -> Result<(), Box<dyn Error>> {
        write(&mut self.block);
        self.block_rows += 1;
        let full = match self.blocks {
            Blocks::Rows(rows) => self.block_rows >= rows,
            Blocks::Bytes(bytes) => self.block.as_bytes().len() >= bytes,
        };
        if full { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), Box<dyn Error>> {
        let compressed = compress(self.codec, self.block.as_bytes())?;
        let stored = compressed.as_deref().unwrap_or(self.block.as_bytes());
        self.out.write_all(&long(i64::try_from(self.block_rows)?))?;
        self.out.write_all(&long(i64::try_from(stored.len())?))?;
        self.out.write_all(stored)?;
        self.out.write_all(&SYNC)?;
        self.block.clear();
        self.rows += self.block_rows;
        self.block_rows = 0;
        Ok(())
    }

    /// Writes the last block, and gives what it was written to, and the number of rows.
    pub fn finish(mut self) -> Result<(W, u64), Box<dyn Error>> {
        if self.block_rows > 0 {
            self.end_block()?;
        }
        self.out.flush()?;
        Ok((self.out, self.rows))
    }
}

/// The bytes to store in place of `data`, if they are others.
fn compress(codec: Codec, data: &[u8]) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
    Ok(match codec {
        Codec::Null => None,
        Codec::Snappy => {
            let mut stored = snap::raw::Encoder::new().compress_vec(data)?;
            stored.extend(crc32fast::hash(data).to_be_bytes());
            Some(stored)
        }
        Codec::Zstandard => Some(zstd::bulk::compress(data, 3)?),
        Codec::Deflate => {
            let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
            let mut stored = vec![0; compressor.deflate_compress_bound(data.len())];
            let len = compressor.deflate_compress(data, &mut stored)?;
            stored.truncate(len);
            Some(stored)
        }
    })
}
