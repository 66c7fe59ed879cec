//! Filtered decoding against the reference decoder, on random schemas, rows, filters and damage; and what filters may
//! do, as tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::select::Strategy;
use super::*;
use crate::codec::{Block, Codec};
use crate::container::testing::{bytes, long};
use crate::decode::decoder::BlockDecoder;
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind, Fault, Position};
use crate::exec::tests::{RawRows, on_some_cpu, random_options};
use crate::limits::Limits;
use crate::reference::{decode_rows, locate, to_batch};
use crate::schema::Schema;
use crate::testing::{Rng, corrupt, random_paths, random_rows, random_schema};
use crate::value::Value;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use std::sync::Mutex;

/// Selects rows by their number among those that it is asked about, and keeps what it was given.
#[derive(Clone, Default)]
struct ByNumber {
    /// This number of every thousand rows.
    density: usize,
    seen: Arc<Mutex<Vec<RecordBatch>>>,
}

fn is_selected(row: usize, density: usize) -> bool {
    Rng::new(row as u64).below(1000) < density
}

impl RowFilter for ByNumber {
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
        let mut seen = self.seen.lock().unwrap();
        let first: usize = seen.iter().map(RecordBatch::num_rows).sum();
        seen.push(columns.clone());
        // False, or null, which is the same.
        let value = |row| match is_selected(row, self.density) {
            true => Some(true),
            false => (row % 3 == 0).then_some(false),
        };
        Ok((first..first + columns.num_rows()).map(value).collect())
    }
}

/// Selects rows by a number in them, and now and then all if it is moody.
struct Moody {
    select: fn(i64) -> bool,
    moody: bool,
    n_calls: usize,
}

impl RowFilter for Moody {
    fn select(&mut self, columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
        Ok(numbers(columns).map(|n| Some((self.select)(n))).collect())
    }

    fn selects_all(&mut self) -> bool {
        self.n_calls += 1;
        self.moody && self.n_calls.is_multiple_of(3)
    }
}

/// A decoder of batches of this size, whatever the program's.
fn decoder(program: &FilterProgram, batch_size: usize, filter: impl RowFilter + 'static) -> BlockDecoder {
    let options = Options { batch_size, ..program.output.options.clone() };
    let output = Arc::new(Program::compile(program.output.schema(), &options).unwrap());
    let columns = program.predicate.options.projection.clone().unwrap();
    let mut decoder = BlockDecoder::new(Codec::Null, output.clone());
    decoder.set_filter(&FilterProgram::compile(&output, &columns).unwrap(), Box::new(filter));
    decoder
}

/// The batches of these blocks, and the error after them.
fn read(decoder: &mut BlockDecoder, blocks: &[RawRows]) -> (Vec<RecordBatch>, Option<Error>) {
    let mut batches = Vec::new();
    let mut read = || -> Result<()> {
        for (index, (rows, bytes)) in (0..).zip(blocks) {
            let data = PaddedBytes::from_vec(bytes.clone());
            decoder.push_block(Block { rows: *rows, data, offset: index * 1000, end: index * 1000 + 1000, index })?;
            while let Some(batch) = decoder.next_batch(false)? {
                batches.push(batch);
            }
        }
        while let Some(batch) = decoder.next_batch(true)? {
            batches.push(batch);
        }
        Ok(())
    };
    let error = read().err();
    (batches, error)
}

/// Whether all that is decoded is intact.
fn is_whole(program: &Program, filter: &FilterProgram, blocks: &[RawRows]) -> bool {
    let limits = Limits::default();
    let faulty = |plan| blocks.iter().any(|(n_rows, bytes)| locate(plan, bytes, *n_rows, &limits).is_some());
    !faulty(&program.plan) && !faulty(&filter.predicate.plan)
}

/// What should come of it, by the reference decoder: the rows selected, if nothing is damaged that has to be looked at.
fn selected_rows(
    program: &Program,
    filter: &FilterProgram,
    blocks: &[RawRows],
    select: impl Fn(usize) -> bool,
) -> Option<Vec<Vec<Value>>> {
    let limits = Limits::default();
    let predicate = &filter.predicate.plan;
    let (mut row, mut selected) = (0, Vec::new());
    for (n_rows, bytes) in blocks {
        if locate(predicate, bytes, *n_rows, &limits).is_some() {
            return None;
        }
        let mut rest = bytes.as_slice();
        for _ in 0..*n_rows {
            // One row of the rest leaves all after it.
            let left = match locate(predicate, rest, 1, &limits).map(|located| located.fault) {
                Some(Fault::TrailingBytes(left)) => left as usize,
                None => 0,
                Some(fault) => panic!("{fault}"),
            };
            let (bytes, after) = rest.split_at(rest.len() - left);
            if select(row) {
                selected.extend(decode_rows(&program.plan, bytes, 1, &limits).ok()?);
            }
            rest = after;
            row += 1;
        }
    }
    Some(selected)
}

/// Of all batch sizes, densities and paths: the rows that the filter selects, or an error where there should be one.
fn check(what: &str, program: &Program, filter_program: &FilterProgram, blocks: &[RawRows]) {
    let all: usize = blocks.iter().map(|(rows, _)| *rows as usize).sum();
    let whole = is_whole(program, filter_program, blocks);
    for (at, density) in [0, 10, 500, 1000].into_iter().enumerate() {
        let want = selected_rows(program, filter_program, blocks, |row| is_selected(row, density));
        let want = want.map(|rows| to_batch(&program.plan, rows).unwrap());
        for (number, batch_size) in [1, 3, 100, 8192].into_iter().enumerate() {
            let what = format!("{what}, {density} of 1000, batch size {batch_size}");
            let filter = ByNumber { density, ..ByNumber::default() };
            let seen = filter.seen.clone();
            let mut decoder = decoder(filter_program, batch_size, filter);
            let (batches, error) = on_some_cpu(at + number, || read(&mut decoder, blocks));
            // Damage in rows that are not selected is found or not.
            let want = match (&want, error) {
                (Some(want), None) => want,
                (Some(_), Some(_)) if !whole => continue,
                (None, Some(_)) => continue,
                (Some(_), Some(error)) => panic!("{what}: {error}\n{filter_program}{program}"),
                (None, None) => panic!("{what}: read though the reference does not\n{filter_program}{program}"),
            };
            let mut first = 0;
            for batch in batches {
                let n_rows = batch.num_rows();
                assert!(n_rows > 0 && n_rows <= batch_size, "{what}: {n_rows} rows");
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap_or_else(|e| panic!("{what}: {e}"));
                }
                assert_eq!(want.slice(first, n_rows), batch, "{what}, from row {first}\n{filter_program}{program}");
                first += n_rows;
            }
            assert_eq!(first, want.num_rows(), "{what}");
            let selector = decoder.selector().unwrap();
            assert_eq!((selector.rows_selected, selector.rows_pruned), (first as u64, (all - first) as u64), "{what}");
            check_seen(&what, filter_program, blocks, &seen.lock().unwrap());
        }
    }
}

/// Whether the filter got the columns of all rows.
fn check_seen(what: &str, program: &FilterProgram, blocks: &[RawRows], seen: &[RecordBatch]) {
    let plan = &program.predicate.plan;
    let limits = Limits::default();
    let rows = blocks.iter().flat_map(|(n, bytes)| decode_rows(plan, bytes, *n, &limits).unwrap());
    let all = to_batch(plan, rows.collect()).unwrap();
    let mut first = 0;
    for batch in seen {
        assert!(batch.num_rows() > 0, "{what}");
        assert_eq!(
            all.slice(first, batch.num_rows()),
            *batch,
            "{what}: what the filter saw from row {first} on\n{program}"
        );
        first += batch.num_rows();
    }
    assert_eq!(first, all.num_rows(), "{what}");
}

#[test]
fn random_schemas_rows_and_filters() {
    let seeds = std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let (mut valid, mut damaged) = (0, 0);
    for seed in 0..seeds {
        let mut rng = Rng::new(seed ^ 0xf117_e400_0000);
        let json = random_schema(&mut rng);
        let schema = Schema::parse(&json, &Default::default()).expect(&json);
        let Some(options) = random_options(&mut rng, &schema) else { continue };
        let Ok(all) = Program::compile(&schema, &Options { projection: None, ..options.clone() }) else { continue };
        let columns = random_paths(&mut rng, all.arrow_schema());
        let program = Program::compile(&schema, &options).map(Arc::new);
        let compiled = program.and_then(|program| Ok((FilterProgram::compile(&program, &columns)?, program)));
        let (filter, program) = match compiled {
            Ok(compiled) => compiled,
            Err(error) if matches!(error.kind(), ErrorKind::Limit { .. }) => continue,
            Err(error) => panic!("seed {seed}: {error}\n{json}"),
        };
        let n_blocks = rng.pick(1, &[2, 3, 9, 20, 40]);
        let mut blocks: Vec<RawRows> = (0..n_blocks)
            .map(|_| {
                let n_rows = rng.pick(1, &[0, 2, 3, 7, 30]);
                (n_rows as u64, random_rows(&mut rng, &schema, n_rows))
            })
            .collect();
        let what = format!("seed {seed}, filter of {columns:?}, {json}");
        // A reader's schema may have no place for some of the values.
        assert!(options.reader_schema.is_some() || is_whole(&program, &filter, &blocks), "{what}");
        check(&what, &program, &filter, &blocks);
        valid += 1;

        let at = rng.below(blocks.len());
        let (rows, bytes) = &mut blocks[at];
        match rng.below(4) {
            0 => *rows += 1,
            1 => *rows = rows.saturating_sub(1),
            _ => corrupt(&mut rng, bytes),
        }
        check(&format!("block {at} damaged, {what}"), &program, &filter, &blocks);
        damaged += u64::from(!is_whole(&program, &filter, &blocks));
    }
    println!("{valid} random schemas, {damaged} damaged");
    assert!(valid * 10 > seeds * 9 && damaged * 3 > seeds, "{valid} {damaged}");
}

/// Rows of a number and a text.
const PAIRS: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"n","type":"long"},{"name":"s","type":"string"}]}"#;

fn pair(n: i64, text: &[u8]) -> Vec<u8> {
    [long(n), bytes(text)].concat()
}

fn compiled(schema: &str, options: &Options, columns: &[&str]) -> Result<FilterProgram> {
    let schema = Schema::parse(schema, &Default::default()).unwrap();
    let program = Arc::new(Program::compile(&schema, options)?);
    let columns: Vec<String> = columns.iter().map(|column| column.to_string()).collect();
    FilterProgram::compile(&program, &columns)
}

fn numbers(columns: &RecordBatch) -> impl Iterator<Item = i64> {
    columns.column(0).as_primitive::<Int64Type>().values().iter().copied()
}

/// The rows whose number is odd.
fn odd(columns: &RecordBatch) -> Result<BooleanArray, FilterError> {
    Ok(numbers(columns).map(|n| Some(n % 2 == 1)).collect())
}

#[test]
fn errors_say_where_in_the_file_they_are() {
    let good = |n: i64| pair(n, b"fine");
    let bad = |n: i64| pair(n, b"n\xff");
    let beyond = [long(1), long(100), b"short".to_vec()].concat();
    // Three rows of six bytes each.
    let before = [good(0), good(1), good(2)].concat();
    type Place = Option<(u64, u64, u64)>;
    let cases: [(&str, Vec<RawRows>, Place); 7] = [
        ("a row that is not selected", vec![(5, [&*before, &bad(4), &good(5)].concat())], None),
        ("a row that is", vec![(5, [&*before, &bad(3), &good(4)].concat())], Some((0, 3, 19))),
        ("in the second block", vec![(3, before.clone()), (2, [good(4), bad(7)].concat())], Some((1, 1, 7))),
        ("the last of a run", vec![(4, [&before[6..], &good(5), &bad(9)].concat())], Some((0, 3, 19))),
        ("where the row ends", vec![(4, [&*before, &beyond].concat())], Some((0, 3, 19))),
        ("a row too many", vec![(2, before.clone())], Some((0, 2, 12))),
        ("far behind in a block", vec![(41, [good(6).repeat(39), bad(5), good(5)].concat())], Some((0, 39, 235))),
    ];
    // Of batches of one row, a walk has no more than sixteen rows.
    for ((what, blocks, want), batch_size) in cases.iter().flat_map(|case| [(case, 1), (case, 8192)]) {
        let filter = compiled(PAIRS, &Options::default(), &["n"]).unwrap();
        let mut decoder = decoder(&filter, batch_size, odd);
        let (_, error) = read(&mut decoder, blocks);
        let position = error.map(|error| error.position().clone());
        let want = want.map(|(block, row, at)| Position {
            offset: Some(block * 1000),
            block: Some(block),
            row: Some(row),
            offset_in_block: Some(at),
            path: (row < blocks[block as usize].0).then(|| "s".to_string()),
            ..Position::default()
        });
        assert_eq!(position, want, "{what}");
    }
}

#[test]
fn filters_that_fail() {
    type Select = fn(&RecordBatch) -> Result<BooleanArray, FilterError>;
    let cases: [(&str, &[&str], Select, &str); 4] = [
        ("an error of its own", &["n"], |_| Err("no mood".into()), "no mood"),
        ("too few", &["n"], |_| Ok(BooleanArray::from(vec![true])), "1 values for 3 rows"),
        ("too many", &["n"], |_| Ok(BooleanArray::from(vec![true; 4])), "4 values for 3 rows"),
        ("no such column", &["m"], odd, "no column `m`"),
    ];
    let rows = [pair(1, b"a"), pair(2, b"b"), pair(3, b"c")].concat();
    for (what, columns, select, fragment) in cases {
        let error = match compiled(PAIRS, &Options::default(), columns) {
            Ok(filter) => {
                let mut decoder = decoder(&filter, 8192, select);
                read(&mut decoder, &[(3, rows.clone())]).1.expect(what)
            }
            Err(error) => error,
        };
        assert!(error.to_string().contains(fragment), "{what}: {error}");
        assert_eq!(matches!(error.kind(), ErrorKind::Filter(_)), fragment == "no mood", "{what}");
    }
}

#[test]
fn filters_of_all_kinds() {
    let rows = |from: i64| (from..from + 100).flat_map(|n| pair(n, format!("text of row {n}").as_bytes())).collect();
    let blocks: Vec<RawRows> = (0..90).map(|block| (100, rows(block * 100))).collect();
    type Select = fn(i64) -> bool;
    let cases: [(&str, Select, Strategy); 6] = [
        ("none", |_| false, Strategy::LateMaterialize),
        ("all", |_| true, Strategy::FilterAfterDecode),
        ("one", |n| n == 4321, Strategy::LateMaterialize),
        ("all, then a few, then most", |n| n < 500 || n % 100 == 7 || n > 4000, Strategy::FilterAfterDecode),
        ("the first ones", |n| n < 1050, Strategy::LateMaterialize),
        ("whole blocks", |n| n / 100 % 2 == 0, Strategy::FilterAfterDecode),
    ];
    for (what, select, way) in cases {
        for projection in [None, Some(vec![]), Some(vec!["n".to_string()]), Some(vec!["s".to_string()])] {
            for (batch_size, moody) in [(10, true), (100, false), (1000, true), (8192, false)] {
                let options = Options { projection: projection.clone(), batch_size, ..Options::default() };
                let filter_program = compiled(PAIRS, &options, &["n"]).unwrap();
                let filter = Moody { select, moody, n_calls: 0 };
                let mut decoder = decoder(&filter_program, batch_size, filter);
                let (batches, error) = read(&mut decoder, &blocks);
                assert!(error.is_none(), "{what}: {error:?}");
                let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let selector = decoder.selector().unwrap();
                assert_eq!(selector.rows_selected, n_rows as u64, "{what}");
                assert_eq!(selector.rows_selected + selector.rows_pruned, 9000, "{what}");
                if batch_size == 100 {
                    let way = if projection == Some(vec![]) { Strategy::LateMaterialize } else { way };
                    assert_eq!(selector.strategy, way, "{what}");
                }
                let want: Vec<i64> = (0..9000).filter(|&n| select(n)).collect();
                let got: Option<Vec<i64>> = match &projection {
                    Some(columns) if columns != &["n"] => None,
                    _ => Some(batches.iter().flat_map(numbers).collect()),
                };
                match got {
                    // It let some rows through that it does not select.
                    Some(got) if moody => assert!(want.iter().all(|n| got.binary_search(n).is_ok()), "{what}"),
                    Some(got) => assert_eq!(got, want, "{what}"),
                    None => assert!(n_rows == want.len() || (moody && n_rows > want.len()), "{what}"),
                }
            }
        }
    }
}

#[test]
fn limits_hold_for_selected_rows() {
    let schema = |size: u64| {
        let fixed = format!(r#"["null",{{"type":"fixed","name":"F","size":{size}}}]"#);
        format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"n","type":"long"}},{{"name":"a","type":{fixed}}}]}}"#
        )
    };
    let cases = [("nulls of 16 MiB", 16 << 20, None), ("nulls of 2 GiB", i32::MAX as u64, Some((0, "`batch_bytes`")))];
    for (what, size, want) in cases {
        let mut options = Options::default();
        options.limits.batch_bytes = 64 << 20;
        let filter = compiled(&schema(size), &options, &["n"]).unwrap();
        let rows = (0..40).flat_map(|n| [long(n), long(0)].concat()).collect();
        let (batches, error) = read(&mut decoder(&filter, 8192, odd), &[(40, rows)]);
        match (error, want) {
            (None, None) => {
                let got: Vec<i64> = batches.iter().flat_map(numbers).collect();
                assert_eq!(got, (0..40).filter(|n| n % 2 == 1).collect::<Vec<_>>(), "{what}");
                let largest = batches.iter().map(|batch| batch.get_array_memory_size()).max();
                assert!(largest < Some(160 << 20), "{what}: {largest:?}");
            }
            (Some(error), Some((block, fragment))) => {
                assert!(error.to_string().contains(fragment), "{what}: {error}");
                assert_eq!(error.position().block, Some(block), "{what}");
            }
            (error, _) => panic!("{what}: {error:?}"),
        }
    }
}
