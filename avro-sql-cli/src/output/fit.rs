//! How a table fits a terminal: the widths that columns want in, the widths that they get out.
//!
//! While all columns fit, nothing happens. Then the widest are narrowed until it fits, and what is longer is cut. Where that
//! would make columns too narrow to read, those in the middle are left out: the first and the last say most about a row.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns are not made narrower than this.
const NARROWEST: usize = 10;

/// Stands for what was cut or left out.
pub(super) const CUT: &str = "…";

/// What a table shows at one place of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A column, so wide.
    Column { idx: usize, width: usize },
    /// The mark of columns that are left out.
    Gap,
}

/// The places of a line, for columns that want these widths, in a frame of at most `max` columns of the terminal.
pub(super) fn fit(wanted: &[usize], max: Option<usize>) -> Vec<Place> {
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

/// The width that no column may go beyond for these columns to fit; `None` where that is too narrow to read.
fn cap(columns: &[usize], wanted: &[usize], max: usize) -> Option<usize> {
    let widths = || columns.iter().filter_map(|idx| wanted.get(*idx).copied());
    // Each column has a blank on both sides and a line behind it; the table has one in front.
    let room = max.checked_sub(1 + 3 * columns.len())?;
    if widths().sum::<usize>() <= room {
        return Some(usize::MAX);
    }
    let fits = |cap: usize| widths().map(|width| width.min(cap)).sum::<usize>() <= room;
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

fn places(columns: &[usize], wanted: &[usize], cap: usize, gap: Option<usize>) -> Vec<Place> {
    let mut places = Vec::with_capacity(columns.len() + 1);
    for (n, idx) in columns.iter().enumerate() {
        if gap == Some(n) {
            places.push(Place::Gap);
        }
        places.push(Place::Column { idx: *idx, width: wanted.get(*idx).map_or(0, |width| (*width).min(cap)) });
    }
    if gap == Some(columns.len()) {
        places.push(Place::Gap);
    }
    places
}

/// Columns of the terminal that the widest line takes.
pub(super) fn width(cell: &str) -> usize {
    cell.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// As much of a line as fits, and the mark where that is not all.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The places as text: `column:width`, and `…` for the gap.
    fn shown(wanted: &[usize], max: Option<usize>) -> String {
        let text = |place: &Place| match place {
            Place::Column { idx, width } => format!("{idx}:{width}"),
            Place::Gap => CUT.to_owned(),
        };
        fit(wanted, max).iter().map(text).collect::<Vec<_>>().join(" ")
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
        for (wanted, max, expected) in cases {
            assert_eq!(shown(wanted, max), expected, "{wanted:?} {max:?}");
        }
    }

    #[test]
    fn what_is_shown_never_takes_more_than_there_is() {
        for n in 1..30 {
            for max in 20..120 {
                let wanted: Vec<usize> = (0..n).map(|i| 1 + i * 7 % 31).collect();
                let wide = |place: &Place| match place {
                    Place::Column { width, .. } => width + 3,
                    Place::Gap => 4,
                };
                let total: usize = 1 + fit(&wanted, Some(max)).iter().map(wide).sum::<usize>();
                assert!(total <= max, "{n} columns take {total} of {max}");
            }
        }
    }

    #[test]
    fn cut_lines_are_as_wide_as_their_place_at_most() {
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
