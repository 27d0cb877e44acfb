//! Takes a stream of bytes apart: lines as they come, and a bounded copy.

use std::collections::VecDeque;

use crate::executor::Redactor;

/// The longest line that is said; of a longer one the rest is left out.
const LONGEST_LINE: usize = 4 * 1024;

/// How much of a line is held while it comes. Twice what is said, so that a secret across the cut is still seen whole.
const HELD_LINE: usize = 2 * LONGEST_LINE;

/// A secret that was cut in two is no longer known for one. So up to this many bytes beside a cut are left out as well, up
/// to the next white space.
const AROUND_CUT: usize = 4 * 1024;

/// Makes lines of bytes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// Bytes of the line that were not held.
    left_out: usize,
}

impl Lines {
    /// Takes bytes in and gives out the lines that they end, without their line ends.
    pub(super) fn push(&mut self, bytes: &[u8], redactor: &Redactor, mut line: impl FnMut(String)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let space = HELD_LINE - self.held.len().min(HELD_LINE);
            let (hold, rest) = piece.split_at_checked(space).unwrap_or((piece, &[]));
            self.held.extend_from_slice(hold);
            self.left_out += rest.len();
            if pieces.peek().is_some() {
                line(self.take(redactor));
            }
        }
    }

    /// The last line, if it had no end.
    pub(super) fn finish(mut self, redactor: &Redactor) -> Option<String> {
        (!self.held.is_empty()).then(|| self.take(redactor))
    }

    fn take(&mut self, redactor: &Redactor) -> String {
        if self.held.last() == Some(&b'\r') {
            self.held.pop();
        }
        let whole = self.held.len() + self.left_out;
        let held = if self.left_out > 0 { before_cut(&self.held) } else { &self.held };
        let text = String::from_utf8_lossy(held);
        let text = redactor.redact(&text);
        let line = if text.len() > LONGEST_LINE || self.left_out > 0 {
            let end = text.floor_char_boundary(LONGEST_LINE);
            format!("{} … (cut, the line has {whole} bytes)", text.get(..end).unwrap_or_default())
        } else {
            text.into_owned()
        };
        self.held.clear();
        self.left_out = 0;
        line
    }
}

/// Keeps the beginning and the end of what a program wrote.
#[derive(Debug)]
pub(super) struct Capture {
    limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes that fell out between the two.
    cut: u64,
}

/// What was kept, without secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) text: String,
    /// Whether something is missing from the middle.
    pub(super) is_cut: bool,
}

impl Capture {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, head: Vec::new(), tail: VecDeque::new(), cut: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let space = self.limit / 2 - self.head.len();
        let (head, rest) = bytes.split_at_checked(space).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(head);
        let longest = self.limit - self.limit / 2;
        let skipped = rest.len().saturating_sub(longest);
        self.tail.extend(rest.iter().skip(skipped));
        let excess = self.tail.len().saturating_sub(longest);
        self.tail.drain(..excess);
        self.cut += (skipped + excess) as u64;
    }

    pub(super) fn finish(mut self, redactor: &Redactor) -> Captured {
        let tail = Vec::from(std::mem::take(&mut self.tail));
        if self.cut == 0 {
            self.head.extend_from_slice(&tail);
            let text = redactor.redact(&String::from_utf8_lossy(&self.head)).into_owned();
            return Captured { text, is_cut: false };
        }
        let kept = self.head.len() + tail.len();
        let (head, tail) = (before_cut(&self.head), after_cut(&tail));
        let cut = self.cut as usize + kept - head.len() - tail.len();
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        let text = format!("{}\n… {cut} bytes cut …\n{}", redactor.redact(&head), redactor.redact(&tail));
        Captured { text, is_cut: true }
    }
}

/// `bytes` up to the last white space near their end.
fn before_cut(bytes: &[u8]) -> &[u8] {
    let far = bytes.len().saturating_sub(AROUND_CUT);
    let near = bytes.get(far..).unwrap_or_default();
    let end = near.iter().rposition(u8::is_ascii_whitespace).map_or(far, |at| far + at);
    bytes.get(..end).unwrap_or_default()
}

/// `bytes` from the first white space near their start.
fn after_cut(bytes: &[u8]) -> &[u8] {
    let far = bytes.len().min(AROUND_CUT);
    let near = bytes.get(..far).unwrap_or_default();
    let start = near.iter().position(u8::is_ascii_whitespace).map_or(far, |at| at + 1);
    bytes.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, redactor, mut said) = (Lines::default(), Redactor::new(), Vec::new());
        pieces.iter().for_each(|piece| lines.push(piece, &redactor, |line| said.push(line)));
        said.extend(lines.finish(&redactor));
        said
    }

    fn captured(limit: usize, pieces: &[&[u8]]) -> Captured {
        let mut capture = Capture::new(limit);
        pieces.iter().for_each(|piece| capture.push(piece));
        capture.finish(&Redactor::new())
    }

    #[test]
    fn lines_may_come_in_any_pieces() {
        assert_eq!(lines(&[b"one\ntw", b"o\r\n", b"\n", b"three"]), ["one", "two", "", "three"]);
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&[b"caf\xc3", b"\xa9 \xff\n"]), ["café \u{fffd}"]);
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let long = "x ".repeat(10_000);
        let said = lines(&[long.as_bytes(), b"\nshort\n"]);
        assert_eq!(said[0].len(), LONGEST_LINE + " … (cut, the line has 20000 bytes)".len());
        assert!(said[0].ends_with("(cut, the line has 20000 bytes)"));
        assert_eq!(said[1], "short");
    }

    #[test]
    fn a_secret_across_pieces_or_a_cut_is_not_said() {
        let (key, rest) = ("sk-ant-api03-0123", "456789abcdefgh");
        assert_eq!(lines(&[key.as_bytes(), rest.as_bytes(), b"\n"]), ["[redacted]"]);
        for padding in LONGEST_LINE - 40..LONGEST_LINE + 5 {
            let line = format!("{} {key}{rest} {}", "x".repeat(padding), "y".repeat(HELD_LINE));
            let said = lines(&[line.as_bytes()]);
            assert!(!said[0].contains("sk-a"), "{padding}: {}", said[0]);
        }
        for limit in 100..200 {
            let text = format!("{} {key}{rest} {}", "x".repeat(50), "y ".repeat(60));
            let kept = captured(limit, &[text.as_bytes()]);
            assert!(kept.is_cut && !kept.text.contains("sk-") && !kept.text.contains("abcdefgh"), "{limit}: {kept:?}");
        }
    }

    #[test]
    fn the_middle_is_cut_when_there_is_too_much() {
        let kept = captured(20, &[b"one two three\n", b"four five\nsix"]);
        assert_eq!(kept, Captured { text: "one two\n… 12 bytes cut …\nfive\nsix".to_owned(), is_cut: true });
        assert_eq!(captured(0, &[b"abc"]).text, "\n… 3 bytes cut …\n");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200, limit in 0usize..250) {
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(lines(&[&bytes]), lines(&[a, b]));
            prop_assert_eq!(captured(limit, &[&bytes]), captured(limit, &[a, b]));
            prop_assert_eq!(captured(limit, &[&bytes]).is_cut, bytes.len() > limit);
        }
    }
}
