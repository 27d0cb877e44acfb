//! `orch badges`: badges of what orchestration costs and saves.

mod publish;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use super::{
    args_metrics::{BadgeName, Badges, BasisArg, THEMES},
    exit::Exit,
    metrics::{Counted, count, shown},
    streams::Console,
};
use crate::{
    Clock,
    error::{Error, ErrorKind, Result},
    ext::{
        badges::{
            Badge, Basis, Endpoint, NO_DATA, Style, Theme, badge_url, endpoint_url, markdown, picture, place_block,
            svg, trend,
        },
        metrics::{Aggregate, Policy, write_whole},
    },
    git::{Git, GitOptions},
    id::Printable,
    session::Ledger,
    units::Usd,
};

/// How long shields may keep a figure, in seconds.
const CACHE_SECONDS: u32 = 3600;
/// Weeks of a trend at most: half a year.
const WEEKS: usize = 26;

/// A badge, its name, and what draws it.
struct One {
    name: BadgeName,
    badge: Badge,
    /// Of a trend.
    points: Option<Vec<f64>>,
}

impl One {
    fn svg(&self, style: Style, theme: Theme) -> String {
        self.points.as_ref().map_or_else(|| svg(&self.badge, style, theme), |points| trend(&self.badge, points, theme))
    }
}

/// Runs `orch badges`.
pub(super) fn main(args: &Badges, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let directory = args.query.repo.as_ref().map_or_else(|| here.to_owned(), |repo| here.join(repo));
    let local = if args.local { Some(local_folder(&Git::new(directory, GitOptions::default()))?) } else { None };
    // Before anything is counted: what is drawn last is what was counted last.
    let _turn = match &local {
        None => None,
        Some(folder) => match turn(folder)? {
            Some(turn) => Some(turn),
            None => {
                console.note("another process is about to draw them");
                return Ok(Exit::Done);
            }
        },
    };
    let mut counted = count(&args.query, here)?;
    counted.take_over(&args.query, console)?;
    let ones = chosen(args, &counted)?;
    let style = Style::from(args.style);
    let mut stale: Vec<String> = Vec::new();
    let mut put = |path: &Path, text: &str, console: &mut Console<'_>| -> Result<()> {
        if read(path)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        stale.push(path.display().to_string());
        if args.check {
            return Ok(());
        }
        console.note(format_args!("wrote {}", shown(path)));
        write_whole(path, text.as_bytes())
    };
    let files = files(&ones, style);
    for folder in args.out.iter().map(|out| here.join(out)).chain(local) {
        for (name, text) in &files {
            put(&folder.join(name), text, console)?;
        }
    }
    let block = block(args, &ones, style);
    if let Some(readme) = &args.readme {
        let path = here.join(readme);
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no file `{}`", shown(&path)));
        let bytes = read(&path)?.ok_or_else(missing)?;
        let odd =
            |_| Error::new(ErrorKind::InvalidFormat, format!("`{}` is no UTF-8; it stays as it is", shown(&path)));
        let before = String::from_utf8(bytes).map_err(odd)?;
        let placed = place_block(&before, &block, args.insert).map_err(|error| {
            let error = if error.kind() == ErrorKind::NotFound {
                error.with("or", "`--insert`, which puts them under the first headline")
            } else {
                error
            };
            error.with("file", shown(&path))
        })?;
        put(&path, &placed.text, console)?;
    }
    let published = match &args.publish {
        Some(branch) => Some(publish::main(&counted.git, branch, &files)?),
        None => None,
    };
    if args.json {
        let list: Vec<_> = ones
            .iter()
            .map(|one| json!({"name": one.name.name(), "badge": one.badge, "url": badge_url(&one.badge, style)}))
            .collect();
        console.json(&json!({"version": 1, "badges": list, "block": block, "stale": stale, "published": published}));
    } else {
        for one in &ones {
            console.result(&format!("{}\n  {}\n", Printable(&one.badge.to_string()), badge_url(&one.badge, style)));
        }
        if args.check {
            stale.iter().for_each(|path| console.note(format_args!("{} is out of date", Printable(path))));
        }
        if let Some(published) = &published {
            console.note(format_args!("{published}"));
        }
    }
    unknown(&ones, &counted.aggregate).iter().for_each(|why| console.note(format_args!("no data: {why}")));
    Ok(if args.check && !stale.is_empty() { Exit::Failed } else { Exit::Done })
}

/// The badges that were asked for, by name or by orch.toml.
fn chosen(args: &Badges, counted: &Counted) -> Result<Vec<One>> {
    let set = &counted.config.metrics.badges;
    let names: &[BadgeName] = match (args.only.as_slice(), set.as_slice()) {
        ([], []) => &[BadgeName::MtdCost, BadgeName::Savings],
        ([], set) => set,
        (said, _) => said,
    };
    names.iter().map(|name| one(*name, args.basis, counted)).collect()
}

fn one(name: BadgeName, asked: BasisArg, counted: &Counted) -> Result<One> {
    let aggregate = &counted.aggregate;
    let (is, of) = (aggregate.month().measured, aggregate.modelled());
    let measured = match name {
        BadgeName::MtdCost => is.charges > 0,
        BadgeName::Trend => aggregate.weeks.values().any(|week| week.measured.hits > 0),
        _ => is.hits > 0,
    };
    let mut points = None;
    let badge = match name {
        BadgeName::MtdCost => Badge::mtd_cost(match basis(asked, measured, aggregate) {
            Basis::Measured => measured.then(|| (is.usd.dollars(), Basis::Measured)),
            Basis::Modelled => of.map(|of| (of.actual_usd, Basis::Modelled)),
        }),
        BadgeName::Savings => Badge::savings(match basis(asked, measured, aggregate) {
            Basis::Measured => measured.then(|| {
                let (saved, spent) = (is.saved.dollars(), is.usd.dollars());
                let percent = if saved + spent > 0.0 { saved / (saved + spent) * 100.0 } else { 0.0 };
                (saved, percent, Basis::Measured)
            }),
            Basis::Modelled => of.map(|of| (of.saved_usd, of.savings_percentage, Basis::Modelled)),
        }),
        BadgeName::Rate => Badge::rate(of.map(|_| aggregate.month().commits.rate())),
        BadgeName::HitRate => Badge::hit_rate(is.hit_rate()),
        BadgeName::Budget => Badge::budget_left(budget(counted)?),
        BadgeName::Runs => Badge::runs(Some((is.runs, is.succeeded))),
        BadgeName::Trend => {
            let basis = basis(asked, measured, aggregate);
            let weeks = points.insert(weekly(aggregate, basis, measured));
            Badge::weekly_savings(weeks.last().map(|usd| (*usd, basis)))
        }
    };
    Ok(One { name, badge, points })
}

/// On what a figure of money is to stand, of which something may have been `measured`.
fn basis(asked: BasisArg, measured: bool, aggregate: &Aggregate) -> Basis {
    match asked {
        BasisArg::Measured => Basis::Measured,
        // The figures of the scripts were published ones, which nobody had measured.
        BasisArg::Auto if measured && aggregate.options.policy != Policy::Compat => Basis::Measured,
        BasisArg::Auto | BasisArg::Modelled => Basis::Modelled,
    }
}

/// What the latest weeks saved, each one for itself; none where nothing is known.
fn weekly(aggregate: &Aggregate, basis: Basis, measured: bool) -> Vec<f64> {
    let weeks = aggregate.last_weeks(WEEKS).into_iter();
    match basis {
        Basis::Measured if measured => weeks.map(|(_, week)| week.measured.saved.dollars()).collect(),
        Basis::Modelled if aggregate.knows() => {
            let model = &aggregate.options.model;
            weeks.map(|(_, week)| model.of(week.commits, Policy::Message).saved_usd).collect()
        }
        _ => Vec::new(),
    }
}

/// What to do about badges that say `no data`, each thing once.
fn unknown(ones: &[One], aggregate: &Aggregate) -> BTreeSet<String> {
    let not_measured =
        || "nothing was measured this month; `orch run FILE --store` keeps what runs cost and find".to_owned();
    let silent = ones.iter().filter(|one| one.badge.message == NO_DATA);
    silent
        .map(|one| match one.name {
            BadgeName::MtdCost | BadgeName::Savings | BadgeName::Rate | BadgeName::Trend => {
                aggregate.unknown().unwrap_or_else(not_measured)
            }
            BadgeName::HitRate | BadgeName::Runs => not_measured(),
            BadgeName::Budget => {
                "there is no budget for everybody; write `[[budget]]` and `usd = 15` into orch.toml".to_owned()
            }
        })
        .collect()
}

/// What is left of the first budget that is for everybody, in its present period, and how much it is.
fn budget(counted: &Counted) -> Result<Option<(Usd, Usd)>> {
    let Some(store) = &counted.store else { return Ok(None) };
    let ledger = Ledger::new(store.clone(), counted.config.budget.clone(), Clock::system());
    let rows = ledger.standings()?;
    let first = rows.iter().find(|row| row.of.as_object().is_none_or(serde_json::Map::is_empty));
    let Some(row) = first else { return Ok(None) };
    Ok(Some((row.left_usd.parse()?, row.usd.parse()?)))
}

/// What is written into a folder: pictures for light and for dark pages, and JSON for shields.
fn files(ones: &[One], style: Style) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for one in ones {
        for (theme, end) in THEMES {
            files.push((format!("{}{end}.svg", one.name.name()), one.svg(style, theme)));
        }
        if one.points.is_none() {
            let endpoint = Endpoint::new(&one.badge, None, Some(CACHE_SECONDS));
            files.push((format!("{}.json", one.name.name()), endpoint.to_text()));
        }
    }
    files
}

/// The line of the README.
fn block(args: &Badges, ones: &[One], style: Style) -> String {
    let badge = |one: &One| {
        let (label, link) = (&one.badge.label, &args.link);
        let file = |place: &str, end: &str| format!("{}/{}{end}", place.trim_end_matches('/'), one.name.name());
        match (&args.pictures, &args.endpoints) {
            (Some(place), _) => {
                let [light, dark] = THEMES.map(|(_, end)| file(place, &format!("{end}.svg")));
                picture(label, &light, &dark, link)
            }
            (None, Some(address)) => markdown(label, &endpoint_url(&file(address, ".json"), style), link),
            (None, None) => markdown(label, &badge_url(&one.badge, style), link),
        }
    };
    ones.iter().map(badge).collect::<Vec<_>>().join(" ")
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("could not read `{}`", shown(path))).caused_by(error)),
    }
}

fn local_folder(git: &Git) -> Result<PathBuf> {
    Ok(local_of(&git.common_dir()?))
}

fn local_of(common: &Path) -> PathBuf {
    common.join("orch").join("badges")
}

/// Waits until nobody else draws the local badges; `None`: somebody else waits already, and will count what is there now.
fn turn(folder: &Path) -> Result<Option<File>> {
    let failed = |error| Error::new(ErrorKind::Io, format!("could not use `{}`", shown(folder))).caused_by(error);
    fs::create_dir_all(folder).map_err(failed)?;
    let next = File::create(folder.join(".next")).map_err(failed)?;
    if next.try_lock().is_err() {
        return Ok(None);
    }
    let turn = File::create(folder.join(".turn")).map_err(failed)?;
    turn.lock().map_err(failed)?;
    Ok(Some(turn))
}

/// Draws the local badges anew in a process of its own, if `orch badges --local` has made them once. Whoever commits does not wait for it.
pub(super) fn refresh(here: &Path, common: &Path) -> Result<()> {
    let folder = local_of(common);
    if !folder.is_dir() {
        return Ok(());
    }
    let failed = |error| Error::new(ErrorKind::Io, "the badges could not be drawn anew").caused_by(error);
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(["badges", "--local", "--quiet"]).current_dir(here);
    // Of git's own: they speak of the commit that is being made.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop).map_err(failed)
}
