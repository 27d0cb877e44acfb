//! `orch worktree watch`, on a real terminal and without one.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use orch_core::{
    Clock, Usd,
    cost::budget::{Column, Labels, Limits},
    ext::worktree::{Holder, WorktreeOptions, Worktrees},
    session::{Charge, Ledger},
    store::{SqliteOptions, SqliteStore},
};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use serde_json::{Value, json};

use super::{
    Folder, process,
    worktree::{repository, worktree},
};

/// How long the slowest machine may take for what is asked of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program in it: what it shows, as far as this program needs it.
struct Terminal {
    person: File,
    tty: File,
    said: Receiver<Vec<u8>>,
    raw: String,
    read: usize,
    grid: Vec<Vec<String>>,
    at: (usize, usize),
    /// The other page, the cursor, and lines that go on in the next one.
    modes: [bool; 3],
}

const ALTERNATE: usize = 0;
const CURSOR: usize = 1;
const WRAP: usize = 2;

impl Terminal {
    fn new(columns: u16, lines: u16) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let tty = File::options().read(true).write(true).open(name).unwrap();
        let person = File::from(person);
        let (tell, said) = channel();
        let mut read = person.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(many @ 1..) = read.read(&mut bytes) {
                if tell.send(bytes[..many].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (raw, modes) = (String::new(), [false, true, true]);
        let mut terminal = Self { person, tty, said, raw, read: 0, grid: Vec::new(), at: (0, 0), modes };
        terminal.resize(columns, lines);
        terminal
    }

    fn resize(&mut self, columns: u16, lines: u16) {
        // Before the program hears of it: what it draws for the new size comes to a screen of that size.
        self.grid = vec![vec![" ".to_owned(); usize::from(columns)]; usize::from(lines)];
        tcsetwinsize(&self.person, Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// Starts it so that this is its terminal: keys become signals.
    fn start(&self, folder: &Folder, args: &[&str], change: impl FnOnce(&mut Command)) -> Child {
        let orch = process::program(folder);
        let mut program = Command::new("setsid");
        program.arg("--ctty").arg(orch.get_program()).args(args).current_dir(folder.path(""));
        for (name, value) in orch.get_envs() {
            match value {
                Some(value) => program.env(name, value),
                None => program.env_remove(name),
            };
        }
        program.env("TERM", "xterm-256color");
        let end = || Stdio::from(OwnedFd::from(self.tty.try_clone().unwrap()));
        change(program.stdin(end()).stdout(end()).stderr(end()));
        program.spawn().unwrap()
    }

    fn press(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until that is so.
    #[track_caller]
    fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(bytes) => {
                    self.raw += &String::from_utf8_lossy(&bytes);
                    self.obey();
                }
                Err(_) => panic!("never seen: {what}\n{}\n{:?}", self.text(), self.raw),
            }
        }
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        self.wait(text, |terminal| terminal.text().contains(text));
    }

    fn text(&self) -> String {
        self.grid.iter().map(|line| line.concat().trim_end().to_owned() + "\n").collect()
    }

    fn line(&self, nth: usize) -> String {
        self.grid[nth].concat()
    }

    /// The line of that worktree.
    fn of(&self, name: &str) -> String {
        self.text().lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    }

    /// Does what the program wrote says, whole sequences only.
    fn obey(&mut self) {
        while let Some(char) = self.raw[self.read..].chars().next() {
            if char != '\u{1b}' {
                self.put(char);
                self.read += char.len_utf8();
                continue;
            }
            let rest = &self.raw[self.read..];
            let Some(end) = rest.char_indices().skip(2).find(|(_, char)| ('@'..='~').contains(char)) else { return };
            let (words, how) = (rest[2..end.0].to_owned(), end.1);
            self.read += end.0 + 1;
            let numbers: Vec<usize> = words.trim_start_matches('?').split(';').flat_map(str::parse).collect();
            match (how, words.as_str()) {
                ('m', _) | ('h' | 'l', "?2026") => {}
                ('h' | 'l', "?1049") => self.modes[ALTERNATE] = how == 'h',
                ('h' | 'l', "?25") => self.modes[CURSOR] = how == 'h',
                ('h' | 'l', "?7") => self.modes[WRAP] = how == 'h',
                ('H', _) => self.at = (numbers[0] - 1, numbers[1] - 1),
                ('K', "") => {
                    let (line, column) = self.at;
                    // A picture for the size before may still be on its way.
                    let rest = self.grid.get_mut(line).and_then(|line| line.get_mut(column..));
                    rest.into_iter().flatten().for_each(|cell| *cell = " ".to_owned());
                }
                ('J', "2") => self.grid.iter_mut().flatten().for_each(|cell| *cell = " ".to_owned()),
                other => panic!("it wrote {other:?}"),
            }
        }
    }

    fn put(&mut self, char: char) {
        let wide = console::measure_text_width(&char.to_string());
        let (line, column) = self.at;
        for (nth, text) in [char.to_string(), String::new()].into_iter().take(wide).enumerate() {
            if let Some(cell) = self.grid.get_mut(line).and_then(|line| line.get_mut(column + nth)) {
                *cell = text;
            }
        }
        self.at.1 += wide;
    }

    /// Waits until the program has ended, and looks whether all is as it was before.
    #[track_caller]
    fn ends(&mut self, mut child: Child, code: i32) {
        assert_eq!(child.wait().unwrap().code(), Some(code), "{}", self.raw);
        self.wait("the terminal as it was", |terminal| terminal.modes == [false, true, true]);
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
    }
}

struct Shop {
    folder: Folder,
    app: PathBuf,
}

impl Shop {
    /// A repository with worktrees, and a ledger.
    fn new(names: &[&str]) -> Self {
        let folder = Folder::new();
        let app = repository(&folder);
        names.iter().for_each(|name| drop(worktree(&app, &["new", name]).exits(0)));
        let store = SqliteStore::open(folder.path("store.sqlite"), SqliteOptions::default()).unwrap();
        let ledger = Ledger::new(Arc::new(store), Limits::default(), Clock::system());
        let who = Labels::default().with(Column::Worktree, "login");
        ledger.charge(&[Charge::new(who, Usd::from_cents(131))]).unwrap();
        Self { folder, app }
    }

    fn args<'a>(&'a self, store: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["worktree", "-C", self.app.to_str().unwrap(), "watch", "-n", "100ms", "--store", store];
        args.extend(more);
        args
    }

    fn dirty(&self, name: &str) {
        fs::write(self.folder.path("app.worktrees").join(name).join("new.txt"), "n").unwrap();
    }
}

#[test]
fn a_person_sees_what_changes_and_gets_the_terminal_back() {
    let shop = Shop::new(&["login", "docs"]);
    let store = shop.folder.at("store.sqlite");
    let mut terminal = Terminal::new(80, 24);
    let child = terminal.start(&shop.folder, &shop.args(&store, &[]), |_| {});
    terminal.sees("○ 3 idle");
    assert!(terminal.line(0).starts_with("app   3 worktrees") && terminal.line(0).ends_with("$1.31 spent"));
    assert!(terminal.of("login").ends_with("$1.31"), "{}", terminal.text());
    assert!(terminal.line(23).starts_with("q quit") && terminal.line(23).ends_with("UTC"), "{}", terminal.text());
    assert!(terminal.modes == [true, false, false] && terminal.raw.contains("\u{1b}[2m"));

    shop.dirty("login");
    terminal.wait("login is dirty", |terminal| terminal.of("login").contains("○ dirty"));
    let worktrees = Worktrees::open(&shop.app, WorktreeOptions::default()).unwrap();
    let docs = worktrees.find("docs").unwrap().git.path;
    let holder = Holder { task: Some("write".into()), agent: Some("東京".into()), ..Holder::default() };
    let lease = worktrees.lease(&docs, holder).unwrap().unwrap();
    terminal.wait("docs is used", |terminal| {
        let line = terminal.of("docs");
        line.contains("● active") && line.contains("now") && line.contains("write") && line.contains("東京")
    });
    terminal.sees("● 1 active");
    drop(lease);
    terminal.sees("○ 3 idle");

    terminal.resize(40, 12);
    terminal.wait("a smaller picture", |terminal| {
        terminal.line(11).starts_with("q quit") && terminal.of("login").ends_with("$1.31")
    });
    assert!(!terminal.text().contains("BRANCH"), "{}", terminal.text());
    terminal.resize(120, 40);
    terminal.wait("a larger picture", |terminal| terminal.line(39).ends_with("UTC"));
    assert!(terminal.text().contains("BRANCH") && terminal.text().contains("AGENT"), "{}", terminal.text());
    terminal.press("q");
    terminal.ends(child, 0);
}

#[test]
fn signals_give_the_terminal_back_too() {
    let shop = Shop::new(&["login"]);
    let store = shop.folder.at("store.sqlite");
    for (name, code) in [("a key", 130), ("TERM", 143)] {
        let mut terminal = Terminal::new(80, 24);
        let child = terminal.start(&shop.folder, &shop.args(&store, &[]), |_| {});
        terminal.sees("login");
        match name {
            "a key" => terminal.press("\u{3}"),
            name => process::signal(&child, name),
        }
        terminal.ends(child, code);
    }
    // Ctrl-Z, and on again.
    let mut terminal = Terminal::new(60, 10);
    let child = terminal.start(&shop.folder, &shop.args(&store, &[]), |_| {});
    terminal.sees("login");
    terminal.press("\u{1a}");
    terminal.wait("it steps back", |terminal| !terminal.modes[ALTERNATE]);
    let deadline = Instant::now() + PATIENCE;
    let is_stopped = |child: &Child| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    while cfg!(target_os = "linux") && !is_stopped(&child) {
        assert!(Instant::now() < deadline, "it goes on");
        thread::yield_now();
    }
    process::signal(&child, "CONT");
    terminal.wait("it comes back", |terminal| terminal.modes[ALTERNATE]);
    terminal.press("q");
    terminal.ends(child, 0);
}

#[test]
fn who_wants_no_colour_gets_none() {
    let shop = Shop::new(&["login"]);
    let store = shop.folder.at("store.sqlite");
    let mut terminal = Terminal::new(80, 24);
    let child = terminal.start(&shop.folder, &shop.args(&store, &[]), |program| {
        program.env("NO_COLOR", "1");
    });
    terminal.sees("login");
    terminal.press("q");
    terminal.ends(child, 0);
    let is_colour = |part: &str| {
        part.find(|char: char| !char.is_ascii_digit() && char != ';').is_some_and(|at| part[at..].starts_with('m'))
    };
    assert!(!terminal.raw.split("\u{1b}[").skip(1).any(is_colour), "{:?}", terminal.raw);
}

/// Runs it into a pipe, and answers its lines as they come.
fn piped(shop: &Shop, store: &str, more: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut program = process::program(&shop.folder);
    program.args(shop.args(store, more)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

fn next(lines: &mut BufReader<std::process::ChildStdout>) -> String {
    let mut line = String::new();
    assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended");
    line.trim_end().to_owned()
}

#[test]
fn without_a_terminal_there_is_a_table_and_then_what_changes() {
    let shop = Shop::new(&["login", "docs"]);
    let store = shop.folder.at("store.sqlite");
    let (child, mut lines) = piped(&shop, &store, &["--output", "reports/worktree_health.json"]);
    let table: Vec<String> = (0..4).map(|_| next(&mut lines)).collect();
    assert!(table[0].starts_with("WORKTREE") && table[0].ends_with("SPEND"), "{table:?}");
    assert!(
        table[1].starts_with("app ") && table[2].starts_with("docs ") && table[3].starts_with("login "),
        "{table:?}"
    );
    assert!(table[3].ends_with("$1.31") && !table.concat().contains('\u{1b}'), "{table:?}");
    shop.dirty("login");
    let line = next(&mut lines);
    assert!(line.starts_with("login ") && line.contains("idle dirty"), "{line}");
    worktree(&shop.app, &["remove", "docs"]).exits(0);
    let line = next(&mut lines);
    assert!(line.starts_with("docs ") && line.ends_with("removed"), "{line}");
    // Who reads no more ends it, whether something changes or not.
    drop(lines);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    let report = fs::read_to_string(shop.folder.path("reports/worktree_health.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["total_worktrees"], 2);
}

#[test]
fn programs_get_a_line_of_json_for_each_change() {
    let shop = Shop::new(&["login"]);
    let store = shop.folder.at("store.sqlite");
    let (child, mut lines) = piped(&shop, &store, &["--json", "--stale-after", "1ms"]);
    let mut seen = || serde_json::from_str::<Value>(&next(&mut lines)).unwrap();
    let first = seen();
    assert_eq!((first["schema"].clone(), first["version"].clone()), (json!(2), json!(1)));
    assert_eq!(
        (first["items"][0]["orch"]["usd"].clone(), first["items"][1]["orch"]["usd"].clone()),
        (Value::Null, json!("1.31"))
    );
    let alert = &first["alerts"][0];
    assert_eq!((alert["kind"].clone(), alert["worktree"].clone()), (json!("stale"), json!("login")));
    assert!(alert["text"].as_str().unwrap().starts_with("login is stale: nobody used it for"), "{alert}");
    // Nothing but time has gone by: the next line is that of the change.
    shop.dirty("login");
    let second = seen();
    assert_eq!(second["items"][1]["working_tree"]["untracked"], true);
    assert_eq!(first["items"][1]["working_tree"]["untracked"], false);
    process::signal(&child, "INT");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}
