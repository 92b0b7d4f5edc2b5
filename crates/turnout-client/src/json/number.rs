//! Numbers as JSON writes them, compared without losing a digit.

use std::cmp::Ordering;

/// Compares two JSON numbers by value: `1.10` equals `11e-1`, and twenty digits count as twenty.
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (Decimal::of(left), Decimal::of(right));
    match (left.sign(), right.sign()) {
        (1, 1) => left.size(&right),
        (-1, -1) => right.size(&left),
        (left, right) => left.cmp(&right),
    }
}

/// `0.d1d2d3... * 10^exponent`, and the digits begin with none that is zero.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a [u8]) -> Self {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let split = |text: &'a [u8], at: Option<usize>| match at {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &text[..0]),
        };
        let (digits, power) = split(text, text.iter().position(|byte| matches!(byte, b'e' | b'E')));
        let (whole, fraction) = split(digits, digits.iter().position(|&byte| byte == b'.'));
        let whole = without_zeros(whole);
        let shown = without_zeros(fraction);
        let leading = if whole.is_empty() { fraction.len() - shown.len() } else { 0 };
        let exponent =
            exponent(power).saturating_add_unsigned(whole.len() as u64).saturating_sub_unsigned(leading as u64);
        Self { negative, whole, fraction: if whole.is_empty() { shown } else { fraction }, exponent }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn sign(&self) -> i8 {
        match (self.digits().all(|digit| digit == b'0'), self.negative) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => -1,
        }
    }

    /// Neither is zero.
    fn size(&self, other: &Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (left, right) => match left.unwrap_or(b'0').cmp(&right.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        })
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}

/// Beyond what an `i64` holds, the largest or smallest: nobody writes so many digits that it matters.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let size = digits
        .iter()
        .fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))));
    if negative { -size } else { size }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_compared_and_not_texts() {
        let row = [
            "-1e999999999999999999999",
            "-1e400",
            "-12345678901234567890123",
            "-12345678901234567890122",
            "-10",
            "-9.5",
            "-0.001",
            "-1e-400",
            "0",
            "1e-400",
            "0.00099",
            "0.001",
            "0.0010000000000000000000001",
            "1",
            "9",
            "10",
            "99.99",
            "100",
            "12345678901234567890122",
            "12345678901234567890123",
            "1e30",
            "1e400",
            "1e999999999999999999999",
        ];
        for (left, a) in row.iter().enumerate() {
            for (right, b) in row.iter().enumerate() {
                assert_eq!(compare(a.as_bytes(), b.as_bytes()), left.cmp(&right), "{a} and {b}");
            }
        }
    }

    #[test]
    fn one_value_in_many_spellings_is_one() {
        for row in
            [["0", "-0", "0.00", "0e5"], ["1.1", "1.10", "11e-1", "0.11E+1"], ["100", "1e2", "100.000", "0.001e5"]]
        {
            for a in row {
                for b in row {
                    assert_eq!(compare(a.as_bytes(), b.as_bytes()), Ordering::Equal, "{a} and {b}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(a: i128, b: i128) {
            prop_assert_eq!(compare(a.to_string().as_bytes(), b.to_string().as_bytes()), a.cmp(&b));
        }

        #[test]
        fn doubles_compare_as_doubles(a in prop::num::f64::NORMAL, b in prop::num::f64::NORMAL) {
            let (left, right) = (format!("{a}"), format!("{b:e}"));
            prop_assert_eq!(compare(left.as_bytes(), right.as_bytes()), a.partial_cmp(&b).unwrap());
        }
    }
}
