//! Small benchmarks of single kinds of values, over files in memory. `columns` decodes a column of one kind. `skips`
//! decodes a long and skips values of one kind after it. The times are those of decoding: the header is parsed and the
//! program is compiled before the clock starts.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow_buffer::Buffer;
use avro_arrow::container::Header;
use avro_arrow::{DecodeResult, Decoder, Options, Program};
use avro_benches::kinds::{KINDS, file};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Values of a file, of whatever kind.
const VALUES: u64 = 100_000;
/// Columns that are skipped.
const SKIPPED: usize = 8;

fn columns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("columns");
    group.throughput(Throughput::Elements(VALUES));
    for kind in KINDS {
        let file = file(kind, false, 1, VALUES).unwrap();
        let decode = decoder(&file, &Options::default(), VALUES);
        group.bench_function(kind.name, |bencher| bencher.iter(&decode));
    }
}

fn skips(criterion: &mut Criterion) {
    let rows = VALUES / SKIPPED as u64;
    let mut group = criterion.benchmark_group("skips");
    group.throughput(Throughput::Elements(VALUES));
    let options = Options::default().with_projection(Some(vec!["key".into()]));
    for kind in KINDS {
        let file = file(kind, true, SKIPPED, rows).unwrap();
        let decode = decoder(&file, &options, rows);
        group.bench_function(kind.name, |bencher| bencher.iter(&decode));
    }
}

/// What decodes the file once, batch by batch.
fn decoder(file: &[u8], options: &Options, expected: u64) -> impl Fn() -> u64 + use<> {
    let header = Header::parse(file, &options.limits).unwrap().unwrap();
    let program = Arc::new(Program::compile(&header.schema, options).unwrap());
    let start = Decoder::new(&header, program.clone()).first_offset() as usize;
    let blocks = Buffer::from(&file[start..]);
    let decode = move || {
        let mut decoder = Decoder::new(&header, program.clone());
        decoder.feed(blocks.clone());
        decoder.finish();
        let mut rows = 0;
        while let DecodeResult::Batch(batch) = decoder.try_decode().unwrap() {
            rows += black_box(batch).num_rows() as u64;
        }
        rows
    };
    assert_eq!(decode(), expected);
    decode
}

criterion_group! {
    name = kinds;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    targets = columns, skips
}
criterion_main!(kinds);
