//! What a result depends on that no other task makes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Problem, Result},
    id::Printable,
};

/// What the result of a task depends on, beside its definition and the values that it reads: files, models and tools. A task
/// that [shares](crate::TaskOptions::shares) what it makes is known again only while all of them are the same; what is not
/// named is not noticed.
///
/// ```
/// use orch_core::{Task, definition::Sources};
///
/// let sources = Sources::files(["Cargo.toml", "src/**/*.rs"]).model("claude-sonnet-4-5").tool("rg", "14.1.1");
/// let analysis = Task::new("analysis").sources(sources);
/// assert_eq!(analysis.options().sources.as_ref().unwrap().files.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Files, by their content when the task is about to start. Paths with `/`, relative to the
    /// [directory](crate::RunOptions::directory) of the run, never out of it. `*` stands for any characters of a name, `?` for
    /// one, a backslash takes the next character as it is; a part that is `**` stands for any folders or none. What begins with
    /// a dot is a name like others, but into `.git` only a path looks that names it.
    ///
    /// A file that is not there counts as not there. Links are followed, but not out of the directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Models that are asked; the name says the version. Those of [`prefix`](crate::TaskOptions::prefix) and
    /// [`expects`](crate::TaskOptions::expects) need not be named again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Programs and libraries, by name, each with its version.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
}

impl Sources {
    /// The most parts, between slashes, that a path may have.
    pub const MAX_PARTS: usize = 63;

    /// Those files.
    pub fn files<P: Into<String>>(files: impl IntoIterator<Item = P>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// And that model.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.models.push(name.into());
        self
    }

    /// And that tool, in that version.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.tools.insert(name.into(), version.into());
        self
    }

    /// Whether that can be one of [`files`](Sources::files).
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) for a path that is absolute, leaves the directory, or names no file.
    pub fn check(path: &str) -> Result<()> {
        match refusal(path) {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::InvalidValue, format!("`{}` {why}", Printable(path)))),
        }
    }

    /// What no run could make sense of; `at` is the field of these sources.
    pub(super) fn problems(&self, at: impl Fn() -> String) -> Vec<Problem> {
        let bad = |(nth, path): (usize, &String)| {
            let why = refusal(path)?;
            let message = format!("`{}` {why}", Printable(path));
            Some(Problem::error("INVALID_VALUE", message).at(format!("{}.files[{nth}]", at())))
        };
        self.files.iter().enumerate().filter_map(bad).collect()
    }
}

/// Whether the last character takes what does not follow as it is.
fn ends_in_escape(part: &str) -> bool {
    part.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Why that is no path of a source.
pub(super) fn refusal(path: &str) -> Option<&'static str> {
    let drive = path.chars().next().is_some_and(|first| first.is_ascii_alphabetic()) && path.get(1..2) == Some(":");
    if path.is_empty() {
        Some("names no file")
    } else if path.starts_with('/') || drive {
        Some("is not relative; give a path from the directory of the run on")
    } else if path.split('/').any(|part| part == "..") {
        Some("leaves the directory of the run; give a path inside of it, without `..`")
    } else if path.split('/').any(ends_in_escape) {
        Some("has a single backslash at the end of a part; write two, or `/` between parts")
    } else if path.contains('\0') {
        Some("holds a NUL character, which no path can")
    } else if path.split('/').all(|part| part.is_empty() || part == ".") {
        Some("names no file")
    } else if path.split('/').count() > Sources::MAX_PARTS {
        Some("has more than 63 parts")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Task};

    #[test]
    fn paths_stay_inside() {
        let long = "a/".repeat(63) + "b";
        for (path, why) in [
            ("", "names no file"),
            ("./.", "names no file"),
            ("/etc/passwd", "is not relative"),
            ("c:/x", "is not relative"),
            ("..", "leaves the directory"),
            ("a/../../b", "leaves the directory"),
            ("a\0b", "holds a NUL"),
            (r"a\/b", "single backslash"),
            (&long, "more than 63 parts"),
        ] {
            let task = Task::new("a").sources(Sources::files(["fine", path]));
            let error = Graph::builder("g").task(task).build().unwrap_err();
            let problem = &error.problems()[0];
            assert_eq!((problem.code.as_ref(), problem.path.as_str()), ("INVALID_VALUE", "tasks.a.sources.files[1]"));
            assert!(problem.message.contains(why), "{path:?}: {problem}");
            assert!(!problem.message.contains('\0'), "a message is printable");
        }
        for path in ["a", "./a", "a..b", "**/*.rs", "...", "é", "a b", r"a\\", ".git/HEAD", &"a/".repeat(62)] {
            assert_eq!(refusal(path), None, "{path}");
        }
    }

    #[test]
    fn the_json_form_is_strict() {
        let sources = Sources::files(["a"]).model("m").tool("rg", "14");
        let text = serde_json::to_string(&sources).unwrap();
        assert_eq!(text, r#"{"files":["a"],"models":["m"],"tools":{"rg":"14"}}"#);
        assert_eq!(serde_json::from_str::<Sources>(&text).unwrap(), sources);
        for text in [r#"{"file": ["a"]}"#, r#"{"files": "a"}"#, r#"{"tools": {"rg": 14}}"#] {
            assert!(serde_json::from_str::<Sources>(text).is_err(), "{text}");
        }
    }
}
