//! Avro files of any size: how many blocks of how many rows in, bytes out.

use avro_testing::wire::{block_with_sync, header_with_sync, put_bytes, put_long};

/// The sync marker after every block.
const SYNC: &[u8; 16] = b"s3-tests-marker!";

/// The rows of a file: `id` counts from `first` on, `name` tells it in words, `pad` is long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) first: i64,
    pub(crate) blocks: i64,
    pub(crate) per_block: i64,
    /// Bytes of `pad`.
    pub(crate) pad: usize,
}

impl Rows {
    pub(crate) fn count(&self) -> i64 {
        self.blocks * self.per_block
    }

    /// The sum of `id`.
    pub(crate) fn sum(&self) -> i64 {
        (self.first..self.first + self.count()).sum()
    }

    /// The file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let schema = r#"{"type":"record","name":"row","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"pad","type":"string"}]}"#;
        let mut file = header_with_sync(&[("avro.schema", schema.as_bytes())], SYNC);
        let mut id = self.first;
        for _ in 0..self.blocks {
            let mut block = vec![];
            for _ in 0..self.per_block {
                put_long(id, &mut block);
                put_bytes(format!("row {id}").as_bytes(), &mut block);
                put_bytes(&vec![b'a' + (id % 26) as u8; self.pad], &mut block);
                id += 1;
            }
            file.extend(block_with_sync(self.per_block, &block, SYNC));
        }
        file
    }
}
