//! Table layout: the column widths that fit a terminal.
//!
//! If all columns fit, they keep their widths. Otherwise the widest are narrowed, and longer values wrapped or cut;
//! columns of numbers keep their widths. If columns would become too narrow to read, those in the middle are left out:
//! the first and the last columns say most about a row.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Minimum width of a narrowed column.
const NARROWEST: usize = 10;

/// Marks what was cut or left out.
pub(super) const CUT: &str = "…";

/// The width that a column wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The width of its widest value.
    pub(super) width: usize,
    /// The width below which it must not be narrowed, because its values cannot be cut.
    pub(super) min: usize,
}

impl Wanted {
    /// Returns the width if columns are narrowed to `cap`.
    fn capped(self, cap: usize) -> usize {
        self.width.min(cap.max(self.min))
    }
}

/// What a table shows at one position of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayoutCell {
    /// A column of this width.
    Column { idx: usize, width: usize },
    /// The mark of columns that are left out.
    Gap,
}

/// Returns the layout for columns with the `wanted` widths in a frame of at most `max` terminal columns. A single
/// column of numbers may need more.
pub(super) fn fit(wanted: &[Wanted], max: Option<usize>) -> Vec<LayoutCell> {
    let all: Vec<usize> = (0..wanted.len()).collect();
    let Some(max) = max else { return places(&all, wanted, usize::MAX, None) };
    if let Some(cap) = cap(&all, wanted, max) {
        return places(&all, wanted, cap, None);
    }
    // The gap is a column of width 1. Columns are kept in pairs from both ends, the first before the last.
    let room = max.saturating_sub(4);
    let mut kept = Vec::new();
    let (mut front, mut back) = (0, wanted.len());
    while front < back {
        let next = if kept.len() % 2 == 0 { front } else { back - 1 };
        kept.push(next);
        if cap(&kept, wanted, room).is_none() && kept.len() > 1 {
            kept.pop();
            break;
        }
        if next == front { front += 1 } else { back -= 1 }
    }
    if kept.len() == wanted.len() {
        return places(&all, wanted, max.saturating_sub(4).max(1), None); // a single column, which is cut
    }
    kept.sort_unstable();
    let cap = cap(&kept, wanted, room).unwrap_or_else(|| room.saturating_sub(4).max(1));
    places(&kept, wanted, cap, Some(front))
}

/// Whether all columns keep the `wanted` widths in a frame of at most `max` terminal columns.
pub(super) fn fits(wanted: &[Wanted], max: Option<usize>) -> bool {
    let all: Vec<usize> = (0..wanted.len()).collect();
    max.is_none_or(|max| cap(&all, wanted, max) == Some(usize::MAX))
}

/// Returns the maximum width with which these columns fit, or `None` if it is too narrow to read.
fn cap(columns: &[usize], wanted: &[Wanted], max: usize) -> Option<usize> {
    let widths = || columns.iter().filter_map(|idx| wanted.get(*idx).copied());
    // Each column has a blank on both sides and a line after it; the table has a line before the first.
    let room = max.checked_sub(1 + 3 * columns.len())?;
    if widths().map(|wanted| wanted.width).sum::<usize>() <= room {
        return Some(usize::MAX);
    }
    let fits = |cap: usize| widths().map(|wanted| wanted.capped(cap)).sum::<usize>() <= room;
    if !fits(NARROWEST) {
        return None;
    }
    let (mut least, mut most) = (NARROWEST, room + 1); // the first fits, the last does not
    while most - least > 1 {
        let middle = least.midpoint(most);
        if fits(middle) { least = middle } else { most = middle }
    }
    Some(least)
}

fn places(columns: &[usize], wanted: &[Wanted], cap: usize, gap: Option<usize>) -> Vec<LayoutCell> {
    let mut places = Vec::with_capacity(columns.len() + 1);
    for (n, idx) in columns.iter().enumerate() {
        if gap == Some(n) {
            places.push(LayoutCell::Gap);
        }
        places.push(LayoutCell::Column { idx: *idx, width: wanted.get(*idx).map_or(0, |wanted| wanted.capped(cap)) });
    }
    if gap == Some(columns.len()) {
        places.push(LayoutCell::Gap);
    }
    places
}

/// Returns the terminal columns of the widest line.
pub(super) fn width(cell: &str) -> usize {
    cell.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Returns as much of a line as fits, with the mark if it is cut.
pub(super) fn cut(line: &str, width: usize) -> (String, bool) {
    if line.width() <= width {
        return (line.to_owned(), false);
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in line.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        kept.push(c);
    }
    kept.push_str(CUT);
    (kept, true)
}

/// Breaks nested values into lines of this width, after commas and colons where possible. Returns whether a part is
/// missing after `max` lines.
pub(super) fn wrap(text: &str, width: usize, max: usize) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if lines.len() + 1 == max && rest.width() > width {
            lines.push(cut(rest, width).0);
            return (lines, true);
        }
        let (mut fits, mut used, mut after_comma) = (0, 0, 0);
        for (at, c) in rest.char_indices() {
            used += c.width().unwrap_or(0);
            if used > width.max(1) && fits > 0 {
                break;
            }
            fits = at + c.len_utf8();
            if matches!(c, ',' | ':' | ' ') {
                after_comma = fits;
            }
        }
        let end = if fits == rest.len() || after_comma == 0 { fits } else { after_comma };
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        lines.push(line.to_owned());
        rest = after;
    }
    (lines, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    /// Shows a layout as text: `column:width`, and `…` for the gap.
    fn shown(wanted: &[usize], max: Option<usize>) -> String {
        let wanted: Vec<_> = wanted.iter().map(|width| Wanted { width: *width, min: 0 }).collect();
        text_of(&fit(&wanted, max))
    }

    fn text_of(layout: &[LayoutCell]) -> String {
        let text = |place: &LayoutCell| match place {
            LayoutCell::Column { idx, width } => format!("{idx}:{width}"),
            LayoutCell::Gap => CUT.to_owned(),
        };
        layout.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_of_numbers_are_not_narrowed() {
        let number = |width| Wanted { width, min: width };
        let text = |width| Wanted { width, min: 0 };
        let cases: [(&[Wanted], usize, &str); 4] = [
            (&[number(20), text(60)], 60, "0:20 1:33"),
            (&[number(20), number(20), text(10)], 60, "0:20 1:20 2:10"),
            (&[number(30), number(30), text(10)], 60, "0:30 … 2:10"),
            (&[number(40)], 20, "0:40"),
        ];
        check_all(cases, |(wanted, max, expected)| {
            assert_eq!(text_of(&fit(wanted, Some(max))), expected, "{wanted:?} {max}");
        });
    }

    #[test]
    fn nested_values_are_wrapped_after_commas_and_colons() {
        let cases: [(&str, usize, &[&str], bool); 7] = [
            ("[1,2]", 9, &["[1,2]"], false),
            ("{\"a\":1,\"b\":22,\"c\":3}", 9, &["{\"a\":1,", "\"b\":22,", "\"c\":3}"], false),
            ("{\"city\":\"Quito\"}", 9, &["{\"city\":", "\"Quito\"}"], false),
            ("\"abcdefghijkl\"", 6, &["\"abcde", "fghijk", "l\""], false),
            ("日本語", 4, &["日本", "語"], false),
            ("[1,2,3,4,5,6]", 3, &["[1,", "2,", "3,", "4,…"], true),
            ("ab", 0, &["a", "b"], false),
        ];
        check_all(cases, |(text, width, expected, missing)| {
            let (lines, is_cut) = wrap(text, width, 4);
            assert_eq!((lines.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), is_cut), (expected, missing));
        });
    }

    #[test]
    fn columns_are_narrowed_then_left_out() {
        let cases: [(&[usize], Option<usize>, &str); 13] = [
            (&[5, 500], None, "0:5 1:500"),
            (&[5, 6], Some(18), "0:5 1:6"),
            (&[5, 60], Some(40), "0:5 1:28"),
            (&[50, 60, 3], Some(60), "0:23 1:23 2:3"),
            (&[12, 12], Some(30), "0:11 1:11"),
            (&[12, 12, 12, 12], Some(60), "0:11 1:11 2:11 3:11"),
            (&[30, 30, 30, 30], Some(45), "0:10 1:10 … 3:10"),
            (&[5, 30, 30, 30, 5], Some(45), "0:5 1:21 … 4:5"),
            (&[1; 40], Some(21), "0:1 1:1 … 38:1 39:1"),
            (&[30], Some(20), "0:16"),
            (&[30], Some(5), "0:1"),
            (&[30, 30], Some(14), "0:6 …"),
            (&[], Some(5), ""),
        ];
        check_all(cases, |(wanted, max, expected)| {
            assert_eq!(shown(wanted, max), expected, "{wanted:?} {max:?}");
        });
    }

    #[test]
    fn fit_never_exceeds_max_width() {
        for n in 1..30 {
            for max in 20..120 {
                let wanted: Vec<usize> = (0..n).map(|i| 1 + i * 7 % 31).collect();
                let wide = |place: &LayoutCell| match place {
                    LayoutCell::Column { width, .. } => width + 3,
                    LayoutCell::Gap => 4,
                };
                let wanted: Vec<_> = wanted.into_iter().map(|width| Wanted { width, min: 0 }).collect();
                let total: usize = 1 + fit(&wanted, Some(max)).iter().map(wide).sum::<usize>();
                assert!(total <= max, "{n} columns take {total} of {max}");
            }
        }
    }

    #[test]
    fn cut_line_fits_width() {
        for (line, width, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 4, "日…"),
            ("日本語", 6, "日本語"),
            ("ab", 1, "…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(line, width).0, expected);
        }
    }
}
