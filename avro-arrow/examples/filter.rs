//! A file, a column of whole numbers and a number of runs in; for some shares of the rows, how long it takes to read
//! the rows of that share: by a filter in the decoder, and by decoding all and filtering then.
//!
//! ```sh
//! cargo run --release -p avro-arrow --example filter -- lineitem.avro l_partkey 5
//! ```

use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch};
use arrow_select::filter::filter_record_batch;
use avro_arrow::container::Header;
use avro_arrow::{DecodeResult, Decoder, FilterError, FilterProgram, Options, Program};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the file that a decoder is fed at a time.
const FEED_BYTES: usize = 1 << 20;

fn main() -> Result<(), FilterError> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(column)) = (args.next(), args.next()) else {
        return Err("usage: filter FILE COLUMN [RUNS]".into());
    };
    let runs: usize = args.next().map_or(Ok(3), |runs| runs.parse())?;
    let file = arrow_buffer::Buffer::from_vec(std::fs::read(path)?);
    let options = Options::default();
    let header = Header::parse(&file, &options.limits)?.ok_or("not the whole header")?;
    let program = Arc::new(Program::compile(&header.schema, &options)?);
    let filter_program = FilterProgram::compile(&program, std::slice::from_ref(&column))?;
    let at = program.arrow_schema().index_of(&column)?;

    println!("{:>8} {:>10} {:>12} {:>12} {:>6}", "of 1000", "rows", "filtered", "all, then", "ratio");
    for keep in [0, 1, 10, 100, 500, 900, 1000] {
        let mut best = [Duration::MAX; 2];
        let mut rows = [0; 2];
        for _ in 0..runs {
            let start = Instant::now();
            let decoder = Decoder::new(&header, program.clone());
            let filter = move |columns: &RecordBatch| mask(columns.column(0), keep);
            rows[0] = read(&file, decoder.with_filter(&filter_program, filter), |batch| Ok(batch.num_rows()))?;
            best[0] = best[0].min(start.elapsed());

            let start = Instant::now();
            rows[1] = read(&file, Decoder::new(&header, program.clone()), |batch| {
                let kept = filter_record_batch(&batch, &mask(batch.column(at), keep)?)?;
                Ok(kept.num_rows())
            })?;
            best[1] = best[1].min(start.elapsed());
        }
        if rows[0] != rows[1] {
            return Err(format!("{} rows are not {}", rows[0], rows[1]).into());
        }
        let ratio = best[0].as_secs_f64() / best[1].as_secs_f64();
        println!("{keep:>8} {:>10} {:>12.1?} {:>12.1?} {ratio:>6.2}", rows[0], best[0], best[1]);
    }
    Ok(())
}

/// True for this number of every thousand values, scattered evenly.
fn mask(column: &dyn Array, keep: u64) -> Result<BooleanArray, FilterError> {
    let values = column.as_any().downcast_ref::<Int64Array>().ok_or("the column is not of `long`")?;
    // The upper bits of a product with an odd number mix those of the value.
    Ok(BooleanArray::from_unary(values, |value| {
        let mixed = (value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (mixed * 1000) >> 32 < keep
    }))
}

/// Reads a file, and counts what `count` makes of each batch.
fn read(
    file: &arrow_buffer::Buffer,
    mut decoder: Decoder,
    count: impl Fn(RecordBatch) -> Result<usize, FilterError>,
) -> Result<usize, FilterError> {
    let mut rows = 0;
    let mut at = decoder.first_offset() as usize;
    loop {
        match decoder.try_decode()? {
            DecodeResult::Batch(batch) => {
                rows += count(batch)?;
                continue;
            }
            DecodeResult::Finished => return Ok(rows),
            DecodeResult::NeedsData(_) => {}
        }
        let n = FEED_BYTES.min(file.len() - at);
        if n == 0 {
            decoder.finish();
        }
        decoder.feed(file.slice_with_length(at, n));
        at += n;
    }
}
