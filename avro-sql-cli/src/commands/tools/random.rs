//! `random`: writes random rows of a schema; the same seed gives the same rows, on any number of threads.

use std::path::PathBuf;

use avro_arrow::container::random_sync;

use super::ordered::in_order;
use super::out::FileHead;
use super::values::{Generator, Rng};
use super::{Compression, Context, SchemaSource};
use crate::error::{Error, Result};

/// Rows of a job.
const JOB_ROWS: u64 = 1_000;

/// Bytes of rows in a block, before compression.
const BLOCK_BYTES: usize = 1 << 18;

/// The schema, and how many rows to write.
#[derive(Debug)]
pub(crate) struct Random {
    pub(crate) schema: SchemaSource,
    pub(crate) output: PathBuf,
    /// The number of rows.
    pub(crate) count: u64,
    /// The seed; `None` for a random one.
    pub(crate) seed: Option<u64>,
    pub(crate) compression: Compression,
}

impl Random {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let schema = self.schema.schema(context)?;
        let name = self.schema.name();
        context.check_written(&schema).map_err(|e| e.with_context(&name))?;
        let generator = Generator::new(&schema).map_err(|e| Error::Failed(format!("{name}: {e}")))?;
        let seed = self.seed.unwrap_or_else(|| random_sync().iter().fold(0, |seed, byte| seed << 8 ^ u64::from(*byte)));
        let mut sync = [0; 16];
        let mut rng = Rng::new(seed, u64::MAX);
        sync.iter_mut().for_each(|byte| *byte = rng.bits() as u8);
        let head =
            FileHead { schema: schema.json().to_owned(), compression: self.compression, metadata: Vec::new(), sync };
        let mut out = head.begin(&self.output)?;
        let mut first = 0;
        in_order(
            context.threads,
            || {
                context.check()?;
                let rows = first..self.count.min(first + JOB_ROWS);
                first = rows.end;
                Ok((!rows.is_empty()).then_some(rows))
            },
            || head.compressor(),
            |compressor, rows, give| {
                let (mut bytes, mut n_rows) = (Vec::new(), 0);
                for row in rows {
                    let made = generator.value(&mut Rng::new(seed, row), &mut bytes);
                    made.map_err(|e| Error::Failed(format!("{name}: {e}")))?;
                    n_rows += 1;
                    if bytes.len() >= BLOCK_BYTES {
                        give.piece(head.block(n_rows, &bytes, compressor)?)?;
                        bytes.clear();
                        n_rows = 0;
                    }
                }
                if n_rows > 0 {
                    give.piece(head.block(n_rows, &bytes, compressor)?)?;
                }
                Ok(())
            },
            |block: Vec<u8>| out.put(&block),
        )?;
        out.commit()
    }
}
