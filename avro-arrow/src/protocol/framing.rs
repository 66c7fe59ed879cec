//! Framing of messages on a transport: bytes in any pieces to whole messages, and back.

// SPEC: Protocol Wire Format, Message Framing: a message is "a list of buffers", each "a four-byte, big-endian buffer
// length" and its bytes, "always terminated by a zero-length buffer".
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use std::io::{self, Read};

/// Maximum size of the buffers that [`write_frames`] writes, as in other implementations.
const BUFFER_BYTES: usize = 8 << 10;

/// Joins the buffers of messages. It has memory for the bytes that came, never for those that a length announces.
///
/// ```
/// use avro_arrow::Limits;
/// use avro_arrow::protocol::{FrameDecoder, write_frames};
///
/// let mut bytes = Vec::new();
/// write_frames(b"one", &mut bytes);
/// write_frames(b"two", &mut bytes);
/// let (mut decoder, mut rest) = (FrameDecoder::new(&Limits::default()), bytes.as_slice());
/// assert_eq!(decoder.feed(&mut rest)?, Some(b"one".to_vec()));
/// assert_eq!(decoder.feed(&mut rest)?, Some(b"two".to_vec()));
/// assert_eq!(decoder.feed(&mut rest)?, None);
/// # Ok::<(), avro_arrow::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    message: Vec<u8>,
    /// The bytes of the next length.
    head: Vec<u8>,
    /// Bytes of the current buffer that are still to come.
    left: usize,
    max: usize,
}

impl FrameDecoder {
    /// Creates a decoder of messages of at most [`Limits::block_bytes`].
    pub fn new(limits: &Limits) -> FrameDecoder {
        FrameDecoder { message: Vec::new(), head: Vec::new(), left: 0, max: limits.block_bytes }
    }

    /// Takes bytes up to the end of a message, and returns the message once it is whole.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Limit`] if a message is larger than the limit. The transport cannot be used then.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let (taken, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.message.extend_from_slice(taken);
                self.left -= taken.len();
                *bytes = rest;
                continue;
            }
            self.head.push(*first);
            *bytes = rest;
            let Ok(head) = self.head.as_slice().try_into() else { continue };
            self.head.clear();
            let len = u64::from(u32::from_be_bytes(head));
            if len == 0 {
                return Ok(Some(std::mem::take(&mut self.message)));
            }
            let (value, max) = (self.message.len() as u64 + len, self.max as u64);
            if value > max {
                return Err(ErrorKind::Limit { limit: "block_bytes", value, max }.into());
            }
            self.left = len as usize;
        }
        Ok(None)
    }

    /// Whether no message has begun, so that the transport may end.
    pub fn is_empty(&self) -> bool {
        self.left == 0 && self.head.is_empty() && self.message.is_empty()
    }
}

/// Appends a message as buffers and their end.
pub fn write_frames(message: &[u8], out: &mut Vec<u8>) {
    for buffer in message.chunks(BUFFER_BYTES) {
        out.extend_from_slice(&(buffer.len() as u32).to_be_bytes());
        out.extend_from_slice(buffer);
    }
    out.extend_from_slice(&[0; 4]);
}

/// Reads one message, and nothing after it.
///
/// # Errors
/// Fails with [`ErrorKind::Io`] if reading fails or the transport ends before the message does, and as
/// [`FrameDecoder::feed`] does.
pub fn read_frames(read: &mut impl Read, limits: &Limits) -> Result<Vec<u8>> {
    let mut decoder = FrameDecoder::new(limits);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        // Exactly what belongs to the message: the rest of a buffer, or of the next length.
        let wanted = if decoder.left > 0 { decoder.left.min(BUFFER_BYTES) } else { 4 - decoder.head.len() };
        let n = match read.read(buffer.get_mut(..wanted).unwrap_or_default()) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        if let Some(message) = decoder.feed(&mut buffer.get(..n).unwrap_or_default())? {
            return Ok(message);
        }
    }
}
