//! Batches written as container files, ours and arrow-avro's in turns: a line of a table for each case and engine, best
//! of several runs. Batches come from the CPU's cache, as they do where something has just made them, and the file goes
//! nowhere: what is measured is encoding and compression, not memory. What each wrote is read back once, and has to be
//! what was read before.
//!
//! `cargo bench -p avro-benches --bench writers`. What came of it is in `benches/README.md`.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::ReaderBuilder;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use avro_benches::avro_writer::{Blocks, Codec};
use avro_benches::checksum::Checksum;
use avro_benches::data::{Data, Nulls};
use std::io::Write;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCALE: f64 = 0.02;
const RUNS: usize = 9;
/// Batches of a file, and how often they are written in a run.
const BATCHES: usize = 2;
const TIMES: usize = 20;

/// The rows of a file, read by our reader.
fn checksum(file: &[u8]) -> Checksum {
    let mut sum = Checksum::default();
    for batch in avro_arrow::ReaderBuilder::new().build(file).unwrap() {
        sum.add_arrow59(&batch.unwrap()).unwrap();
    }
    sum
}

/// Where a file goes that nobody wants.
#[derive(Default)]
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An engine's name, its threads, and a function that writes its batches a number of times.
type Engine<'a> = (&'a str, usize, &'a dyn Fn(&mut dyn Write, usize));

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
        let mut batches: Vec<_> =
            avro_arrow::ReaderBuilder::new().build(file.as_slice()).unwrap().collect::<Result<_, _>>().unwrap();
        batches.truncate(BATCHES);
        let mut expected = Checksum::default();
        batches.iter().for_each(|batch| expected.add_arrow59(batch).unwrap());
        let other = ReaderBuilder::new().with_batch_size(8192).build(std::io::Cursor::new(&file)).unwrap();
        let other_schema = other.schema();
        let other: Vec<_> = other.take(BATCHES).collect::<Result<_, _>>().unwrap();
        for (codec, other_codec) in codecs {
            if !is_wanted(case, codec.name()) {
                continue;
            }
            let builder = avro_arrow::WriterBuilder::new(batches[0].schema()).with_codec(codec);
            let ours = |out: &mut dyn Write, times: usize| {
                let mut writer = builder.clone().build(out).unwrap();
                (0..times).flat_map(|_| &batches).for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let two = |out: &mut dyn Write, times: usize| {
                let mut writer = builder.clone().build_parallel(out, 2).unwrap();
                (0..times).flat_map(|_| &batches).for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let arrow_avro = |out: &mut dyn Write, times: usize| {
                let builder = WriterBuilder::new(other_schema.as_ref().clone()).with_compression(other_codec);
                let mut writer = builder.build::<_, AvroOcfFormat>(out).unwrap();
                (0..times).flat_map(|_| &other).for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            };
            let engines: [Engine<'_>; 3] = [("arrow-avro", 1, &arrow_avro), ("ours", 1, &ours), ("ours", 2, &two)];
            let mut best = [f64::MAX; 3];
            let mut bytes = [0; 3];
            for run in 0..=RUNS {
                for (at, (engine, _, write)) in engines.iter().enumerate() {
                    if run == 0 {
                        let mut file = Vec::new();
                        write(&mut file, 1);
                        assert!(checksum(&file) == expected, "{case} {engine}");
                        continue;
                    }
                    let mut file = Counted::default();
                    let start = Instant::now();
                    write(&mut file, TIMES);
                    best[at] = best[at].min(start.elapsed().as_secs_f64());
                    bytes[at] = file.0;
                }
            }
            for (at, (engine, threads, _)) in engines.iter().enumerate() {
                let rows = expected.rows * TIMES as u64;
                let (codec, speed, ratio) = (codec.name(), rows as f64 / best[at] / 1e6, best[0] / best[at]);
                let (bytes, seconds) = (bytes[at], best[at]);
                println!("{case}\t{codec}\t{engine}\t{threads}\t{rows}\t{bytes}\t{seconds:.4}\t{speed:.2}\t{ratio:.2}");
            }
        }
    }
}
