//! From text to a tree, by recursive descent with bounded depth.

use std::{iter::Peekable, str::CharIndices};

use serde_json::{Number, Value};

use super::model::Expression;
use crate::{
    error::{Error, ErrorKind, Result},
    id::Printable,
};

/// A part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Undefined,
    Path(Vec<String>),
    Length(Box<Node>),
    Includes(Box<Node>, Box<Node>),
    Some { of: Box<Node>, variable: String, body: Box<Node> },
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Compare(Box<Node>, Op, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// `===`
    Same,
    /// `!==`
    NotSame,
    /// `==`: as `===`, but null is also undefined.
    Equal,
    /// `!=`
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(Number),
    Op(Op),
    And,
    Or,
    Not,
    Dot,
    Open,
    Close,
    Arrow,
    End,
}

impl Node {
    /// Collects the paths as often as they occur, without those that start with a variable of a surrounding `.some`.
    pub(super) fn references<'a>(&'a self, variables: &mut Vec<&'a str>, paths: &mut Vec<Vec<String>>) {
        match self {
            Self::Literal(_) | Self::Undefined => {}
            Self::Path(path) => {
                let own = path.first().is_some_and(|name| variables.contains(&name.as_str()));
                if !own {
                    paths.push(path.clone());
                }
            }
            Self::Length(of) | Self::Not(of) => of.references(variables, paths),
            Self::Includes(a, b) | Self::Compare(a, _, b) => {
                a.references(variables, paths);
                b.references(variables, paths);
            }
            Self::Some { of, variable, body } => {
                of.references(variables, paths);
                variables.push(variable);
                body.references(variables, paths);
                variables.pop();
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.references(variables, paths)),
        }
    }
}

pub(super) fn parse(source: &str) -> Result<Node> {
    if source.len() > Expression::MAX_BYTES {
        let message = format!("a condition has at most {} bytes, this one has {}", Expression::MAX_BYTES, source.len());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    if source.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidFormat, "the condition is empty"));
    }
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0 };
    let root = parser.any()?;
    match parser.peek() {
        Token::End => Ok(root),
        Token::Op(_) => Err(parser.refuse("comparisons cannot be chained; join them with `&&`")),
        Token::Name(name) => {
            let message = format!("`{}` does not follow anything; join with `&&` or `||`", Printable(name));
            Err(parser.refuse(message))
        }
        _ => Err(parser.refuse("the condition should end here, or go on with `&&` or `||`")),
    }
}

/// Whether a name may start with that character.
fn may_start(char: char) -> bool {
    char == '_' || char == '$' || char.is_alphabetic()
}

/// Whether a name may go on with that character.
pub(super) fn may_continue(char: char) -> bool {
    may_start(char) || char.is_numeric()
}

struct Parser {
    /// Each token with its column, from 1; the last is `End`.
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn eat(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == wanted;
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, wanted: &Token, message: &'static str) -> Result<()> {
        if self.eat(wanted) { Ok(()) } else { Err(self.refuse(message)) }
    }

    /// An error at the next token.
    fn refuse(&self, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        let column = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(column, _)| *column);
        invalid(message, column)
    }

    /// Runs one step deeper: the depth of the tree is the depth of every later recursion over it.
    fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > Expression::MAX_DEPTH {
            let message = format!("the condition is nested deeper than {} levels", Expression::MAX_DEPTH);
            let column = self.tokens.get(self.at).map_or(1, |(column, _)| *column);
            return Err(Error::new(ErrorKind::TooLarge, message).with("column", column.to_string()));
        }
        let result = step(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Node> {
        self.deeper(|parser| parser.joined(&Token::Or, Self::all, Node::Any))
    }

    fn all(&mut self) -> Result<Node> {
        self.joined(&Token::And, Self::not, Node::All)
    }

    fn joined(
        &mut self,
        by: &Token,
        part: impl Fn(&mut Self) -> Result<Node>,
        join: impl FnOnce(Vec<Node>) -> Node,
    ) -> Result<Node> {
        let first = part(self)?;
        if self.peek() != by {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.eat(by) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Result<Node> {
        // In JavaScript `!a == b` negates `a` alone, which nobody means who writes it here. Parentheses say which.
        if !self.eat(&Token::Not) {
            return self.compare();
        }
        let inner = self.deeper(Self::negated)?;
        if matches!(self.peek(), Token::Op(_)) {
            return Err(self.refuse("put what `!` negates in parentheses: `!(a === b)`"));
        }
        Ok(Node::Not(Box::new(inner)))
    }

    fn negated(&mut self) -> Result<Node> {
        if self.eat(&Token::Not) {
            let inner = self.deeper(Self::negated)?;
            return Ok(Node::Not(Box::new(inner)));
        }
        self.value()
    }

    fn compare(&mut self) -> Result<Node> {
        let left = self.value()?;
        let &Token::Op(op) = self.peek() else { return Ok(left) };
        self.at += 1;
        let right = self.value()?;
        Ok(Node::Compare(Box::new(left), op, Box::new(right)))
    }

    fn value(&mut self) -> Result<Node> {
        let start = match self.peek() {
            Token::Open => {
                self.at += 1;
                let inner = self.any()?;
                self.expect(&Token::Close, "`)` is missing here")?;
                inner
            }
            Token::Name(_) => self.path()?,
            Token::Text(_) | Token::Number(_) => match self.next() {
                Token::Text(text) => Node::Literal(Value::String(text)),
                Token::Number(number) => Node::Literal(Value::Number(number)),
                _ => Node::Undefined,
            },
            Token::End => return Err(self.refuse("the condition ends where a value is needed")),
            _ => return Err(self.refuse("a value is needed here: a name, a text in quotes, a number, true or false")),
        };
        self.calls(start)
    }

    /// A literal word or a dotted path, up to `.length`, a call or the end.
    fn path(&mut self) -> Result<Node> {
        let mut path = Vec::new();
        while let Token::Name(name) = self.peek() {
            let name = name.clone();
            let method = !path.is_empty() && matches!(self.tokens.get(self.at + 1), Some((_, Token::Open)));
            let length =
                !path.is_empty() && name == "length" && !matches!(self.tokens.get(self.at + 1), Some((_, Token::Dot)));
            if method || length {
                // The dot before it belongs to the call.
                self.at -= 1;
                break;
            }
            path.push(name);
            self.at += 1;
            if !self.eat(&Token::Dot) {
                break;
            }
            if !matches!(self.peek(), Token::Name(_)) {
                return Err(self.refuse("a name is needed after `.`"));
            }
        }
        if matches!(self.peek(), Token::Open) {
            let message = "functions cannot be called; only `.includes(…)` and `.some(x => …)` of a value can";
            return Err(self.refuse(message));
        }
        Ok(match path.as_slice() {
            [word] => match word.as_str() {
                "true" => Node::Literal(Value::Bool(true)),
                "false" => Node::Literal(Value::Bool(false)),
                "null" => Node::Literal(Value::Null),
                "undefined" => Node::Undefined,
                _ => Node::Path(path),
            },
            _ => Node::Path(path),
        })
    }

    fn calls(&mut self, mut value: Node) -> Result<Node> {
        let outer = self.depth;
        while self.eat(&Token::Dot) {
            // Each call is a level of the tree.
            self.deeper(|_| Ok(()))?;
            self.depth += 1;
            let Token::Name(name) = self.peek().clone() else {
                return Err(self.refuse("a name is needed after `.`"));
            };
            value = match name.as_str() {
                "length" => {
                    self.at += 1;
                    Node::Length(Box::new(value))
                }
                "includes" => {
                    self.at += 1;
                    self.expect(&Token::Open, "`(` is needed after `includes`")?;
                    let wanted = self.any()?;
                    self.expect(&Token::Close, "`)` is missing here")?;
                    Node::Includes(Box::new(value), Box::new(wanted))
                }
                "some" => {
                    self.at += 1;
                    self.expect(&Token::Open, "`(` is needed after `some`")?;
                    let (variable, body) = self.arrow()?;
                    self.expect(&Token::Close, "`)` is missing here")?;
                    Node::Some { of: Box::new(value), variable, body: Box::new(body) }
                }
                other => {
                    let message = format!(
                        "`.{}` cannot be asked here; there are `.length`, `.includes(…)` and `.some(x => …)`",
                        Printable(other)
                    );
                    return Err(self.refuse(message));
                }
            };
        }
        self.depth = outer;
        Ok(value)
    }

    /// `x => …` or `(x) => …`.
    fn arrow(&mut self) -> Result<(String, Node)> {
        let form = "`.some` needs a variable, an arrow and a condition: `.some(x => x.kind === 'a')`";
        let enclosed = self.eat(&Token::Open);
        let Token::Name(variable) = self.peek().clone() else { return Err(self.refuse(form)) };
        if ["true", "false", "null", "undefined"].contains(&variable.as_str()) {
            return Err(self.refuse(format!("`{variable}` is a value, not a variable")));
        }
        self.at += 1;
        if enclosed {
            self.expect(&Token::Close, form)?;
        }
        self.expect(&Token::Arrow, form)?;
        Ok((variable, self.any()?))
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>, column: usize) -> Error {
    Error::new(ErrorKind::InvalidFormat, message).with("column", column.to_string())
}

type Chars<'a> = Peekable<CharIndices<'a>>;

fn tokens(source: &str) -> Result<Vec<(usize, Token)>> {
    let mut tokens = Vec::new();
    let mut chars = source.char_indices().peekable();
    let mut column = 0;
    let mut counted = 0;
    while let Some(&(at, char)) = chars.peek() {
        // Columns count characters, and each is counted once.
        column += source.get(counted..at).map_or(0, |text| text.chars().count());
        counted = at;
        let here = column + 1;
        if char.is_whitespace() {
            chars.next();
            continue;
        }
        let token = if may_start(char) {
            Token::Name(name(&mut chars))
        } else if char.is_ascii_digit() || char == '-' {
            number(source, &mut chars, here)?
        } else if char == '\'' || char == '"' {
            chars.next();
            Token::Text(text(&mut chars, char, here)?)
        } else {
            symbol(&mut chars, char, here)?
        };
        tokens.push((here, token));
    }
    tokens.push((source.chars().count() + 1, Token::End));
    Ok(tokens)
}

fn name(chars: &mut Chars<'_>) -> String {
    let mut name = String::new();
    while let Some((_, char)) = chars.next_if(|&(_, char)| may_continue(char)) {
        name.push(char);
    }
    name
}

fn number(source: &str, chars: &mut Chars<'_>, column: usize) -> Result<Token> {
    let Some(&(start, first)) = chars.peek() else { return Ok(Token::End) };
    chars.next();
    let mut end = start + first.len_utf8();
    let mut last = first;
    while let Some(&(at, char)) = chars.peek() {
        let sign = matches!(char, '+' | '-') && matches!(last, 'e' | 'E');
        if !(char.is_ascii_alphanumeric() || char == '.' || sign) {
            break;
        }
        chars.next();
        last = char;
        end = at + char.len_utf8();
    }
    let digits = source.get(start..end).unwrap_or_default();
    match serde_json::from_str::<Number>(digits) {
        Ok(number) => Ok(Token::Number(number)),
        Err(_) if first == '-' => {
            let message = "`-` only starts a number; a task named `a-b` is called `aB` here";
            Err(invalid(message, column))
        }
        Err(_) => Err(invalid(format!("`{}` is no number", Printable(digits)), column)),
    }
}

fn text(chars: &mut Chars<'_>, quote: char, column: usize) -> Result<String> {
    let mut text = String::new();
    let unclosed = || invalid(format!("the text that starts here is not closed by `{quote}`"), column);
    loop {
        let (_, char) = chars.next().ok_or_else(unclosed)?;
        if char == quote {
            return Ok(text);
        }
        if char != '\\' {
            text.push(char);
            continue;
        }
        let (_, escaped) = chars.next().ok_or_else(unclosed)?;
        text.push(match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'u' => {
                let digits: String = chars.by_ref().take(4).map(|(_, char)| char).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4 && !digits.contains('+'));
                code.and_then(char::from_u32).ok_or_else(|| {
                    invalid("`\\u` in this text needs four hexadecimal digits of one character", column)
                })?
            }
            other => other,
        });
    }
}

fn symbol(chars: &mut Chars<'_>, first: char, column: usize) -> Result<Token> {
    chars.next();
    let mut follows = |wanted: char| chars.next_if(|&(_, char)| char == wanted).is_some();
    Ok(match first {
        '.' => Token::Dot,
        '(' => Token::Open,
        ')' => Token::Close,
        '&' if follows('&') => Token::And,
        '|' if follows('|') => Token::Or,
        '!' if follows('=') => Token::Op(if follows('=') { Op::NotSame } else { Op::NotEqual }),
        '!' => Token::Not,
        '=' if follows('>') => Token::Arrow,
        '=' if follows('=') => Token::Op(if follows('=') { Op::Same } else { Op::Equal }),
        '=' => return Err(invalid("`=` assigns; compare with `===`", column)),
        '<' => Token::Op(if follows('=') { Op::LessOrEqual } else { Op::Less }),
        '>' => Token::Op(if follows('=') { Op::MoreOrEqual } else { Op::More }),
        '&' | '|' => return Err(invalid(format!("a single `{first}` is not known; write it twice"), column)),
        other => {
            return Err(invalid(format!("`{}` is not part of the language", Printable(&other.to_string())), column));
        }
    })
}
