//! Data: TPC-H rows from `tpchgen` in, Avro container files out, row by row. This is not the project's writer: an engine's
//! benchmark should not depend on that engine.

use crate::cases::{Codec, Data, Nulls};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tpchgen::generators::{LineItem, LineItemGenerator};

/// Rows of a block.
const BLOCK_ROWS: u64 = 512;
/// Fixed, so that a file is the same each time.
const SYNC: [u8; 16] = *b"avro-benches:16B";

const LONG: &str = r#""long""#;
const STRING: &str = r#""string""#;
const DATE: &str = r#"{"type":"int","logicalType":"date"}"#;
const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#;
const COLUMNS: [(&str, &str); 16] = [
    ("l_orderkey", LONG),
    ("l_partkey", LONG),
    ("l_suppkey", LONG),
    ("l_linenumber", r#""int""#),
    ("l_quantity", DECIMAL),
    ("l_extendedprice", DECIMAL),
    ("l_discount", DECIMAL),
    ("l_tax", DECIMAL),
    ("l_returnflag", STRING),
    ("l_linestatus", STRING),
    ("l_shipdate", DATE),
    ("l_commitdate", DATE),
    ("l_receiptdate", DATE),
    ("l_shipinstruct", STRING),
    ("l_shipmode", STRING),
    ("l_comment", STRING),
];

/// The file of this data in `dir`, written if it is not there.
pub(crate) fn file(dir: &Path, data: Data, scale: f64) -> Result<PathBuf, Box<dyn Error>> {
    let path = dir.join(format!("lineitem-{}-{}-{scale}.avro", data.codec.name(), data.nulls.name()));
    if !path.exists() {
        eprintln!("writing {}", path.display());
        std::fs::create_dir_all(dir)?;
        // Under its own name only when it is whole.
        let unfinished = path.with_extension("unfinished");
        write(&unfinished, data, scale)?;
        std::fs::rename(unfinished, &path)?;
    }
    Ok(path)
}

/// Writes lineitem at this scale.
pub(crate) fn write(path: &Path, data: Data, scale: f64) -> Result<(), Box<dyn Error>> {
    let mut file = Writer::new(BufWriter::with_capacity(1 << 20, File::create(path)?), data)?;
    for (index, item) in LineItemGenerator::new(scale, 1, 1).iter().enumerate() {
        file.row(index as u64, &item)?;
    }
    file.finish()
}

struct Writer {
    out: BufWriter<File>,
    codec: Codec,
    block: Row,
    rows: u64,
}

impl Writer {
    fn new(mut out: BufWriter<File>, data: Data) -> Result<Writer, Box<dyn Error>> {
        let fields = COLUMNS.map(|(name, of)| match data.nulls {
            Nulls::Required => format!(r#"{{"name":"{name}","type":{of}}}"#),
            Nulls::None | Nulls::Some => format!(r#"{{"name":"{name}","type":["null",{of}]}}"#),
        });
        let schema = format!(r#"{{"type":"record","name":"lineitem","fields":[{}]}}"#, fields.join(","));
        let mut header = Vec::from(*b"Obj\x01");
        long(&mut header, 2);
        for part in ["avro.schema", &schema, "avro.codec", data.codec.name()] {
            bytes(&mut header, part.as_bytes());
        }
        header.push(0);
        header.extend(SYNC);
        out.write_all(&header)?;
        let block = Row { bytes: Vec::new(), nulls: data.nulls, seed: 0 };
        Ok(Writer { out, codec: data.codec, block, rows: 0 })
    }

    fn row(&mut self, index: u64, item: &LineItem<'_>) -> Result<(), Box<dyn Error>> {
        let row = &mut self.block;
        row.seed = index.wrapping_add(1);
        row.long(item.l_orderkey);
        row.long(item.l_partkey);
        row.long(item.l_suppkey);
        row.long(i64::from(item.l_linenumber));
        row.decimal(item.l_quantity * 100);
        row.decimal(item.l_extendedprice.into_inner());
        row.decimal(item.l_discount.into_inner());
        row.decimal(item.l_tax.into_inner());
        row.string(item.l_returnflag);
        row.string(item.l_linestatus);
        row.long(i64::from(item.l_shipdate.to_unix_epoch()));
        row.long(i64::from(item.l_commitdate.to_unix_epoch()));
        row.long(i64::from(item.l_receiptdate.to_unix_epoch()));
        row.string(item.l_shipinstruct);
        row.string(item.l_shipmode);
        row.string(item.l_comment);
        self.rows += 1;
        if self.rows == BLOCK_ROWS { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), Box<dyn Error>> {
        let stored = compress(self.codec, &self.block.bytes)?;
        let mut frame = Vec::with_capacity(20);
        long(&mut frame, i64::try_from(self.rows)?);
        long(&mut frame, i64::try_from(stored.len())?);
        self.out.write_all(&frame)?;
        self.out.write_all(&stored)?;
        self.out.write_all(&SYNC)?;
        self.block.bytes.clear();
        self.rows = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<(), Box<dyn Error>> {
        if self.rows > 0 {
            self.end_block()?;
        }
        self.out.flush()?;
        Ok(())
    }
}

/// The values of a block so far.
struct Row {
    bytes: Vec<u8>,
    nulls: Nulls,
    /// Decides which values are null; never 0.
    seed: u64,
}

impl Row {
    /// Writes the union's branch, where there is a union. Is there a value after it?
    fn branch(&mut self) -> bool {
        if self.nulls == Nulls::Required {
            return true;
        }
        // splitmix64's step and its first mixing: neighbours have nothing in common.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let null = self.nulls == Nulls::Some && mixed >> 61 == 0;
        self.bytes.push(if null { 0 } else { 2 });
        !null
    }

    fn long(&mut self, value: i64) {
        if self.branch() {
            long(&mut self.bytes, value);
        }
    }

    fn string(&mut self, value: &str) {
        if self.branch() {
            bytes(&mut self.bytes, value.as_bytes());
        }
    }

    /// The shortest two's complement, as Java writes it.
    fn decimal(&mut self, value: i64) {
        if self.branch() {
            let all = value.to_be_bytes();
            let sign = if value < 0 { 0xff } else { 0 };
            let spare = |i: usize| i < 7 && all[i] == sign && (all[i + 1] ^ sign) & 0x80 == 0;
            let first = (0..8).find(|&i| !spare(i)).unwrap_or(7);
            bytes(&mut self.bytes, &all[first..]);
        }
    }
}

fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    long(out, value.len() as i64);
    out.extend_from_slice(value);
}

fn compress(codec: Codec, data: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(match codec {
        Codec::Null => data.to_vec(),
        Codec::Snappy => {
            let mut stored = snap::raw::Encoder::new().compress_vec(data)?;
            stored.extend(crc32fast::hash(data).to_be_bytes());
            stored
        }
        Codec::Zstandard => zstd::bulk::compress(data, 3)?,
        Codec::Deflate => {
            let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
            let mut stored = vec![0; compressor.deflate_compress_bound(data.len())];
            let len = compressor.deflate_compress(data, &mut stored)?;
            stored.truncate(len);
            stored
        }
    })
}
