//! The two streams of a program: results on one, messages on the other.

use std::{fmt::Display, io, io::Write};

use console::Term;

use super::args::{Global, When};
use crate::report::render;

/// Where `orch` writes. Only a real stdout or stderr can be a terminal.
pub trait Stream: Write + Send {
    /// Whether a person watches.
    fn is_terminal(&self) -> bool {
        false
    }

    /// Whether it is known that nobody reads any more, without writing anything. Default: it is not known.
    fn is_gone(&self) -> bool {
        false
    }
}

impl Stream for io::Stdout {
    fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(self)
    }

    #[cfg(unix)]
    fn is_gone(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // Nothing is waited for: that a reader went away is told whether one asks for it or not.
        let mut this = [PollFd::new(self, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let gone = PollFlags::ERR | PollFlags::HUP;
        poll(&mut this, Some(&now)).is_ok() && this.iter().any(|this| this.revents().intersects(gone))
    }
}

impl Stream for io::Stderr {
    fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(self)
    }
}

impl Stream for Vec<u8> {}

/// The two streams and how they may be used.
pub(super) struct Console<'a> {
    out: &'a mut dyn Stream,
    err: &'a mut dyn Stream,
    /// Set when a write to stdout failed for another reason than that its reader went away.
    failed: Option<io::Error>,
    /// Nobody reads stdout any more (`orch plan x | head`). The command goes on in silence.
    closed: bool,
    paint_out: Paint,
    paint_err: Paint,
    live: bool,
    quiet: bool,
}

impl<'a> Console<'a> {
    pub(super) fn new(out: &'a mut dyn Stream, err: &'a mut dyn Stream, global: &Global) -> Self {
        let paint_out = Paint(colours(global.color, out.is_terminal()));
        let paint_err = Paint(colours(global.color, err.is_terminal()));
        let live = err.is_terminal() && !is_set("CI") && !is_dumb() && !global.quiet;
        Self { out, err, failed: None, closed: false, paint_out, paint_err, live, quiet: global.quiet }
    }

    /// Writes a result to stdout.
    pub(super) fn result(&mut self, text: &str) {
        if self.closed || self.failed.is_some() {
            return;
        }
        if let Err(error) = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            self.refused(error);
        }
    }

    /// Writes JSON to stdout.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) {
        self.result(&render::pretty_json(value));
    }

    fn refused(&mut self, error: io::Error) {
        match error.kind() {
            io::ErrorKind::BrokenPipe => self.closed = true,
            _ => self.failed = Some(error),
        }
    }

    /// Why a result could not be written, if one could not.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Writes a line to stderr, unless the user wants quiet.
    pub(super) fn note(&mut self, line: impl Display) {
        if !self.quiet {
            self.say(line);
        }
    }

    /// Writes a line to stderr, also when the user wants quiet.
    pub(super) fn plain(&mut self, line: impl Display) {
        self.say(line);
    }

    /// Writes an error to stderr.
    pub(super) fn error(&mut self, error: impl Display) {
        let label = self.paint_err.bad("error:");
        self.say(format_args!("{label} {error}"));
    }

    /// Writes a warning to stderr, unless the user wants quiet.
    pub(super) fn warning(&mut self, message: impl Display) {
        let label = self.paint_err.warn("warning:");
        self.note(format_args!("{label} {message}"));
    }

    fn say(&mut self, line: impl Display) {
        // When nobody reads stderr there is nobody left to tell.
        drop(writeln!(self.err, "{line}").and_then(|()| self.err.flush()));
    }

    /// How wide a text on stdout may be.
    pub(super) fn width_out(&self) -> usize {
        width(self.out.is_terminal(), &Term::stdout())
    }

    /// How wide a table on stdout may be; `None` where nobody looks, and a program wants all of it.
    pub(super) fn room_out(&self) -> Option<usize> {
        self.out.is_terminal().then(|| self.width_out())
    }

    /// How many columns and lines the terminal behind stdout has.
    pub(super) fn size_out(&self) -> (usize, usize) {
        let size = if self.out.is_terminal() { Term::stdout().size_checked() } else { None };
        size.map_or((80, 24), |(lines, columns)| (usize::from(columns).max(1), usize::from(lines).max(1)))
    }

    /// Whether stdout is a terminal that may be drawn on as a whole.
    pub(super) fn may_draw(&self) -> bool {
        self.out.is_terminal() && !is_set("CI") && !is_dumb()
    }

    /// Whether nothing more can be written to stdout.
    pub(super) fn is_over(&self) -> bool {
        self.closed || self.failed.is_some() || self.out.is_gone()
    }

    /// How wide a text on stderr may be.
    pub(super) fn width_err(&self) -> usize {
        width(self.err.is_terminal(), &Term::stderr())
    }

    /// How to colour stdout.
    pub(super) fn paint_out(&self) -> Paint {
        self.paint_out
    }

    /// How to colour stderr.
    pub(super) fn paint_err(&self) -> Paint {
        self.paint_err
    }

    /// Whether a view that redraws itself may be shown on stderr.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Whether only errors are wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

fn width(is_terminal: bool, terminal: &Term) -> usize {
    let size = if is_terminal { terminal.size_checked() } else { None };
    size.map_or(100, |(_, columns)| usize::from(columns))
}

fn colours(when: When, terminal: bool) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        // Whatever its value, says no-color.org.
        When::Auto if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        When::Auto if is_set("CLICOLOR_FORCE") => true,
        When::Auto => terminal && !is_dumb(),
    }
}

/// Whether the variable says yes: set, not empty, not `0` or `false`.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")))
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.with("1;31", text)
    }

    pub(super) fn warn(self, text: impl Display) -> String {
        self.with("33", text)
    }

    pub(super) fn strong(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}
