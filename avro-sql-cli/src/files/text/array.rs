//! Unwraps a JSON array of rows: its brackets and commas become spaces. Other input passes unchanged.

use std::io::{self, Read};

/// The unwrapped bytes of a reader.
pub(crate) struct Unwrapped<R> {
    read: R,
    state: UnwrapState,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum UnwrapState {
    /// Only white space so far.
    Start,
    /// There is no array.
    Bare,
    /// Inside the array, at this depth of brackets.
    Depth(usize),
    /// In a string at this depth.
    Text(usize),
    /// After a backslash in a string.
    Escape(usize),
    /// After the array.
    End,
}

impl<R> Unwrapped<R> {
    pub(crate) fn new(read: R) -> Self {
        Unwrapped { read, state: UnwrapState::Start }
    }
}

impl<R: Read> Read for Unwrapped<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.read.read(to)?;
        for byte in to.iter_mut().take(n) {
            self.state = match (self.state, *byte) {
                (UnwrapState::Bare, _) => break,
                (UnwrapState::Start, b'[') => {
                    *byte = b' ';
                    UnwrapState::Depth(0)
                }
                (UnwrapState::Start, b' ' | b'\n' | b'\r' | b'\t' | 0xef | 0xbb | 0xbf) => UnwrapState::Start,
                (UnwrapState::Start, _) => UnwrapState::Bare,
                (UnwrapState::Depth(0), b',') => {
                    *byte = b' ';
                    UnwrapState::Depth(0)
                }
                (UnwrapState::Depth(0), b']') => {
                    *byte = b' ';
                    UnwrapState::End
                }
                (UnwrapState::Depth(n), b'[' | b'{') => UnwrapState::Depth(n + 1),
                (UnwrapState::Depth(n), b']' | b'}') => UnwrapState::Depth(n.saturating_sub(1)),
                (UnwrapState::Depth(n), b'"') => UnwrapState::Text(n),
                (UnwrapState::Text(n), b'"') => UnwrapState::Depth(n),
                (UnwrapState::Text(n), b'\\') => UnwrapState::Escape(n),
                (UnwrapState::Escape(n), _) => UnwrapState::Text(n),
                (state, _) => state,
            };
        }
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unwrapped_array_loses_outer_brackets_and_commas() {
        for (text, want) in [
            (r#" [{"a":[1,2],"b":"],\""},{"c":{}}] "#, r#"  {"a":[1,2],"b":"],\""} {"c":{}}  "#),
            ("{\"a\":[1,2]}\n{}", "{\"a\":[1,2]}\n{}"),
            ("[]", "  "),
        ] {
            let mut read = String::new();
            Unwrapped::new(text.as_bytes()).read_to_string(&mut read).unwrap();
            assert_eq!(read, want);
        }
    }
}
