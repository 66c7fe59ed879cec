//! Loads block indexes and checks that they match the current version of their file. Claims are checked as far as
//! possible without reading the file: the blocks must cover it from the first to the last byte.

use crate::block_index::format::{About, Identity, SCHEMA};
use crate::block_index::leaves::{Leaf, leaves};
use crate::block_index::model::{Bounds, EMPTY_BLOCK, FileIndex, IndexColumn};
use crate::block_index::place::ObjectLocation;
use crate::block_index::value;
use crate::schema::header_cache::FileHeader;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, UInt32Array};
use arrow_schema::DataType;
use avro_arrow::container::Header;
use avro_arrow::schema::Schema;
use avro_arrow::{Limits, ReaderBuilder};
use datafusion::arrow::compute::{concat, take};
use object_store::{ObjectMeta, ObjectStoreExt};
use std::collections::HashMap;

/// Maximum bytes of an index, enough for a file of some hundred gigabytes.
const BYTES_MAX: u64 = 512 << 20;
/// Records decoded at a time.
const BATCH_SIZE: usize = 4096;
/// Returns the index at this location and its bytes, if it matches the current version of the object.
pub(crate) async fn current(
    place: &ObjectLocation,
    header: &FileHeader,
    object: &ObjectMeta,
    limits: &Limits,
) -> Option<(FileIndex, u64)> {
    let bytes = fetch(place).await.ok()??;
    let index = parse(&bytes, header, object, limits).ok()?;
    Some((index, bytes.len() as u64))
}

/// Returns the bytes of an index, if it exists; the error is the reason.
pub(crate) async fn fetch(place: &ObjectLocation) -> Result<Option<bytes::Bytes>, String> {
    let found = match place.store.get(&place.path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    if found.meta.size > BYTES_MAX {
        return Err(format!("it has {} bytes, more than the limit of {BYTES_MAX}", found.meta.size));
    }
    found.bytes().await.map(Some).map_err(|e| e.to_string())
}

/// Parses an index and checks that it matches the current version of the object; the error is the reason.
pub(crate) fn parse(
    bytes: &[u8],
    file: &FileHeader,
    object: &ObjectMeta,
    limits: &Limits,
) -> Result<FileIndex, String> {
    let reason = |e: avro_arrow::Error| e.to_string();
    let header = Header::parse(bytes, limits).map_err(reason)?.ok_or("it is cut")?;
    let body = usize::try_from(header.len).ok().and_then(|len| bytes.get(len..)).ok_or("it is cut")?;
    let about = About::parse(&header.metadata, body)?;
    let now = Identity::new(object, file.header.sync, file.schema.avro());
    if let Some(what) = about.file.differs(&now) {
        return Err(format!("the file's {what} has changed since it was indexed"));
    }
    let leaves = leaves(file.schema.avro(), limits).map_err(reason)?;
    let leaf = |(path, words): &(String, String)| {
        leaves.iter().find(|leaf| leaf.path == *path && leaf.avro_type == *words).cloned()
    };
    let columns = about.columns.iter().map(leaf).collect::<Option<Vec<_>>>();
    let columns = columns.ok_or("its columns are not those of the file")?;

    let reader = ReaderBuilder::new()
        .with_batch_size(BATCH_SIZE)
        .with_reader_schema(Schema::parse(SCHEMA, limits).map_err(reason)?)
        .with_limits(limits.clone());
    let mut blocks = Blocks { at: file.header.len, file_len: object.size, ..Blocks::new(&columns) };
    for batch in reader.build(bytes).map_err(reason)? {
        blocks.add(&batch.map_err(reason)?)?;
    }
    blocks.finish()
}

/// Builder of a parsed index.
struct Blocks<'a> {
    columns: &'a [Leaf],
    /// Offset of the next block.
    at: u64,
    file_len: u64,
    starts: Vec<u64>,
    rows: Vec<u64>,
    n_rows: u64,
    /// Values read of each column.
    parts: Vec<Vec<IndexColumn>>,
}

impl<'a> Blocks<'a> {
    fn new(columns: &'a [Leaf]) -> Blocks<'a> {
        let parts = columns.iter().map(|_| vec![]).collect();
        Blocks { columns, at: 0, file_len: 0, starts: vec![], rows: vec![], n_rows: 0, parts }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let number = |i: usize| batch.columns().get(i)?.as_primitive_opt::<Int64Type>();
        let list = batch.columns().get(3).and_then(|array| array.as_list_opt::<i32>());
        let (Some(offsets), Some(bytes), Some(rows), Some(list)) = (number(0), number(1), number(2), list) else {
            return Err("its records are invalid".to_owned());
        };
        let first_row = self.rows.len();
        for ((offset, bytes), rows) in offsets.values().iter().zip(bytes.values()).zip(rows.values()) {
            let (Ok(offset), Ok(bytes), Ok(rows)) =
                (u64::try_from(*offset), u64::try_from(*bytes), u64::try_from(*rows))
            else {
                return Err("a block has a negative number of rows or bytes".to_owned());
            };
            let end = offset.checked_add(bytes).filter(|end| *end <= self.file_len);
            let (Some(end), true) = (end, offset == self.at && bytes >= EMPTY_BLOCK) else {
                return Err(format!("its block at {offset} does not follow the previous one"));
            };
            self.starts.push(offset);
            self.rows.push(rows);
            self.at = end;
            self.n_rows = self.n_rows.checked_add(rows).ok_or("it has too many rows")?;
        }
        let n = self.columns.len();
        let lengths = list.value_offsets().windows(2).map(|pair| match pair {
            [start, end] => end.checked_sub(*start).and_then(|len| usize::try_from(len).ok()),
            _ => None,
        });
        if lengths.into_iter().any(|len| len != Some(n)) {
            return Err("its records do not have all columns".to_owned());
        }
        let first = list.value_offsets().first().and_then(|first| usize::try_from(*first).ok()).unwrap_or(0);
        let values = list.values().as_struct_opt().ok_or("its records are invalid")?;
        let rows = self.rows.get(first_row..).unwrap_or_default();
        for (i, (leaf, parts)) in self.columns.iter().zip(&mut self.parts).enumerate() {
            let indices = (0..rows.len()).map(|row| u32::try_from(first + row * n + i)).collect::<Result<Vec<_>, _>>();
            let indices = UInt32Array::from(indices.map_err(|e| e.to_string())?);
            parts.push(IndexColumn::decode(values, &indices, rows, &leaf.data_type)?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FileIndex, String> {
        let rest = self.file_len.checked_sub(self.at).ok_or("it is of a longer file")?;
        // Blocks without rows have records of their own only if there are no other blocks.
        if rest > 0 && (rest % EMPTY_BLOCK != 0 || !self.rows.is_empty()) {
            return Err("its blocks end before the file does".to_owned());
        }
        self.starts.push(self.at);
        let joined = |parts: &[IndexColumn]| IndexColumn::concat(parts).map_err(|e| e.to_string());
        let mut columns = HashMap::new();
        for (leaf, parts) in self.columns.iter().zip(&self.parts) {
            if !parts.is_empty() && columns.insert(leaf.path.clone(), joined(parts)?).is_some() {
                return Err("it has a column twice".to_owned());
            }
        }
        Ok(FileIndex { starts: self.starts, rows: self.rows.into(), n_rows: self.n_rows, columns })
    }
}

impl IndexColumn {
    /// Decodes the bounds of blocks with these rows.
    fn decode(
        values: &StructArray,
        indices: &UInt32Array,
        rows: &[u64],
        data_type: &DataType,
    ) -> Result<IndexColumn, String> {
        let field = |name: &str| {
            let field = values.column_by_name(name).ok_or("its records are invalid")?;
            take(field, indices, None).map_err(|e| e.to_string())
        };
        let wrong = || "its records are invalid".to_owned();
        let bounds = |values: &str, exact: &str| {
            let values = field(values)?;
            let values = value::decode(values.as_binary_view_opt().ok_or_else(wrong)?, data_type);
            let exact = field(exact)?.as_boolean_opt().ok_or_else(wrong)?.clone();
            Ok::<_, String>(Bounds { values: values.map_err(|e| e.to_string())?, exact })
        };
        let nulls = field("nulls")?;
        let nulls = nulls.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let null_count = |(nulls, rows): (Option<i64>, &u64)| match nulls.map(u64::try_from) {
            None => Ok(None),
            Some(Ok(nulls)) if nulls <= *rows => Ok(Some(nulls)),
            Some(_) => Err("it has more nulls than rows"),
        };
        Ok(IndexColumn {
            nulls: nulls.iter().zip(rows).map(null_count).collect::<Result<_, _>>()?,
            min: bounds("min", "min_exact")?,
            max: bounds("max", "max_exact")?,
        })
    }

    fn concat(parts: &[IndexColumn]) -> Result<IndexColumn, arrow_schema::ArrowError> {
        let join = |array: fn(&IndexColumn) -> &dyn Array| concat(&parts.iter().map(array).collect::<Vec<_>>());
        let bounds = |values: ArrayRef, exact: ArrayRef| Bounds { values, exact: exact.as_boolean().clone() };
        Ok(IndexColumn {
            nulls: join(|part| &part.nulls)?.as_primitive().clone(),
            min: bounds(join(|part| part.min.values.as_ref())?, join(|part| &part.min.exact)?),
            max: bounds(join(|part| part.max.values.as_ref())?, join(|part| &part.max.exact)?),
        })
    }
}

#[cfg(test)]
mod tests;
