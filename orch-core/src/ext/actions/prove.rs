//! Proves of an edit that it changed what it was to change, and nothing else.

use super::yaml::{Kind, View, Yaml};

/// A value without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plain {
    /// The text, and whether it has no quotes: `true` and `'true'` are not the same.
    Scalar(String, bool),
    Seq(Vec<Plain>),
    Map(Vec<(String, Plain)>),
}

impl Plain {
    /// A text that is written without quotes.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Scalar(text.into(), true)
    }

    /// The reader bounds the depth; a document with aliases, of which this might make very many, is not edited.
    pub(super) fn of(view: View<'_>) -> Self {
        match view.kind() {
            Some(Kind::Seq(_)) => Self::Seq(view.items().map(Self::of).collect()),
            Some(Kind::Map(_)) => Self::Map(
                view.entries()
                    .map(|(key, value)| (key.scalar().unwrap_or_default().to_owned(), Self::of(value)))
                    .collect(),
            ),
            _ if view.is_null() => Self::Scalar(String::new(), true),
            _ => Self::Scalar(view.scalar().unwrap_or_default().to_owned(), view.is_plain()),
        }
    }
}

/// What an edit is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intended {
    /// Where, from the root on, items of a sequence by their number; and what is there afterwards.
    pub(super) changes: Vec<Difference>,
    /// How many comments come with it.
    pub(super) comments: usize,
    /// The comments that stand in what is taken away.
    pub(super) gone: Vec<String>,
}

impl Intended {
    /// One key gets that value.
    pub(super) fn one(path: &[&str], value: Plain) -> Self {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        Self { changes: vec![(path, Some(value))], comments: 0, gone: Vec::new() }
    }
}

/// Whether `new` differs from `old` by exactly that, and keeps every comment. Else what is wrong.
pub(super) fn prove(old: &Yaml<'_>, new: &Yaml<'_>, intended: &Intended) -> Result<(), String> {
    if new.linked || new.documents != old.documents || !new.twice.is_empty() {
        return Err("it would not be the same kind of document".to_owned());
    }
    let mut differences = Vec::new();
    let (one, two) = (old.root().ok_or("there is no document")?, new.root().ok_or("there would be no document")?);
    compare(&Plain::of(one), &Plain::of(two), &mut Vec::new(), &mut differences);
    if differences.is_empty() {
        return Err("it would change nothing".to_owned());
    }
    if let Some((path, _)) = differences.iter().find(|difference| !intended.changes.contains(difference)) {
        return Err(format!("it would change `{}` too, or in another way", shown(path)));
    }
    if let Some((path, _)) = intended.changes.iter().find(|change| !differences.contains(change)) {
        return Err(format!("it would not change `{}`", shown(path)));
    }
    comments(old, new, intended)
}

fn shown(path: &[String]) -> String {
    crate::id::Printable(&path.join(".")).to_string()
}

/// A difference: where, and what is there afterwards; nothing where something is gone.
pub(super) type Difference = (Vec<String>, Option<Plain>);

fn compare(old: &Plain, new: &Plain, path: &mut Vec<String>, out: &mut Vec<Difference>) {
    match (old, new) {
        (Plain::Map(one), Plain::Map(two)) => {
            // The keys that stay must stay in their order.
            let kept = |these: &[(String, Plain)], those: &[(String, Plain)]| {
                let has = |key: &String| those.iter().any(|(other, _)| other == key);
                these.iter().map(|(key, _)| key).filter(|key| has(key)).cloned().collect::<Vec<_>>()
            };
            if kept(one, two) != kept(two, one) {
                out.push((path.clone(), Some(new.clone())));
                return;
            }
            for (key, value) in one {
                path.push(key.clone());
                match two.iter().find(|(other, _)| other == key) {
                    Some((_, other)) => compare(value, other, path, out),
                    None => out.push((path.clone(), None)),
                }
                path.pop();
            }
            for (key, value) in two.iter().filter(|(key, _)| one.iter().all(|(other, _)| other != key)) {
                path.push(key.clone());
                out.push((path.clone(), Some(value.clone())));
                path.pop();
            }
        }
        (Plain::Seq(one), Plain::Seq(two)) if one.len() == two.len() => {
            for (nth, (one, two)) in one.iter().zip(two).enumerate() {
                path.push(nth.to_string());
                compare(one, two, path, out);
                path.pop();
            }
        }
        _ if old == new => {}
        _ => out.push((path.clone(), Some(new.clone()))),
    }
}

fn comments(old: &Yaml<'_>, new: &Yaml<'_>, intended: &Intended) -> Result<(), String> {
    let of = |yaml: &Yaml<'_>| -> Vec<String> {
        yaml.comments.iter().filter_map(|span| yaml.text().get(span.clone())).map(str::to_owned).collect()
    };
    let (mut one, two) = (of(old), of(new));
    for gone in &intended.gone {
        if let Some(nth) = one.iter().position(|comment| comment == gone) {
            one.remove(nth);
        }
    }
    let mut rest = two.iter();
    let all = one.iter().all(|comment| rest.any(|other| other == comment));
    if all && two.len() == one.len() + intended.comments { Ok(()) } else { Err("a comment would be lost".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &str, new: &str, path: &[&str], value: Plain, comments: usize) -> Result<(), String> {
        let intended = Intended { comments, ..Intended::one(path, value) };
        prove(&Yaml::parse(old).unwrap(), &Yaml::parse(new).unwrap(), &intended)
    }

    #[test]
    fn only_what_was_intended_is_proved() {
        let old = "on: push # why\njobs:\n  a:\n    steps: [{run: x}]\n";
        let five = || Plain::text("5");
        let new = old.replace("  a:\n", "  a:\n    timeout-minutes: 5\n");
        let path = ["jobs", "a", "timeout-minutes"];
        assert_eq!(check(old, &new, &path, five(), 0), Ok(()));
        // The value, the place, the comments, another key, the order, the quotes.
        assert!(check(old, &new.replace('5', "6"), &path, five(), 0).is_err());
        assert!(check(old, &new, &["jobs", "b", "timeout-minutes"], five(), 0).is_err());
        assert!(check(old, &new.replace(" # why", ""), &path, five(), 0).is_err());
        assert!(check(old, &new.replace("push", "pull_request"), &path, five(), 0).is_err());
        assert!(check(old, &new.replace("run: x", "run: 'x'"), &path, five(), 0).is_err());
        assert!(check(old, &new.replace("[{run: x}]", "[{run: x}, {run: y}]"), &path, five(), 0).is_err());
        assert!(check(old, &format!("name: x\n{new}"), &path, five(), 0).is_err());
        assert!(check(old, old, &path, five(), 0).is_err());
        // Both of two changes, not one.
        let path = |key: &str| vec!["jobs".to_owned(), "a".to_owned(), key.to_owned()];
        let changes = vec![(path("timeout-minutes"), Some(five())), (path("name"), Some(Plain::text("x")))];
        let two = Intended { changes, comments: 0, gone: Vec::new() };
        let (one, other) = (Yaml::parse(old).unwrap(), Yaml::parse(&new).unwrap());
        assert_eq!(prove(&one, &other, &two), Err("it would not change `jobs.a.name`".to_owned()));
        // What the original did: all triggers are gone.
        assert!(check("on:\n  push:\n", "on:\nconcurrency:\n  push:\n", &["concurrency"], Plain::text(""), 0).is_err());
        assert!(check("a: 1\nb: 2\n", "b: 2\na: 1\nc: 3\n", &["c"], Plain::text("3"), 0).is_err());
    }
}
