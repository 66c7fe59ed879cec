//! What decompresses blocks of lineitem, each way against what could stand in its place: libraries, contexts kept or
//! new, outputs kept or new. The blocks are of 512 rows and of 64 KiB; an iteration decompresses all of some hundreds,
//! and its throughput is in bytes of what comes out. What came of it is in `benches/README.md`.
#![allow(missing_docs, clippy::unwrap_used)]

use avro_arrow::container::{Framer, Header, RawBlock};
use avro_arrow::{Decompressor, Limits, PaddedBytes};
use avro_benches::avro_writer::{Blocks, Codec, KIB_64};
use avro_benches::data::{Data, Nulls};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCALE: f64 = 0.02;
const SIZES: [(&str, Blocks); 2] = [("512-rows", Blocks::Rows(512)), ("64-KiB", KIB_64)];
/// Window of raw deflate, as zlib writes it.
const WINDOW_BITS: u8 = 15;

/// Blocks of lineitem as this codec stores them, and the bytes that each stands for.
fn blocks(size: Blocks, codec: Codec) -> Vec<(Vec<u8>, usize)> {
    let stored = |codec| {
        let mut file = Vec::new();
        Data::Lineitem(size, codec, Nulls::Required).write(&mut file, SCALE).unwrap();
        let header = Header::parse(&file, &Limits::default()).unwrap().unwrap();
        let mut framer = Framer::new(&header, &Limits::default());
        framer.feed(file.split_off(header.len as usize).into());
        framer.finish();
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        while let Some(block) = framer.next_block().unwrap() {
            blocks.push(block.data.to_vec());
        }
        blocks
    };
    let plain = stored(Codec::Null);
    assert!(plain.len() > 50);
    stored(codec).into_iter().zip(plain).map(|(stored, plain)| (stored, plain.len())).collect()
}

/// Times a way to decompress each block into an output of the right size, which is kept.
fn way(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    codec: Codec,
    decompress: &mut dyn FnMut(&[u8], &mut [u8]) -> usize,
) {
    for (size, of_blocks) in SIZES {
        let blocks = blocks(of_blocks, codec);
        let mut out = vec![0; blocks.iter().map(|(_, len)| *len).max().unwrap()];
        for (stored, len) in &blocks {
            assert_eq!(decompress(stored, &mut out[..*len]), *len);
        }
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Bytes(blocks.iter().map(|(_, len)| *len as u64).sum()));
        group.bench_function(format!("{name}/{size}"), |bencher| {
            bencher.iter(|| {
                for (stored, len) in &blocks {
                    black_box(decompress(stored, &mut out[..*len]));
                }
            });
        });
    }
}

fn deflate(criterion: &mut Criterion) {
    let mut kept = libdeflater::Decompressor::new();
    way(criterion, "deflate", "libdeflate", Codec::Deflate, &mut |stored, out| {
        kept.deflate_decompress(stored, out).unwrap()
    });
    way(criterion, "deflate", "libdeflate-new-context", Codec::Deflate, &mut |stored, out| {
        libdeflater::Decompressor::new().deflate_decompress(stored, out).unwrap()
    });
    let mut kept = zlib_rs::Inflate::new(false, WINDOW_BITS);
    way(criterion, "deflate", "zlib-rs", Codec::Deflate, &mut |stored, out| {
        kept.reset(false);
        kept.decompress(stored, out, zlib_rs::InflateFlush::Finish).unwrap();
        kept.total_out() as usize
    });
    way(criterion, "deflate", "miniz_oxide", Codec::Deflate, &mut |stored, out| {
        miniz_oxide::inflate::decompress_slice_iter_to_slice(out, std::iter::once(stored), false, true).unwrap()
    });
}

fn zstandard(criterion: &mut Criterion) {
    let mut kept = zstd::bulk::Decompressor::new().unwrap();
    way(criterion, "zstandard", "kept-context", Codec::Zstandard, &mut |stored, out| {
        kept.decompress_to_buffer(stored, out).unwrap()
    });
    way(criterion, "zstandard", "new-context", Codec::Zstandard, &mut |stored, out| {
        zstd::bulk::Decompressor::new().unwrap().decompress_to_buffer(stored, out).unwrap()
    });
}

fn snappy(criterion: &mut Criterion) {
    // With a new output, its checksum, and a copy of what is stored.
    let mut ours = Decompressor::new(avro_arrow::Codec::Snappy, &Limits::default());
    way(criterion, "snappy", "avro-arrow", Codec::Snappy, &mut |stored, _| {
        let data = PaddedBytes::from_vec(stored.to_vec());
        let block = ours.decompress(RawBlock::new(0, data)).unwrap();
        block.data.len()
    });
    let mut kept = snap::raw::Decoder::new();
    way(criterion, "snappy", "kept-output", Codec::Snappy, &mut |stored, out| {
        kept.decompress(&stored[..stored.len() - 4], out).unwrap()
    });
    // What has to be done where arrays keep the blocks.
    way(criterion, "snappy", "new-output", Codec::Snappy, &mut |stored, out| {
        let mut new = vec![0; out.len()];
        let len = kept.decompress(&stored[..stored.len() - 4], &mut new).unwrap();
        black_box(new);
        len
    });
}

/// The checksum of snappy's blocks, over bytes that have just been written, and so are in a cache.
fn checksum(criterion: &mut Criterion) {
    const TABLE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    const TABLES: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISO_HDLC);
    type Hash = fn(&[u8]) -> u32;
    let one_table: Hash = |bytes| TABLE.checksum(bytes);
    let tables: Hash = |bytes| TABLES.checksum(bytes);
    let ways = [("crc32fast", crc32fast::hash as Hash), ("one-table", one_table), ("16-tables", tables)];
    let mut group = criterion.benchmark_group("checksum");
    for (size, of_blocks) in SIZES {
        let (block, len) = blocks(of_blocks, Codec::Null).swap_remove(0);
        group.throughput(Throughput::Bytes(len as u64));
        for (name, hash) in ways {
            assert_eq!(hash(&block), crc32fast::hash(&block));
            group.bench_function(format!("{name}/{size}"), |bencher| bencher.iter(|| hash(black_box(&block))));
        }
    }
}

/// What a new output costs by itself: zeroed, or only reserved, against one that is kept; all of it is then written.
fn output(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("output");
    for (size, of_blocks) in SIZES {
        let (block, len) = blocks(of_blocks, Codec::Null).swap_remove(0);
        group.throughput(Throughput::Bytes(len as u64));
        let mut kept = vec![0; len];
        group.bench_function(format!("kept/{size}"), |bencher| {
            bencher.iter(|| black_box(&mut kept).copy_from_slice(black_box(&block)));
        });
        group.bench_function(format!("new-zeroed/{size}"), |bencher| {
            bencher.iter(|| {
                let mut new = vec![0; len];
                black_box(&mut new).copy_from_slice(black_box(&block));
                new
            });
        });
        group.bench_function(format!("new-reserved/{size}"), |bencher| {
            bencher.iter(|| {
                let mut new = Vec::with_capacity(len);
                black_box(&mut new).extend_from_slice(black_box(&block));
                new
            });
        });
    }
}

criterion_group! {
    name = codecs;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .sample_size(20)
        .configure_from_args();
    targets = deflate, zstandard, snappy, checksum, output
}
criterion_main!(codecs);
