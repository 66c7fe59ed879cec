//! The program against the reference decoder, on random schemas, rows, blocks and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::run::PORTABLE;
use crate::batcher::Batcher;
use crate::bytes::PaddedBytes;
use crate::codec::Block;
use crate::error::Result;
use crate::options::{Enums, Options, Pairs, Strings, Unions};
use crate::program::Program;
use crate::reference::{decode_rows, to_batch};
use crate::schema::{Kind, Schema};
use crate::testing::{Rng, corrupt, random_rows, random_schema};
use arrow_array::RecordBatch;
use std::sync::Arc;

/// Rows and bytes of a block.
pub(crate) type RawRows = (u64, Vec<u8>);

pub(super) fn program_batches(program: &Arc<Program>, blocks: &[RawRows]) -> Result<Vec<RecordBatch>> {
    let mut batcher = Batcher::new(Arc::clone(program));
    let mut batches = Vec::new();
    for (index, (rows, bytes)) in (0..).zip(blocks) {
        batcher.push(Block { rows: *rows, data: PaddedBytes::from_vec(bytes.clone()), offset: 0, index })?;
        while let Some(batch) = batcher.next_batch(false)? {
            batches.push(batch);
        }
    }
    while let Some(batch) = batcher.next_batch(true)? {
        batches.push(batch);
    }
    Ok(batches)
}

fn reference_batch(program: &Program, blocks: &[RawRows]) -> Option<RecordBatch> {
    let mut rows = Vec::new();
    for (n, bytes) in blocks {
        rows.extend(decode_rows(&program.plan, bytes, *n, &program.options.limits).ok()?);
    }
    Some(to_batch(&program.plan, rows).expect("arrays of valid rows"))
}

/// Both give the same rows, or both an error.
pub(super) fn check(what: &str, program: &Program, blocks: &[RawRows], valid: Option<bool>) {
    let want = reference_batch(program, blocks);
    if let Some(valid) = valid {
        assert_eq!(want.is_some(), valid, "{what}");
    }
    for batch_size in [1, 3, 100, 8192] {
        let options = Options { batch_size, ..program.options.clone() };
        let program = Arc::new(Program::compile(&program.plan.schema, &options).expect("a program"));
        for portable in [false, true] {
            PORTABLE.set(portable);
            let got = program_batches(&program, blocks);
            PORTABLE.set(false);
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

/// Runs on the portable path, or that of the CPU at hand.
pub(crate) fn on_path<T>(portable: bool, what: impl FnOnce() -> T) -> T {
    PORTABLE.set(portable);
    let value = what();
    PORTABLE.set(false);
    value
}

pub(crate) fn random_options(rng: &mut Rng, schema: &Schema) -> Options {
    let projection = match &schema.node(schema.root()).kind {
        Kind::Record(record) if rng.one_in(2) => {
            let mut names: Vec<String> = record.fields.iter().map(|f| f.name.clone()).collect();
            names.retain(|_| rng.one_in(2));
            if rng.one_in(2) {
                names.reverse();
            }
            Some(names)
        }
        _ => None,
    };
    let mut options = Options {
        projection,
        strings: rng.pick(Strings::View, &[Strings::Plain]),
        enums: rng.pick(Enums::Dictionary, &[Enums::String]),
        unions: rng.pick(Unions::Dense, &[Unions::Struct]),
        pairs: rng.pick(Pairs::List, &[Pairs::Map]),
        recursion_levels: rng.below(3),
        ..Options::default()
    };
    options.limits.arrow_fields = 2_000;
    options
}

#[test]
fn random_schemas_and_rows() {
    let seeds = std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let (mut valid, mut refused) = (0, 0);
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let json = random_schema(&mut rng);
        let schema = Schema::parse(&json, &Default::default()).expect(&json);
        let options = random_options(&mut rng, &schema);
        let program = match Program::compile(&schema, &options) {
            Ok(program) => program,
            Err(error) if matches!(error.kind(), crate::ErrorKind::Limit { .. }) => continue,
            Err(error) => panic!("seed {seed}: {error}\n{json}"),
        };
        let n_blocks = rng.pick(1, &[2, 3, 5, 9, 20]);
        let mut blocks: Vec<RawRows> = (0..n_blocks)
            .map(|_| {
                let n_rows = rng.pick(1, &[0, 2, 3, 7, 30]);
                (n_rows as u64, random_rows(&mut rng, &schema, n_rows))
            })
            .collect();
        check(&format!("seed {seed} {json}"), &program, &blocks, Some(true));
        valid += 1;

        let damaged = rng.below(blocks.len());
        let (rows, bytes) = &mut blocks[damaged];
        match rng.below(4) {
            0 => *rows += 1,
            1 => *rows = rows.saturating_sub(1),
            _ => corrupt(&mut rng, bytes),
        }
        check(&format!("seed {seed}, block {damaged} damaged {json}"), &program, &blocks, None);
        refused += u32::from(reference_batch(&program, &blocks).is_none());
    }
    println!("{valid} random schemas, {refused} damaged");
    assert!(valid * 10 > seeds * 9 && u64::from(refused) * 3 > seeds, "{valid} {refused}");
}
