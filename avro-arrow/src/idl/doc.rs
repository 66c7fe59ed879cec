//! The text of a documentation comment in, the documentation out; and back.

/// The ends of lines, of which `\r\n` is one.
const ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Returns the documentation of a comment, given with `/**` and `*/`. If each line starts with one star or with two,
/// these are removed, with the white space before them and one character of white space after them. Otherwise, the
/// white space that all lines but the first start with is removed.
// SPEC: IDL, Comments. The specification says "any indentation"; the rule here is that of the Java implementation.
pub(super) fn text(comment: &str) -> String {
    let inner = comment.get(3..comment.len().saturating_sub(2)).unwrap_or_default();
    let inner = inner.trim_matches(|c| c <= ' ');
    let lines = lines(inner);
    for stars in ["**", "*"] {
        let starts = |(at, (line, _)): (usize, &(&str, &str))| {
            if at == 0 { line.starts_with(stars) } else { line.trim_start_matches(is_blank).starts_with(stars) }
        };
        if lines.iter().enumerate().all(starts) {
            let stripped = lines.iter().map(|(line, end)| {
                let line = line.trim_start_matches(is_blank);
                let line = line.strip_prefix(stars).unwrap_or(line);
                format!("{}{end}", line.strip_prefix(is_blank).unwrap_or(line))
            });
            return stripped.collect();
        }
    }
    let mut later = lines.iter().skip(1).map(|(line, _)| *line);
    let first = later.next().unwrap_or_default();
    let mut indent = first.get(..first.len() - first.trim_start_matches(is_blank).len()).unwrap_or_default();
    for line in later {
        let common = indent.char_indices().zip(line.chars()).take_while(|((_, a), b)| a == b);
        let len = common.last().map_or(0, |((at, c), _)| at + c.len_utf8());
        indent = indent.get(..len).unwrap_or_default();
    }
    let stripped = lines.iter().enumerate().map(|(at, (line, end))| {
        let line = if at == 0 { line } else { line.strip_prefix(indent).unwrap_or(line) };
        format!("{line}{end}")
    });
    stripped.collect()
}

/// Returns the comment whose documentation is this text, with its lines indented. Two things do not survive: white
/// space at the end, and `*/`, which gets a space.
pub(super) fn comment(doc: &str, indent: &str) -> String {
    let doc = doc.replace("*/", "* /");
    let is_plain = !doc.starts_with('*') && !doc.starts_with(|c| c <= ' ') && !doc.contains(ENDS) && !doc.is_empty();
    if is_plain {
        return format!("{indent}/** {} */\n", doc.trim_end_matches(|c| c <= ' '));
    }
    if doc.is_empty() {
        return format!("{indent}/** */\n");
    }
    let mut comment = format!("{indent}/**\n");
    for (line, end) in lines(&doc) {
        let space = if line.is_empty() { "" } else { " " };
        let end = if end.is_empty() { "\n" } else { end };
        comment.push_str(&format!("{indent} *{space}{line}{end}"));
    }
    comment + indent + " */\n"
}

/// Splits a text into lines and their ends.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ENDS) {
        let (line, end) = rest.split_at(at);
        let len = if end.starts_with("\r\n") { 2 } else { end.chars().next().map_or(0, char::len_utf8) };
        let (end, after) = end.split_at(len);
        lines.push((line, end));
        rest = after;
    }
    lines.push((rest, ""));
    lines
}

/// Whether this is white space inside a line.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && !ENDS.contains(&c) && !matches!(c, '\u{b}' | '\u{c}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn indentation_of_comments_is_removed() {
        let cases = [
            ("/** a */", "a"),
            ("/***/", ""),
            ("/** */", ""),
            ("/** * a */", "a"),
            ("/*** a */", "a"),
            ("/**\n * a\n *  b\n *\n * c\n */", "a\n b\n\nc"),
            ("/**\n ** a\n ** b\n */", "a\nb"),
            ("/**\n ** a\n * b\n */", "* a\nb"),
            ("/**\n * a\n b\n */", "* a\nb"),
            ("/** a\n    b\n      c\n    d */", "a\nb\n  c\nd"),
            ("/** a\n    b\n  c */", "a\n  b\nc"),
            ("/** a\n\t b\n\t\tc */", "a\n b\n\tc"),
            ("/** a\n    b\n\n    c */", "a\n    b\n\n    c"),
            ("/**\r\n * a\r\n * b\r\n */", "a\r\nb"),
        ];
        check_all(cases, |(comment, expected)| {
            assert_eq!(text(comment), expected, "{comment}");
        });
    }

    #[test]
    fn documentation_survives_its_comment() {
        let cases = [
            "a",
            "",
            "*a",
            "**",
            " a",
            "a\nb",
            "\na",
            "a\n",
            "a\n\n  b\n",
            "* a\n* b",
            "/",
            "a\r\nb\rc",
            "a\u{2028} b",
        ];
        check_all(cases, |doc| {
            for indent in ["", "  "] {
                assert_eq!(text(comment(doc, indent).trim()), doc, "{}", comment(doc, indent));
            }
        });
        assert_eq!(text(comment("a*/b", "").trim()), "a* /b");
        assert_eq!(text(comment("a ", "").trim()), "a");
    }
}
