//! The message encoder: turns the rows of batches into single messages.

use super::derive::{Derived, derive};
use super::plan::WritePlan;
use super::row_buffer::RowBuffer;
use super::rows::append;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::message::{Framing, SchemaId};
use crate::schema::Schema;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, SchemaRef};

/// Encodes each row of a batch as a message of its own, the reverse of
/// [`MessageDecoder`](crate::message::MessageDecoder).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use arrow_array::{Array, Int64Array, RecordBatch};
/// use avro_arrow::message::{Framing, SchemaId};
/// use avro_arrow::{Limits, MessageEncoder};
/// use std::sync::Arc;
///
/// let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as _)])?;
/// let schema = batch.schema();
/// let encoder = MessageEncoder::new(&schema, None, Framing::Confluent, SchemaId::Number(7), &Limits::default())?;
/// let messages = encoder.encode(&batch)?;
/// assert_eq!(messages.value(0), b"\0\0\0\0\x07\x02");
/// assert_eq!(messages.value(1), b"\0\0\0\0\x07\x04");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageEncoder {
    plan: WritePlan,
    columns: Vec<DataType>,
    prefix: Vec<u8>,
}

/// Maximum size of the messages of one batch, as `Binary` has offsets of 32 bits.
const BYTES_MAX: usize = i32::MAX as usize;

impl MessageEncoder {
    /// Creates an encoder for batches of this Arrow schema. `schema` is the Avro schema of the messages; without it,
    /// it is the one that the columns were read with, or one made of their types (see [`Schema::from_arrow`]). A schema
    /// that is not a record has one column.
    ///
    /// Each message begins with the prefix of `framing` for `id`. [`Framing::SingleObject`] computes its fingerprint
    /// and ignores `id`.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Argument`] if the columns do not fit the schema, or the framing cannot carry the id.
    /// Fails with [`ErrorKind::Unsupported`] if `schema` is `None` and a column has a type that Avro lacks.
    pub fn new(
        arrow: &SchemaRef,
        schema: Option<&Schema>,
        framing: Framing,
        id: SchemaId,
        limits: &Limits,
    ) -> Result<MessageEncoder> {
        let plan = match schema {
            Some(schema) => WritePlan::new(arrow, schema, limits)?,
            None => {
                let Derived { schema, arrow } = derive(arrow, limits)?;
                WritePlan::new(&arrow, &schema, limits)?
            }
        };
        let id = match framing {
            Framing::SingleObject => SchemaId::Rabin(plan.schema.rabin()),
            _ => id,
        };
        let mut prefix = Vec::new();
        framing.write_prefix(id, &mut prefix)?;
        let columns = arrow.fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(MessageEncoder { plan, columns, prefix })
    }

    /// Returns the Avro schema of the messages.
    pub fn schema(&self) -> &Schema {
        &self.plan.schema
    }

    /// Encodes the rows of a batch: one message, never null, for each.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Unwritable`] if the schema does not allow a value; the error has its field and its row.
    /// Fails with [`ErrorKind::Limit`] if the messages have more than 2 GiB together.
    pub fn encode(&self, batch: &RecordBatch) -> Result<BinaryArray> {
        if !batch.columns().iter().map(|column| column.data_type()).eq(&self.columns) {
            return Err(Error::argument("the columns of the batch are not those of the encoder"));
        }
        let row = self.plan.bind(batch)?;
        let (mut datums, mut ends) = (RowBuffer::default(), Vec::with_capacity(batch.num_rows()));
        while ends.len() < batch.num_rows() {
            let from = ends.len();
            append(&row, from, batch.num_rows(), &mut datums, &mut ends)
                .map_err(|e| e.at(|p| p.row = p.row.map(|row| from as u64 + row)))?;
        }
        let n_bytes = datums.len() + self.prefix.len() * ends.len();
        if n_bytes > BYTES_MAX {
            let limit = ErrorKind::Limit { limit: "batch_bytes", value: n_bytes as u64, max: BYTES_MAX as u64 };
            return Err(limit.into());
        }
        let mut bytes = Vec::with_capacity(n_bytes);
        let mut offsets = Vec::with_capacity(ends.len() + 1);
        offsets.push(0);
        let mut start = 0;
        for end in ends {
            bytes.extend_from_slice(&self.prefix);
            bytes.extend_from_slice(datums.get(start, end));
            offsets.push(bytes.len() as i32);
            start = end;
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        BinaryArray::try_new(offsets, Buffer::from_vec(bytes), None).map_err(|error| Error::internal(error.to_string()))
    }
}
