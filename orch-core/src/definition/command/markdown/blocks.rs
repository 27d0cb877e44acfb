//! The blocks of a Markdown text: headings, list items, paragraphs, code.
//!
//! By lines and not by CommonMark: the files in use continue a numbered list right below a paragraph (`**Tasks**:` and then
//! `5. …`), which CommonMark reads as more of the paragraph.

/// One block and the line that it starts in, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) line: u32,
    pub(super) kind: Kind,
    /// The text without marks of the block, lines joined by a space; for code and YAML the lines as they are.
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Level 1 to 6.
    Heading(u8),
    /// A list item: how far it is indented, and its number if it has one.
    Item {
        indent: usize,
        number: Option<u32>,
    },
    Paragraph,
    /// A quotation, which speaks about the text.
    Quote,
    /// A list of agents, `agents:` and what follows, in a code block or not.
    Agents,
    Code,
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut scan = Scan::default();
    for (nth, line) in (1u32..).zip(text.lines()) {
        scan.line(nth, line.trim_end());
    }
    scan.close_code();
    scan.blocks
}

#[derive(Default)]
struct Scan {
    blocks: Vec<Block>,
    /// Inside of code: how its end looks, and since when.
    fence: Option<(&'static str, usize)>,
    /// Lines of code or YAML that are being collected, with the line of the first.
    code: Option<(u32, Vec<String>)>,
    in_comment: bool,
    in_agents: bool,
    /// The last line was blank, so nothing continues.
    apart: bool,
}

impl Scan {
    fn line(&mut self, nth: u32, line: &str) {
        let text = line.trim_start();
        let indent = indent(line);
        if let Some((mark, length)) = self.fence {
            let closes = text.len() >= length && text.chars().all(|c| mark.starts_with(c));
            if closes {
                self.close_code()
            } else {
                self.collect(nth, line)
            }
            return;
        }
        if self.in_comment {
            self.in_comment = !text.contains("-->");
            return;
        }
        if self.in_agents {
            if text.is_empty() || indent > 0 || text.starts_with("- ") {
                self.collect(nth, line);
                return;
            }
            self.close_code();
        }
        let apart = std::mem::replace(&mut self.apart, text.is_empty());
        match fence(text) {
            _ if text.is_empty() => {}
            Some(fence) => self.fence = Some(fence),
            None if text.starts_with("<!--") => self.in_comment = !text.contains("-->"),
            None if text == "agents:" => {
                self.in_agents = true;
                self.collect(nth, line);
            }
            None => self.text(nth, text, indent, apart),
        }
    }

    fn text(&mut self, line: u32, text: &str, indent: usize, apart: bool) {
        if let Some((level, title)) = heading(text) {
            self.push(line, Kind::Heading(level), title);
        } else if let Some((number, rest)) = item(text) {
            self.push(line, Kind::Item { indent, number }, rest);
        } else if let Some(quoted) = text.strip_prefix('>') {
            self.push(line, Kind::Quote, quoted.trim());
        } else if let Some(level) = underline(text) {
            // A line of dashes below a paragraph makes it a heading; elsewhere it is a rule across the page.
            if let Some(last) = self.blocks.last_mut().filter(|last| !apart && last.kind == Kind::Paragraph) {
                last.kind = Kind::Heading(level);
            }
            self.apart = true;
        } else {
            let last = self.blocks.last_mut().filter(|_| !apart);
            match last {
                Some(last) if last.kind == Kind::Paragraph || indent > 1 && matches!(last.kind, Kind::Item { .. }) => {
                    last.text.push(' ');
                    last.text.push_str(text);
                }
                _ => self.push(line, Kind::Paragraph, text),
            }
        }
    }

    fn push(&mut self, line: u32, kind: Kind, text: &str) {
        self.blocks.push(Block { line, kind, text: text.to_owned() });
    }

    fn collect(&mut self, line: u32, text: &str) {
        self.code.get_or_insert_with(|| (line, Vec::new())).1.push(text.to_owned());
    }

    fn close_code(&mut self) {
        self.fence = None;
        self.in_agents = false;
        if let Some((line, lines)) = self.code.take() {
            let agents = lines.iter().find(|line| !line.trim().is_empty()).is_some_and(|line| line.trim() == "agents:");
            let kind = if agents { Kind::Agents } else { Kind::Code };
            self.blocks.push(Block { line, kind, text: lines.join("\n") });
        }
    }
}

/// Columns before the first character; a tab goes to the next multiple of four.
fn indent(line: &str) -> usize {
    let blank = line.chars().take_while(|c| c.is_whitespace());
    blank.fold(0, |column, c| if c == '\t' { (column / 4 + 1) * 4 } else { column + 1 })
}

fn fence(text: &str) -> Option<(&'static str, usize)> {
    ["`", "~"].into_iter().find_map(|mark| {
        let length = text.chars().take_while(|&c| mark.starts_with(c)).count();
        let open = length >= 3 && !text.get(length..).is_some_and(|info| mark == "`" && info.contains('`'));
        open.then_some((mark, length))
    })
}

fn heading(text: &str) -> Option<(u8, &str)> {
    let title = text.trim_start_matches('#');
    let level = text.len() - title.len();
    let is_heading = (1..=6).contains(&level) && title.starts_with(char::is_whitespace);
    is_heading.then(|| (level as u8, title.trim().trim_end_matches('#').trim_end()))
}

fn item(text: &str) -> Option<(Option<u32>, &str)> {
    if let Some(rest) = text.strip_prefix(['-', '*', '+']) {
        return rest.strip_prefix([' ', '\t']).map(|rest| (None, rest.trim()));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.strip_prefix(['.', ')'])?.strip_prefix([' ', '\t'])?;
    // Nine digits, as in CommonMark.
    if digits > 9 { None } else { Some((Some(number.parse().ok()?), rest.trim())) }
}

fn underline(text: &str) -> Option<u8> {
    match text.chars().next() {
        Some('=') if text.chars().all(|c| c == '=') => Some(1),
        Some('-') if text.len() > 1 && text.chars().all(|c| c == '-') => Some(2),
        Some('*') if text.len() > 2 && text.chars().all(|c| c == '*') => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_blocks() {
        let text = "Title\n===\n> quoted\n\n**Tasks**:\n5. first (a,\n   b)\n\t- nested\n```js\n# no heading\n1. no item\n```\n\
                    para\nmore\n<!-- # hidden\n1. hidden -->\n\n---\n## Two ##\n~~~yaml\nagents:\n  - id: a\n~~~\n";
        let shown: Vec<_> =
            blocks(text).iter().map(|block| format!("{} {:?} {:?}", block.line, block.kind, block.text)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r##"
        1 Heading(1) "Title"
        3 Quote "quoted"
        5 Paragraph "**Tasks**:"
        6 Item { indent: 0, number: Some(5) } "first (a, b)"
        8 Item { indent: 4, number: None } "nested"
        10 Code "# no heading\n1. no item"
        13 Paragraph "para more"
        19 Heading(2) "Two"
        21 Agents "agents:\n  - id: a"
        "##);
    }

    #[test]
    fn text_that_is_no_markdown_is_still_text() {
        for text in ["", "\0", "######### x", "1234567890. x", "1.x", "-", "```", "<!--", "*", "\u{feff}# x", "- "] {
            blocks(text);
        }
    }
}
