//! `orch metrics`: what orchestration costs and saves.

mod alert;
mod rotate;
mod settings;
mod table;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

pub(super) use self::settings::{Settings, parse};
use super::{
    args_metrics::{Metrics, MetricsCommand, Query},
    config::Config,
    exit::Exit,
    store,
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::metrics::{
        Aggregate, AggregatedFile, Facts, MetricsOptions, Rules, collect, report_html, report_markdown,
        same_but_for_time, write_whole,
    },
    git::{Git, GitOptions},
    id::Printable,
    store::{SqliteOptions, SqliteStore, Store},
};

/// The name of the file that the scripts had.
const FILE: &str = "aggregated_metrics.json";

/// A repository, what its settings say, and what was counted in it.
pub(super) struct Counted {
    pub(super) git: Git,
    pub(super) top: PathBuf,
    pub(super) config: Config,
    pub(super) aggregate: Aggregate,
    pub(super) store: Option<Arc<dyn Store>>,
}

/// Where it is counted.
fn repository(query: &Query, here: &Path) -> Result<(Git, PathBuf, Config)> {
    let directory = query.repo.as_ref().map_or_else(|| here.to_owned(), |repo| here.join(repo));
    let git = Git::new(&directory, GitOptions::default());
    // A bare repository has no top.
    let top = match git.top() {
        Ok(top) => top,
        Err(_) => git.common_dir()?,
    };
    let config = Config::load(None, &directory)?;
    Ok((git, top, config))
}

/// Counts what was asked for.
pub(super) fn count(query: &Query, here: &Path) -> Result<Counted> {
    let (git, top, config) = repository(query, here)?;
    let head = if query.rev == "HEAD" { git.reference("HEAD")? } else { Some(git.commit(&query.rev)?) };
    let settings = &config.metrics;
    let either = |said: &[String], set: &[String]| if said.is_empty() { set.to_vec() } else { said.to_vec() };
    let zone = query.zone.as_deref().or(settings.zone.as_deref()).unwrap_or("UTC").parse()?;
    let options = MetricsOptions {
        policy: query.policy.unwrap_or(settings.policy),
        rules: Rules {
            merges: settings.merges && !query.no_merges,
            bots: settings.bots && !query.no_bots,
            authors: either(&query.authors, &settings.authors),
            not_authors: either(&query.not_authors, &settings.not_authors),
        },
        zone,
        since: query.since,
        until: query.until,
        model: settings.model,
        ..MetricsOptions::at(query.at.unwrap_or_else(|| Clock::system().wall()))
    };
    let path = store::path(query.place.store.as_deref(), git.directory())?;
    // To ask is no reason to make one.
    let store: Option<Arc<dyn Store>> =
        if path.exists() { Some(Arc::new(SqliteStore::open(path, SqliteOptions::default())?)) } else { None };
    let facts = match &store {
        Some(store) => Facts::load(store, &config.prices, query.since, query.until)?,
        None => Facts::default(),
    };
    let aggregate = collect(&git, head.as_ref(), options, &facts)?;
    Ok(Counted { git, top, config, aggregate, store })
}

impl Counted {
    /// The folder of the metrics.
    fn folder(&self) -> PathBuf {
        self.top.join(self.config.metrics.folder())
    }

    /// Takes over what the file has of other machines, and says what the file was.
    pub(super) fn with_file(&mut self) -> Result<(PathBuf, Option<String>, Option<Error>)> {
        let path = self.folder().join(FILE);
        let before = read(&path)?;
        let problem = match before.as_deref().map(AggregatedFile::parse) {
            Some(Ok(file)) => {
                self.aggregate.keep_measured(&file);
                None
            }
            Some(Err(error)) if error.kind() == ErrorKind::InvalidFormat => {
                return Err(error.with("file", shown(&path)));
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        Ok((path, before, problem))
    }
}

pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        // What is no UTF-8 is damaged, which whoever reads it says.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("could not read `{}`", shown(path))).caused_by(error)),
    }
}

pub(super) fn shown(path: &Path) -> String {
    Printable(&path.display().to_string()).to_string()
}

/// Runs `orch metrics`.
pub(super) fn main(args: &Metrics, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(MetricsCommand::Rotate { check, force }) = &args.command {
        let (_, top, config) = repository(&args.query, here)?;
        return rotate::main(args, (*check, *force), top, &config, console);
    }
    if args.command.is_some() && (args.query.since.is_some() || args.query.until.is_some()) {
        let message = "what is written has all of the history; leave out --since and --until";
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let mut counted = count(&args.query, here)?;
    match &args.command {
        None => {
            if args.json {
                console.json(&counted.aggregate.form(args.leaderboard));
            } else {
                console.result(&table::text(&counted.aggregate, args.leaderboard, console.paint_out()));
            }
            Ok(Exit::Done)
        }
        Some(MetricsCommand::Update { check }) => update(args, *check, &mut counted, console),
        Some(MetricsCommand::Report { html, print }) => {
            counted.with_file()?;
            let markdown = report_markdown(&counted.aggregate, args.leaderboard);
            if *print {
                console.result(&markdown);
            } else {
                let path = counted.folder().join("README.md");
                write_whole(&path, markdown.as_bytes())?;
                console.result(&format!("{}\n", shown(&path)));
            }
            if let Some(html) = html {
                let name = counted.top.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let path = here.join(html);
                write_whole(&path, report_html(&counted.aggregate, &name, args.leaderboard).as_bytes())?;
                console.result(&format!("{}\n", shown(&path)));
            }
            Ok(Exit::Done)
        }
        Some(MetricsCommand::Alert { rate, savings, saved_usd, dry_run }) => {
            let mut targets = counted.config.metrics.targets;
            targets.rate = rate.or(targets.rate);
            targets.savings = savings.or(targets.savings);
            targets.saved_usd = saved_usd.or(targets.saved_usd);
            alert::main(args.json, *dry_run, targets, &counted, console)
        }
        // Answered above: it needs no history.
        Some(MetricsCommand::Rotate { .. }) => Ok(Exit::Done),
    }
}

fn update(args: &Metrics, check: bool, counted: &mut Counted, console: &mut Console<'_>) -> Result<Exit> {
    let (path, before, problem) = counted.with_file()?;
    if let Some(problem) = &problem {
        console
            .warning(format_args!("`{}` is not trusted, it is made again from the history: {problem}", shown(&path)));
    }
    let after = counted.aggregate.file_text();
    let changes = !before.as_deref().is_some_and(|before| same_but_for_time(before, &after));
    if changes && !check {
        write_whole(&path, after.as_bytes())?;
    }
    if args.json {
        let problem = problem.as_ref().map(ToString::to_string);
        console
            .json(&json!({"version": 1, "file": path.display().to_string(), "changes": changes, "problem": problem}));
    } else {
        let what = match (changes, check) {
            (false, _) => "is up to date",
            (true, true) => "would change",
            (true, false) => "was written",
        };
        console.result(&format!("{} {what}\n", shown(&path)));
    }
    Ok(if changes && check { Exit::Failed } else { Exit::Done })
}
