//! What filters may do, as tables. `tests/filter_random.rs` compares filtered decoding with the reference decoder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::select::Strategy;
use super::*;
use crate::codec::{Block, Codec};
use crate::decode::decoder::BlockDecoder;
use crate::encoding::PaddedBytes;
use crate::error::{Error, ErrorKind, Position};
use crate::options::Options;
use crate::schema::Schema;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use avro_testing::check_all;
use avro_testing::wire::{bytes, long};

/// Rows and bytes of a block.
type RawRows = (u64, Vec<u8>);

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
fn filter_error_has_position_in_file() {
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
fn failing_filter_is_an_error() {
    type Select = fn(&RecordBatch) -> Result<BooleanArray, FilterError>;
    let cases: [(&str, &[&str], Select, &str); 4] = [
        ("an error of its own", &["n"], |_| Err("no mood".into()), "no mood"),
        ("too few", &["n"], |_| Ok(BooleanArray::from(vec![true])), "1 values for 3 rows"),
        ("too many", &["n"], |_| Ok(BooleanArray::from(vec![true; 4])), "4 values for 3 rows"),
        ("no such column", &["m"], odd, "no column `m`"),
    ];
    let rows = [pair(1, b"a"), pair(2, b"b"), pair(3, b"c")].concat();
    check_all(cases, |(what, columns, select, fragment)| {
        let error = match compiled(PAIRS, &Options::default(), columns) {
            Ok(filter) => {
                let mut decoder = decoder(&filter, 8192, select);
                read(&mut decoder, &[(3, rows.clone())]).1.expect(what)
            }
            Err(error) => error,
        };
        assert!(error.to_string().contains(fragment), "{what}: {error}");
        assert_eq!(matches!(error.kind(), ErrorKind::Filter(_)), fragment == "no mood", "{what}");
    });
}

#[test]
fn filter_of_any_selectivity_selects_its_rows() {
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
    check_all(cases, |(what, select, way)| {
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
    });
}

#[test]
fn filter_keeps_limits_of_selected_rows() {
    let schema = |size: u64| {
        let fixed = format!(r#"["null",{{"type":"fixed","name":"F","size":{size}}}]"#);
        format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"n","type":"long"}},{{"name":"a","type":{fixed}}}]}}"#
        )
    };
    let cases = [("nulls of 16 MiB", 16 << 20, None), ("nulls of 2 GiB", i32::MAX as u64, Some((0, "`batch_bytes`")))];
    check_all(cases, |(what, size, want)| {
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
    });
}
