//! JSON as its author wrote it: where its parts are, so that one can be added or taken out and all other bytes stay.

use std::ops::Range;

use serde_json::Value;

/// A value and where it is.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    /// The keys of an object, each with where its member begins; nothing for a list.
    pub(super) keys: Vec<(String, usize)>,
    /// The values of an object or a list.
    pub(super) children: Vec<Node>,
}

impl Node {
    /// The parts of a text that is JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
        reader.node()
    }

    /// The place of the member with that key.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.keys.iter().position(|(other, _)| other == key)
    }

    pub(super) fn child(&self, at: usize) -> Option<&Self> {
        self.children.get(at)
    }

    /// Whether it names a key twice. Which of them holds is a matter of who reads it.
    pub(super) fn has_twice(&self) -> bool {
        let key = |nth: usize| self.keys.get(nth).map(|(key, _)| key);
        (0..self.keys.len()).any(|nth| (0..nth).any(|before| key(before) == key(nth)))
    }

    fn begins(&self, at: usize) -> usize {
        let member = self.keys.get(at).map(|(_, begins)| *begins);
        member.or_else(|| Some(self.children.get(at)?.span.start)).unwrap_or(self.span.start)
    }

    fn ends(&self, at: usize) -> usize {
        self.children.get(at).map_or(self.span.end, |child| child.span.end)
    }

    /// The text with one more at the end of this object or list, in the way in which the others are written.
    pub(super) fn with(&self, text: &str, key: Option<&str>, value: &Value) -> Option<String> {
        let last = self.children.len().checked_sub(1);
        let before = text.get(..last.map_or(self.span.start + 1, |last| self.ends(last)))?;
        let is_inline = match last {
            // One line in a file of one line, and in a list that is one.
            Some(_) => !text.get(self.span.start..self.begins(0))?.contains('\n'),
            None => !text.trim().contains('\n') && text.trim() != "{}",
        };
        let name = key.map(|key| Value::from(key).to_string() + if is_inline { ":" } else { ": " }).unwrap_or_default();
        let comma = if last.is_some() { "," } else { "" };
        let item = if is_inline {
            format!("{comma}{name}{value}")
        } else {
            let step = indentation(text);
            let own = match last {
                Some(_) => indent_at(text, self.begins(0)),
                None => indent_at(text, self.span.start) + step,
            };
            let lines = serde_json::to_string_pretty(value).ok()?;
            let lines: Vec<String> = lines.lines().map(|line| deeper(line, step)).collect();
            let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
            let lines = lines.join(&format!("{newline}{own}"));
            let close =
                if last.is_some() { String::new() } else { newline.to_owned() + &indent_at(text, self.span.start) };
            format!("{comma}{newline}{own}{name}{lines}{close}")
        };
        let after = match last {
            Some(last) => text.get(self.ends(last)..)?,
            None => text.get(self.span.end - 1..)?,
        };
        Some(format!("{before}{item}{after}"))
    }

    /// The text without that one, and without the comma that it had.
    pub(super) fn without(&self, text: &str, at: usize) -> Option<String> {
        let gone = match (at.checked_sub(1), self.children.len() > at + 1) {
            (Some(before), _) => self.ends(before)..self.ends(at),
            (None, true) => self.begins(at)..self.begins(at + 1),
            (None, false) => self.span.start + 1..self.span.end - 1,
        };
        Some(text.get(..gone.start)?.to_owned() + text.get(gone.end..)?)
    }
}

/// What a step to the right is in this text: its first indented line says it. Default: two spaces.
fn indentation(text: &str) -> &str {
    let blank = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let first = text.lines().skip(1).find(|line| blank(line) > 0 && !line.trim().is_empty());
    first.and_then(|line| line.get(..blank(line))).unwrap_or("  ")
}

/// How far to the right the line of that place begins.
fn indent_at(text: &str, at: usize) -> String {
    let line = text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|char| matches!(char, ' ' | '\t')).collect()
}

/// A line of `to_string_pretty`, with the steps of this text.
fn deeper(line: &str, step: &str) -> String {
    let rest = line.trim_start_matches(' ');
    step.repeat((line.len() - rest.len()) / 2) + rest
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn node(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let (mut keys, mut children) = (Vec::new(), Vec::new());
        match first {
            b'{' | b'[' => {
                self.at += 1;
                while !matches!(self.peek()?, b'}' | b']') {
                    if self.peek()? == b',' {
                        self.at += 1;
                        self.peek()?;
                    }
                    if first == b'{' {
                        let begins = self.at;
                        keys.push((self.string()?, begins));
                        // The colon.
                        self.peek()?;
                        self.at += 1;
                    }
                    children.push(self.node()?);
                }
                self.at += 1;
            }
            b'"' => drop(self.string()?),
            _ => {
                let is_part = |byte: &u8| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                while self.bytes.get(self.at).is_some_and(is_part) {
                    self.at += 1;
                }
            }
        }
        Some(Node { span: start..self.at, keys, children })
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }
}
