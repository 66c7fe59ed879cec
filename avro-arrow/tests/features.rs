//! Codecs whose cargo features are on, and codecs whose features are off. It holds for each set of features.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use avro_arrow::{Codec, Compressor, ErrorKind, ReaderBuilder};
use avro_testing::wire::{bytes, long};

const CODECS: [(Codec, bool); 6] = [
    (Codec::Null, true),
    (Codec::Deflate, cfg!(feature = "deflate")),
    (Codec::Snappy, cfg!(feature = "snappy")),
    (Codec::Zstandard, cfg!(feature = "zstd")),
    (Codec::Bzip2, cfg!(feature = "bzip2")),
    (Codec::Xz, cfg!(feature = "xz")),
];

/// A file with one block, which says that it has one row and holds one byte.
fn file(codec: Codec) -> Vec<u8> {
    let sync = [7; 16].to_vec();
    let metadata = [("avro.schema", "\"int\""), ("avro.codec", codec.name())];
    let metadata = metadata.map(|(key, value)| [bytes(key.as_bytes()), bytes(value.as_bytes())].concat()).concat();
    let header = [b"Obj\x01".to_vec(), long(2), metadata, long(0), sync.clone()].concat();
    [header, long(1), bytes(&[2]), sync].concat()
}

#[test]
fn codec_without_its_feature_is_an_error_that_names_the_feature() {
    for (codec, is_enabled) in CODECS {
        let error = Compressor::new(codec, None).err();
        assert_eq!(error.is_none(), is_enabled, "{codec:?}");
        let (Some(error), Some(feature)) = (error, codec.feature()) else { continue };
        let name = codec.name();
        let expected =
            format!("codec {name} is not supported by this build; enable the feature `{feature}` of avro-arrow");
        assert_eq!(error.to_string(), expected);
        // The header can be read, and the block cannot.
        let file = file(codec);
        let mut reader = ReaderBuilder::new().build(file.as_slice()).unwrap();
        let error = reader.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CodecNotEnabled { .. }), "{error}");
        assert_eq!(error.position().block, Some(0));
    }
}
