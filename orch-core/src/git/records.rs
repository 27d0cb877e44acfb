//! A call whose answer is read while git still writes it.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
};

use super::call::Call;
use crate::error::{Error, ErrorKind, Result};

/// How many pieces wait at most; git waits where more are there.
const AHEAD: usize = 16;
const PIECE: usize = 64 * 1024;

impl Call<'_> {
    /// Runs it and hands over each record of an answer that was asked for with `-z`, while git goes on. The answer may be of any length:
    /// [`GitOptions::max_output`](super::GitOptions::max_output) bounds one record, and
    /// [`GitOptions::timeout`](super::GitOptions::timeout) how long git may be silent.
    ///
    /// # Errors
    ///
    /// That of `each`, which ends git; those of [`run`](Call::run).
    pub fn each_record(&self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let answer = self.talk(|stdout| self.cut(&pieces(stdout)?, &mut each).map(|()| Vec::new()))?;
        if answer.code == 0 { Ok(()) } else { Err(self.refused(&answer)) }
    }

    fn cut(&self, pieces: &Receiver<io::Result<Vec<u8>>>, each: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (timeout, limit) = (self.git.options.timeout, self.git.options.max_output);
        // What has come of a record that is not over yet.
        let mut begun: Vec<u8> = Vec::new();
        loop {
            let piece = match pieces.recv_timeout(timeout) {
                Ok(piece) => piece.map_err(|error| self.io("reading its answer failed").caused_by(error))?,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.io(&format!("it said nothing for {timeout:?} and was ended")));
                }
            };
            let mut records = piece.split(|&byte| byte == 0).peekable();
            while let Some(record) = records.next() {
                if records.peek().is_none() || !begun.is_empty() {
                    begun.extend_from_slice(record);
                    if begun.len() > limit {
                        let message = format!("git answers a record of more than {limit} bytes");
                        return Err(Error::new(ErrorKind::TooLarge, message));
                    }
                }
                if records.peek().is_some() {
                    each(if begun.is_empty() { record } else { &begun })?;
                    begun.clear();
                }
            }
        }
        if begun.is_empty() { Ok(()) } else { each(&begun) }
    }
}

fn pieces(pipe: Option<impl Read + Send + 'static>) -> Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::sync_channel(AHEAD);
    let read = move || {
        let Some(mut pipe) = pipe else { return };
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = pipe.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            let is_over = matches!(read, Ok(0) | Err(_));
            let sent = match read {
                Ok(0) => Ok(()),
                Ok(_) => sender.send(Ok(piece)),
                Err(error) => sender.send(Err(error)),
            };
            // Nobody listens any more where the call was ended.
            if is_over || sent.is_err() {
                return;
            }
        }
    };
    let started = thread::Builder::new().spawn(read);
    started.map_err(|error| Error::new(ErrorKind::Io, "there is no thread to read from git").caused_by(error))?;
    Ok(receiver)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;
    use crate::git::{Git, GitOptions};

    /// What git would say, by a file that `cat` shows in its place.
    fn said(bytes: &[u8], max_output: usize) -> Result<Vec<Vec<u8>>> {
        let folder = tempfile::tempdir().unwrap();
        let answer = folder.path().join("answer");
        fs::write(&answer, bytes).unwrap();
        let program = folder.path().join("fake");
        let script = format!("#!/bin/sh\nexec cat '{}'\n", answer.display());
        // By another process, so that no thread of this one holds the program open for writing when it is run.
        let written = std::process::Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" > \"$2\"", "sh", &script])
            .arg(&program)
            .status();
        assert!(written.unwrap().success());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let git =
            Git::new(folder.path(), GitOptions { program, timeout: Duration::from_secs(60), max_output, hooks: false });
        let mut records = Vec::new();
        git.call(["log"]).each_record(|record| {
            records.push(record.to_vec());
            Ok(())
        })?;
        Ok(records)
    }

    #[test]
    fn records_are_whole_wherever_the_pieces_end() {
        let long = |byte: u8, length: usize| vec![byte; length];
        for lengths in [vec![], vec![1], vec![PIECE], vec![PIECE - 1, 0, 5], vec![PIECE * 2 + 7, 3, PIECE, 1]] {
            let records: Vec<Vec<u8>> = lengths.iter().map(|&length| long(b'a', length)).collect();
            let bytes: Vec<u8> = records.iter().flat_map(|record| [record.as_slice(), &[0]].concat()).collect();
            assert_eq!(said(&bytes, PIECE * 4).unwrap(), records, "{lengths:?}");
        }
        assert_eq!(said(b"a\0b", 100).unwrap(), [b"a", b"b"], "the last one is not ended");
        assert_eq!(said(&long(b'a', PIECE), 100).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
