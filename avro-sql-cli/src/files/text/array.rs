//! A JSON array of rows as rows one behind the other: its brackets and commas become spaces. Whatever is no array passes unchanged.

use std::io::{self, Read};

/// The rows of a file of either kind.
pub(crate) struct Unwrapped<R> {
    read: R,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Nothing but white space yet.
    Start,
    /// There is no array around the rows.
    Bare,
    /// Inside so many brackets of the array's rows.
    Depth(usize),
    /// In a string, inside so many.
    Text(usize),
    /// After a backslash in it.
    Escape(usize),
    /// After the array.
    End,
}

impl<R> Unwrapped<R> {
    pub(crate) fn new(read: R) -> Self {
        Unwrapped { read, state: State::Start }
    }
}

impl<R: Read> Read for Unwrapped<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.read.read(to)?;
        for byte in to.iter_mut().take(n) {
            self.state = match (self.state, *byte) {
                (State::Bare, _) => break,
                (State::Start, b'[') => {
                    *byte = b' ';
                    State::Depth(0)
                }
                (State::Start, b' ' | b'\n' | b'\r' | b'\t' | 0xef | 0xbb | 0xbf) => State::Start,
                (State::Start, _) => State::Bare,
                (State::Depth(0), b',') => {
                    *byte = b' ';
                    State::Depth(0)
                }
                (State::Depth(0), b']') => {
                    *byte = b' ';
                    State::End
                }
                (State::Depth(n), b'[' | b'{') => State::Depth(n + 1),
                (State::Depth(n), b']' | b'}') => State::Depth(n.saturating_sub(1)),
                (State::Depth(n), b'"') => State::Text(n),
                (State::Text(n), b'"') => State::Depth(n),
                (State::Text(n), b'\\') => State::Escape(n),
                (State::Escape(n), _) => State::Text(n),
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
    fn brackets_and_commas_of_the_outermost_array_go() {
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
