//! Indents the JSON text of one value, two spaces for each level.

/// Appends the indented text and a line break.
pub(crate) fn pretty(text: &[u8], out: &mut Vec<u8>) {
    let mut depth = 0;
    let mut bytes = text.iter().copied().peekable();
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + depth * 2, b' ');
    };
    while let Some(byte) = bytes.next() {
        out.push(byte);
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next() {
                    out.push(byte);
                    match byte {
                        b'"' => break,
                        b'\\' => out.extend(bytes.next()),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => match bytes.next_if(|next| matches!(next, b'}' | b']')) {
                Some(close) => out.push(close),
                None => {
                    depth += 1;
                    line(depth, out);
                }
            },
            b',' => line(depth, out),
            b':' => out.push(b' '),
            _ => {}
        }
        if bytes.peek().is_some_and(|next| matches!(next, b'}' | b']')) {
            depth -= 1;
            line(depth, out);
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;
    use serde_json::Value as Json;

    #[test]
    fn pretty_matches_serde_json() {
        let cases = [
            "1",
            "[]",
            "{}",
            r#""a""#,
            r#"[1,[],{},[2,[3]],"]"]"#,
            r#"{"a":{"b\"":[{"c":null},{}]},"d":"{[,:\\"}"#,
            r#"[[[[1]]],[[]]]"#,
        ];
        check_all(cases, |text| {
            let mut out = Vec::new();
            pretty(text.as_bytes(), &mut out);
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&json).unwrap() + "\n");
        });
    }
}
