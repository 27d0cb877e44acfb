//! Names that may be handed to git: hashes, and checked names of branches.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    id::{Printable, is_unprintable},
};

/// The hash of an object: 40 or 64 hexadecimal digits in lower case. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(Arc<str>);

impl Oid {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..9).unwrap_or(&self.0)
    }

    /// The hash that stands for no object, in as many digits.
    pub fn zero_hash(&self) -> String {
        "0".repeat(self.0.len())
    }
}

impl FromStr for Oid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_hash = matches!(text.len(), 40 | 64)
            && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        let refuse = || Error::new(ErrorKind::InvalidValue, format!("`{}` is no hash of an object", Printable(text)));
        is_hash.then(|| Self(text.into())).ok_or_else(refuse)
    }
}

impl TryFrom<String> for Oid {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.0.to_string()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a branch that git takes, and that is nothing else for a shell, a terminal or a person. Cheap to clone.
///
/// Beside what `git check-ref-format --branch` asks for: no part begins with `-`, there are no blanks, quotes or `$`, nothing invisible, no
/// part mixes Latin letters with letters of other alphabets that look like them, and it has at most 200 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(Arc<str>);

impl BranchName {
    /// The longest name, in bytes. It is part of a path, and the file system's limit for one is mostly 255.
    pub const MAX_BYTES: usize = 200;

    /// That name, checked.
    ///
    /// # Errors
    ///
    /// [`InvalidValue`](ErrorKind::InvalidValue) with the reason.
    pub fn new(name: &str) -> Result<Self> {
        match problem(name) {
            None => Ok(Self(name.into())),
            Some(why) => {
                let message = format!("`{}` cannot name a branch: {why}", Printable(name));
                Err(Error::new(ErrorKind::InvalidValue, message))
            }
        }
    }

    /// The name, without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as git stores it.
    pub fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

fn problem(name: &str) -> Option<&'static str> {
    let is_bad_char = |char: char| char.is_whitespace() || "~^:?*[]\\'\"`$!&|;<>(){}#%,=".contains(char);
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > BranchName::MAX_BYTES {
        return Some("it has more than 200 bytes");
    }
    if name.chars().any(is_unprintable) {
        return Some("it holds a control character, or one that cannot be seen");
    }
    if name.chars().any(is_bad_char) {
        return Some("it holds a blank, or a character that git or a shell reads as something else");
    }
    if name == "HEAD" || name == "@" || name.starts_with("refs/") || name.contains("@{") {
        return Some("that means something else to git");
    }
    if matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some("it looks like a hash");
    }
    name.split('/').find_map(|part| match part {
        "" => Some("a part of it is empty"),
        _ if part.starts_with('-') => Some("a part begins with `-`, as options do"),
        _ if part.starts_with('.') || part.ends_with('.') || part.contains("..") => {
            Some("dots stand at the beginning or end of a part, or next to each other")
        }
        _ if part.to_ascii_lowercase().ends_with(".lock") => Some("a part ends with `.lock`"),
        _ if mixes_alphabets(part) => Some("a part mixes letters that look alike"),
        _ => None,
    })
}

/// Whether Latin letters stand beside letters of another alphabet, or there are letters that are only another width of Latin ones.
fn mixes_alphabets(part: &str) -> bool {
    let is_latin =
        |char: char| char.is_ascii_alphabetic() || matches!(char, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    let is_other = |char: char| char.is_alphabetic() && !is_latin(char);
    let is_wide =
        |char: char| matches!(char, '\u{ff00}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2100}'..='\u{214f}');
    // Marks that are put over the letter before, and signs that look like `/`, `.` or `-`.
    let is_odd = |char: char| !char.is_ascii() && !char.is_alphanumeric();
    part.chars().any(is_wide) || part.chars().any(is_odd) || (part.chars().any(is_latin) && part.chars().any(is_other))
}

impl FromStr for BranchName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for BranchName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<BranchName> for String {
    fn from(name: BranchName) -> Self {
        name.0.to_string()
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Git, GitOptions};

    #[test]
    fn hostile_names_are_refused() {
        for good in ["main", "feature/login", "orch/1f2e/task-3", "a.b_c+d@e", "größe", "ветка/один", "issue-7"]
        {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(201);
        let hash = "a".repeat(40);
        for bad in [
            "",
            "-f",
            "--upload-pack=x",
            "a/-b",
            "..",
            "../x",
            "a/../b",
            "a..b",
            ".git",
            "a/.b",
            "a.",
            "x.lock",
            "a/x.LOCK",
            "a//b",
            "/a",
            "a/",
            "HEAD",
            "@",
            "a@{1}",
            "refs/heads/a",
            "a b",
            "a\tb",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            "a\u{200b}b",
            "a\u{202e}b",
            "$(touch x)",
            "`x`",
            "a;b",
            "a|b",
            "a&b",
            "a'b",
            "a\"b",
            "a>b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "m\u{430}in",
            "\u{ff4d}ain",
            "ma\u{2044}in",
            "e\u{301}x",
            "\u{1d5c6}x",
            &long,
            &hash,
        ] {
            let error = BranchName::new(bad).unwrap_err();
            assert!(!error.to_string().chars().any(is_unprintable), "{error}");
        }
    }

    #[test]
    fn git_takes_every_name_that_is_taken_here() {
        use proptest::prelude::*;
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(folder.path(), GitOptions::default());
        let name = r"[a-b./@{~ \-\\é\u{430}\u{7f}HEADlock]{1,9}";
        let config = ProptestConfig { cases: 300, ..ProptestConfig::default() };
        proptest!(config, |(name in name)| {
            if BranchName::new(&name).is_ok() {
                let answer = git.call(["check-ref-format", "--branch", &name]).answer().unwrap();
                prop_assert_eq!(answer.code, 0, "{}", name);
            }
        });
    }

    #[test]
    fn hashes_are_hashes() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(hash.parse::<Oid>().unwrap().short(), "012345678");
        for bad in ["", "HEAD", "--all", &hash[1..], &hash.to_uppercase(), &format!("{hash}\n")] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
