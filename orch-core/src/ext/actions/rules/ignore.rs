//! Comments that silence rules: `# orch: ignore[rule]` for a line, `# orch: ignore-file[rule]` for a file.

use std::collections::HashMap;

use super::Rule;

/// What the comments of a file silence.
#[derive(Debug, Default)]
pub(in super::super) struct Ignored {
    lines: HashMap<usize, Which>,
    file: Which,
    /// Names that are no rules, each with its line.
    pub(in super::super) unknown: Vec<(usize, String)>,
}

#[derive(Debug, Default)]
struct Which {
    all: bool,
    rules: Vec<Rule>,
}

impl Which {
    fn has(&self, rule: Rule) -> bool {
        self.all || self.rules.contains(&rule)
    }
}

impl Ignored {
    pub(in super::super) fn read(text: &str) -> Self {
        let mut ignored = Self::default();
        for (nth, line) in text.lines().enumerate() {
            let Some((before, rest)) = line.split_once("# orch: ignore") else { continue };
            let nth = nth + 1;
            let (rest, file) = match rest.strip_prefix("-file") {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let mut which = Which::default();
            match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((names, _)) => {
                    for name in names.split(',').map(str::trim) {
                        match name.parse() {
                            Ok(rule) => which.rules.push(rule),
                            Err(_) => ignored.unknown.push((nth, name.to_owned())),
                        }
                    }
                }
                None => which.all = true,
            }
            if file {
                ignored.file.all |= which.all;
                ignored.file.rules.append(&mut which.rules);
            } else {
                // A comment alone on its line is about the next one.
                let alone = before.trim().is_empty();
                let entry = ignored.lines.entry(nth + usize::from(alone)).or_default();
                entry.all |= which.all;
                entry.rules.append(&mut which.rules);
            }
        }
        ignored
    }

    pub(in super::super) fn has(&self, rule: Rule, line: usize) -> bool {
        self.file.has(rule) || self.lines.get(&line).is_some_and(|which| which.has(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_files_are_silenced() {
        let text = "# orch: ignore-file[unpinned-action]\na: 1 # orch: ignore[missing-timeout, tiny-job] slow\n\
                    # orch: ignore\nb: 2\nc: 3 # orch: ignore[nonsense]\n";
        let ignored = Ignored::read(text);
        assert!(ignored.has(Rule::UnpinnedAction, 9));
        assert!(ignored.has(Rule::MissingTimeout, 2) && ignored.has(Rule::TinyJob, 2));
        assert!(!ignored.has(Rule::MissingCache, 2) && !ignored.has(Rule::MissingTimeout, 3));
        assert!(ignored.has(Rule::InvalidCron, 4) && !ignored.has(Rule::InvalidCron, 5));
        assert_eq!(ignored.unknown, [(5, "nonsense".to_owned())]);
    }
}
