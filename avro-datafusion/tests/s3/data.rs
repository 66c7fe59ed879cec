//! Avro files of any size: how many blocks of how many rows in, bytes out.

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
        let mut file = b"Obj\x01".to_vec();
        long(&mut file, 1);
        bytes(&mut file, b"avro.schema");
        bytes(&mut file, schema.as_bytes());
        long(&mut file, 0);
        file.extend(SYNC);
        let mut id = self.first;
        for _ in 0..self.blocks {
            let mut block = vec![];
            for _ in 0..self.per_block {
                long(&mut block, id);
                bytes(&mut block, format!("row {id}").as_bytes());
                bytes(&mut block, &vec![b'a' + (id % 26) as u8; self.pad]);
                id += 1;
            }
            long(&mut file, self.per_block);
            bytes(&mut file, &block);
            file.extend(SYNC);
        }
        file
    }
}

fn long(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 127 {
        to.push(rest as u8 | 128);
        rest >>= 7;
    }
    to.push(rest as u8);
}

fn bytes(to: &mut Vec<u8>, value: &[u8]) {
    long(to, value.len() as i64);
    to.extend(value);
}
