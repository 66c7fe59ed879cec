//! The program against the reference decoder, on random schemas, rows, blocks and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) use crate::testing::oracle::RawRows;
pub(super) use crate::testing::oracle::program_batches;

use super::CpuKind;
use crate::error::ErrorKind;
use crate::options::{Enums, LogicalMaps, Options, Strings, Unions};
use crate::program::Program;
use crate::schema::Schema;
use crate::testing::oracle::{check_sizes, reference_batch};
use crate::testing::{Rng, corrupt, evolved_schema, keep, random_paths, random_rows, random_schema};

/// Both give the same rows, or both an error, for batches of all sizes.
pub(super) fn check(what: &str, program: &Program, blocks: &[RawRows], valid: Option<bool>) {
    check_sizes(what, program, blocks, valid, &[1, 3, 100, 8192]);
}

/// Runs with one of the kernel sets that this CPU supports, cycling with `number`.
pub(crate) fn on_some_cpu<T>(number: usize, run: impl FnOnce() -> T) -> T {
    let kinds = CpuKind::all();
    kinds[number % kinds.len()].force(run)
}

pub(crate) fn random_options(rng: &mut Rng, schema: &Schema) -> Option<Options> {
    let mut options = Options {
        strings: rng.pick(Strings::View, &[Strings::Utf8]),
        enums: rng.pick(Enums::Dictionary, &[Enums::String]),
        unions: rng.pick(Unions::Dense, &[Unions::Struct]),
        logical_maps: rng.pick(LogicalMaps::List, &[LogicalMaps::Map]),
        recursion_levels: rng.below(3),
        ..Options::default()
    };
    options.limits.arrow_fields = 2_000;
    if rng.one_in(3) {
        let reader = evolved_schema(rng, schema.json()).and_then(|json| Schema::parse(&json, &options.limits).ok());
        // Not every change can be followed.
        options.reader_schema = reader;
        if matches!(Program::compile(schema, &options), Err(e) if matches!(e.kind(), ErrorKind::Resolve { .. })) {
            options.reader_schema = None;
        }
    }
    if rng.one_in(2) {
        // Paths go the way of the Arrow type. Where that is too large, there is no program of all of it.
        let whole = Program::compile(schema, &options).ok()?;
        options.projection = Some(random_paths(rng, whole.arrow_schema()));
    }
    Some(options)
}

/// The columns of a projection are parts of the whole columns.
fn check_projection(what: &str, program: &Program, blocks: &[RawRows]) {
    let whole = Options { projection: None, ..program.options.clone() };
    let whole = Program::compile(&program.plan.schema, &whole).expect("a program of all columns");
    let want = reference_batch(&whole, blocks);
    // What is not wanted may hold what the reader's schema has no cursor for.
    let Some(want) = want else { return assert!(whole.options.reader_schema.is_some(), "{what}") };
    let got = reference_batch(program, blocks).expect("rows");
    for (field, column) in got.schema().fields().iter().zip(got.columns()) {
        let kept = keep(want.column_by_name(field.name()).expect("a column"), field.data_type()).expect(what);
        assert_eq!(kept.to_data(), column.to_data(), "{what}, column {}\n{program}", field.name());
    }
}

#[test]
fn random_schemas_and_rows() {
    let seeds = std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let (mut valid, mut nested, mut refused, mut resolved) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let json = random_schema(&mut rng);
        let schema = Schema::parse(&json, &Default::default()).expect(&json);
        let Some(options) = random_options(&mut rng, &schema) else { continue };
        let program = match Program::compile(&schema, &options) {
            Ok(program) => program,
            Err(error) if matches!(error.kind(), ErrorKind::Limit { .. }) => continue,
            Err(error) => panic!("seed {seed}: {error}\n{json}"),
        };
        let n_blocks = rng.pick(1, &[2, 3, 5, 9, 20]);
        let mut blocks: Vec<RawRows> = (0..n_blocks)
            .map(|_| {
                let n_rows = rng.pick(1, &[0, 2, 3, 7, 30]);
                (n_rows as u64, random_rows(&mut rng, &schema, n_rows))
            })
            .collect();
        // A reader's schema may have no cursor for some of the values.
        let reader = options.reader_schema.as_ref().map_or("", |schema| schema.json());
        let readable = if reader.is_empty() { Some(true) } else { None };
        check(&format!("seed {seed} {json}, read as {reader}"), &program, &blocks, readable);
        valid += 1;
        let read = reference_batch(&program, &blocks).is_some();
        resolved += u64::from(read && !reader.is_empty());
        if !read {
            continue;
        }
        if let Some(paths) = &options.projection {
            check_projection(&format!("seed {seed} {paths:?} {json}"), &program, &blocks);
            nested += u64::from(paths.iter().any(|path| path.contains('.')));
        }

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
    println!("{valid} random schemas, {resolved} read as others, {nested} with paths into records, {refused} damaged");
    assert!(
        valid * 10 > seeds * 9 && nested * 20 > seeds && u64::from(refused) * 3 > seeds && resolved * 10 > seeds,
        "{valid} {nested} {refused} {resolved}"
    );
}
