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

    proptest! {
        #[test]
        fn text_comes_back_as_the_same_money(nanos in -i64::MAX..=i64::MAX) {
            let money = Usd::from_nanos(nanos);
            prop_assert_eq!(money.to_decimal().parse::<Usd>().unwrap(), money);
        }
    }
}
