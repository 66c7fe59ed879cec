//! The program against the reference decoder, on random schemas, rows, blocks and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use avro_arrow::schema::Schema;
use avro_arrow::{ErrorKind, Options, Program};
use avro_testing::oracle::{RawRows, check_sizes, reference_batch};
use avro_testing::{check_seeds, corrupt, keep, n_seeds, random_options, random_rows, random_schema};

/// Both give the same rows, or both an error, for batches of all sizes.
fn check(what: &str, schema: &Schema, options: &Options, blocks: &[RawRows], valid: Option<bool>) {
    check_sizes(what, schema, options, blocks, valid, &[1, 3, 100, 8192]);
}

/// The columns of a projection are parts of the whole columns.
fn check_projection(what: &str, schema: &Schema, options: &Options, blocks: &[RawRows]) {
    let whole = options.clone().with_projection(None);
    let want = reference_batch(schema, &whole, blocks);
    // Columns that are not read may hold values that the reader's schema lacks.
    let Some(want) = want else { return assert!(whole.reader_schema.is_some(), "{what}") };
    let got = reference_batch(schema, options, blocks).expect("rows");
    for (field, column) in got.schema().fields().iter().zip(got.columns()) {
        let kept = keep(want.column_by_name(field.name()).expect("a column"), field.data_type()).expect(what);
        assert_eq!(kept.to_data(), column.to_data(), "{what}, column {}", field.name());
    }
}

#[test]
fn program_on_random_rows_equals_reference() {
    let seeds = n_seeds(1_000);
    let (mut valid, mut nested, mut refused, mut resolved) = (0, 0, 0, 0);
    check_seeds(0..seeds, |rng| {
        let json = random_schema(rng);
        let schema = Schema::parse(&json, &Default::default()).expect(&json);
        let Some(options) = random_options(rng, &schema) else { return };
        match Program::compile(&schema, &options) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Limit { .. }) => return,
            Err(error) => panic!("{error}\n{json}"),
        };
        let n_blocks = rng.pick(1, &[2, 3, 5, 9, 20]);
        let mut blocks: Vec<RawRows> = (0..n_blocks)
            .map(|_| {
                let n_rows = rng.pick(1, &[0, 2, 3, 7, 30]);
                (n_rows as u64, random_rows(rng, &schema, n_rows))
            })
            .collect();
        // A reader's schema may lack some of the values.
        let reader = options.reader_schema.as_ref().map_or("", |schema| schema.json());
        let readable = if reader.is_empty() { Some(true) } else { None };
        check(&format!("{json}, read as {reader}"), &schema, &options, &blocks, readable);
        valid += 1;
        let read = reference_batch(&schema, &options, &blocks).is_some();
        resolved += u64::from(read && !reader.is_empty());
        if !read {
            return;
        }
        if let Some(paths) = &options.projection {
            check_projection(&format!("{paths:?} {json}"), &schema, &options, &blocks);
            nested += u64::from(paths.iter().any(|path| path.contains('.')));
        }

        let damaged = rng.below(blocks.len());
        let (rows, bytes) = &mut blocks[damaged];
        match rng.below(4) {
            0 => *rows += 1,
            1 => *rows = rows.saturating_sub(1),
            _ => corrupt(rng, bytes),
        }
        check(&format!("block {damaged} damaged {json}"), &schema, &options, &blocks, None);
        refused += u64::from(reference_batch(&schema, &options, &blocks).is_none());
    });
    println!("{valid} random schemas, {resolved} read as others, {nested} with paths into records, {refused} damaged");
    // Guards against generators that stop making a kind of case. Of the usual 1,000 seeds, all compile, 100 have paths
    // into records, 784 are damaged and 318 are read by another schema. Each threshold is about half of that, since few
    // seeds vary more; only schemas beyond the limit of columns may not compile, which are rare.
    assert!(valid * 10 > seeds * 9, "{valid} of {seeds} compile");
    assert!(nested * 20 > seeds, "{nested} of {seeds} have paths into records");
    assert!(refused * 3 > seeds, "{refused} of {seeds} are damaged");
    assert!(resolved * 10 > seeds, "{resolved} of {seeds} are read by another schema");
}
