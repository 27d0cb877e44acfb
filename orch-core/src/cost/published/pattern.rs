//! Regular expressions, as far as names of models ask for them.
//!
//! Known are literals, `.`, classes, groups, `|`, repetitions, `^ $ \A \z \b \B`, looking ahead and `(?i)`. What is not known is an error, never
//! another meaning. `\d`, `\w`, `\s`, `\b` and `(?i)` mean ASCII. Whether a text matches is all that can be asked.
//!
//! A pattern becomes a program, and all of its ways are gone at once, a character at a time: no pattern takes longer than its length
//! times that of the text, but for what looks ahead, and that is counted.

#[path = "pattern/text.rs"]
mod text;

use std::mem;

use self::text::{Class, Node, Reader};
use crate::id::Printable;

/// So many steps an answer may take.
const MOST_STEPS: usize = 1_000_000;
/// So many instructions a pattern may have: repetitions are written out.
const MOST_PARTS: usize = 10_000;

/// A pattern that can be asked.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

/// An instruction. What follows it is the next one, but where it says otherwise.
#[derive(Debug)]
enum Part {
    One(Class),
    Begin,
    End,
    /// Between a word and what is none, or not there.
    Edge(bool),
    Either(usize, usize),
    Jump(usize),
    /// Whether what comes then, up to its `Found`, is there; goes on at `next`.
    Look {
        is_there: bool,
        next: usize,
    },
    Found,
}

impl Pattern {
    /// The pattern in that text; else what is not understood, and where.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut writer = Writer { parts: Vec::new(), left: MOST_PARTS };
        let read = Reader::read(text).and_then(|node| writer.write(&node));
        read.map_err(|why| format!("the pattern `{}` {why}", Printable(text)))?;
        writer.parts.push(Part::Found);
        Ok(Self(writer.parts))
    }

    /// Whether something in that text matches; `None` if it takes too long to say.
    pub(super) fn matches(&self, text: &str) -> Option<bool> {
        let text: Vec<char> = text.chars().collect();
        self.run(&text, 0, 0, true, &mut { MOST_STEPS })
    }

    /// Whether the program from `first` on ends well: begun at that place, or there and anywhere later.
    fn run(&self, text: &[char], first: usize, begins: usize, is_anywhere: bool, steps: &mut usize) -> Option<bool> {
        let (mut ways, mut next) = (Ways::new(self.0.len()), Ways::new(self.0.len()));
        for at in begins..=text.len() {
            *steps = steps.checked_sub(1 + self.0.len() / 64)?;
            if (is_anywhere || at == begins) && self.follow(first, text, at, &mut ways, steps)? {
                return Some(true);
            }
            let Some(char) = text.get(at).filter(|_| is_anywhere || !ways.waiting.is_empty()) else { break };
            for way in &ways.waiting {
                if let Some(Part::One(class)) = self.0.get(*way)
                    && class.has(*char)
                    && self.follow(way + 1, text, at + 1, &mut next, steps)?
                {
                    return Some(true);
                }
            }
            ways.clear();
            mem::swap(&mut ways, &mut next);
        }
        Some(false)
    }

    /// Goes from `first` as far as no character is needed; whether that is the end.
    fn follow(&self, first: usize, text: &[char], at: usize, ways: &mut Ways, steps: &mut usize) -> Option<bool> {
        let is_word = |at: Option<usize>| {
            at.and_then(|at| text.get(at)).is_some_and(|char| char.is_ascii_alphanumeric() || *char == '_')
        };
        let mut open = vec![first];
        while let Some(way) = open.pop() {
            if !ways.visit(way) {
                continue;
            }
            *steps = steps.checked_sub(1)?;
            match self.0.get(way)? {
                Part::One(_) => ways.waiting.push(way),
                Part::Begin if at == 0 => open.push(way + 1),
                Part::End if at == text.len() => open.push(way + 1),
                Part::Edge(is_there) if (is_word(at.checked_sub(1)) != is_word(Some(at))) == *is_there => {
                    open.push(way + 1);
                }
                Part::Begin | Part::End | Part::Edge(_) => {}
                Part::Either(one, other) => open.extend([*other, *one]),
                Part::Jump(next) => open.push(*next),
                Part::Look { is_there, next } => {
                    if self.run(text, way + 1, at, false, steps)? == *is_there {
                        open.push(*next);
                    }
                }
                Part::Found => return Some(true),
            }
        }
        Some(false)
    }
}

/// Where a program is, all at once.
struct Ways {
    seen: Vec<bool>,
    /// Those that need a character.
    waiting: Vec<usize>,
}

impl Ways {
    fn new(parts: usize) -> Self {
        Self { seen: vec![false; parts], waiting: Vec::new() }
    }

    /// Whether it was not there before.
    fn visit(&mut self, way: usize) -> bool {
        self.seen.get_mut(way).is_some_and(|seen| !mem::replace(seen, true))
    }

    fn clear(&mut self) {
        self.seen.fill(false);
        self.waiting.clear();
    }
}

struct Writer {
    parts: Vec<Part>,
    left: usize,
}

impl Writer {
    /// Adds an instruction, and says where.
    fn push(&mut self, part: Part) -> usize {
        self.parts.push(part);
        self.parts.len() - 1
    }

    fn set(&mut self, at: usize, part: Part) {
        if let Some(old) = self.parts.get_mut(at) {
            *old = part;
        }
    }

    fn write(&mut self, node: &Node) -> Result<(), String> {
        // What writes nothing counts as well: it can be repeated without end.
        self.left = self.left.checked_sub(1).ok_or("is too large")?;
        match node {
            Node::One(class) => drop(self.push(Part::One(class.clone()))),
            Node::Begin => drop(self.push(Part::Begin)),
            Node::End => drop(self.push(Part::End)),
            Node::Edge(is_there) => drop(self.push(Part::Edge(*is_there))),
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.write(node))?,
            Node::Look(is_there, node) => {
                let look = self.push(Part::Found);
                self.write(node)?;
                let next = self.push(Part::Found) + 1;
                self.set(look, Part::Look { is_there: *is_there, next });
            }
            Node::Any(nodes) => {
                let mut ends = Vec::new();
                for (nth, node) in nodes.iter().enumerate() {
                    let fork = (nth + 1 < nodes.len()).then(|| self.push(Part::Found));
                    self.write(node)?;
                    if let Some(fork) = fork {
                        ends.push(self.push(Part::Found));
                        self.set(fork, Part::Either(fork + 1, self.parts.len()));
                    }
                }
                ends.iter().for_each(|end| self.set(*end, Part::Jump(self.parts.len())));
            }
            Node::Times(node, least, most) => {
                (0..*least).try_for_each(|_| self.write(node))?;
                let mut forks = Vec::new();
                for _ in 0..most.map_or(1, |most| most - least) {
                    forks.push(self.push(Part::Found));
                    self.write(node)?;
                }
                if let (None, Some(fork)) = (most, forks.first()) {
                    self.push(Part::Jump(*fork));
                }
                forks.iter().for_each(|fork| self.set(*fork, Part::Either(fork + 1, self.parts.len())));
            }
        }
        Ok(())
    }
}
