//! `orch cost prices`: which published prices hold, and newer ones.

use std::{
    env, fs,
    io::{ErrorKind as IoKind, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::Agent;

use super::super::{
    args_money::{Prices, PricesCommand},
    exit::Exit,
    streams::Console,
};
use crate::{
    PriceTable,
    clock::Clock,
    cost::ListChanges,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// Where the list of genai-prices is published.
const PUBLISHED: &str = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json";
/// The published list has 0.8 MB.
const MOST_BYTES: u64 = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// The first line of the file; the list is what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    orch_prices: u32,
    /// What charges say of it.
    name: String,
    from: String,
    /// The day on which it was taken, `2026-11-22`.
    taken: String,
    blake3: String,
}

/// Where a newer list is kept: `ORCH_PRICES`, else in the user's data.
fn place() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("ORCH_PRICES").or_else(|| {
        let data = folder("XDG_DATA_HOME")
            .or_else(|| folder("LOCALAPPDATA"))
            .or_else(|| folder("HOME").map(|home| home.join(".local/share")))?;
        Some(data.join("orch/prices.jsonl"))
    })
}

/// What a newer list is, where there is one that is whole.
fn kept() -> Result<Option<(PathBuf, Head, String)>> {
    let Some(path) = place() else { return Ok(None) };
    let damaged = |why: &str| {
        let shown = path.display().to_string();
        let message = format!(
            "the price list `{}` {why}; `orch cost prices update` takes a new one, `orch cost prices reset` the one of this build",
            Printable(&shown)
        );
        Error::new(ErrorKind::Corrupt, message)
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged("cannot be read").caused_by(error)),
    };
    let (head, list) = text.split_once('\n').ok_or_else(|| damaged("is cut off"))?;
    let head: Head = serde_json::from_str(head).map_err(|error| damaged("has no head").caused_by(error))?;
    if head.orch_prices != 1 {
        return Err(damaged("is of a newer orch"));
    }
    if blake3::hash(list.as_bytes()).to_hex().as_str() != head.blake3 {
        return Err(damaged("is not what was written"));
    }
    let list = list.to_owned();
    Ok(Some((path, head, list)))
}

/// The day of the list of this build.
fn bundled_day() -> String {
    let name = PriceTable::bundled().list_name().unwrap_or_default().to_owned();
    name.rsplit_once('(').map(|(_, day)| day.trim_end_matches(')').to_owned()).unwrap_or_default()
}

/// The published prices that hold: the newer list, unless the one of this build is newer still.
pub(in super::super) fn current() -> Result<PriceTable> {
    match kept()? {
        Some((_, head, list)) if head.taken >= bundled_day() => {
            PriceTable::default().with_checked_list(head.name, &list)
        }
        _ => Ok(PriceTable::bundled()),
    }
}

/// Runs `orch cost prices`.
pub(super) fn main(args: &Prices, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    match &args.command {
        None => show(args.json, console),
        Some(PricesCommand::Update { from, json }) => update(from.as_deref(), *json, here, console),
        Some(PricesCommand::Reset { json }) => {
            let path = place().filter(|path| path.exists());
            if let Some(path) = &path {
                let shown = path.display().to_string();
                let say = |error| {
                    Error::new(ErrorKind::Io, format!("could not remove `{}`", Printable(&shown))).caused_by(error)
                };
                fs::remove_file(path).map_err(say)?;
            }
            let list = PriceTable::bundled().list_name().unwrap_or_default().to_owned();
            if *json {
                console.json(&json!({"version": 1, "list": list, "changed": path.is_some()}));
            } else {
                console.result(&format!("prices are those of {list}, which is in this build\n"));
            }
            Ok(Exit::Done)
        }
    }
}

fn show(json: bool, console: &mut Console<'_>) -> Result<Exit> {
    let table = current()?;
    let list = table.list_name().unwrap_or_default().to_owned();
    let models = table.list_changes(table.list_text().unwrap_or_default()).models;
    let kept = kept()?;
    let is_older = kept.as_ref().is_some_and(|(_, head, _)| head.taken < bundled_day());
    if json {
        let kept = kept.as_ref().map(|(path, head, _)| json!({"file": path, "from": head.from, "taken": head.taken}));
        console.json(&json!({"version": 1, "list": list, "models": models, "bundled": PriceTable::bundled().list_name(), "kept": kept, "kept_is_older": is_older}));
        return Ok(Exit::Done);
    }
    let mut text = format!("{}: {models} models\n", Printable(&list));
    match kept {
        Some((path, head, _)) => {
            let shown = path.display().to_string();
            text +=
                &format!("  taken on {} from {}\n  kept in {}\n", head.taken, Printable(&head.from), Printable(&shown));
            if is_older {
                text += "  older than the list of this build, which holds\n";
            }
        }
        None => text += "  in this build; `orch cost prices update` takes a newer one\n",
    }
    console.result(&text);
    Ok(Exit::Done)
}

fn update(from: Option<&str>, json: bool, here: &Path, console: &mut Console<'_>) -> Result<Exit> {
    let Some(path) = place() else {
        let message = "there is no home folder to keep prices in; ORCH_PRICES names a file";
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let source = from.unwrap_or(PUBLISHED);
    let list = if source.contains("://") { fetch(source)? } else { crate::session::load_text(&here.join(source))? };
    let day = Clock::system().wall().to_string();
    let taken = day.split('T').next().unwrap_or_default().to_owned();
    let hash = blake3::hash(list.as_bytes()).to_hex().to_string();
    let name = format!("genai-prices of {taken} ({})", hash.get(..8).unwrap_or_default());
    // A list that holds nothing would make every model unknown, and one that is read wrongly would make them free.
    let new = PriceTable::default().with_list(&*name, &list).map_err(|error| error.with("from", shown(source)))?;
    let before = kept().ok().flatten().map_or_else(
        || Ok(PriceTable::bundled()),
        |(_, head, list)| PriceTable::default().with_checked_list(head.name, &list),
    )?;
    let changes = before.list_changes(&list);
    if changes.models == 0 {
        let message = format!("`{}` has no model in it; the prices stay as they are", Printable(&shown(source)));
        return Err(Error::new(ErrorKind::InvalidFormat, message));
    }
    let head = Head { orch_prices: 1, name: name.clone(), from: shown(source), taken, blake3: hash };
    let head = serde_json::to_string(&head).unwrap_or_default();
    write(&path, &format!("{head}\n{list}"))?;
    let kept_in = path.display().to_string();
    if json {
        console.json(&json!({
            "version": 1, "list": new.list_name(), "before": before.list_name(), "file": kept_in, "changes": changes,
        }));
        return Ok(Exit::Done);
    }
    let ListChanges { added, removed, changed, models } = &changes;
    let mut text = format!(
        "{}: {models} models, kept in {}\nbefore: {}\n",
        Printable(&name),
        Printable(&kept_in),
        Printable(before.list_name().unwrap_or_default())
    );
    for (what, names) in [("new", added), ("changed", changed), ("gone", removed)] {
        if !names.is_empty() {
            let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
            let more = names.len().saturating_sub(first.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text += &format!("  {} {what}: {}{more}\n", names.len(), Printable(&first.join(", ")));
        }
    }
    if added.len() + removed.len() + changed.len() == 0 {
        text += "  no price is another\n";
    }
    console.result(&text);
    Ok(Exit::Done)
}

/// An address without what may be secret in it.
fn shown(source: &str) -> String {
    let whole = source.split(['?', '#']).next().unwrap_or_default();
    match whole.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) =
                rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or_default())
        }
        None => whole.to_owned(),
    }
}

/// Over TLS, or from this machine; no redirect is followed.
fn fetch(address: &str) -> Result<String> {
    let refuse = |why: String| {
        Error::new(
            ErrorKind::Io,
            format!("could not fetch `{}`: {why}; the prices stay as they are", Printable(&shown(address))),
        )
    };
    let host = address.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    let is_here =
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host == *name || host.starts_with(&format!("{name}:")));
    let is_web = address.starts_with("https://") || (address.starts_with("http://") && is_here);
    if !is_web {
        return Err(refuse("it is no https address".to_owned()));
    }
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("orch/", env!("CARGO_PKG_VERSION")));
    let config = if is_here { config.proxy(None) } else { config };
    let mut answer = Agent::new_with_config(config.build()).get(address).call().map_err(|error| refuse(why(&error)))?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(refuse(format!("the answer was {status}")));
    }
    let mut text = String::new();
    let read = answer.body_mut().as_reader().take(MOST_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| refuse(format!("the answer could not be read ({})", error.kind())))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refuse("the answer is too large".to_owned()));
    }
    Ok(text)
}

fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "its host has no address".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed ({})", error.kind()),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no secure connection was possible".to_owned(),
        _ => "it could not be asked".to_owned(),
    }
}

/// As a whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let shown = path.display().to_string();
    let mut beside = path.file_name().unwrap_or_default().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let all = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    all().map_err(|error| {
        drop(fs::remove_file(&beside));
        let message = format!("could not write `{}`; the prices stay as they are", Printable(&shown));
        Error::new(ErrorKind::Io, message).caused_by(error)
    })
}
