//! Finds the lines of problems in the text of a definition.

use std::collections::{HashMap, HashSet};

use crate::error::Problem;

/// Gives every problem the line of its field; a field that is not there has the line of what it is missing from.
///
/// One walk over the text, whatever the number of problems. `text` is JSON that was already parsed, so its depth is bounded
/// and every bracket closed; on other text lines may be missing.
pub(super) fn find(text: &str, problems: &mut [Problem]) {
    let mut wanted = Wanted::default();
    for (at, problem) in problems.iter().enumerate() {
        let mut node = &mut wanted;
        for step in steps(&problem.path) {
            node = node.members.entry(step).or_default();
        }
        node.problems.push(at);
    }
    let mut walk = Walk { bytes: text.as_bytes(), at: 0, line: 1, problems };
    walk.space();
    walk.value(&wanted, walk.line);
}

/// Gives every problem of an agent the line that the agent stands in, and every problem of a phase that of its first agent;
/// `agents` holds these lines by phase.
#[cfg(feature = "markdown")]
pub(super) fn of_agents(agents: &[Vec<u32>], problems: &mut [Problem]) {
    for problem in problems {
        let index = |step: String| step.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok();
        let mut steps = steps(&problem.path);
        let Some(phase) = steps.nth(1).and_then(index).and_then(|place| agents.get(place)) else { continue };
        let agent = steps.nth(1).and_then(index).unwrap_or(0);
        problem.line = phase.get(agent).copied();
    }
}

/// The problems of a field, and those of what is inside it.
#[derive(Default)]
struct Wanted {
    problems: Vec<usize>,
    members: HashMap<String, Wanted>,
}

/// The steps of a path: `phases[0].agents` is `phases`, `[0]`, `agents`.
fn steps(path: &str) -> impl Iterator<Item = String> {
    // Keys may hold dots of their own; no field of a definition lies deeper than this.
    path.split('.').take(16).flat_map(|part| {
        let (name, indices) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        let indices = indices.split_inclusive(']').map(str::to_owned);
        std::iter::once(name.to_owned()).filter(|name| !name.is_empty()).chain(indices.take(4))
    })
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    problems: &'a mut [Problem],
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line = self.line.saturating_add(1);
        }
        self.at += 1;
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.step();
        }
    }

    /// Marks what is wanted in the value here; `line` is where its field starts.
    fn value(&mut self, wanted: &Wanted, line: u32) {
        self.mark(wanted, line);
        if wanted.members.is_empty() {
            self.skip();
            return;
        }
        match self.peek() {
            Some(b'{') => self.members(wanted, line),
            Some(b'[') => self.elements(wanted, line),
            _ => {
                self.mark_missing(wanted, line);
                self.skip();
            }
        }
    }

    fn mark(&mut self, wanted: &Wanted, line: u32) {
        for &at in &wanted.problems {
            if let Some(problem) = self.problems.get_mut(at) {
                problem.line = Some(line);
            }
        }
    }

    /// What is not there has the line of what it is missing from.
    fn mark_missing(&mut self, wanted: &Wanted, line: u32) {
        self.mark(wanted, line);
        for member in wanted.members.values() {
            self.mark_missing(member, line);
        }
    }

    fn members(&mut self, wanted: &Wanted, outer: u32) {
        let mut met = HashSet::new();
        self.step();
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                break;
            }
            let line = self.line;
            let start = self.at;
            self.skip();
            let name = self.bytes.get(start..self.at).and_then(|text| serde_json::from_slice::<String>(text).ok());
            self.space();
            // The colon.
            self.step();
            self.space();
            match name.as_ref().and_then(|name| wanted.members.get_key_value(name)) {
                Some((name, member)) => {
                    self.value(member, line);
                    met.insert(name.as_str());
                }
                None => self.skip(),
            }
            self.space();
            if self.peek() != Some(b',') {
                break;
            }
            self.step();
        }
        self.step();
        for (_, member) in wanted.members.iter().filter(|(name, _)| !met.contains(name.as_str())) {
            self.mark_missing(member, outer);
        }
    }

    fn elements(&mut self, wanted: &Wanted, outer: u32) {
        let mut met = 0usize;
        let mut count = 0usize;
        self.step();
        loop {
            self.space();
            if matches!(self.peek(), None | Some(b']')) {
                break;
            }
            let line = self.line;
            match wanted.members.get(&format!("[{count}]")) {
                Some(element) => {
                    self.value(element, line);
                    met += 1;
                }
                None => self.skip(),
            }
            count += 1;
            self.space();
            if self.peek() != Some(b',') {
                break;
            }
            self.step();
        }
        self.step();
        if met < wanted.members.len() {
            let there = |name: &str| {
                let index = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
                index.and_then(|index| index.parse::<usize>().ok()).is_some_and(|index| index < count)
            };
            for (_, member) in wanted.members.iter().filter(|(name, _)| !there(name)) {
                self.mark_missing(member, outer);
            }
        }
    }

    /// Passes over one value without looking into it.
    fn skip(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => self.string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.step();
                    self.space();
                    continue;
                }
                Some(b'}' | b']') if depth == 0 => return,
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.step();
                }
                Some(b',' | b':') => {
                    self.step();
                    self.space();
                    continue;
                }
                Some(_) => {
                    while self
                        .peek()
                        .is_some_and(|byte| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace())
                    {
                        self.step();
                    }
                }
            }
            if depth == 0 {
                return;
            }
            self.space();
        }
    }

    fn string(&mut self) {
        self.step();
        while let Some(byte) = self.peek() {
            self.step();
            match byte {
                b'"' => return,
                b'\\' => self.step(),
                _ => {}
            }
        }
    }
}
