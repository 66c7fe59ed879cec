//! Decimals as text: converts digits to the bytes of the unscaled value and back, exactly for any number of digits,
//! without floats.

use crate::encoding::put_long;
use crate::schema::{Kind, Logical, Node};

/// The digits of a decimal type that Arrow supports, whose values are written as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digits {
    /// Total number of digits.
    pub(crate) precision: usize,
    /// Digits after the point.
    pub(crate) scale: usize,
}

impl Digits {
    /// The digits of this type, if it is such a decimal.
    pub(crate) fn of(node: &Node) -> Option<Digits> {
        let Some(Logical::Decimal { precision, scale }) = node.logical else { return None };
        let is_arrow = precision <= u32::from(arrow_schema::DECIMAL256_MAX_PRECISION);
        is_arrow.then_some(Digits { precision: precision as usize, scale: scale as usize })
    }

    /// The unscaled value of a number as the fewest bytes that hold it; `None` if the text is not a number, or has
    /// more digits than the type.
    // SPEC: Logical Types, Decimal: "two's-complement representation of the unscaled integer value in big-endian byte
    // order".
    pub(crate) fn bytes(self, text: &str) -> Option<Vec<u8>> {
        let (is_negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let n_zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..n_zeros);
        if digits.is_empty() {
            return Some(vec![0]);
        }
        let shift = i64::from(exponent) - fraction.len() as i64 + self.scale as i64;
        let n_digits = digits.len() as i64 + shift;
        if n_digits > self.precision as i64 || n_digits <= 0 {
            return None;
        }
        if shift < 0 {
            let dropped = digits.split_off(n_digits as usize);
            if dropped.iter().any(|digit| *digit != b'0') {
                return None;
            }
        }
        digits.resize(n_digits as usize, b'0');
        Some(twos_complement(is_negative, &digits))
    }

    /// The number that these bytes encode.
    pub(crate) fn text(self, bytes: &[u8]) -> String {
        let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        let mut rest: Vec<u8> = bytes.to_vec();
        if is_negative {
            negate(&mut rest);
        }
        let mut digits = Vec::new();
        while rest.iter().any(|byte| *byte != 0) {
            let mut carry = 0;
            for byte in &mut rest {
                let value = carry * 256 + u32::from(*byte);
                *byte = (value / 10) as u8;
                carry = value % 10;
            }
            digits.push(b'0' + carry as u8);
        }
        digits.resize(digits.len().max(self.scale + 1), b'0');
        let mut text = String::with_capacity(digits.len() + 2);
        if is_negative {
            text.push('-');
        }
        for (at, digit) in digits.iter().enumerate().rev() {
            text.push(char::from(*digit));
            if at == self.scale && at > 0 {
                text.push('.');
            }
        }
        text
    }
}

/// The fewest bytes of a number with these decimal digits.
fn twos_complement(is_negative: bool, digits: &[u8]) -> Vec<u8> {
    // Lowest byte first.
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut bytes {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    // A byte for the sign, which may be unnecessary.
    bytes.push(0);
    bytes.reverse();
    if is_negative {
        negate(&mut bytes);
    }
    let sign = if is_negative { 0xff } else { 0 };
    while let [first, second, ..] = bytes.as_slice()
        && *first == sign
        && second & 0x80 == sign & 0x80
    {
        bytes.remove(0);
    }
    bytes
}

/// Negates in two's complement, in place.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (value, more) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = more;
    }
}

/// Extends a two's-complement number to `size` bytes; `None` if it has more.
pub(crate) fn extended(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut all = vec![sign; size.checked_sub(bytes.len())?];
    all.extend_from_slice(bytes);
    Some(all)
}

/// Appends a decimal's bytes in the encoding of its type.
pub(crate) fn put_decimal(kind: &Kind, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    match kind {
        Kind::Fixed(fixed) => match extended(bytes, fixed.size) {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => return false,
        },
        _ => {
            put_long(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        }
    }
    true
}

/// Appends decimal zeros to a decimal's digits, and resizes its bytes to `size` if it is given; `None` if the result
/// is too large.
pub(crate) fn with_zeros(bytes: &[u8], zeros: u32, size: Option<usize>) -> Option<Vec<u8>> {
    let whole = Digits { precision: arrow_schema::DECIMAL256_MAX_PRECISION.into(), scale: 0 };
    let scaled = whole.bytes(&format!("{}e{zeros}", whole.text(bytes)))?;
    size.map_or(Some(scaled.clone()), |size| extended(&scaled, size))
}

/// Whether this text has the form of a number.
pub(crate) fn looks_like_one(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::Rng;
    use avro_testing::check_all;

    #[test]
    fn decimal_text_round_trips() {
        let money = Digits { precision: 9, scale: 2 };
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("100.00", Some(&[0x27, 0x10])),
            ("100", Some(&[0x27, 0x10])),
            ("1e2", Some(&[0x27, 0x10])),
            ("+1.0E+2", Some(&[0x27, 0x10])),
            ("100.000", Some(&[0x27, 0x10])),
            ("-0.01", Some(&[0xff])),
            ("-1.28", Some(&[0x80])),
            ("1.28", Some(&[0, 0x80])),
            ("-1.29", Some(&[0xff, 0x7f])),
            ("0", Some(&[0])),
            ("-0.00", Some(&[0])),
            ("0e99999", Some(&[0])),
            (".5", Some(&[50])),
            ("5.", Some(&[1, 0xf4])),
            ("9999999.99", Some(&[0x3b, 0x9a, 0xc9, 0xff])),
            ("10000000.00", None),
            ("0.001", None),
            ("1e-99999", None),
            ("1e99999", None),
            ("1e99999999999", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1.2.3", None),
            ("0x10", None),
            ("1 000", None),
            ("NaN", None),
        ];
        check_all(cases, |(text, want)| {
            assert_eq!(money.bytes(text).as_deref(), *want, "{text}");
        });
        for (bytes, want) in
            [(&[0x27, 0x10][..], "100.00"), (&[0xff], "-0.01"), (&[], "0.00"), (&[0, 0, 5], "0.05"), (&[0x80], "-1.28")]
        {
            assert_eq!(money.text(bytes), want);
        }
        assert_eq!(Digits { precision: 3, scale: 0 }.text(&[0x9c]), "-100");
        assert_eq!(Digits { precision: 3, scale: 3 }.text(&[0x9c]), "-0.100");
    }

    #[test]
    fn decimal_of_random_numbers_round_trips() {
        let rng = &mut Rng::new(3);
        for _ in 0..2_000 {
            let precision = 1 + rng.below(76);
            let digits = Digits { precision, scale: rng.below(precision + 1) };
            let number: String = (0..precision).map(|_| char::from(b'0' + rng.below(10) as u8)).collect();
            let (whole, fraction) = number.split_at(precision - digits.scale);
            let bytes = digits.bytes(&format!("-{whole}.{fraction}")).unwrap();
            assert_eq!(digits.bytes(&digits.text(&bytes)).unwrap(), bytes);
            let size = bytes.len() + rng.below(3);
            assert_eq!(digits.text(&extended(&bytes, size).unwrap()), digits.text(&bytes));
        }
        assert_eq!(extended(&[1, 2], 1), None);
    }
}
