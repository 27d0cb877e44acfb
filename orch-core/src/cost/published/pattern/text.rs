//! How patterns are written.

use std::mem;

/// So often something is repeated by a number, and so deep groups may lie in each other.
const MOST_TIMES: usize = 1_000;
const DEEPEST: usize = 50;

/// Some of all characters.
#[derive(Debug, Clone)]
pub(super) struct Class {
    ranges: Vec<(char, char)>,
    is_not: bool,
    folds: bool,
}

impl Class {
    pub(super) fn has(&self, char: char) -> bool {
        let is_in = |char: char| self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&char));
        let folded = || is_in(char.to_ascii_lowercase()) || is_in(char.to_ascii_uppercase());
        (is_in(char) || self.folds && folded()) != self.is_not
    }
}

/// A pattern as it is written.
#[derive(Debug)]
pub(super) enum Node {
    One(Class),
    Begin,
    End,
    Edge(bool),
    Look(bool, Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Times(Box<Self>, usize, Option<usize>),
}

impl Node {
    /// Whether it is a place between characters, whatever comes.
    fn is_place(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Begin | Self::End | Self::Edge(_) | Self::Look(..) => true,
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().all(Self::is_place),
            Self::Times(node, ..) => node.is_place(),
        }
    }
}

pub(super) struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    /// The pattern in that text; else what is not understood of it, and where.
    pub(super) fn read(text: &str) -> Result<Node, String> {
        let mut reader = Self { text: text.chars().collect(), at: 0 };
        let node = reader.either(0, false)?;
        if reader.peek().is_some() { reader.wrong("has a `)` too many") } else { Ok(node) }
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{what}, at character {}", self.at))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek();
        self.at += usize::from(char.is_some());
        char
    }

    /// Goes over that, if it comes next.
    fn eats(&mut self, what: &str) -> bool {
        let is_next = what.chars().enumerate().all(|(nth, char)| self.text.get(self.at + nth) == Some(&char));
        self.at += if is_next { what.chars().count() } else { 0 };
        is_next
    }

    fn either(&mut self, depth: usize, mut folds: bool) -> Result<Node, String> {
        let (mut ways, mut way) = (Vec::new(), Vec::new());
        while let Some(char) = self.peek().filter(|char| *char != ')') {
            self.at += 1;
            let node = match char {
                '|' => {
                    ways.push(Node::All(mem::take(&mut way)));
                    continue;
                }
                // Until the end of the group, beyond a `|`.
                '(' if self.eats("?i)") => {
                    folds = true;
                    continue;
                }
                '(' => self.group(depth, folds)?,
                '[' => Node::One(self.class(folds)?),
                '.' => Node::One(Class { ranges: vec![('\n', '\n')], is_not: true, folds }),
                '^' => Node::Begin,
                '$' => Node::End,
                '\\' => self.escape(folds)?,
                '*' | '+' | '?' | '{' => return self.wrong("repeats nothing"),
                char => Node::One(Class { ranges: vec![(char, char)], is_not: false, folds }),
            };
            way.push(self.times(node)?);
        }
        if ways.is_empty() {
            return Ok(Node::All(way));
        }
        ways.push(Node::All(way));
        Ok(Node::Any(ways))
    }

    fn group(&mut self, depth: usize, folds: bool) -> Result<Node, String> {
        if depth >= DEEPEST {
            return self.wrong("has groups too deep in each other");
        }
        let (mut look, mut folds) = (None, folds);
        if self.eats("?=") || self.eats("?!") {
            look = Some(self.text.get(self.at - 1) == Some(&'='));
        } else if self.eats("?i:") {
            folds = true;
        } else if !self.eats("?:") && matches!(self.peek(), Some('?' | '*')) {
            return self.wrong("has a group of a kind that is not known here (looking behind, names, flags)");
        }
        let inner = self.either(depth + 1, folds)?;
        if !self.eats(")") {
            return self.wrong("has a `(` that is not closed");
        }
        Ok(match look {
            Some(is_there) => Node::Look(is_there, Box::new(inner)),
            None => Node::All(vec![inner]),
        })
    }

    fn times(&mut self, node: Node) -> Result<Node, String> {
        if node.is_place() && matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return self.wrong("repeats what has no length");
        }
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let rest = self.text.get(self.at + 1..).unwrap_or_default();
                let text: String = rest.iter().take_while(|char| **char != '}').collect();
                let (least, most) = text.split_once(',').unwrap_or((&text, &text));
                let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number(least) || !(most.is_empty() || is_number(most)) || text.len() == rest.len() {
                    return self.wrong("has a `{` that is no repetition");
                }
                let (least, most) = (least.parse().unwrap_or(usize::MAX), most.parse().ok());
                if least > MOST_TIMES || most.is_some_and(|most| most < least || most > MOST_TIMES) {
                    return self.wrong("repeats something too often, or less than at least");
                }
                self.at += text.chars().count() + 1;
                (least, most)
            }
            _ => return Ok(node),
        };
        self.at += 1;
        // As few as possible or as many: whether it matches is the same.
        self.eats("?");
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return self.wrong("repeats a repetition");
        }
        Ok(Node::Times(Box::new(node), least, most))
    }

    fn escape(&mut self, folds: bool) -> Result<Node, String> {
        Ok(match self.peek() {
            Some(char @ ('b' | 'B')) => {
                self.at += 1;
                Node::Edge(char == 'b')
            }
            _ if self.eats("A") => Node::Begin,
            _ if self.eats("z") => Node::End,
            _ => Node::One(Class { ranges: self.escaped()?, is_not: false, folds }),
        })
    }

    /// What a `\` and the next character stand for, in a class and outside of one.
    fn escaped(&mut self) -> Result<Vec<(char, char)>, String> {
        let Some(char) = self.next() else { return self.wrong("ends in a `\\`") };
        let ranges: &[(char, char)] = match char.to_ascii_lowercase() {
            'd' => &[('0', '9')],
            'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            's' => &[('\t', '\r'), (' ', ' ')],
            _ => &[],
        };
        let one = match char {
            'd' | 'w' | 's' => return Ok(ranges.to_vec()),
            'D' | 'W' | 'S' => {
                let (mut others, mut from) = (Vec::new(), '\0');
                for (first, last) in ranges {
                    others.push((from, char::from(*first as u8 - 1)));
                    from = char::from(*last as u8 + 1);
                }
                others.push((from, char::MAX));
                return Ok(others);
            }
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ if char.is_ascii_punctuation() && !matches!(char, '<' | '>') => char,
            _ => return self.wrong("has a `\\` before something for which it is not known here"),
        };
        Ok(vec![(one, one)])
    }

    fn class(&mut self, folds: bool) -> Result<Class, String> {
        let (is_not, mut ranges) = (self.eats("^"), Vec::new());
        loop {
            let first = match self.next() {
                None => return self.wrong("has a `[` that is not closed"),
                Some(']') if ranges.is_empty() => return self.wrong("has a class with nothing in it"),
                Some(']') => return Ok(Class { ranges, is_not, folds }),
                Some('[') => return self.wrong("has a class in a class"),
                Some(char @ ('&' | '-' | '~')) if self.peek() == Some(char) => {
                    return self.wrong("has a class of classes");
                }
                Some('\\') => self.escaped()?,
                Some(char) => vec![(char, char)],
            };
            if self.peek() != Some('-') || self.text.get(self.at + 1) == Some(&']') {
                ranges.extend(first);
                continue;
            }
            self.at += 1;
            let last = match self.next() {
                Some('\\') => self.escaped()?,
                Some(char) if !matches!(char, '-' | '[') => vec![(char, char)],
                _ => Vec::new(),
            };
            match (&*first, &*last) {
                (&[(from, same)], &[(to, too)]) if from == same && to == too && from <= to => ranges.push((from, to)),
                _ => return self.wrong("has a range from nothing to nothing"),
            }
        }
    }
}
