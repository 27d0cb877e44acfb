//! `orch worktree watch`: all worktrees, as they change.
//!
//! On a terminal a picture of its size; elsewhere what `kubectl get --watch` does: the table, then each line that changed. Somebody looks
//! in a thread of its own, so that keys and a new size of the window are answered at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time,
};

#[cfg(unix)]
use super::picture::{Place, Shown, draw};
use super::{
    keep_report,
    notices::Notices,
    spend::{Spending, with_spent},
    table::{Table, Widths},
};
#[cfg(unix)]
use crate::cli::screen::{Key, Screen};
use crate::{
    cli::{exit::Exit, run::signals::Signals, streams::Console},
    clock::Clock,
    error::{Error, ErrorKind, Result},
    ext::{
        notify::Delivered,
        worktree::{Alert, AlertKind, Look, Overview, Worktrees},
    },
    id::Printable,
    units::Usd,
};

/// More often nobody can look.
const SHORTEST: Duration = Duration::from_millis(100);

/// A look takes at most this part of the time: a repository with hundreds of worktrees is not looked at all the time.
const PART: u32 = 4;

/// What is watched, and how.
pub(super) struct Watched {
    pub(super) worktrees: Worktrees,
    pub(super) look: Look,
    pub(super) spending: Spending,
    /// Tells of stale ones, if somebody is to be told.
    pub(super) notices: Option<Notices>,
    pub(super) interval: Duration,
    /// Where `worktree_health.json` is kept.
    pub(super) output: Option<PathBuf>,
    pub(super) json: bool,
}

/// What was seen.
struct Seen {
    overview: Overview,
    spent: Vec<Option<Usd>>,
    /// What did not work beside it.
    problem: Option<String>,
}

/// Watches until somebody ends it.
pub(super) fn main(watched: Watched, console: &mut Console<'_>) -> Result<Exit> {
    let failed = |error| Error::new(ErrorKind::Io, "could not begin to watch").caused_by(error);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (json, interval, output) = (watched.json, watched.interval.max(SHORTEST), watched.output.clone());
    let folder = watched.worktrees.main().file_name().unwrap_or_default().to_string_lossy().into_owned();
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        let mut looks = Looks::start(watched, interval)?;
        let mut report = Report { path: output, kept: None };
        #[cfg(unix)]
        if !json && console.may_draw() {
            return live(&folder, interval, &mut looks, &mut report, &mut signals, console).await;
        }
        let mut lines = Lines { json, ..Lines::default() };
        drop(folder);
        loop {
            tokio::select! {
                biased;
                stop = signals.next() => return Ok(stop.exit()),
                seen = looks.next() => {
                    let mut seen = match seen {
                        Ok(seen) => seen,
                        // What was never seen cannot be watched.
                        Err(error) if lines.is_first() => return Err(error),
                        Err(error) => {
                            lines.complain(&error.to_string(), console);
                            continue;
                        }
                    };
                    match report.keep(&seen.overview) {
                        Ok(()) => {}
                        Err(error) if lines.is_first() => return Err(error),
                        Err(error) => seen.problem = Some(error.to_string()),
                    }
                    lines.show(&seen, console);
                    if console.is_over() {
                        return Ok(Exit::Done);
                    }
                }
            }
        }
    })
}

#[cfg(unix)]
async fn live(
    folder: &str,
    interval: Duration,
    looks: &mut Looks,
    report: &mut Report,
    signals: &mut Signals,
    console: &mut Console<'_>,
) -> Result<Exit> {
    use std::{io::stdin, os::fd::AsFd as _};

    use tokio::signal::unix::{SignalKind, signal};

    let failed = |error| Error::new(ErrorKind::Io, "could not listen at the terminal").caused_by(error);
    let mut resized = signal(SignalKind::window_change()).map_err(failed)?;
    let mut paused = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw())).map_err(failed)?;
    let paint = console.paint_out();
    let mut screen = Screen::take(console, stdin().as_fd().try_clone_to_owned().ok());
    let mut keys = screen.keys().map_err(failed)?;
    let mut place = Place::default();
    let mut last: Option<Seen> = None;
    let mut problem: Option<String> = None;
    loop {
        let size = screen.size();
        let lines = match &last {
            None => vec![paint.dim("looking at the worktrees …")],
            Some(Seen { overview, spent, .. }) => {
                let show = Shown { title: folder, overview, spent, problem: problem.as_deref(), interval };
                draw(&show, &mut place, size, paint)
            }
        };
        screen.draw(lines, size);
        if screen.console().is_over() {
            return Ok(Exit::Done);
        }
        tokio::select! {
            biased;
            stop = signals.next() => return Ok(stop.exit()),
            _ = resized.recv() => {}
            _ = paused.recv() => screen.pause(),
            key = keys.next() => match key {
                Key::Quit => return Ok(Exit::Done),
                Key::Look => looks.now(),
                Key::Up => place.top = place.top.saturating_sub(1),
                Key::Down => place.top = place.top.saturating_add(1),
                Key::PageUp => place.top = place.top.saturating_sub(place.page),
                Key::PageDown => place.top = place.top.saturating_add(place.page),
                Key::First => place.top = 0,
                Key::Last => place.top = usize::MAX,
            },
            seen = looks.next() => match seen {
                Ok(seen) => {
                    problem.clone_from(&seen.problem);
                    if let Err(error) = report.keep(&seen.overview) {
                        problem = Some(error.to_string());
                    }
                    last = Some(seen);
                }
                Err(error) if last.is_none() => return Err(error),
                Err(error) => problem = Some(error.to_string()),
            },
        }
    }
}

/// Looks again and again, in a thread of its own that ends with this.
struct Looks {
    ask: mpsc::Sender<()>,
    seen: UnboundedReceiver<(Result<Seen>, Duration)>,
    interval: Duration,
    /// Until the next look; `None` while somebody looks.
    pause: Option<std::pin::Pin<Box<time::Sleep>>>,
}

impl Looks {
    fn start(mut watched: Watched, interval: Duration) -> Result<Self> {
        let (ask, asked) = mpsc::channel();
        let (tell, seen) = unbounded_channel();
        let work = move || {
            let clock = Clock::system();
            let mut untold = None;
            while asked.recv().is_ok() {
                let before = clock.elapsed();
                let found = watched.look(untold.clone());
                if tell.send((found, clock.elapsed().saturating_sub(before))).is_err() {
                    break;
                }
                // After that: nobody waits for a look because a server is slow.
                watched.deliver(&mut untold);
            }
        };
        let started = thread::Builder::new().name("orch-look".into()).spawn(work);
        started.map_err(|error| Error::new(ErrorKind::Io, "there is no thread to look").caused_by(error))?;
        let mut looks = Self { ask, seen, interval, pause: Some(Box::pin(time::sleep(Duration::ZERO))) };
        looks.now();
        Ok(looks)
    }

    /// Looks now, if nobody does already.
    fn now(&mut self) {
        if self.pause.take().is_some() {
            // If nobody listens any more, the next answer says so.
            _ = self.ask.send(());
        }
    }

    /// Waits for the next look. What waits for something else as well may call it again.
    async fn next(&mut self) -> Result<Seen> {
        if let Some(pause) = &mut self.pause {
            pause.await;
            self.now();
        }
        let Some((seen, took)) = self.seen.recv().await else {
            // Not asked again at once: the answer will be the same.
            self.pause = Some(Box::pin(time::sleep(self.interval)));
            return Err(Error::new(ErrorKind::Misuse, "looking at the worktrees broke off; this is a fault in orch"));
        };
        let wait = self.interval.saturating_sub(took).max(took.saturating_mul(PART));
        self.pause = Some(Box::pin(time::sleep(wait)));
        seen
    }
}

impl Watched {
    /// Looks once; `untold`: why somebody was not told of what was seen before.
    fn look(&mut self, untold: Option<String>) -> Result<Seen> {
        let overview = self.worktrees.look(&self.look)?;
        // Without what was spent, and with nobody told, the rest is true all the same.
        let (spent, unknown) = match self.spending.of(&overview) {
            Ok(spent) => (spent, None),
            Err(error) => (vec![None; overview.rows.len()], Some(error)),
        };
        let posted = self.notices.as_mut().map_or(Ok(()), |notices| notices.post(&overview));
        let problem = unknown.or(posted.err()).map(|error| error.to_string()).or(untold);
        Ok(Seen { overview, spent, problem })
    }

    fn deliver(&mut self, untold: &mut Option<String>) {
        let Some(notices) = &mut self.notices else { return };
        let why = match notices.deliver() {
            Ok(done) if done == Delivered::default() => return,
            Ok(done) => done.why,
            Err(error) => Some(error.to_string()),
        };
        *untold =
            why.map(|why| format!("not everybody was told of stale worktrees: {why}; `orch notify list` shows them"));
    }
}

/// Keeps the health report in a file, while it changes.
struct Report {
    path: Option<PathBuf>,
    kept: Option<Value>,
}

impl Report {
    fn keep(&mut self, overview: &Overview) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let health = overview.health();
        let worktrees = health.get("worktrees").cloned();
        if worktrees != self.kept {
            keep_report(path, &health)?;
            self.kept = worktrees;
        }
        Ok(())
    }
}

/// For whoever is no person at a terminal.
#[derive(Default)]
struct Lines {
    json: bool,
    widths: Widths,
    /// What was shown of each worktree, by its path: to find what changed.
    rows: Option<BTreeMap<String, Value>>,
    alerts: BTreeSet<String>,
    complained: Option<String>,
}

impl Lines {
    fn is_first(&self) -> bool {
        self.rows.is_none()
    }

    /// Says once what does not work.
    fn complain(&mut self, text: &str, console: &mut Console<'_>) {
        if self.complained.as_deref() != Some(text) {
            console.warning(Printable(text));
            self.complained = Some(text.to_owned());
        }
    }

    fn show(&mut self, seen: &Seen, console: &mut Console<'_>) {
        match &seen.problem {
            Some(problem) => self.complain(problem, console),
            None => self.complained = None,
        }
        let form = with_spent(seen.overview.json(), &seen.spent);
        let items = form.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let path = |item: &Value| item.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        let rows: BTreeMap<String, Value> = items.iter().map(|item| (path(item), item.clone())).collect();
        let alerts: Vec<Alert> = seen.overview.alerts();
        let names: BTreeSet<String> = alerts.iter().map(same).collect();
        if self.json {
            if self.rows.as_ref() != Some(&rows) || self.alerts != names {
                console.result(&format!("{form}\n"));
            }
        } else {
            self.table(seen, items, &path, console);
            for alert in alerts.iter().filter(|alert| !self.alerts.contains(&same(alert))) {
                console.warning(alert);
            }
        }
        (self.rows, self.alerts) = (Some(rows), names);
    }

    fn table(&mut self, seen: &Seen, items: &[Value], path: &dyn Fn(&Value) -> String, console: &mut Console<'_>) {
        let table = Table::of(&seen.overview, &seen.spent, false);
        let (fit, paint) = (table.fit(None, &mut self.widths), console.paint_out());
        let mut out = String::new();
        if self.rows.is_none() {
            out += &(Table::head(&fit, paint) + "\n");
        }
        let before = self.rows.take().unwrap_or_default();
        for (item, line) in items.iter().zip(table.lines(&fit, paint)) {
            if before.get(&path(item)) != Some(item) {
                out += &(line + "\n");
            }
        }
        let is_there = |gone: &str| items.iter().any(|item| path(item) == gone);
        for (_, gone) in before.iter().filter(|(path, _)| !is_there(path)) {
            let name = gone.get("name").and_then(Value::as_str).unwrap_or_default();
            out += &(Table::gone(name, &fit, paint) + "\n");
        }
        if !out.is_empty() {
            console.result(&out);
        }
    }
}

/// What an alert is about, whatever its figures are by now.
fn same(alert: &Alert) -> String {
    let what = match &alert.kind {
        AlertKind::Conflicts { with, .. } => format!("conflicts {with}"),
        AlertKind::ConflictsWithDefault { .. } => "conflicts with the default branch".to_owned(),
        AlertKind::Stale { .. } => "stale".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{}\0{what}", alert.worktree)
}
