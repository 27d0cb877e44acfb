//! Which trace a run belongs to, so that programs can add to it.

use std::fmt;

use crate::{clock::Clock, id::RunId};

/// A trace, as W3C Trace Context has it (level 1), and the names of a run's spans in it. They follow from the run's own seed and
/// from what they are about, so that whoever starts a program and whoever exports the span agree without a word.
///
/// ```
/// use orch_core::{Clock, executor::Trace};
///
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace = Trace::of(Some(parent), &Clock::system());
/// let child = trace.header(trace.attempt("build", 1, false));
/// assert!(child.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && child.ends_with("-01"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    parent: Option<[u8; 8]>,
    flags: u8,
    seed: String,
}

impl Trace {
    /// The trace of that `traceparent`; a new one, which is sampled, where there is none that can be read.
    pub fn of(parent: Option<&str>, clock: &Clock) -> Self {
        let seed = RunId::new(clock).to_string();
        if let Some((id, span, flags)) = parent.and_then(read) {
            return Self { id, parent: Some(span), flags, seed };
        }
        let mut id = [0; 16];
        id.iter_mut().zip(blake3::hash(seed.as_bytes()).as_bytes()).for_each(|(byte, hash)| *byte = *hash);
        Self { id, parent: None, flags: 1, seed }
    }

    /// The trace, as 32 hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// The span in which the run was begun, as 16 hexadecimal digits.
    pub fn parent(&self) -> Option<String> {
        self.parent.map(|span| hex(&span))
    }

    /// Whether somebody wants to see it.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The span of the run.
    pub fn run(&self) -> [u8; 8] {
        self.span("run", "", 0)
    }

    /// The span of an attempt of a task, or of an attempt to undo it.
    pub fn attempt(&self, task: &str, attempt: u32, undo: bool) -> [u8; 8] {
        self.span(if undo { "undo" } else { "attempt" }, task, attempt)
    }

    /// Another span.
    pub fn span(&self, kind: &str, name: &str, number: u32) -> [u8; 8] {
        let text = format!("{}\0{kind}\0{name}\0{number}", self.seed);
        let mut span = [0; 8];
        span.iter_mut().zip(blake3::hash(text.as_bytes()).as_bytes()).for_each(|(byte, hash)| *byte = *hash);
        // All zeros are no name.
        let [first, ..] = &mut span;
        *first |= 1;
        span
    }

    /// The value of `TRACEPARENT` for what is a part of that span.
    pub fn header(&self, span: [u8; 8]) -> String {
        format!("00-{}-{}-{:02x}", self.id(), hex(&span), self.flags)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `00-TRACE-SPAN-FLAGS`; later versions may have more behind it.
fn read(header: &str) -> Option<([u8; 16], [u8; 8], u8)> {
    let mut parts = header.trim().split('-');
    let [version, id, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let known =
        version.len() == 2 && is_plain(version) && version != "ff" && (version != "00" || parts.next().is_none());
    if !known || flags.len() != 2 || !is_plain(flags) {
        return None;
    }
    let (id, span) = (bytes::<16>(id).filter(|_| is_plain(id))?, bytes::<8>(span).filter(|_| is_plain(span))?);
    let is_named = id != [0; 16] && span != [0; 8];
    is_named.then_some((id, span, u8::from_str_radix(flags, 16).ok()?))
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hex.len() != 2 * N {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("id", &self.id()).field("parent", &self.parent()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_header_begins_a_new_trace() {
        let (clock, _) = Clock::manual();
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let trace = Trace::of(Some(good), &clock);
        assert_eq!((trace.parent().as_deref(), trace.is_sampled()), (Some("00f067aa0ba902b7"), false));
        assert!(
            Trace::of(Some("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), &clock).parent().is_some()
        );
        for odd in [
            "",
            "x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            let trace = Trace::of(Some(odd), &clock);
            assert!(trace.parent().is_none() && trace.is_sampled(), "{odd}");
            assert_ne!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        }
    }

    #[test]
    fn spans_differ_and_come_again() {
        let trace = Trace::of(None, &Clock::system());
        let spans = [
            trace.run(),
            trace.attempt("a", 1, false),
            trace.attempt("a", 2, false),
            trace.attempt("a", 1, true),
            trace.attempt("b", 1, false),
        ];
        for (at, span) in spans.iter().enumerate() {
            assert!(!spans[..at].contains(span));
        }
        assert_eq!(trace.attempt("a", 1, false), spans[1]);
        assert_ne!(Trace::of(None, &Clock::system()).run(), spans[0]);
    }
}
