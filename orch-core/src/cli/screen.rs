//! A terminal that is drawn on as a whole, and given back as it was.
//!
//! It is given back whatever happens: this is done when the [`Screen`] is dropped, which also a panic does. Who is ended by a signal
//! has to hear the signal and drop it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use console::measure_text_width;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
    termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::streams::Console;

/// The other page of the terminal, no cursor, and no lines that go on by themselves in the next one.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Terminals that know these show what is between them at once; the others pass over them.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// A terminal of which we have all.
pub(super) struct Screen<'c, 'a> {
    console: &'c mut Console<'a>,
    input: Option<OwnedFd>,
    before: Option<Termios>,
    drawn: Vec<String>,
    size: (usize, usize),
    is_ours: bool,
}

impl<'c, 'a> Screen<'c, 'a> {
    /// Takes the terminal behind stdout. Keys come from `input`, if that is a terminal.
    pub(super) fn take(console: &'c mut Console<'a>, input: Option<OwnedFd>) -> Self {
        let input = input.filter(|input| isatty(input));
        let mut screen = Self { console, input, before: None, drawn: Vec::new(), size: (0, 0), is_ours: false };
        screen.enter();
        screen
    }

    /// The keys, from now on.
    pub(super) fn keys(&self) -> io::Result<Keys> {
        Keys::listen(self.input.as_ref().map(OwnedFd::try_clone).transpose()?)
    }

    pub(super) fn console(&self) -> &Console<'a> {
        self.console
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        self.console.size_out()
    }

    /// Shows these lines, none of which is wider than the screen. Only what has changed is written, and in one piece.
    pub(super) fn draw(&mut self, lines: Vec<String>, size: (usize, usize)) {
        if size != self.size {
            (self.size, self.drawn) = (size, Vec::new());
        }
        let (width, height) = size;
        let mut out = String::new();
        for nth in 0..height {
            let line = lines.get(nth).map_or("", String::as_str);
            if self.drawn.get(nth).is_some_and(|drawn| drawn == line) {
                continue;
            }
            out += &format!("\u{1b}[{};1H{line}", nth + 1);
            // At the end of a full line the cursor stands on its last character.
            if measure_text_width(line) < width {
                out += "\u{1b}[K";
            }
        }
        if !out.is_empty() {
            self.console.result(&format!("{BEGIN}{out}{END}"));
        }
        self.drawn = lines;
        self.drawn.resize(height, String::new());
    }

    /// Gives the terminal back, stops as the shell's Ctrl-Z wants it, and takes it again when the process goes on.
    pub(super) fn pause(&mut self) {
        self.leave();
        _ = kill_process(getpid(), Signal::STOP);
        self.enter();
        self.drawn.clear();
    }

    fn enter(&mut self) {
        if let Some(input) = &self.input
            && let Ok(before) = tcgetattr(input)
        {
            let mut ours = before.clone();
            // Key by key, and not shown. Ctrl-C stays a signal.
            ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            if tcsetattr(input, OptionalActions::Now, &ours).is_ok() {
                self.before = Some(before);
            }
        }
        self.is_ours = true;
        self.console.result(ENTER);
    }

    fn leave(&mut self) {
        if !std::mem::take(&mut self.is_ours) {
            return;
        }
        self.console.result(LEAVE);
        if let Some((input, before)) = self.input.as_ref().zip(self.before.take()) {
            _ = tcsetattr(input, OptionalActions::Now, &before);
        }
    }
}

impl Drop for Screen<'_, '_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Look,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

/// The keys that are pressed. When this is dropped nobody reads them any more.
#[derive(Debug)]
pub(super) struct Keys {
    pressed: UnboundedReceiver<Key>,
    /// Its other end is read beside the terminal.
    _open: Option<io::PipeWriter>,
}

impl Keys {
    fn listen(input: Option<OwnedFd>) -> io::Result<Self> {
        let (press, pressed) = unbounded_channel();
        let Some(input) = input else { return Ok(Self { pressed, _open: None }) };
        let (closed, open) = io::pipe()?;
        std::thread::Builder::new().name("orch-keys".into()).spawn(move || {
            let mut bytes = [0; 256];
            while is_readable(&input, &closed) {
                let Ok(many @ 1..) = rustix::io::read(&input, &mut bytes) else { break };
                for key in keys(bytes.get(..many).unwrap_or_default()) {
                    if press.send(key).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { pressed, _open: Some(open) })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Key {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

/// Waits until there is something to read; `false` if nobody wants it any more.
fn is_readable(input: &OwnedFd, closed: &io::PipeReader) -> bool {
    loop {
        let mut both = [PollFd::new(input, PollFlags::IN), PollFd::from_borrowed_fd(closed.as_fd(), PollFlags::IN)];
        match poll(&mut both, None) {
            Ok(_) => return both.last().is_some_and(|closed| closed.revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// What terminals send for keys. What is not known is passed over.
fn keys(bytes: &[u8]) -> Vec<Key> {
    const KNOWN: [(&[u8], Key); 26] = [
        (b"\x1b[A", Key::Up),
        (b"\x1bOA", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1bOB", Key::Down),
        (b"\x1b[5~", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
        (b"\x1b[H", Key::First),
        (b"\x1bOH", Key::First),
        (b"\x1b[1~", Key::First),
        (b"\x1b[F", Key::Last),
        (b"\x1bOF", Key::Last),
        (b"\x1b[4~", Key::Last),
        (b"q", Key::Quit),
        (b"Q", Key::Quit),
        // Ctrl-C where it is no signal, and Ctrl-D.
        (b"\x03", Key::Quit),
        (b"\x04", Key::Quit),
        (b"k", Key::Up),
        (b"j", Key::Down),
        (b"b", Key::PageUp),
        (b"f", Key::PageDown),
        (b" ", Key::PageDown),
        (b"g", Key::First),
        (b"G", Key::Last),
        (b"r", Key::Look),
        (b"R", Key::Look),
        (b"\x0c", Key::Look),
    ];
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        if let Some((sent, key)) = KNOWN.iter().find(|(sent, _)| rest.starts_with(sent)) {
            found.push(*key);
            rest = rest.get(sent.len()..).unwrap_or_default();
            continue;
        }
        // The rest of an unknown sequence is no letters that somebody pressed.
        let long = match rest {
            [0x1b, b'[', after @ ..] => after.iter().position(|byte| (0x40..=0x7e).contains(byte)).map(|end| end + 3),
            [0x1b, b'O', _, ..] => Some(3),
            _ => Some(1),
        };
        rest = long.and_then(|long| rest.get(long..)).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests;
