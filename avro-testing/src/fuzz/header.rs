//! The first bytes of a file in: the header is the same however much of the file is there.

use super::limits;
use avro_arrow::container::Header;
use avro_arrow::{Error, ErrorKind};

/// The fuzz target for headers: what is said of a part of a file is not taken back when there is more of it.
///
/// # Panics
/// Where it is, or where the reader of headers says otherwise than their parser.
pub fn header(bytes: &[u8]) {
    let limits = limits();
    let whole = Header::parse(bytes, &limits);
    for len in lens(bytes.len(), whole.as_ref().map_or(0, |header| header.as_ref().map_or(0, |h| h.len as usize))) {
        let part = bytes.get(..len).unwrap_or_default();
        match (&Header::parse(part, &limits), &whole) {
            (Ok(None), Ok(Some(whole))) => assert!((len as u64) < whole.len, "{len} bytes are enough"),
            (Ok(None), Ok(None)) => {}
            (Ok(None), Err(_)) => assert!(len < bytes.len(), "the same bytes"),
            (Ok(Some(part)), Ok(Some(whole))) => assert_same(part, whole, len as u64),
            (Err(part), Err(whole)) => assert_eq!(reason(part), reason(whole), "of {len} bytes"),
            (part, whole) => {
                assert!(part.is_ok() == whole.is_ok() && part.is_err(), "of {len} bytes other than of all")
            }
        }
    }
    match (Header::read(&mut &*bytes, &limits), whole) {
        (Ok((read, rest)), Ok(Some(whole))) => {
            assert_same(&read, &whole, bytes.len() as u64);
            assert!(bytes.ends_with(&rest) && whole.len as usize + rest.len() == bytes.len(), "the rest");
        }
        (Err(read), Ok(None)) => {
            let at_end = matches!(read.kind(), ErrorKind::Truncated { .. } | ErrorKind::NotAvro { .. });
            assert!(at_end, "{read}");
        }
        (Err(read), Err(whole)) => assert_eq!(reason(&read), reason(&whole)),
        (read, whole) => assert!(read.is_ok() == whole.is_ok() && read.is_err(), "read other than parsed"),
    }
}

/// What is wrong, but for how much is known of what is there instead.
fn reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotAvro { .. } => "not Avro".into(),
        _ => error.to_string(),
    }
}

fn assert_same(part: &Header, whole: &Header, len: u64) {
    assert!(part.len <= len && part.len == whole.len, "a header of {} and of {} bytes", part.len, whole.len);
    assert_eq!(part.schema, whole.schema);
    assert_eq!((part.codec, part.sync, &part.metadata), (whole.codec, whole.sync, &whole.metadata));
    assert!(part.metadata.iter().any(|(key, _)| key == "avro.schema"), "a header without a schema");
}

/// How much of a file to look at: all of its beginnings where it is short, else some, and those around the header's
/// end.
fn lens(len: usize, header: usize) -> impl Iterator<Item = usize> {
    let step = (len / 40).max(1);
    (0..=len).filter(move |at| at % step == 0 || at.abs_diff(header) < 3 || *at == len)
}
