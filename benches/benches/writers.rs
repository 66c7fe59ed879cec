//! Batches in memory written as container files in memory, on one core, ours and arrow-avro's in turns: a line of a table for each case
//! and engine, best of several runs. What each wrote is read back, and has to be what was read before.
//!
//! `cargo bench -p avro-benches --bench writers`. What came of it is in `benches/README.md`.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::ReaderBuilder;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use avro_arrow::{Options, ParallelWriter, Reader, WriteOptions, Writer};
use avro_benches::avro_writer::{Blocks, Codec};
use avro_benches::checksum::Checksum;
use avro_benches::data::{Data, Nulls};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCALE: f64 = 0.1;
const RUNS: usize = 7;

/// The rows of a file, read by our reader.
fn checksum(file: &[u8]) -> Checksum {
    let mut sum = Checksum::default();
    for batch in Reader::new(file, &Options::default()).unwrap() {
        sum.add_arrow59(&batch.unwrap()).unwrap();
    }
    sum
}

fn main() {
    let lineitem = |nulls| Data::Lineitem(Blocks::Rows(512), Codec::Null, nulls);
    let data = [
        ("lineitem", lineitem(Nulls::Required)),
        ("lineitem-nullable", lineitem(Nulls::None)),
        ("lineitem-some-null", lineitem(Nulls::Some)),
        ("wide", Data::Wide),
        ("events", Data::Events),
    ];
    let codecs = [
        (avro_arrow::Codec::Null, None),
        (avro_arrow::Codec::Snappy, Some(CompressionCodec::Snappy)),
        (avro_arrow::Codec::Zstandard, Some(CompressionCodec::ZStandard)),
    ];
    // Names of cases and codecs, as many as are wanted.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |case: &str, codec: &str| wanted.iter().all(|word| word == case || word == codec);
    println!("case\tcodec\tengine\tthreads\trows\tbytes\tseconds\tMrows/s\tratio");
    for (case, data) in data {
        let mut file = Vec::new();
        data.write(&mut file, SCALE).unwrap();
        let expected = checksum(&file);
        let batches: Vec<_> =
            Reader::new(file.as_slice(), &Options::default()).unwrap().collect::<Result<_, _>>().unwrap();
        let other = ReaderBuilder::new().with_batch_size(8192).build(std::io::Cursor::new(&file)).unwrap();
        let other_schema = other.schema();
        let other: Vec<_> = other.collect::<Result<_, _>>().unwrap();
        for (codec, other_codec) in codecs {
            if !is_wanted(case, codec.name()) {
                continue;
            }
            let options = WriteOptions { codec, ..WriteOptions::default() };
            let schema = batches[0].schema();
            let ours = |out: &mut Vec<u8>| {
                let mut writer = Writer::new(out, &schema, &options).unwrap();
                batches.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let two = |out: &mut Vec<u8>| {
                let mut writer = ParallelWriter::new(out, &schema, &options, 2).unwrap();
                batches.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let arrow_avro = |out: &mut Vec<u8>| {
                let builder = WriterBuilder::new(other_schema.as_ref().clone()).with_compression(other_codec);
                let mut writer = builder.build::<_, AvroOcfFormat>(out).unwrap();
                other.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let engines: [(&str, usize, &dyn Fn(&mut Vec<u8>)); 3] =
                [("arrow-avro", 1, &arrow_avro), ("ours", 1, &ours), ("ours", 2, &two)];
            let mut best = [f64::MAX; 3];
            let mut bytes = [0; 3];
            // One and the same memory for all, or most of the time would go into getting it.
            let mut file = Vec::with_capacity(2 * file.len());
            for run in 0..RUNS {
                for (at, (engine, _, write)) in engines.iter().enumerate() {
                    file.clear();
                    let start = Instant::now();
                    write(&mut file);
                    best[at] = best[at].min(start.elapsed().as_secs_f64());
                    bytes[at] = file.len();
                    assert!(run > 0 || checksum(&file) == expected, "{case} {engine}");
                }
            }
            for (at, (engine, threads, _)) in engines.iter().enumerate() {
                let (rows, speed) = (expected.rows, expected.rows as f64 / best[at] / 1e6);
                let (codec, ratio) = (codec.name(), best[0] / best[at]);
                let (bytes, seconds) = (bytes[at], best[at]);
                println!("{case}\t{codec}\t{engine}\t{threads}\t{rows}\t{bytes}\t{seconds:.4}\t{speed:.2}\t{ratio:.2}");
            }
        }
    }
}
