//! Money as decimal text, exact in both directions.

use std::str::FromStr;

use super::Usd;
use crate::error::{Error, ErrorKind, Result};

impl Usd {
    /// Dollars as a decimal number with all digits that matter and no others: `"14.980725"`, `"5"`, `"-0.000000001"`. JSON forms
    /// that promise exact money have it as this text.
    ///
    /// ```
    /// use orch_core::Usd;
    ///
    /// assert_eq!(Usd::from_nanos(14_980_725_000).to_decimal(), "14.980725");
    /// assert_eq!("14.980725".parse::<Usd>()?, Usd::from_nanos(14_980_725_000));
    /// # Ok::<(), orch_core::Error>(())
    /// ```
    pub fn to_decimal(self) -> String {
        let nanos = self.nanos().unsigned_abs();
        let sign = if self.nanos() < 0 { "-" } else { "" };
        let (whole, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        if part == 0 {
            return format!("{sign}{whole}");
        }
        format!("{sign}{whole}.{}", format!("{part:09}").trim_end_matches('0'))
    }

    /// Dollars with a sign and so many digits after the point, at most 9, rounded half away from zero: `$14.98`, `-$0.02`.
    ///
    /// ```
    /// use orch_core::Usd;
    ///
    /// assert_eq!(Usd::from_nanos(14_980_725_000).to_fixed(2), "$14.98");
    /// assert_eq!(Usd::from_nanos(5_004_000_000).to_fixed(0), "$5");
    /// ```
    pub fn to_fixed(self, digits: u32) -> String {
        let digits = digits.min(9);
        let unit = 10u128.pow(9 - digits);
        let nanos = u128::from(self.nanos().unsigned_abs());
        let rounded = (nanos + unit / 2) / unit;
        let sign = if self.nanos() < 0 && rounded > 0 { "-" } else { "" };
        let scale = 10u128.pow(digits);
        let whole = rounded / scale;
        match digits {
            0 => format!("{sign}${whole}"),
            _ => format!("{sign}${whole}.{:0width$}", rounded % scale, width = digits as usize),
        }
    }
}

/// Reads dollars as people write them: `5`, `5.00`, `$0.031275`. Nothing is rounded.
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for anything else, for more than nine decimals, and beyond ±9.2 billion $.
impl FromStr for Usd {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let shown = crate::id::Printable(text);
            let message = format!("`{shown}` is no amount of dollars; write for example 5, 2.50 or 0.031275");
            Error::new(ErrorKind::InvalidValue, message)
        })
    }
}

fn parse(text: &str) -> Option<Usd> {
    let text = text.trim();
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let rest = rest.strip_prefix('$').unwrap_or(rest);
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // "." and "5." are typing mistakes rather than amounts.
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 || rest.ends_with('.') {
        return None;
    }
    let part: i64 = if part.is_empty() { 0 } else { format!("{part:0<9}").parse().ok()? };
    let nanos = whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part)?;
    Some(Usd::from_nanos(sign * nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_write_dollars_in_several_ways() {
        for (text, nanos) in
            [("5", 5_000_000_000), ("$5.00", 5_000_000_000), (" 0.031275 ", 31_275_000), ("-$0.5", -500_000_000)]
        {
            assert_eq!(text.parse::<Usd>().unwrap().nanos(), nanos, "{text}");
        }
        for text in ["", ".", "5.", ".5", "5,00", "1e3", "NaN", "--5", "$", "0.0000000001", "9300000000", "5 $", "٣"] {
            assert_eq!(text.parse::<Usd>().map_err(|error| error.kind()), Err(ErrorKind::InvalidValue), "{text}");
        }
    }

    #[test]
    fn money_is_written_with_as_many_digits_as_asked() {
        let written = |nanos, digits| Usd::from_nanos(nanos).to_fixed(digits);
        assert_eq!(written(14_980_725_000, 2), "$14.98");
        assert_eq!(written(31_275_000, 4), "$0.0313");
        assert_eq!(written(5_004_000_000, 0), "$5");
        assert_eq!(written(999_999_999, 2), "$1.00");
        assert_eq!(written(-20_000_000, 2), "-$0.02");
        assert_eq!(written(-1, 2), "$0.00", "no debt that cannot be seen");
    }

    proptest! {
        #[test]
        fn text_comes_back_as_the_same_money(nanos in -i64::MAX..=i64::MAX) {
            let money = Usd::from_nanos(nanos);
            prop_assert_eq!(money.to_decimal().parse::<Usd>().unwrap(), money);
        }
    }
}
