use std::{
    fs::File,
    io::{Read as _, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;
use crate::cli::{
    args::{Global, When},
    streams::Stream,
};

struct Tty(File);

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Tty {
    fn is_terminal(&self) -> bool {
        true
    }
}

/// The side that a person sits at, and the terminal itself.
fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let tty = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap();
    (person.into(), tty.into())
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let (mut person, tty) = terminal();
    let before = tcgetattr(&tty).unwrap();
    assert!(before.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    let (mut out, mut err) = (Tty(tty.try_clone().unwrap()), Vec::new());
    let mut console = Console::new(&mut out, &mut err, &Global { color: When::Never, quiet: false });
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let mut screen = Screen::take(&mut console, tty.try_clone().ok().map(OwnedFd::from));
        let during = tcgetattr(&tty).unwrap().local_modes;
        assert!(!during.intersects(LocalModes::ICANON | LocalModes::ECHO) && during.contains(LocalModes::ISIG));
        screen.draw(vec!["one".to_owned(), "two".to_owned()], (3, 2));
        screen.draw(vec!["one".to_owned(), "2".to_owned()], (3, 2));
        panic!("on purpose");
    }));
    assert!(broken.is_err());
    assert_eq!(tcgetattr(&tty).unwrap().local_modes, before.local_modes);
    let mut said = String::new();
    while !said.ends_with(LEAVE) {
        let mut bytes = vec![0; 4096];
        let many = person.read(&mut bytes).unwrap();
        said += &String::from_utf8_lossy(&bytes[..many]);
    }
    let first = format!("{BEGIN}\u{1b}[1;1Hone\u{1b}[2;1Htwo{END}");
    // Of the second picture only the line that is another one, and the rest of what it had.
    let second = format!("{BEGIN}\u{1b}[2;1H2\u{1b}[K{END}");
    assert_eq!(said, format!("{ENTER}{first}{second}{LEAVE}"));
}

#[test]
fn keys_are_read_until_nobody_wants_them() {
    let (mut person, tty) = terminal();
    let (mut out, mut err) = (Tty(tty.try_clone().unwrap()), Vec::new());
    let mut console = Console::new(&mut out, &mut err, &Global { color: When::Never, quiet: false });
    let screen = Screen::take(&mut console, Some(tty.try_clone().unwrap().into()));
    let mut keys = screen.keys().unwrap();
    person.write_all(b"j\x1b[Bq").unwrap();
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.push(keys.pressed.blocking_recv().unwrap());
    }
    assert_eq!(heard, [Key::Down, Key::Down, Key::Quit]);
    // The thread ends: its side of the channel goes.
    let Keys { mut pressed, _open } = keys;
    drop(_open);
    assert_eq!(pressed.blocking_recv(), None);
}

#[test]
fn sequences_that_are_not_known_are_no_letters() {
    for (sent, want) in [
        (&b"q"[..], &[Key::Quit][..]),
        (b"\x1b[A\x1b[6~G", &[Key::Up, Key::PageDown, Key::Last]),
        (b"\x1b[1;5qj", &[Key::Down]),
        (b"\x1b[200~", &[]),
        (b"\x1bOPk", &[Key::Up]),
        (b"xyz\xff\x1b", &[]),
        (b"\x1b[", &[]),
        (b"\x03", &[Key::Quit]),
    ] {
        assert_eq!(keys(sent), want, "{sent:?}");
    }
}
