//! A record in, a picture out: the table's text becomes an SVG of bars, as long as ours is times as fast as arrow-avro.

use std::fmt::Write;

/// A bar.
struct Bar<'a> {
    case: &'a str,
    ratio: f64,
}

const WIDTH: f64 = 860.0;
/// Where bars begin; names of cases are left of it.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 780.0;
const ROW: f64 = 20.0;
/// Longer bars are cut, or they would make all others short. Their numbers stand beside them.
const LONGEST: f64 = 12.0;

/// Colours for light and dark pages. The background is the picture's own, so that it can be read on any page.
const STYLE: &str = "
  svg { font: 12px -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif }
  .page { fill: #ffffff; stroke: #d1d9e0 } text { fill: #1f2328 } .faint { fill: #59636e }
  .title { font-size: 16px; font-weight: 600 } .group { font-weight: 600 }
  .bar { fill: #0969da } .slower { fill: #bc4c00 } .grid { stroke: #d1d9e0 } .one { stroke: #59636e }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .faint { fill: #9198a1 }
    .bar { fill: #4493f8 } .slower { fill: #db6d28 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
  }
";

/// Draws a record, whose file is called `name`. Comments but commands stand below the title.
///
/// # Errors
/// Where a line is not one of the table, or nothing can be drawn.
pub fn draw(record: &str, name: &str) -> Result<String, String> {
    let comments: Vec<&str> = record.lines().filter_map(|line| line.strip_prefix('#')).map(str::trim).collect();
    let comments: Vec<&str> = comments.into_iter().filter(|line| !line.starts_with("cargo ")).collect();
    let bars = bars(record)?;
    let longest = bars.iter().map(|bar| bar.ratio).filter(|ratio| *ratio <= LONGEST).fold(2.0, f64::max).ceil();
    let x = |ratio: f64| LEFT + ratio.min(longest) / longest * (RIGHT - LEFT);

    let mut groups: Vec<(&str, Vec<&Bar<'_>>)> = Vec::new();
    for bar in &bars {
        // Counting is not decoding, and has no part in the mean of those.
        let counts = bar.case.ends_with("-count");
        let group = if counts { "count" } else { bar.case.split(['-', '/']).next().unwrap_or(bar.case) };
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, members)) => members.push(bar),
            None => groups.push((group, vec![bar])),
        }
    }

    let mut out = String::new();
    let mut y = 34.0;
    text(&mut out, 16.0, y, "title", "Reading Avro on one core: how many times as fast as arrow-avro");
    for line in [name].iter().chain(&comments) {
        y += 18.0;
        text(&mut out, 16.0, y, "faint", line);
    }
    y += 14.0;
    let top = y;
    let mut rows = String::new();
    for (group, members) in &groups {
        y += 26.0;
        let logarithms: f64 = members.iter().map(|bar| bar.ratio.ln()).sum();
        let mean = (logarithms / members.len() as f64).exp();
        text(&mut rows, 16.0, y, "group", group);
        end_text(&mut rows, LEFT - 10.0, y, &format!("geometric mean {}", times(mean)));
        y += 6.0;
        for bar in members {
            let (class, end) = (if bar.ratio < 1.0 { "slower" } else { "bar" }, x(bar.ratio));
            text(&mut rows, 28.0, y + 14.0, "", bar.case);
            let width = end - LEFT;
            tag(
                &mut rows,
                format_args!(r#"<rect class="{class}" x="{LEFT}" y="{}" width="{width:.1}" height="14"/>"#, y + 3.0),
            );
            let cut = if bar.ratio > longest { "… " } else { "" };
            text(&mut rows, end + 6.0, y + 14.0, "", &format!("{cut}{}", times(bar.ratio)));
            y += ROW;
        }
    }
    y += 10.0;
    let mut mark = 0.0;
    while mark <= longest {
        let class = if mark == 1.0 { "one" } else { "grid" };
        tag(&mut out, format_args!(r#"<line class="{class}" x1="{0:.1}" x2="{0:.1}" y1="{top}" y2="{y}"/>"#, x(mark)));
        text(&mut out, x(mark) - 6.0, y + 16.0, "faint", &format!("{mark}×"));
        mark += if mark < 2.0 || longest <= 6.0 { 1.0 } else { 2.0 };
    }
    let height = y + 32.0;
    Ok(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">
<style>{STYLE}</style>
<rect class="page" x="0.5" y="0.5" width="{}" height="{}" rx="6"/>
{out}{rows}</svg>
"#,
        WIDTH - 1.0,
        height - 1.0,
    ))
}

/// The lines of ours on one thread that were compared with arrow-avro.
fn bars(record: &str) -> Result<Vec<Bar<'_>>, String> {
    let mut bars: Vec<Bar<'_>> = Vec::new();
    let header = crate::measure::HEADER;
    for (at, line) in record.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') || line == header {
            continue;
        }
        let wrong = || format!("line {} is not one of the table: {line}", at + 1);
        let fields: Vec<&str> = line.split('\t').collect();
        let [case, engine, threads, _, _, _, _, _, ratio] = fields[..] else { return Err(wrong()) };
        if engine == "ours" && threads == "1" && ratio != "-" {
            let ratio: f64 = ratio.parse().map_err(|_| wrong())?;
            if !(ratio.is_finite() && ratio > 0.0) {
                return Err(wrong());
            }
            bars.push(Bar { case, ratio });
        }
    }
    if bars.is_empty() { Err("no line of ours on one thread has a ratio".into()) } else { Ok(bars) }
}

fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    tag(out, format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{text}</text>"#));
}

/// Text that ends at `x`.
fn end_text(out: &mut String, x: f64, y: f64, text: &str) {
    tag(out, format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="faint" text-anchor="end">{text}</text>"#));
}

fn times(ratio: f64) -> String {
    if ratio < 100.0 { format!("{ratio:.1}×") } else { format!("{ratio:.0}×") }
}

fn tag(out: &mut String, tag: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{tag}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::draw;
    use crate::measure::HEADER;

    const RECORD: &str = "# A machine & its <cores>\n# cargo run\n@\n\
        lineitem\tours\t1\t6\t4\t0.5\t1\t1\t3.25\nlineitem\tarrow-avro\t1\t6\t4\t1.5\t1\t1\t1.00\n\
        lineitem-count\tours\t1\t6\t4\t0.5\t1\t1\t300.00\nlineitem-count\tours-decoding\t1\t6\t4\t0.5\t1\t1\t7.75\n\
        types/int32\tours\t1\t6\t4\t0.5\t1\t1\t0.50\ntypes/int64\tours\t1\t6\t4\t0.5\t1\t1\t2.00\n\
        lineitem\tours\t2\t6\t4\t0.5\t1\t1\t6.50\ntypes/map\tours\t1\t6\t4\t0.5\t1\t1\t-\n";

    #[test]
    fn a_bar_for_each_ratio() {
        let svg = draw(&RECORD.replace('@', HEADER), "2026-01-02-machine").unwrap();
        let rows = |class: &str| svg.lines().filter(|line| line.contains(class)).count();
        assert_eq!((rows("<rect class=\"bar\""), rows("<rect class=\"slower\"")), (3, 1));
        for shown in [
            ">2026-01-02-machine<",
            ">A machine &amp; its &lt;cores><",
            ">3.2×<",
            ">… 300×<",
            ">0.5×<",
            ">types/int64<",
            ">geometric mean 1.0×<",
            ">geometric mean 3.2×<",
            ">count<",
        ] {
            assert!(svg.contains(shown), "{shown} in {svg}");
        }
        for hidden in ["cargo", "6.5×", "types/map", "7.8×"] {
            assert!(!svg.contains(hidden), "{hidden} in {svg}");
        }
    }

    #[test]
    fn every_record_has_its_chart() {
        let mut charts = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/records")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().unwrap() == "tsv" {
                let name = path.file_stem().unwrap().to_string_lossy();
                let drawn = draw(&std::fs::read_to_string(&path).unwrap(), &name).unwrap();
                let kept = std::fs::read_to_string(path.with_extension("svg")).unwrap_or_default();
                assert!(drawn == kept, "draw {} again: benches/README.md says how", path.display());
                charts += 1;
            }
        }
        assert!(charts > 0);
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for (record, expected) in [
            ("", "no line"),
            ("# only a comment\n", "no line"),
            ("lineitem\tours\t1\n", "line 1 is not"),
            ("# x\nlineitem\tours\t1\t6\t4\t0.5\t1\t1\tfast\n", "line 2 is not"),
            ("lineitem\tours\t1\t6\t4\t0.5\t1\t1\t0.00\n", "line 1 is not"),
            ("lineitem\tours\t1\t6\t4\t0.5\t1\t1\tinf\n", "line 1 is not"),
        ] {
            let error = draw(record, "x").unwrap_err();
            assert!(error.contains(expected), "{record}: {error}");
        }
    }
}
