//! How wide a text is in Verdana, as shields measures it. Pure.
//!
//! The widths are those of anafanafo 2 (MIT, see `NOTICE.md` of this crate), of the first two planes of Unicode: `widths.bin` has for each of the three fonts the
//! number of ranges, then of each range how many characters lie between it and the one before, how many more than one it has, and its width in
//! hundredths of a pixel; all as numbers of seven bits a byte, the low ones first.

use std::sync::OnceLock;

const PACKED: &[u8] = include_bytes!("widths.bin");

/// A font and its size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    Normal11,
    Normal10,
    Bold10,
}

/// First and last character, and the width in hundredths.
type Ranges = Vec<(u32, u32, u32)>;

fn tables() -> &'static [Ranges] {
    static TABLES: OnceLock<Vec<Ranges>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut bytes = PACKED.iter().copied();
        (0..3).map(|_| unpack(&mut bytes)).collect()
    })
}

fn unpack(bytes: &mut impl Iterator<Item = u8>) -> Ranges {
    let mut number = || {
        let (mut value, mut shift) = (0_u32, 0);
        for byte in bytes.by_ref() {
            value |= u32::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        value
    };
    let count = number();
    let mut next = 0;
    let range = |_| {
        let first = next + number();
        let last = first + number();
        next = last + 1;
        (first, last, number())
    };
    (0..count).map(range).collect()
}

/// The width of a text in pixels. What the font does not have counts as an `m`.
pub(super) fn width(text: &str, font: Font) -> f64 {
    let nth = match font {
        Font::Normal11 => 0,
        Font::Normal10 => 1,
        Font::Bold10 => 2,
    };
    let Some(ranges) = tables().get(nth) else { return 0.0 };
    let of = |char: char| of_char(ranges, char).or_else(|| of_char(ranges, 'm')).unwrap_or_default();
    // Character by character, in the order in which shields adds up: its last digit may decide about a pixel.
    text.chars().fold(0.0, |sum, char| sum + of(char))
}

fn of_char(ranges: &Ranges, char: char) -> Option<f64> {
    let code = u32::from(char);
    if code <= 31 || code == 127 {
        return Some(0.0);
    }
    let after = ranges.partition_point(|(first, _, _)| *first <= code);
    let (_, last, width) = ranges.get(after.checked_sub(1)?)?;
    (code <= *last).then(|| f64::from(*width) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        let counts: Vec<usize> = tables().iter().map(Vec::len).collect();
        assert!(counts.iter().all(|count| *count > 2_700), "{counts:?}");
        for table in tables() {
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order");
            assert!(table.last().is_some_and(|(_, last, _)| (0x10000..0x20000).contains(last)));
        }
        assert!((width("MTD Cost", Font::Normal11) - 53.17).abs() < 0.5, "{}", width("MTD Cost", Font::Normal11));
        assert!(width("m", Font::Bold10) > width("m", Font::Normal10));
        assert!((width("\u{1F}\u{7F}", Font::Normal10)).abs() < 1e-9);
        // Of another plane.
        assert!((width("\u{20000}", Font::Normal10) - width("m", Font::Normal10)).abs() < 1e-9);
    }
}
