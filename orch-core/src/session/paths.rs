//! Paths and patterns of files, part by part.

use std::{fmt, str::FromStr};

use crate::{
    cache::Pattern,
    definition::Sources,
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// A path of [`Sources::files`], part by part.
#[derive(Debug)]
pub(super) struct Sought {
    text: String,
    parts: Vec<Part>,
    /// Where no part is a pattern.
    path: Option<String>,
}

#[derive(Debug)]
enum Part {
    Name(String),
    Pattern(Pattern),
    /// Any folders, or none. Never the last one.
    Folders,
}

/// The parts that may come next, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places(u64);

impl Places {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Sought {
    /// The path, where it is no pattern.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Before any part.
    pub(super) fn start(&self) -> Places {
        self.skip_folders(1)
    }

    /// Whether a file of that name is sought there, and what may come next in a folder of that name. Each name is looked at
    /// once for each part, whatever the pattern.
    pub(super) fn step(&self, places: Places, name: &str) -> (bool, Places) {
        let (mut fits, mut next) = (false, 0);
        for (nth, part) in self.parts.iter().enumerate().filter(|(nth, _)| places.0 >> nth & 1 == 1) {
            match part {
                Part::Folders if name != ".git" => next |= 1 << nth,
                Part::Name(wanted) if wanted == name => next |= 1 << (nth + 1),
                Part::Pattern(pattern) if name != ".git" && pattern.matches(name) => next |= 1 << (nth + 1),
                _ => {}
            }
        }
        let end = 1 << self.parts.len();
        fits |= next & end != 0;
        (fits, self.skip_folders(next & !end))
    }

    /// `**` stands for no folder too.
    fn skip_folders(&self, mut places: u64) -> Places {
        for (nth, part) in self.parts.iter().enumerate() {
            if places >> nth & 1 == 1 && matches!(part, Part::Folders) {
                places |= 1 << (nth + 1);
            }
        }
        Places(places)
    }
}

impl FromStr for Sought {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Sources::check(text)?;
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
            parts.push(match part {
                "**" => Part::Folders,
                _ => match name(part) {
                    // What is taken as it is may still not lead elsewhere.
                    Some(name) if matches!(name.as_str(), "." | "..") => {
                        let message = format!("`{}` leaves the directory of the run", Printable(text));
                        return Err(Error::new(ErrorKind::InvalidValue, message));
                    }
                    Some(name) => Part::Name(name),
                    None => Part::Pattern(part.parse()?),
                },
            });
        }
        if matches!(parts.last(), Some(Part::Folders)) {
            parts.push(Part::Pattern("*".parse()?));
        }
        // One bit for each part and one for the end.
        if parts.len() > Sources::MAX_PARTS {
            let message = format!("`{}` has more than {} parts", Printable(text), Sources::MAX_PARTS);
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        let names: Option<Vec<&str>> = parts.iter().map(Part::name).collect();
        let path = names.map(|names| names.join("/"));
        Ok(Self { text: text.to_owned(), parts, path })
    }
}

impl Part {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// The name that a part stands for, where it stands for one only.
fn name(part: &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = part.chars();
    while let Some(char) = chars.next() {
        match char {
            '*' | '?' => return None,
            '\\' => name.push(chars.next()?),
            char => name.push(char),
        }
    }
    Some(name)
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a file at that path is sought.
    fn seeks(pattern: &str, path: &str) -> bool {
        let sought: Sought = pattern.parse().unwrap();
        if let Some(name) = sought.path() {
            return name == path;
        }
        let (folders, file) = path.rsplit_once('/').map_or((None, path), |(folders, file)| (Some(folders), file));
        let folders = folders.into_iter().flat_map(|folders| folders.split('/'));
        let places = folders.fold(sought.start(), |places, folder| sought.step(places, folder).1);
        sought.step(places, file).0
    }

    #[test]
    fn parts_are_names_patterns_or_folders() {
        for (pattern, path, wanted) in [
            ("a.rs", "a.rs", true),
            ("./src//a.rs", "src/a.rs", true),
            (r"a\*", "a*", true),
            ("*.rs", "a.rs", true),
            ("*.rs", "src/a.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/b/a.rs", false),
            ("src/**/*.rs", "src/a.rs", true),
            ("src/**/*.rs", "src/b/c/a.rs", true),
            ("src/**/*.rs", "other/src/a.rs", false),
            ("**/a/**/b", "x/a/y/z/b", true),
            ("**/a/**/b", "a/b", true),
            ("**/a/**/b", "b", false),
            ("src/**", "src/b/c", true),
            ("src/**", "src", false),
            ("**", "a", true),
            ("**", ".hidden/a", true),
            ("**", ".git/config", false),
            ("*/config", ".git/config", false),
            (".git/*", ".git/config", true),
            ("a?c/*", "abc/x", true),
            ("a**b", "axyb", true),
            ("a**b", "ax/yb", false),
        ] {
            assert_eq!(seeks(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        for pattern in ["", "/a", "../a", "a/..", r"a/\.\./b", r"a/.\./b", "a\0", r"a\", "a/./../b", &"**/".repeat(64)]
        {
            assert_eq!(pattern.parse::<Sought>().unwrap_err().kind(), ErrorKind::InvalidValue, "{pattern:?}");
        }
        assert!(("**/".repeat(62) + "x").parse::<Sought>().is_ok());
    }

    #[test]
    fn hard_patterns_are_no_work() {
        let sought: Sought = ("**/a*a*a/".repeat(30) + "x").parse().unwrap();
        let mut places = sought.start();
        for _ in 0..10_000 {
            places = sought.step(places, "aaaaaaaaab").1;
        }
        assert!(!sought.step(places, "x").0);
    }

    /// What the words say, tried in every way.
    fn by_trying(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**"], path) => !path.is_empty(),
            (["**", rest @ ..], _) => {
                (0..=path.len()).any(|skip| by_trying(rest, path.get(skip..).unwrap_or_default()))
            }
            ([part, rest @ ..], [name, names @ ..]) => {
                part.parse::<Pattern>().unwrap().matches(name) && by_trying(rest, names)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_trying_finds(
            pattern in prop::collection::vec(prop_oneof![Just("**"), Just("*"), Just("a"), Just("a*"), Just("?b")], 1..6),
            path in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("ab")], 1..6),
        ) {
            prop_assert_eq!(seeks(&pattern.join("/"), &path.join("/")), by_trying(&pattern, &path));
        }
    }
}
