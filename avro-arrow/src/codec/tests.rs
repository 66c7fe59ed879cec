//! Tests of the codecs: data compressed by others, whole, in parts, damaged and too large.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use avro_testing::check_all;

const ALL: [Codec; 6] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz];

fn limits(block_bytes: usize) -> Limits {
    Limits { block_bytes, ..Limits::default() }
}

fn raw(stored: &[u8]) -> RawBlock {
    RawBlock { rows: 3, data: PaddedBytes::from_vec(stored.to_vec()), offset: 100, end: 200, index: 7 }
}

/// The data, or the error's text.
fn run(codec: Codec, max: usize, stored: &[u8]) -> Result<Vec<u8>, String> {
    let block = Decompressor::new(codec, &limits(max)).decompress(raw(stored)).map_err(|e| e.to_string())?;
    assert_eq!((block.rows, block.offset, block.index), (3, 100, 7));
    Ok(block.data.to_vec())
}

/// The data as the codec stores it.
pub(crate) fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    Compressor::new(codec, None).unwrap().compress(data, &mut out).unwrap();
    out
}

/// Bytes that compress a little.
fn noise(n: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as u8
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn codec_names_round_trip() {
    for codec in ALL {
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
    }
    assert_eq!(Codec::from_name("zstd"), Some(Codec::Zstandard));
    assert_eq!(Codec::from_name("lz4"), None);
    assert_eq!(Codec::from_name(""), None);
}

#[test]
fn compressor_and_decompressor_are_reusable() {
    for codec in ALL {
        let mut context = Decompressor::new(codec, &Limits::default());
        for n in [100, 0, 1, 70_000, 3, 1_000_000, 5] {
            for data in [noise(n), vec![7; n]] {
                let block = context.decompress(raw(&compress(codec, &data))).unwrap();
                assert!(*block.data == *data, "{codec:?} {n}");
            }
        }
    }
}

#[test]
fn decompress_limit_is_exact() {
    for codec in ALL {
        for n in [1, 1000, 1024, 5000, 100_000] {
            for data in [noise(n), vec![7; n]] {
                let stored = compress(codec, &data);
                assert!(run(codec, n, &stored).is_ok_and(|found| found == data), "{codec:?} {n}");
                if codec == Codec::Null {
                    continue; // the framer has checked its size
                }
                let e = Decompressor::new(codec, &limits(n - 1)).decompress(raw(&stored)).unwrap_err();
                let is_limit =
                    matches!(e.kind(), ErrorKind::Limit { limit: "block_bytes", max, .. } if *max == n as u64 - 1);
                assert!(is_limit, "{codec:?} {n}: {e}");
                assert_eq!((e.position().offset, e.position().block), (Some(100), Some(7)));
            }
        }
    }
}

#[test]
fn decompress_of_bomb_stops_at_limit() {
    for codec in ALL.into_iter().skip(1) {
        let stored = compress(codec, &vec![0; 64 << 20]);
        let found = run(codec, 1 << 20, &stored).unwrap_err();
        assert!(found.contains("`block_bytes` (1048576)"), "{codec:?}: {found}");
    }
}

#[test]
fn decompress_joins_frames_and_streams_of_a_block() {
    let (a, b) = (noise(5000), vec![1; 3000]);
    for codec in [Codec::Zstandard, Codec::Bzip2, Codec::Xz] {
        let stored = [compress(codec, &a), compress(codec, b""), compress(codec, &b)].concat();
        assert_eq!(run(codec, 8000, &stored), Ok([a.clone(), b.clone()].concat()), "{codec:?}");
        assert!(run(codec, 7999, &stored).is_err());
    }
    // Writers that stream do not say how long a frame is.
    let stored = zstd::stream::encode_all(a.as_slice(), 3).unwrap();
    assert_eq!(stated_zstandard_len(&stored), None);
    assert_eq!(run(Codec::Zstandard, 5000, &stored), Ok(a));
}

#[test]
fn decompress_of_changed_block_never_gives_other_data() {
    let data = noise(300);
    for codec in ALL.into_iter().skip(1) {
        let stored = compress(codec, &data);
        for len in 0..stored.len() {
            let found = run(codec, 1000, &stored[..len]);
            assert!(found.is_err(), "{codec:?} cut at {len} of {}", stored.len());
        }
        for at in 0..stored.len() {
            let mut stored = stored.clone();
            stored[at] ^= 0x10;
            // Deflate, and zstandard as it is written here, have no checksum: other data is all that can be had.
            let found = run(codec, 1000, &stored);
            let checked = !matches!(codec, Codec::Deflate | Codec::Zstandard);
            assert!(!checked || found.is_err() || found.is_ok_and(|f| f == data), "{codec:?} {at}");
        }
    }
}

#[test]
fn decompress_of_damaged_block_is_a_precise_error() {
    let deflated = compress(Codec::Deflate, b"some text");
    let checksum_wrong = {
        let mut stored = compress(Codec::Snappy, b"some text");
        *stored.last_mut().unwrap() ^= 1;
        stored
    };
    let at = "(block 7, file offset 100)";
    type Want = Result<&'static [u8], &'static str>;
    let cases: [(Codec, Vec<u8>, Want); 14] = [
        (Codec::Deflate, [&deflated[..], b"more"].concat(), Ok(b"some text")),
        (Codec::Deflate, vec![], Err("damaged deflate block: it is not a deflate stream")),
        (Codec::Deflate, vec![0xff; 20], Err("damaged deflate block: it is not a deflate stream")),
        (Codec::Snappy, vec![1, 2], Err("damaged snappy block: it is shorter than its checksum")),
        (Codec::Snappy, vec![0; 4], Err("damaged snappy block: it does not start with its length")),
        (Codec::Snappy, vec![0; 5], Ok(b"")),
        (
            Codec::Snappy,
            vec![0xe7, 7, 0, 0, 0, 0],
            Err("damaged snappy block: 2 bytes cannot decompress to the stated 999"),
        ),
        (
            Codec::Snappy,
            vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0],
            Err("4294967295 exceeds the limit `block_bytes` (1000); raise the limit if the data is trusted"),
        ),
        (
            Codec::Snappy,
            checksum_wrong,
            Err("damaged snappy block: the checksum of its data is 4fbabdba, expected 4fbabdbb"),
        ),
        (Codec::Zstandard, vec![], Err("damaged zstandard block: the last frame is truncated")),
        (Codec::Zstandard, b"garbage".to_vec(), Err("damaged zstandard block: Unknown frame descriptor")),
        (Codec::Bzip2, vec![], Err("damaged bzip2 block: the last stream is truncated")),
        (Codec::Bzip2, b"garbage".to_vec(), Err("damaged bzip2 block: bz2 header missing")),
        (Codec::Xz, vec![], Err("damaged xz block: the last stream is truncated")),
    ];
    check_all(cases, |(codec, stored, want)| {
        let want = want.map(<[u8]>::to_vec).map_err(|text| format!("{text} {at}"));
        assert_eq!(run(codec, 1000, &stored), want, "{codec:?} {stored:?}");
    });
}

#[test]
fn decompress_of_null_codec_does_not_copy() {
    let block = raw(&[1; 100]);
    let at = block.data.as_ptr();
    let block = Decompressor::new(Codec::Null, &Limits::default()).decompress(block).unwrap();
    assert_eq!(block.data.as_ptr(), at);
}

#[test]
fn compress_at_every_level_is_read_back() {
    let data = [noise(30_000), vec![7; 30_000]].concat();
    for codec in ALL {
        let Some((levels, usual)) = codec.levels() else {
            let error = Compressor::new(codec, Some(1)).unwrap_err().to_string();
            assert_eq!(error, format!("codec {} has no levels", codec.name()));
            continue;
        };
        assert!(levels.contains(&usual));
        for bad in [levels.start() - 1, levels.end() + 1] {
            assert!(
                Compressor::new(codec, Some(bad)).unwrap_err().to_string().contains("is not valid for"),
                "{codec:?}"
            );
        }
        for level in levels {
            let mut compressor = Compressor::new(codec, Some(level)).unwrap();
            let mut stored = b"before".to_vec();
            for data in [&data[..], &[], &data[..10]] {
                stored.truncate(6);
                compressor.compress(data, &mut stored).unwrap();
                assert_eq!(run(codec, 1 << 20, &stored[6..]).unwrap(), data, "{codec:?} {level}");
            }
        }
    }
}
