//! Readers as Arrow's `RecordBatchReader`s, and errors that pass through `ArrowError`.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow_array::RecordBatchReader;
use arrow_schema::ArrowError;
use avro_arrow::{Error, ErrorKind, ReaderBuilder};

fn file() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/primitives.avro")).unwrap()
}

fn n_rows(reader: impl RecordBatchReader) -> usize {
    let schema = reader.schema();
    let batches = reader.map(Result::unwrap).inspect(|batch| assert_eq!(batch.schema(), schema));
    batches.map(|batch| batch.num_rows()).sum()
}

#[test]
fn readers_convert_to_record_batch_readers() {
    let file = file();
    let one = ReaderBuilder::new().build(file.as_slice()).unwrap().into_record_batch_reader();
    let two = ReaderBuilder::new().build_parallel(std::io::Cursor::new(file.clone()), 2).unwrap();
    // As APIs take it that hand readers to other threads or languages.
    let boxed: Box<dyn RecordBatchReader + Send> = Box::new(two.into_record_batch_reader());
    let n = n_rows(one);
    assert!(n > 0);
    assert_eq!(n_rows(boxed), n);
}

#[test]
fn error_in_arrow_error_keeps_kind_and_position() {
    let file = file();
    let reader = ReaderBuilder::new().build(&file[..file.len() - 1]).unwrap();
    let error = reader.into_record_batch_reader().find_map(Result::err).unwrap();
    assert!(matches!(error, ArrowError::ExternalError(_)), "{error:?}");
    let error = Error::from(error);
    assert!(matches!(error.kind(), ErrorKind::Truncated { .. }), "{error:?}");
    assert!(error.position().offset.is_some());
    let other = Error::from(ArrowError::DivideByZero);
    assert!(matches!(other.kind(), ErrorKind::Arrow(ArrowError::DivideByZero)), "{other:?}");
}
