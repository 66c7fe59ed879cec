//! Filtered decoding against the reference decoder, on random schemas, rows, filters and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::{BooleanArray, RecordBatch};
use avro_arrow::schema::Schema;
use avro_arrow::{Decoder, ErrorKind, Fault, FilterError, FilterProgram, Options, Program, RowFilter, reference};
use avro_testing::oracle::{RawFile, RawRows, on_some_cpu, reference_batch};
use avro_testing::{Rng, check_seeds, corrupt, n_seeds, random_options, random_paths, random_rows, random_schema};
use std::sync::{Arc, Mutex};

/// Selects rows by their number among those that it is asked about, and keeps what it was given.
#[derive(Clone, Default)]
struct ByNumber {
    /// Number of rows that are selected of a thousand.
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
        // False and null both reject a row.
        let value = |row| match is_selected(row, self.density) {
            true => Some(true),
            false => (row % 3 == 0).then_some(false),
        };
        Ok((first..first + columns.num_rows()).map(value).collect())
    }
}

/// A schema, how it is read, and the columns of the filter.
struct Case {
    what: String,
    schema: Schema,
    options: Options,
    columns: Vec<String>,
}

impl Case {
    /// How the columns of the filter are read.
    fn filter_options(&self) -> Options {
        self.options.clone().with_projection(Some(self.columns.clone()))
    }

    fn programs(&self, batch_size: usize) -> avro_arrow::Result<(Arc<Program>, FilterProgram)> {
        let program = Arc::new(Program::compile(&self.schema, &self.options.clone().with_batch_size(batch_size))?);
        let filter = FilterProgram::compile(&program, &self.columns)?;
        Ok((program, filter))
    }

    /// Whether all decoded values are intact.
    fn is_whole(&self, blocks: &[RawRows]) -> bool {
        [&self.options, &self.filter_options()]
            .iter()
            .all(|options| reference_batch(&self.schema, options, blocks).is_some())
    }

    /// The bytes of each row of a block whose columns of the filter are intact.
    fn rows(&self, (n_rows, bytes): &RawRows) -> Vec<Vec<u8>> {
        let (options, mut rest) = (self.filter_options(), bytes.as_slice());
        let row = |_| {
            let file = RawFile::new(&self.schema, &options, &[(1, rest.to_vec())]).unwrap();
            // One row of the rest leaves all bytes after it.
            let left = match reference::read(file.bytes().as_slice(), &options) {
                Ok(_) => 0,
                Err(error) => match error.kind() {
                    ErrorKind::Value(Fault::TrailingBytes(left)) => *left as usize,
                    _ => panic!("{error}"),
                },
            };
            let (row, after) = rest.split_at(rest.len() - left);
            rest = after;
            row.to_vec()
        };
        (0..*n_rows).map(row).collect()
    }

    /// Checks for all batch sizes, densities and kinds of CPU that the rows are those that the filter selects, or an
    /// error if there must be one.
    fn check(&self, what: &str, blocks: &[RawRows], rows: &[Vec<Vec<u8>>]) {
        let whole = self.is_whole(blocks);
        let file = RawFile::new(&self.schema, &self.options, blocks).unwrap();
        let all = reference_batch(&self.schema, &self.filter_options(), blocks);
        let rows: Option<Vec<&Vec<u8>>> = all.is_some().then(|| rows.iter().flatten().collect());
        for (at, density) in [0, 10, 500, 1000].into_iter().enumerate() {
            let want = rows.as_ref().and_then(|rows| {
                let selected: Vec<&[u8]> = rows
                    .iter()
                    .enumerate()
                    .filter(|(row, _)| is_selected(*row, density))
                    .map(|(_, row)| &row[..])
                    .collect();
                reference_batch(&self.schema, &self.options, &[(selected.len() as u64, selected.concat())])
            });
            for (number, batch_size) in [1, 3, 100, 8192].into_iter().enumerate() {
                let what = format!("{what}, {density} of 1000, batch size {batch_size}, {}", self.what);
                let filter = ByNumber { density, ..ByNumber::default() };
                let seen = filter.seen.clone();
                let (program, filter_program) = self.programs(batch_size).unwrap();
                let decoder = Decoder::new(file.header(), program.clone()).with_filter(&filter_program, filter);
                let (decoder, result) = on_some_cpu(at + number, || file.decode_with(decoder));
                // Damage in rows that are not selected may go unnoticed.
                let (want, batches) = match (&want, result) {
                    (Some(want), Ok(batches)) => (want, batches),
                    (Some(_), Err(_)) if !whole => continue,
                    (None, Err(_)) => continue,
                    (Some(_), Err(error)) => panic!("{what}: {error}\n{filter_program}{program}"),
                    (None, Ok(_)) => panic!("{what}: read though the reference does not\n{filter_program}{program}"),
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
                let n_rows = all.as_ref().map_or(0, RecordBatch::num_rows);
                assert_eq!(
                    (decoder.rows_selected(), decoder.rows_pruned()),
                    (first as u64, (n_rows - first) as u64),
                    "{what}"
                );
                check_seen(&what, &filter_program, all.as_ref().unwrap(), &seen.lock().unwrap());
            }
        }
    }
}

/// Checks that the filter got its columns of all rows.
fn check_seen(what: &str, program: &FilterProgram, all: &RecordBatch, seen: &[RecordBatch]) {
    let mut first = 0;
    for batch in seen {
        assert!(batch.num_rows() > 0, "{what}");
        let want = all.slice(first, batch.num_rows());
        assert_eq!(want, *batch, "{what}: what the filter saw from row {first} on\n{program}");
        first += batch.num_rows();
    }
    assert_eq!(first, all.num_rows(), "{what}");
}

#[test]
fn filter_on_random_rows_selects_as_reference_does() {
    let seeds = n_seeds(300);
    let (mut valid, mut damaged) = (0, 0);
    check_seeds((0..seeds).map(|seed| seed ^ 0xf117_e400_0000), |rng| {
        let json = random_schema(rng);
        let schema = Schema::parse(&json, &Default::default()).expect(&json);
        let Some(options) = random_options(rng, &schema) else { return };
        let Ok(all) = Program::compile(&schema, &options.clone().with_projection(None)) else { return };
        let columns = random_paths(rng, all.arrow_schema());
        let what = format!("filter of {columns:?}, {json}");
        let case = Case { what, schema, options, columns };
        match case.programs(8192) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Limit { .. }) => return,
            Err(error) => panic!("{error}\n{json}"),
        };
        let n_blocks = rng.pick(1, &[2, 3, 9, 20, 40]);
        let mut rows: Vec<Vec<Vec<u8>>> = (0..n_blocks)
            .map(|_| {
                let n_rows = rng.pick(1, &[0, 2, 3, 7, 30]);
                (0..n_rows).map(|_| random_rows(rng, &case.schema, 1)).collect()
            })
            .collect();
        let mut blocks: Vec<RawRows> = rows.iter().map(|rows| (rows.len() as u64, rows.concat())).collect();
        // A reader's schema may lack some of the values.
        assert!(case.options.reader_schema.is_some() || case.is_whole(&blocks), "{}", case.what);
        case.check("intact", &blocks, &rows);
        valid += 1;

        let at = rng.below(blocks.len());
        let (n_rows, bytes) = &mut blocks[at];
        match rng.below(4) {
            0 => *n_rows += 1,
            1 => *n_rows = n_rows.saturating_sub(1),
            _ => corrupt(rng, bytes),
        }
        if reference_batch(&case.schema, &case.filter_options(), &blocks[at..=at]).is_some() {
            rows[at] = case.rows(&blocks[at]);
        }
        case.check(&format!("block {at} damaged"), &blocks, &rows);
        damaged += u64::from(!case.is_whole(&blocks));
    });
    println!("{valid} random schemas, {damaged} damaged");
    // Guards against generators that stop making a kind of case. Of the usual 300 seeds, all compile and 252 are
    // damaged: other changes give valid rows, or are to values that are not read. A third leaves room for few seeds.
    assert!(valid * 10 > seeds * 9, "{valid} of {seeds} compile");
    assert!(damaged * 3 > seeds, "{damaged} of {seeds} are damaged");
}
