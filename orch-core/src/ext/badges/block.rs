//! The block of badges in a README: only what is between its marks changes. Pure.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};

/// The line before the block.
pub const START: &str = "<!-- orch:badges:start -->";
/// The line after it.
pub const END: &str = "<!-- orch:badges:end -->";

/// Marks of the scripts that orch replaces, and the badges that they wrote behind them. They had no mark for the end.
const EARLIER: [(&str, &[&str]); 2] = [
    ("<!-- Orchestration Cost Tracking -->", &["MTD Cost", "Orchestration Savings"]),
    (
        "<!-- Claude Cost Tracking -->",
        &["Claude Monthly Cost", "Budget Status", "Cost Trend", "Daily Average", "Weekly Cost", "YTD Cost"],
    ),
];

/// A text with its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// All of it.
    pub text: String,
    /// Where the block was: only these bytes of the text before are others now.
    pub replaced: Range<usize>,
    /// Where it came from.
    pub was: Was,
}

/// What was in the place of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Was {
    /// A block of orch.
    Block,
    /// That of the scripts that orch replaces, from now on one of orch.
    Earlier(&'static str),
    /// Nothing.
    Nothing,
}

impl Placed {
    /// Whether the text is another than it was.
    pub fn changed(&self, before: &str) -> bool {
        self.text != before
    }
}

/// Puts lines between the marks. The rest of the text stays as it is, byte for byte, with its line ends.
///
/// Where there are no marks of orch but one of the scripts, that goes, with the badges that the scripts wrote behind it and nothing else: what they glued to their
/// own line comes into a line of its own. Marks in blocks of code are none. `insert` says whether the block may be put, where there is neither, under the first
/// headline, else at the beginning.
///
/// ```
/// use orch_core::ext::badges::{Was, place_block};
///
/// let old = "# App\n<!-- Orchestration Cost Tracking -->\n[![MTD Cost](x_(7%))](y)[![Other](z)](z)\nText\n";
/// let placed = place_block(old, "new", false)?;
/// assert_eq!(placed.text, "# App\n<!-- orch:badges:start -->\nnew\n<!-- orch:badges:end -->\n[![Other](z)](z)\nText\n");
/// assert_eq!(place_block(&placed.text, "new", false)?.text, placed.text);
/// assert_eq!(place_block(&placed.text, "", false)?.was, Was::Block);
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) where there are no marks; [`Conflict`](ErrorKind::Conflict) where they are not one pair in order, or where the lines have a
/// mark in them.
pub fn place_block(text: &str, lines: &str, insert: bool) -> Result<Placed> {
    if lines.contains(START) || lines.contains(END) {
        return Err(conflict("what is to be put between the marks has a mark in it"));
    }
    let found = marks(text);
    let (replaced, was, before, after) = match found.as_slice() {
        [(Mark::Start, start), (Mark::End, end)] => (start.clone().start..end.end, Was::Block, "", ""),
        [] => return without_block(text, lines, insert),
        _ => {
            return Err(conflict(&format!(
                "the marks of the block are not one `{START}` with one `{END}` behind it; nothing was changed"
            )));
        }
    };
    Ok(put(text, lines, replaced, was, before, after))
}

fn conflict(why: &str) -> Error {
    Error::new(ErrorKind::Conflict, why.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Start,
    End,
}

/// The marks of orch, each with its own bytes.
fn marks(text: &str) -> Vec<(Mark, Range<usize>)> {
    let is = |line: &str| match line.trim() {
        START => Some((Mark::Start, START)),
        END => Some((Mark::End, END)),
        _ => None,
    };
    let found = |(at, line): (usize, &str)| {
        let (mark, text) = is(line)?;
        let begins = at + indent(line);
        Some((mark, begins..begins + text.len()))
    };
    lines_outside_code(text).filter_map(found).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Lines that are not code, without their ends, and where they begin.
fn lines_outside_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut at, mut fence): (usize, Option<(char, usize)>) = (0, None);
    text.split_inclusive('\n').filter_map(move |whole| {
        let begins = at;
        at += whole.len();
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let inner = line.trim_start_matches(' ');
        let run = |char: char| inner.chars().take_while(|&it| it == char).count();
        let is_fence = line.len() - inner.len() < 4;
        match fence {
            Some((char, length)) => {
                let ends = is_fence && run(char) >= length && inner.trim_end().chars().all(|it| it == char);
                if ends {
                    fence = None;
                }
                None
            }
            None => {
                let opens = ['`', '~'].into_iter().map(|char| (char, run(char))).find(|(_, length)| *length >= 3);
                match opens.filter(|_| is_fence) {
                    Some(opened) => {
                        fence = Some(opened);
                        None
                    }
                    None => Some((begins, line)),
                }
            }
        }
    })
}

fn without_block(text: &str, lines: &str, insert: bool) -> Result<Placed> {
    for (mark, names) in EARLIER {
        let found: Vec<usize> = lines_outside_code(text)
            .filter(|(_, line)| line.trim() == mark)
            .map(|(at, line)| at + indent(line))
            .collect();
        match found.as_slice() {
            [] => {}
            [at] => {
                let (end, glued) = earlier_end(text, *at, names);
                let after = if glued { line_end(text) } else { "" };
                return Ok(put(text, lines, *at..end, Was::Earlier(mark), "", after));
            }
            _ => return Err(conflict(&format!("`{mark}` is there more than once; nothing was changed"))),
        }
    }
    if !insert {
        let message = format!(
            "there are no marks; write `{START}` and `{END}` on lines of their own where the badges are to stand"
        );
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let end = line_end(text);
    let headline = lines_outside_code(text).find(|(_, line)| line.starts_with("# "));
    Ok(match headline {
        Some((at, line)) => {
            let behind = at + line.len();
            let is_last = !text.get(behind..).unwrap_or_default().contains('\n');
            let before = format!("{end}{end}");
            put(text, lines, behind..behind, Was::Nothing, &before, if is_last { end } else { "" })
        }
        None => {
            // Behind a byte order mark, which is only one at the beginning.
            let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
            put(text, lines, at..at, Was::Nothing, "", end)
        }
    })
}

/// Where the block of a script ends that begins there, and whether something else stands behind it in its last line.
fn earlier_end(text: &str, at: usize, names: &[&str]) -> (usize, bool) {
    let line_of =
        |from: usize| text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |line| from + line);
    // Of the line itself, without its end.
    let mut end = without_return(text, at, line_of(at));
    let mut next = line_of(at) + 1;
    // Two rows at most; none without one of the badges.
    for _ in 0..2 {
        let Some(rest) = text.get(next..) else { break };
        let mut taken = 0;
        while let Some(length) = rest.get(taken..).and_then(|rest| badge(rest, names)) {
            taken += length;
            let spaces = rest.get(taken..).map_or(0, |rest| rest.len() - rest.trim_start_matches(' ').len());
            // A space between two of ours is ours too.
            if rest.get(taken + spaces..).is_some_and(|rest| badge(rest, names).is_some()) {
                taken += spaces;
            } else {
                break;
            }
        }
        if taken == 0 {
            break;
        }
        end = next + taken;
        let whole = without_return(text, next, line_of(next));
        if text.get(end..whole).is_some_and(|rest| !rest.trim().is_empty()) {
            return (end, true);
        }
        next = line_of(next) + 1;
    }
    (end, false)
}

fn without_return(text: &str, from: usize, end: usize) -> usize {
    let has = end > from && text.as_bytes().get(end - 1) == Some(&b'\r');
    end - usize::from(has)
}

/// How long the badge of one of these names is that the text begins with: `[![NAME](ADDRESS)](LINK)`.
fn badge(text: &str, names: &[&str]) -> Option<usize> {
    let rest = text.strip_prefix("[![")?;
    let rest = names.iter().find_map(|name| rest.strip_prefix(name)?.strip_prefix(']'))?;
    let rest = address(rest)?.strip_prefix(']')?;
    Some(text.len() - address(rest)?.len())
}

/// What is behind an address in parentheses. The scripts left parentheses in addresses, so they are counted.
fn address(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' if depth == 1 => return text.get(at + 1..),
            ')' => depth = depth.checked_sub(1)?,
            '\n' => return None,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn line_end(text: &str) -> &'static str {
    let first = text.find('\n');
    if first.is_some_and(|at| text.get(..at).is_some_and(|line| line.ends_with('\r'))) { "\r\n" } else { "\n" }
}

fn put(text: &str, lines: &str, replaced: Range<usize>, was: Was, before: &str, after: &str) -> Placed {
    let end = line_end(text);
    let mut block = format!("{before}{START}{end}");
    for line in lines.lines() {
        block = block + line + end;
    }
    block += END;
    block += after;
    let (head, tail) = (text.get(..replaced.start).unwrap_or_default(), text.get(replaced.end..).unwrap_or_default());
    Placed { text: format!("{head}{block}{tail}"), replaced, was }
}
