//! The program against the reference decoder: a program and blocks in; nothing out, or a panic that says how they
//! differ.
// What the tests and the fuzz targets share: panicking is its purpose.
#![allow(clippy::expect_used, clippy::panic)]

use crate::codec::Block;
use crate::decode::batcher::Batcher;
use crate::encoding::PaddedBytes;
use crate::error::Result;
use crate::exec::CpuKind;
use crate::options::Options;
use crate::program::Program;
use crate::reference::{decode_rows, to_batch};
use arrow_array::RecordBatch;
use std::sync::Arc;

/// Rows and bytes of a block.
pub(crate) type RawRows = (u64, Vec<u8>);

/// What the program makes of these blocks.
pub(crate) fn program_batches(program: &Arc<Program>, blocks: &[RawRows]) -> Result<Vec<RecordBatch>> {
    let mut batcher = Batcher::new(Arc::clone(program));
    let mut batches = Vec::new();
    for (index, (rows, bytes)) in (0..).zip(blocks) {
        batcher.push(Block { rows: *rows, data: PaddedBytes::from_vec(bytes.clone()), offset: 0, end: 0, index })?;
        while let Some(batch) = batcher.next_batch(false)? {
            batches.push(batch);
        }
    }
    while let Some(batch) = batcher.next_batch(true)? {
        batches.push(batch);
    }
    Ok(batches)
}

/// What the reference decoder makes of them; none if they are damaged.
pub(crate) fn reference_batch(program: &Program, blocks: &[RawRows]) -> Option<RecordBatch> {
    let mut rows = Vec::new();
    for (n, bytes) in blocks {
        rows.extend(decode_rows(&program.plan, bytes, *n, &program.options.limits).ok()?);
    }
    Some(to_batch(&program.plan, rows).expect("arrays of valid rows"))
}

/// Both give the same rows, or both an error, as is `valid` if that is known: for batches of these sizes, on all kinds
/// of CPU. How many blocks there are is how many lanes there are, see `exec/lanes.rs`.
pub(crate) fn check_sizes(
    what: &str,
    program: &Program,
    blocks: &[RawRows],
    valid: Option<bool>,
    batch_sizes: &[usize],
) {
    let want = reference_batch(program, blocks);
    if let Some(valid) = valid {
        assert_eq!(want.is_some(), valid, "{what}");
    }
    for &batch_size in batch_sizes {
        let options = Options { batch_size, ..program.options.clone() };
        let program = Arc::new(Program::compile(&program.plan.schema, &options).expect("a program"));
        for cpu in CpuKind::all() {
            let got = cpu.force(|| program_batches(&program, blocks));
            let (want, got) = match (&want, got) {
                (Some(want), Ok(got)) => (want, got),
                (None, Err(_)) => continue,
                (None, Ok(_)) => panic!("{what}: read though the reference does not\n{program}"),
                (Some(_), Err(error)) => panic!("{what}: {error}\n{program}"),
            };
            let mut first = 0;
            for batch in got {
                assert!(batch.num_rows() <= batch_size, "{what}");
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap_or_else(|e| panic!("{what}: {e}\n{program}"));
                }
                let same = want.slice(first, batch.num_rows());
                assert_eq!(same, batch, "{what}, batch size {batch_size}, from row {first}\n{program}");
                first += batch.num_rows();
            }
            assert_eq!(first, want.num_rows(), "{what}");
        }
    }
}
