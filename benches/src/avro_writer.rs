//! Avro container files, written: values go in row by row, and the header and blocks go out. This is not the project's
//! writer: an engine's benchmark should not depend on that engine.

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
    /// After so many rows.
    Rows(u64),
    /// After the first row that makes it this many bytes or more, before compression.
    Bytes(usize),
}

/// The size of block that most files here have.
pub const KIB_64: Blocks = Blocks::Bytes(64 << 10);

/// Values in Avro's binary encoding, one behind the other.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An `int` or a `long`; also the symbol of an enum.
    pub fn long(&mut self, value: i64) {
        // SPEC: primitive types: zig-zag, then seven bits a byte, the lowest first.
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest > 0x7f {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    /// A `boolean`.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// A `float`.
    pub fn float(&mut self, value: f32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// A `double`.
    pub fn double(&mut self, value: f64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// `bytes`.
    pub fn bytes(&mut self, value: &[u8]) {
        self.long(value.len() as i64);
        self.fixed(value);
    }

    /// A `string`.
    pub fn string(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// A `fixed` of as many bytes.
    pub fn fixed(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// A decimal of type `bytes`, in the fewest bytes that hold it, as Java writes it.
    pub fn decimal(&mut self, value: i64) {
        let all = value.to_be_bytes();
        let sign = if value < 0 { 0xff } else { 0 };
        let spare = |i: usize| i < 7 && all[i] == sign && (all[i + 1] ^ sign) & 0x80 == 0;
        let first = (0..8).find(|&i| !spare(i)).unwrap_or(7);
        self.bytes(&all[first..]);
    }

    /// The branch of a union; its value comes next.
    pub fn branch(&mut self, index: i64) {
        self.long(index);
    }

    /// `["null", T]`: the branch, and the value if there is one.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Encoder, T)) {
        self.branch(i64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// An array, or a map, of so many items.
    pub fn items(&mut self, count: u64, mut write: impl FnMut(&mut Encoder, u64)) {
        if count > 0 {
            self.long(count as i64);
            (0..count).for_each(|index| write(self, index));
        }
        self.long(0);
    }
}

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
        let mut header = Encoder::default();
        header.fixed(b"Obj\x01");
        header.long(2);
        for part in ["avro.schema", schema, "avro.codec", codec.name()] {
            header.string(part);
        }
        header.long(0);
        header.fixed(&SYNC);
        out.write_all(&header.bytes)?;
        Ok(Writer { out, codec, blocks, block: Encoder::default(), block_rows: 0, rows: 0 })
    }

    /// Adds a row, of which `write` encodes the fields in their order.
    pub fn row(&mut self, write: impl FnOnce(&mut Encoder)) -> Result<(), Box<dyn Error>> {
        write(&mut self.block);
        self.block_rows += 1;
        let full = match self.blocks {
            Blocks::Rows(rows) => self.block_rows >= rows,
            Blocks::Bytes(bytes) => self.block.bytes.len() >= bytes,
        };
        if full { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), Box<dyn Error>> {
        let compressed = compress(self.codec, &self.block.bytes)?;
        let stored = compressed.as_deref().unwrap_or(&self.block.bytes);
        let mut frame = Encoder::default();
        frame.long(i64::try_from(self.block_rows)?);
        frame.long(i64::try_from(stored.len())?);
        self.out.write_all(&frame.bytes)?;
        self.out.write_all(stored)?;
        self.out.write_all(&SYNC)?;
        self.block.bytes.clear();
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
