//! Names of worktrees, and of branches from templates.

use crate::{
    error::{Error, ErrorKind, Result},
    git::BranchName,
    id::Printable,
};

/// The longest name of a worktree, in bytes.
const LONGEST: usize = 80;

/// A name for a folder: letters, digits, `.`, `_` and `-` of ASCII. All else becomes `-`; where that is more than a slash, or something was cut
/// off, six digits of a hash keep it apart from others.
///
/// ```
/// use orch_core::ext::worktree::folder_name;
///
/// assert_eq!(folder_name("feature/login")?, "feature-login");
/// assert_eq!(folder_name("$(touch x)")?, "touch-x-0b0e3a".replace("0b0e3a", &folder_name("$(touch x)")?[8..]));
/// assert!(folder_name("///").is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) where nothing is left.
pub fn folder_name(text: &str) -> Result<String> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let mut name = String::new();
    for char in text.chars() {
        match char {
            char if is_plain(char) => name.push(char),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_matches(['-', '.']).replace("..", "-");
    let cut = name.get(..LONGEST - 7).unwrap_or(&name).trim_end_matches(['-', '.']);
    if cut.is_empty() {
        let message = format!("`{}` has nothing that can name a folder", Printable(text));
        return Err(Error::new(ErrorKind::InvalidValue, message));
    }
    let is_same = cut == text.replace('/', "-") && !cut.to_ascii_lowercase().ends_with(".lock");
    if is_same {
        return Ok(cut.to_owned());
    }
    let hash = blake3::hash(text.as_bytes()).to_hex();
    Ok(format!("{cut}-{}", hash.get(..6).unwrap_or_default()))
}

/// The name of a branch by a template: `{name}`, `{task}`, `{run}`, `{agent}` stand for values, each made a plain part first, so that no value can
/// bring a slash or a dot with it. A part that would be empty goes, with its slash.
///
/// ```
/// use orch_core::ext::worktree::branch_name;
///
/// assert_eq!(branch_name("orch/{run}/{task}", &[("run", "1f2e"), ("task", "fix: a/b")])?.as_str(), "orch/1f2e/fix-a-b-85a7a6"
///     .replace("85a7a6", &branch_name("{task}", &[("task", "fix: a/b")])?.as_str()[8..]));
/// assert!(branch_name("{who}", &[]).is_err());
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidValue`](ErrorKind::InvalidValue) for an unknown word, and for what cannot name a branch.
pub fn branch_name(template: &str, values: &[(&str, &str)]) -> Result<BranchName> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        name.push_str(before);
        let known = after
            .split_once('}')
            .and_then(|(word, left)| values.iter().find(|(known, _)| *known == word).map(|(_, value)| (*value, left)));
        let Some((value, left)) = known else {
            let words: Vec<String> = values.iter().map(|(word, _)| format!("{{{word}}}")).collect();
            let message =
                format!("`{}` is no template of a branch; it may hold {}", Printable(template), words.join(", "));
            return Err(Error::new(ErrorKind::InvalidValue, message));
        };
        if !value.is_empty() {
            name.push_str(&folder_name(value)?);
        }
        rest = left;
    }
    name.push_str(rest);
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    BranchName::new(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_folder_name_is_one_plain_part(text in "\\PC{0,100}|[-./a\\\\~]{0,12}") {
            if let Ok(name) = folder_name(&text) {
                prop_assert!(name.len() <= LONGEST && !name.starts_with(['-', '.']) && !name.ends_with('.'), "{}", name);
                prop_assert!(name.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char)), "{}", name);
                prop_assert!(!name.contains(".."));
                prop_assert!(branch_name("orch/{task}", &[("task", &text)]).is_ok(), "{}", name);
            }
        }
    }

    #[test]
    fn other_texts_have_other_names() {
        let names: std::collections::BTreeSet<String> = ["a b", "a-b", "a\tb", "a:b", "m\u{430}in", "min", "x.lock"]
            .iter()
            .map(|text| folder_name(text).unwrap())
            .collect();
        assert_eq!(names.len(), 7, "{names:?}");
        for bad in ["", "..", "---", "\u{202e}", "./."] {
            assert!(folder_name(bad).is_err(), "{bad:?}");
        }
    }
}
