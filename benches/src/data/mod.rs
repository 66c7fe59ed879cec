//! The data: what is wanted in, a file of it out, the same each time. A file for each set of data; [`file()`] writes
//! them on first use.

mod events;
mod lineitem;
mod types;
mod wide;

pub use lineitem::Nulls;
#[cfg(test)]
pub(crate) use lineitem::{COLUMNS as LINEITEM_COLUMNS, schema as lineitem_schema};
pub use types::{TYPES, Type};

use crate::avro_writer::{Blocks, Codec, KIB_64};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What distinguishes one generated file from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Data {
    /// TPC-H's lineitem.
    Lineitem(Blocks, Codec, Nulls),
    /// A hundred columns.
    Wide,
    /// Nested values.
    Events,
    /// Values of one type.
    Type(&'static Type),
}

impl Data {
    /// The name of its file.
    fn file_name(self, scale: f64) -> String {
        match self {
            Data::Lineitem(blocks, codec, nulls) => {
                let blocks = if blocks == KIB_64 { "-64k" } else { "" };
                format!("lineitem{blocks}-{}-{}-{scale}.avro", codec.name(), nulls.name())
            }
            Data::Wide => format!("wide-{scale}.avro"),
            Data::Events => format!("events-{scale}.avro"),
            Data::Type(of) => format!("type-{}-{scale}.avro", of.name),
        }
    }

    /// Writes it, and gives the number of rows.
    pub fn write(self, out: impl Write, scale: f64) -> Result<u64, Box<dyn Error>> {
        let rows = |at_1: f64| (at_1 * scale).max(1.0) as u64;
        match self {
            Data::Lineitem(blocks, codec, nulls) => lineitem::write(out, codec, blocks, nulls, scale),
            Data::Wide => wide::write(out, rows(200e3)),
            Data::Events => events::write(out, rows(1e6)),
            Data::Type(of) => types::write(out, of, rows(1e6)),
        }
    }
}

/// The file of this data in `dir`, written if it is not there.
pub fn file(dir: &Path, data: Data, scale: f64) -> Result<PathBuf, Box<dyn Error>> {
    let path = dir.join(data.file_name(scale));
    if !path.exists() {
        eprintln!("writing {}", path.display());
        std::fs::create_dir_all(dir)?;
        // Under its own name only when it is whole.
        let unfinished = path.with_extension("unfinished");
        data.write(BufWriter::with_capacity(1 << 20, File::create(&unfinished)?), scale)?;
        std::fs::rename(unfinished, &path)?;
    }
    Ok(path)
}
