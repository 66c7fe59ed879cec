//! Groups of rows that are encoded together into whole blocks.

use arrow_array::{Array, RecordBatch};
use avro_arrow::{Encoder, WriteOptions};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, Result};

/// Minimum bytes of rows for a task.
const GROUP_BYTES: usize = 1 << 20;
/// Minimum blocks per group, so that few blocks are smaller than intended.
const BLOCKS: usize = 4;

/// Rows gathered for encoding.
#[derive(Debug, Default)]
pub(super) struct Group {
    batches: Vec<RecordBatch>,
    /// Approximate bytes of the values.
    n_value_bytes: usize,
    /// Bytes of memory.
    n_bytes: usize,
}

impl Group {
    /// Adds rows; returns the bytes of memory they hold.
    pub(super) fn add(&mut self, batch: RecordBatch) -> usize {
        let n_bytes = held_bytes(&batch);
        self.n_value_bytes += value_bytes(&batch);
        self.n_bytes += n_bytes;
        self.batches.push(batch);
        n_bytes
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Encodes all rows into blocks.
    pub(super) fn encode(&self, encoder: &Encoder) -> Result<Encoded> {
        let mut bytes = vec![];
        let blocks = encoder.encode(&self.batches, &mut bytes).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let rows = self.batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Encoded { bytes, rows, blocks: blocks.len() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.iter().all(|batch| batch.num_rows() == 0)
    }
}

/// Result of encoding a group.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: usize,
    pub(super) blocks: usize,
}

/// Size limits of groups.
pub(super) struct GroupLimits {
    group_bytes: usize,
}

impl GroupLimits {
    pub(super) fn new(options: &WriteOptions) -> Self {
        let group_bytes = options.block_bytes.saturating_mul(BLOCKS).max(GROUP_BYTES);
        GroupLimits { group_bytes }
    }

    /// Returns whether the rows are enough for a group.
    pub(super) fn is_full(&self, group: &Group) -> bool {
        group.n_value_bytes >= self.group_bytes
    }

    /// Slices a batch into pieces of about a group each.
    pub(super) fn slices(&self, batch: RecordBatch) -> Vec<RecordBatch> {
        let n = value_bytes(&batch) / self.group_bytes;
        if n < 2 || batch.num_rows() < 2 {
            return vec![batch];
        }
        let rows = batch.num_rows().div_ceil(n).max(1);
        (0..batch.num_rows()).step_by(rows).map(|at| batch.slice(at, rows.min(batch.num_rows() - at))).collect()
    }
}

/// Returns the approximate memory of a batch. A slice keeps the whole batch alive, but many slices do so only once.
pub(crate) fn held_bytes(batch: &RecordBatch) -> usize {
    get_record_batch_memory_size(batch).min(value_bytes(batch) * 2)
}

/// Returns the approximate bytes of the values, counting only the used part of buffers.
fn value_bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &dyn Array| match column.data_type() {
        arrow_schema::DataType::Utf8View | arrow_schema::DataType::BinaryView => view_bytes(column),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    };
    batch.columns().iter().map(|column| bytes(column.as_ref())).sum()
}

fn view_bytes(column: &dyn Array) -> usize {
    use arrow_array::cast::AsArray;
    let long = match column.data_type() {
        arrow_schema::DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
        _ => column.as_binary_view().total_buffer_bytes_used(),
    };
    column.len() * size_of::<u128>() + long
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn slices_are_about_one_group() {
        let groups = GroupLimits::new(&WriteOptions::default().with_block_bytes(1_000));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000_000));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let slices = groups.slices(batch.clone());
        assert_eq!(slices.len(), 7, "of 8 MB");
        assert_eq!(slices.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000_000);
        assert_eq!(groups.slices(batch.slice(5, 100_000)).len(), 1, "a small slice of it is left alone");
        let larger = GroupLimits::new(&WriteOptions::default().with_block_bytes(8 << 20));
        assert_eq!(larger.slices(batch).len(), 1);
    }

    #[test]
    fn value_bytes_counts_only_the_slice() {
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..1_000).map(|i| format!("{i:0100}"))));
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        assert_eq!(value_bytes(&batch), 116_000);
        assert_eq!(value_bytes(&batch.slice(10, 10)), 1_160);
        let mut group = Group::default();
        assert!(group.add(batch.slice(10, 10)) <= 2_320);
        assert!(!group.is_empty());
    }
}
