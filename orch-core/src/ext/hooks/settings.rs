//! Which hooks a settings file of Claude Code has.

use std::{
    fs,
    io::{ErrorKind as IoKind, Write as _},
    path::Path,
};

use serde::Serialize;
use serde_json::{Value, json};

use super::json_text::Node;
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
    session::MAX_FILE_BYTES,
};

/// The events that are asked for, each with the tools for which.
const EVENTS: [(&str, Option<&str>); 11] = [
    ("PreToolUse", Some("*")),
    ("PostToolUse", Some("TodoWrite|TaskCreate|TaskUpdate|TaskList")),
    ("UserPromptSubmit", None),
    ("SessionStart", None),
    ("SessionEnd", None),
    ("Stop", None),
    ("SubagentStart", None),
    ("SubagentStop", None),
    ("TaskCreated", None),
    ("TaskCompleted", None),
    ("PreModelSwitch", None),
];
/// Seconds after which Claude Code goes on without an answer.
const TIMEOUT: u32 = 10;
/// What every call of ours begins with.
const CALL: [&str; 2] = ["hook", "claude"];

/// A settings file of Claude Code, as its author wrote it.
///
/// ```
/// use orch_core::ext::hooks::Settings;
///
/// let theirs = "{\n    \"model\": \"opus\"\n}\n";
/// let ours = Settings::parse(theirs)?.install("orch", &[])?;
/// assert_eq!(ours.installed().len(), 11);
/// assert_eq!(ours.install("orch", &[])?.text(), ours.text(), "once is enough");
/// assert_eq!(ours.uninstall().text(), theirs, "to the byte");
/// # Ok::<(), orch_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    text: String,
    /// What is on the disk; `None`: nothing.
    was: Option<String>,
}

/// A hook of ours that is in a settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The event.
    pub event: String,
    /// For which tools; empty: all.
    pub matcher: String,
    /// The program that is called.
    pub program: String,
    /// With what, one argument each: no shell is involved.
    pub args: Vec<String>,
}

fn odd(why: &str) -> Error {
    let message = format!("{why}, so it was left as it is; mend it and try again");
    Error::new(ErrorKind::InvalidFormat, message)
}

impl Settings {
    /// Reads a file; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Settings::parse), [`Io`](ErrorKind::Io).
    pub fn load(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        match fs::metadata(path) {
            Ok(about) if about.len() > MAX_FILE_BYTES => Err(odd("it is too large").with("file", shown)),
            Ok(_) => match fs::read_to_string(path) {
                Ok(text) => Ok(Self {
                    was: Some(text.clone()),
                    ..Self::parse(&text).map_err(|error| error.with("file", shown))?
                }),
                Err(error) if error.kind() == IoKind::InvalidData => Err(odd("it is not UTF-8").with("file", shown)),
                Err(error) => Err(unreadable(&shown, error)),
            },
            Err(error) if error.kind() == IoKind::NotFound => Ok(Self { text: "{}\n".to_owned(), was: None }),
            Err(error) => Err(unreadable(&shown, error)),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) if it is no JSON object, or its hooks are not as Claude Code has them.
    pub fn parse(text: &str) -> Result<Self> {
        let text = if text.trim().is_empty() { "{}\n" } else { text };
        let value: Value = serde_json::from_str(text).map_err(|error| odd(&format!("it is no JSON ({error})")))?;
        if !value.is_object() {
            return Err(odd("it holds no JSON object"));
        }
        let root = Node::parse(text).ok_or_else(|| odd("it is no JSON"))?;
        let hooks = root.find("hooks").and_then(|at| root.child(at));
        if root.has_twice() || hooks.is_some_and(Node::has_twice) {
            return Err(odd("it has a key twice"));
        }
        let is_list = |value: &Value| value.as_array().is_some_and(|groups| groups.iter().all(Value::is_object));
        match value.get("hooks") {
            None => {}
            Some(Value::Object(events)) if events.values().all(is_list) => {}
            Some(_) => return Err(odd("its `hooks` are no object of lists")),
        }
        Ok(Self { text: text.to_owned(), was: Some(text.to_owned()) })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says that no hooks are called at all.
    pub fn is_disabled(&self) -> bool {
        let value: Value = serde_json::from_str(&self.text).unwrap_or_default();
        value.get("disableAllHooks").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The events that are asked for.
    pub fn events() -> impl Iterator<Item = &'static str> {
        EVENTS.iter().map(|(event, _)| *event)
    }

    /// The hooks of ours that it has.
    pub fn installed(&self) -> Vec<Installed> {
        let value: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let mut found = Vec::new();
        for (event, groups) in value.get("hooks").and_then(Value::as_object).into_iter().flatten() {
            for group in groups.as_array().into_iter().flatten() {
                let matcher = group.get("matcher").and_then(Value::as_str).unwrap_or_default();
                let hooks = group.get("hooks").and_then(Value::as_array).into_iter().flatten();
                found.extend(hooks.filter_map(ours).map(|(program, args)| Installed {
                    event: event.clone(),
                    matcher: matcher.to_owned(),
                    program,
                    args,
                }));
            }
        }
        found
    }

    /// The same with our hooks, which call that program with `hook claude` and these arguments. Those that were there already are
    /// replaced, if they are others.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for a program without `orch` in its name: it is how its hooks are found again;
    /// [`InvalidFormat`](ErrorKind::InvalidFormat) if it cannot be changed.
    pub fn install(&self, program: &str, more: &[String]) -> Result<Self> {
        if !program.rsplit(['/', '\\']).next().is_some_and(|name| name.contains("orch")) {
            let program = Printable(program);
            let message = format!("`{program}` has no `orch` in its name, by which the hooks would be found again");
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let args: Vec<String> = CALL.iter().map(|part| (*part).to_owned()).chain(more.iter().cloned()).collect();
        let wanted: Vec<Installed> = EVENTS
            .iter()
            .map(|(event, matcher)| Installed {
                event: (*event).to_owned(),
                matcher: matcher.unwrap_or_default().to_owned(),
                program: program.to_owned(),
                args: args.clone(),
            })
            .collect();
        let there = self.installed();
        if wanted.len() == there.len() && wanted.iter().all(|one| there.contains(one)) {
            return Ok(self.clone());
        }
        let mut text = self.uninstall().text;
        for (event, matcher) in EVENTS {
            let hook = json!({"type": "command", "command": program, "args": args, "timeout": TIMEOUT});
            let group = match matcher {
                Some(matcher) => json!({"matcher": matcher, "hooks": [hook]}),
                None => json!({"hooks": [hook]}),
            };
            text = add(&text, event, &group).ok_or_else(|| odd("its hooks could not be added to"))?;
        }
        let new = Self { text, was: self.was.clone() };
        // What was written must be what was meant, whatever the text looked like.
        Self::parse(&new.text)?;
        let there = new.installed();
        if wanted.len() == there.len() && wanted.iter().all(|one| there.contains(one)) {
            return Ok(new);
        }
        Err(odd("its hooks could not be added to"))
    }

    /// The same without our hooks.
    #[must_use]
    pub fn uninstall(&self) -> Self {
        let mut text = self.text.clone();
        while let Some(less) = take_one(&text) {
            text = less;
        }
        Self { text, was: self.was.clone() }
    }

    /// Writes it, as a whole or not at all, where it differs from what is there; whether it did. A link stays a link.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the file was changed since it was read; [`Io`](ErrorKind::Io).
    pub fn save(&self, path: &Path) -> Result<bool> {
        if self.was.as_ref() == Some(&self.text) {
            return Ok(false);
        }
        let shown = path.display().to_string();
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let say = |error: std::io::Error| {
            let message = format!("could not write `{}`, which is as it was", Printable(&shown));
            Error::new(ErrorKind::Io, message).caused_by(error)
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(say)?;
        }
        let mut beside = path.file_name().unwrap_or_default().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(beside);
        let write = || {
            let mut file = fs::File::create(&beside)?;
            file.write_all(self.text.as_bytes())?;
            if let Ok(about) = fs::metadata(&path) {
                file.set_permissions(about.permissions())?;
            }
            file.sync_all()
        };
        let written = write().map_err(say).and_then(|()| {
            let now = fs::read_to_string(&path).ok();
            if now != self.was {
                let message = format!("`{}` was changed meanwhile, and left as it is; try again", Printable(&shown));
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            fs::rename(&beside, &path).map_err(say)
        });
        if written.is_err() {
            drop(fs::remove_file(&beside));
        }
        written.map(|()| true)
    }
}

fn unreadable(shown: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not read `{}`", Printable(shown))).caused_by(error)
}

/// The program and the arguments of a hook, if it is ours: it calls some `orch` with `hook claude`.
fn ours(hook: &Value) -> Option<(String, Vec<String>)> {
    let program = hook.get("command")?.as_str()?;
    let name = program.rsplit(['/', '\\']).next()?;
    let args: Vec<String> = hook.get("args")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let is_ours =
        name.starts_with("orch") && args.iter().zip(CALL).filter(|(arg, part)| arg == part).count() == CALL.len();
    is_ours.then(|| (program.to_owned(), args))
}

/// The text with one more group at that event.
fn add(text: &str, event: &str, group: &Value) -> Option<String> {
    let root = Node::parse(text)?;
    let Some(hooks) = root.find("hooks").and_then(|at| root.child(at)) else {
        return root.with(text, Some("hooks"), &json!({event: [group]}));
    };
    match hooks.find(event).and_then(|at| hooks.child(at)) {
        Some(groups) => groups.with(text, None, group),
        None => hooks.with(text, Some(event), &json!([group])),
    }
}

/// The text without one of our hooks, and without the group, the event and the hooks that have nothing else; `None`: there is none.
fn take_one(text: &str) -> Option<String> {
    let root = Node::parse(text)?;
    let at_hooks = root.find("hooks")?;
    let hooks = root.child(at_hooks)?;
    for (at_event, groups) in hooks.children.iter().enumerate() {
        for (at_group, group) in groups.children.iter().enumerate() {
            let Some(list) = group.find("hooks").and_then(|at| group.child(at)) else { continue };
            for (at, hook) in list.children.iter().enumerate() {
                let value: Value = serde_json::from_str(text.get(hook.span.clone())?).ok()?;
                if ours(&value).is_none() {
                    continue;
                }
                let path = [(&root, at_hooks), (hooks, at_event), (groups, at_group), (list, at)];
                // The outermost that has nothing else goes as a whole.
                let mut gone = 3;
                for (outer, (inner, _)) in path.iter().enumerate().skip(1).rev() {
                    if inner.children.len() > 1 {
                        break;
                    }
                    gone = outer - 1;
                }
                return path.get(gone).and_then(|(container, at)| container.without(text, *at));
            }
        }
    }
    None
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
