//! Keeps `aggregated_metrics.json` up to date.

use std::{fs, io, path::Path};

use super::{
    aggregate::Aggregate,
    files::{cannot, write_whole},
    months::is_month,
    parse::{AggregatedFile, same_but_for_time},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// What became of the file.
#[derive(Debug)]
pub struct Updated {
    /// Whether it says something else than before, or would if it were written.
    pub changes: bool,
    /// What was wrong with the one before, which was not trusted.
    pub problem: Option<Error>,
}

impl Aggregate {
    /// Takes over what the file there says that other machines measured, in months of which nothing was measured here: a store knows only what was spent
    /// beside it. A damaged file is not trusted, and the answer says what is wrong with it. Where there is none, nothing happens.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where it cannot be read; [`InvalidFormat`](ErrorKind::InvalidFormat) for one of a newer orch.
    pub fn take_over(&mut self, path: &Path) -> Result<Option<Error>> {
        Ok(self.read(path)?.1)
    }

    /// [Takes over](Aggregate::take_over) what it says and writes it again, as a whole, if it would say something else than when it was written; with
    /// `check` only says so.
    ///
    /// # Errors
    ///
    /// Those of [`take_over`](Aggregate::take_over) and [`write_whole`].
    pub fn update(&mut self, path: &Path, check: bool) -> Result<Updated> {
        let (before, problem) = self.read(path)?;
        let after = self.file_text();
        let changes = !before.is_some_and(|before| same_but_for_time(&before, &after));
        if changes && !check {
            write_whole(path, after.as_bytes())?;
        }
        Ok(Updated { changes, problem })
    }

    fn read(&mut self, path: &Path) -> Result<(Option<String>, Option<Error>)> {
        let text = match fs::read(path) {
            // What is no UTF-8 is damaged, and is told as that.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, None)),
            Err(error) => return Err(cannot("read", path, error)),
        };
        let problem = match AggregatedFile::parse(&text) {
            Ok(file) => {
                self.keep_measured(&file);
                None
            }
            Err(error) if error.kind() == ErrorKind::InvalidFormat => {
                return Err(error.with("file", Printable(&path.display().to_string()).to_string()));
            }
            Err(error) => Some(error),
        };
        Ok((Some(text), problem))
    }

    fn keep_measured(&mut self, file: &AggregatedFile) {
        for (name, month) in &file.monthly_data {
            let theirs = month.measured().filter(|measured| is_month(name) && !measured.is_nothing());
            let Some(theirs) = theirs else { continue };
            let ours = self.months.entry(name.clone()).or_default();
            if ours.measured.is_nothing() {
                ours.measured = theirs;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::metrics::{Facts, Measured, MetricsOptions, Tally};

    fn july() -> Aggregate {
        let facts = Facts::default();
        Tally::new(MetricsOptions::at("2025-07-20".parse().unwrap()), &facts).unwrap().finish()
    }

    #[test]
    fn what_was_measured_here_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some/aggregated_metrics.json");
        let month = |runs: u64| Measured { runs, ..Measured::default() };
        let mut theirs = july();
        for (name, runs) in [("2025-06", 3), ("2025-07", 5), ("<b>", 9)] {
            theirs.months.entry(name.into()).or_default().measured = month(runs);
        }
        assert!(theirs.update(&path, true).unwrap().changes && !path.exists(), "only a look");
        assert!(theirs.update(&path, false).unwrap().changes);
        let mut ours = july();
        ours.months.entry("2025-07".into()).or_default().measured = month(1);
        assert!(ours.take_over(&path).unwrap().is_none());
        // What is no month is nothing.
        let all: Vec<_> = ours.months.iter().map(|(name, part)| (name.as_str(), part.measured.runs)).collect();
        assert_eq!(all, [("2025-06", 3), ("2025-07", 1)]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        // A folder is no file, and not as if nothing were there.
        assert_eq!(july().update(folder.path(), false).unwrap_err().kind(), ErrorKind::Io);
        let path = folder.path().join("file");
        for (text, kind) in [("\u{fffd}", ErrorKind::Corrupt), ("<<<<<<< a", ErrorKind::Corrupt)] {
            fs::write(&path, text).unwrap();
            let updated = july().update(&path, false).unwrap();
            assert!(updated.changes && updated.problem.unwrap().kind() == kind);
            assert!(july().update(&path, false).unwrap().problem.is_none(), "it was made again");
        }
        fs::write(&path, "{\"schema\": 3, \"monthly_data\": {}}").unwrap();
        assert_eq!(july().update(&path, false).unwrap_err().kind(), ErrorKind::InvalidFormat);
        assert!(fs::read_to_string(&path).unwrap().contains("\"schema\": 3"));
    }
}
