//! How `printf` and `format` write one value.

use datafusion::common::{Result, exec_err};

/// The form of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    pub(super) fill: char,
    /// `<`, `>` or `^`; without it, numbers go right and text left.
    pub(super) align: Option<char>,
    /// `+` or a space before numbers that are not negative.
    pub(super) sign: Option<char>,
    pub(super) is_alternate: bool,
    pub(super) is_zero_filled: bool,
    pub(super) width: usize,
    /// The separator of thousands.
    pub(super) thousands: Option<char>,
    pub(super) precision: Option<usize>,
    /// The type: a letter such as `d`, `s` or `f`.
    pub(super) kind: Option<char>,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            fill: ' ',
            align: None,
            sign: None,
            is_alternate: false,
            is_zero_filled: false,
            width: 0,
            thousands: None,
            precision: None,
            kind: None,
        }
    }
}

/// A number to be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum SpecNumber {
    Int(i64),
    Float(f64),
}

/// Maximum width and precision, which bound the text of a row.
const WIDTH_MAX: usize = 10_000;

impl Spec {
    /// Rejects a form that fits no value.
    pub(super) fn check(&self, format: &str) -> Result<()> {
        if self.width > WIDTH_MAX || self.precision.is_some_and(|precision| precision > WIDTH_MAX) {
            return exec_err!("'{format}' has a width or a precision beyond {WIDTH_MAX}");
        }
        match self.kind {
            Some(kind) if !"diuxXobBcsfFeEgGaA".contains(kind) => {
                exec_err!("'{format}' has a place of type `{kind}`; use d, s, f, e, g, x, o, b or c")
            }
            _ => Ok(()),
        }
    }

    /// Whether the type is one of floating-point numbers.
    pub(super) fn is_of_floats(&self) -> bool {
        matches!(self.kind, Some('f' | 'F' | 'e' | 'E' | 'g' | 'G'))
    }

    pub(super) fn text(&self, text: &str, to: &mut String) -> Result<()> {
        if !matches!(self.kind, None | Some('s')) {
            return exec_err!("type `{}` needs a number, not the text '{text}'", self.kind.unwrap_or(' '));
        }
        match self.precision {
            Some(n) => self.padded("", &text.chars().take(n).collect::<String>(), '<', to),
            None => self.padded("", text, '<', to),
        }
        Ok(())
    }

    pub(super) fn number(&self, number: SpecNumber, to: &mut String) -> Result<()> {
        let (is_negative, digits) = match number {
            SpecNumber::Int(n) => match self.kind {
                Some('c') => {
                    let c = u32::try_from(n).ok().and_then(char::from_u32);
                    let Some(c) = c else { return exec_err!("{n} is not the code of a character") };
                    self.padded("", &c.to_string(), '<', to);
                    return Ok(());
                }
                _ if self.is_of_floats() => (n < 0, self.float((n as f64).abs())?),
                _ => (n < 0, self.integer(n.unsigned_abs())?),
            },
            SpecNumber::Float(n) => (n.is_sign_negative() && !n.is_nan(), self.float(n.abs())?),
        };
        let sign = match (is_negative, self.sign) {
            (true, _) => "-".to_owned(),
            (false, Some(sign)) => sign.to_string(),
            (false, None) => String::new(),
        };
        self.padded(&sign, &digits, '>', to);
        Ok(())
    }

    fn integer(&self, n: u64) -> Result<String> {
        let prefix = |prefix: &'static str| if self.is_alternate { prefix } else { "" };
        Ok(match self.kind {
            None | Some('d' | 'i' | 'u' | 's') => self.grouped(&n.to_string()),
            Some('x') => format!("{}{n:x}", prefix("0x")),
            Some('X') => format!("{}{n:X}", prefix("0X")),
            Some('o') => format!("{}{n:o}", prefix("0")),
            Some('b' | 'B') => format!("{}{n:b}", prefix("0b")),
            Some(kind) => return exec_err!("type `{kind}` does not fit an integer"),
        })
    }

    fn float(&self, n: f64) -> Result<String> {
        if !n.is_finite() {
            return Ok(if n.is_nan() { "nan" } else { "inf" }.to_owned());
        }
        let precision = self.precision.unwrap_or(6);
        Ok(match self.kind {
            Some('f' | 'F') => self.grouped(&format!("{n:.precision$}")),
            Some(kind @ ('e' | 'E')) => exponent(n, precision, kind),
            Some(kind @ ('g' | 'G')) => self.general(n, precision.max(1), kind),
            None | Some('s') => match self.precision {
                Some(precision) => self.general(n, precision.max(1), 'g'),
                None => self.grouped(&shortest(n)),
            },
            Some(kind) => return exec_err!("type `{kind}` does not fit the number {n}; cast it to BIGINT, or use %f"),
        })
    }

    /// Writes a number of significant digits, as `%g` does.
    fn general(&self, n: f64, digits: usize, kind: char) -> String {
        let scientific = exponent(n, digits - 1, if kind == 'G' { 'E' } else { 'e' });
        let power: i64 = scientific.rsplit(['e', 'E']).next().and_then(|power| power.parse().ok()).unwrap_or(0);
        let digits = i64::try_from(digits).unwrap_or(i64::MAX);
        if (-4..digits).contains(&power) {
            let precision = usize::try_from(digits - 1 - power).unwrap_or(0);
            return self.grouped(&self.trimmed(&format!("{n:.precision$}")));
        }
        let (mantissa, power) = scientific.split_at(scientific.find(['e', 'E']).unwrap_or(scientific.len()));
        format!("{}{power}", self.trimmed(mantissa))
    }

    fn trimmed(&self, text: &str) -> String {
        if self.is_alternate || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Separates the thousands of an integral part.
    fn grouped(&self, text: &str) -> String {
        let Some(separator) = self.thousands else { return text.to_owned() };
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (integral, rest) = text.split_at(end);
        let mut out = String::new();
        for (at, digit) in integral.chars().enumerate() {
            if at > 0 && (integral.len() - at) % 3 == 0 {
                out.push(separator);
            }
            out.push(digit);
        }
        out + rest
    }

    fn padded(&self, sign: &str, text: &str, default: char, to: &mut String) {
        let n = self.width.saturating_sub(sign.len() + text.chars().count());
        let is_number = default == '>';
        let is_filled = self.is_zero_filled && is_number && self.align != Some('<');
        let (before, after) = match self.align.unwrap_or(default) {
            _ if is_filled => (0, 0),
            '<' => (0, n),
            '^' => (n / 2, n - n / 2),
            _ => (n, 0),
        };
        to.extend(std::iter::repeat_n(self.fill, before));
        to.push_str(sign);
        if is_filled {
            to.extend(std::iter::repeat_n('0', n));
        }
        to.push_str(text);
        to.extend(std::iter::repeat_n(self.fill, after));
    }
}

/// Writes an exponent of at least two digits with its sign, as C does.
fn exponent(n: f64, precision: usize, kind: char) -> String {
    let text = format!("{n:.precision$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}{kind}{sign}{power:0>2}")
}

/// Returns the shortest text that parses to this number.
fn shortest(n: f64) -> String {
    if n == 0.0 || (1e-4..1e16).contains(&n) {
        return format!("{n:?}");
    }
    let text = format!("{n:e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}e{sign}{power:0>2}")
}
