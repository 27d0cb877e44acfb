//! Reads YAML with the place of everything in it.
//!
//! The events come from `granit-parser`, which says where each is in bytes. An alias is not copied: it is the same node once more, so that a
//! file which multiplies itself by aliases stays as small as its text. Nothing here walks from node to node without a bound.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

/// The largest file that is read, in bytes. GitHub takes much less.
pub(super) const MAX_BYTES: usize = 2 << 20;
const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 100;

/// A node by its number.
pub(super) type Ix = usize;

#[derive(Debug)]
pub(super) enum Kind {
    /// A text; `plain` says that it has no quotes and no block.
    Scalar {
        text: String,
        plain: bool,
        block: bool,
    },
    Seq(Vec<Ix>),
    Map(Vec<(Ix, Ix)>),
}

#[derive(Debug)]
pub(super) struct Node {
    kind: Kind,
    span: Range<usize>,
    flow: bool,
}

/// Why a text is no YAML, or not such as this reader takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// One document.
#[derive(Debug)]
pub(super) struct Yaml<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    root: Option<Ix>,
    lines: Vec<usize>,
    /// The comments in order, as they are written.
    pub(super) comments: Vec<Range<usize>>,
    /// Whether there are anchors, aliases or tags.
    pub(super) linked: bool,
    /// Keys that a mapping has twice, each where it is the second time.
    pub(super) twice: Vec<Ix>,
    /// How many documents the text has.
    pub(super) documents: usize,
}

struct Open {
    ix: Ix,
    key: Option<Ix>,
}

impl<'a> Yaml<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let nodes = Vec::new();
        let mut yaml = Self {
            text,
            nodes,
            root: None,
            lines,
            comments: Vec::new(),
            linked: false,
            twice: Vec::new(),
            documents: 0,
        };
        if text.len() > MAX_BYTES {
            return Err(yaml.fault(0, format!("the file is larger than {} MiB", MAX_BYTES >> 20)));
        }
        let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        yaml.read(text.get(bom..).unwrap_or_default(), bom)?;
        Ok(yaml)
    }

    fn read(&mut self, text: &str, offset: usize) -> Result<(), Fault> {
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: HashMap<usize, Ix> = HashMap::new();
        let options = granit_parser::options! { max_buffered_comment_events: 100_000 };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| {
                let at = error.marker().byte_offset().unwrap_or(0) + offset;
                self.fault(at, error.info())
            })?;
            let at = |marker: &granit_parser::Marker| marker.byte_offset().map_or(text.len(), |at| at.min(text.len()));
            let span = at(&span.start) + offset..at(&span.end) + offset;
            if let Some(anchor) = event.anchor_id() {
                self.linked = true;
                anchors.insert(anchor, self.nodes.len());
            }
            self.linked |= event.tag().is_some();
            match event {
                Event::DocumentStart(..) => self.documents += 1,
                Event::Comment(..) => self.comments.push(span),
                Event::Scalar(value, style, ..) => {
                    let plain = style == ScalarStyle::Plain;
                    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    let kind = Kind::Scalar { text: value.into_owned(), plain, block };
                    let ix = self.push(Node { kind, span: span.clone(), flow: false })?;
                    self.attach(&mut open, ix);
                }
                Event::SequenceStart(style, ..) => {
                    self.begin(&mut open, Kind::Seq(Vec::new()), span, style)?;
                }
                Event::MappingStart(style, ..) => {
                    self.begin(&mut open, Kind::Map(Vec::new()), span, style)?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(done) = open.pop() {
                        self.end(done.ix, span.end);
                        self.attach(&mut open, done.ix);
                    }
                }
                Event::Alias(anchor) => {
                    self.linked = true;
                    let Some(&ix) = anchors.get(&anchor) else {
                        return Err(self.fault(span.start, "an alias names an anchor that is not there".to_owned()));
                    };
                    if open.iter().any(|open| open.ix == ix) {
                        return Err(self.fault(span.start, "an alias names what it is in".to_owned()));
                    }
                    self.attach(&mut open, ix);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<Ix, Fault> {
        if self.nodes.len() >= MAX_NODES {
            return Err(self.fault(node.span.start, format!("the file has more than {MAX_NODES} values")));
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn begin(
        &mut self,
        open: &mut Vec<Open>,
        kind: Kind,
        span: Range<usize>,
        style: StructureStyle,
    ) -> Result<(), Fault> {
        if open.len() >= MAX_DEPTH {
            return Err(self.fault(span.start, format!("the file is nested deeper than {MAX_DEPTH}")));
        }
        let ix = self.push(Node { kind, span, flow: style == StructureStyle::Flow })?;
        open.push(Open { ix, key: None });
        Ok(())
    }

    fn attach(&mut self, open: &mut [Open], child: Ix) {
        let Some(top) = open.last_mut() else {
            if self.documents <= 1 {
                self.root = Some(child);
            }
            return;
        };
        let Some(node) = self.nodes.get_mut(top.ix) else { return };
        match &mut node.kind {
            Kind::Seq(items) => items.push(child),
            Kind::Map(entries) => match top.key.take() {
                Some(key) => entries.push((key, child)),
                None => top.key = Some(child),
            },
            Kind::Scalar { .. } => {}
        }
    }

    /// A collection is complete: where it ends, and which of its keys are there twice.
    fn end(&mut self, ix: Ix, end: usize) {
        let Some(node) = self.nodes.get(ix) else { return };
        let (first, last) = match &node.kind {
            Kind::Seq(items) => (items.first().copied(), items.last().copied()),
            Kind::Map(entries) => (entries.first().map(|entry| entry.0), entries.last().map(|entry| entry.1)),
            Kind::Scalar { .. } => (None, None),
        };
        let mut twice = Vec::new();
        if let Kind::Map(entries) = &node.kind {
            let mut seen = HashSet::new();
            for (key, _) in entries {
                if let Some(Kind::Scalar { text, .. }) = self.nodes.get(*key).map(|node| &node.kind)
                    && !seen.insert(text.as_str())
                {
                    twice.push(*key);
                }
            }
        }
        self.twice.extend(twice);
        let place = |ix: Option<Ix>| ix.and_then(|ix| self.nodes.get(ix)).map(|node| node.span.clone());
        let (start, stop) = if node.flow {
            (node.span.start, end)
        } else {
            let first = place(first).map_or(node.span.start, |span| span.start);
            (node.span.start.min(first), place(last).map_or(end, |span| span.end))
        };
        if let Some(node) = self.nodes.get_mut(ix) {
            node.span = start..stop.max(start);
        }
    }

    fn fault(&self, at: usize, message: String) -> Fault {
        let (line, column) = self.place(at);
        Fault { line, column, message }
    }

    /// Line and column of a byte, both from 1; columns are characters.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |text| text.chars().filter(|&char| char != '\u{feff}').count());
        (line, column + 1)
    }

    /// Where the line of that byte begins.
    pub(super) fn line_start(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|&start| start <= at).max(1);
        self.lines.get(line - 1).copied().unwrap_or(0)
    }

    /// Where the line after that byte begins, or the text ends.
    pub(super) fn next_line(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|&start| start <= at);
        self.lines.get(line).copied().unwrap_or(self.text.len())
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The document; nothing where the text has only comments.
    pub(super) fn root(&self) -> Option<View<'_>> {
        self.root.map(|ix| View { yaml: self, ix })
    }

    pub(super) fn view(&self, ix: Ix) -> View<'_> {
        View { yaml: self, ix }
    }
}

/// A node and the document that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    yaml: &'a Yaml<'a>,
    ix: Ix,
}

impl<'a> View<'a> {
    fn node(self) -> Option<&'a Node> {
        self.yaml.nodes.get(self.ix)
    }

    pub(super) fn yaml(self) -> &'a Yaml<'a> {
        self.yaml
    }

    pub(super) fn kind(self) -> Option<&'a Kind> {
        self.node().map(|node| &node.kind)
    }

    pub(super) fn span(self) -> Range<usize> {
        self.node().map_or(0..0, |node| node.span.clone())
    }

    pub(super) fn is_flow(self) -> bool {
        self.node().is_some_and(|node| node.flow)
    }

    pub(super) fn place(self) -> (usize, usize) {
        self.yaml.place(self.span().start)
    }

    pub(super) fn scalar(self) -> Option<&'a str> {
        match self.kind()? {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A text that is not nothing.
    pub(super) fn text(self) -> Option<&'a str> {
        self.scalar().filter(|_| !self.is_null())
    }

    pub(super) fn is_plain(self) -> bool {
        matches!(self.kind(), Some(Kind::Scalar { plain: true, .. }))
    }

    pub(super) fn is_block(self) -> bool {
        matches!(self.kind(), Some(Kind::Scalar { block: true, .. }))
    }

    pub(super) fn is_null(self) -> bool {
        match self.kind() {
            Some(Kind::Scalar { text, plain: true, .. }) => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    pub(super) fn flag(self) -> Option<bool> {
        match self.scalar().filter(|_| self.is_plain())? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    pub(super) fn is_map(self) -> bool {
        matches!(self.kind(), Some(Kind::Map(_)))
    }

    pub(super) fn is_seq(self) -> bool {
        matches!(self.kind(), Some(Kind::Seq(_)))
    }

    /// The entries of a mapping; none where it is none.
    pub(super) fn entries(self) -> impl Iterator<Item = (View<'a>, View<'a>)> {
        let entries: &[(Ix, Ix)] = match self.kind() {
            Some(Kind::Map(entries)) => entries,
            _ => &[],
        };
        entries.iter().map(move |&(key, value)| (self.yaml.view(key), self.yaml.view(value)))
    }

    /// The items of a sequence; none where it is none.
    pub(super) fn items(self) -> impl Iterator<Item = View<'a>> {
        let items: &[Ix] = match self.kind() {
            Some(Kind::Seq(items)) => items,
            _ => &[],
        };
        items.iter().map(move |&item| self.yaml.view(item))
    }

    /// Key and value of that name.
    pub(super) fn entry(self, name: &str) -> Option<(View<'a>, View<'a>)> {
        self.entries().find(|(key, _)| key.scalar() == Some(name))
    }

    pub(super) fn get(self, name: &str) -> Option<View<'a>> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The texts of a sequence, or the one text that stands for it.
    pub(super) fn texts(self) -> Vec<&'a str> {
        match self.text() {
            Some(text) => vec![text],
            None => self.items().filter_map(View::text).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn spans(text: &str) -> Vec<String> {
        let yaml = Yaml::parse(text).unwrap();
        let scalars = yaml.nodes.iter().filter(|node| matches!(node.kind, Kind::Scalar { .. }));
        scalars.map(|node| text[node.span.clone()].to_owned()).collect()
    }

    #[test]
    fn spans_are_bytes_of_what_is_written() {
        assert_eq!(spans("name: 🔄 Tests # why\nruns-on: 'ubuntu'\n"), ["name", "🔄 Tests", "runs-on", "'ubuntu'"]);
        assert_eq!(spans("\u{feff}a: \"\\u00e9\"\r\nb: [x, y]\r\n"), ["a", "\"\\u00e9\"", "b", "x", "y"]);
        assert_eq!(spans("on:\njobs: 1\n"), ["on", "", "jobs", "1"]);
    }

    #[test]
    fn collections_end_where_their_last_value_does() {
        let text = "a:\n  b: 1\n  c: [2, 3] # x\n\n# y\nd: {e: 4}\n";
        let yaml = Yaml::parse(text).unwrap();
        let root = yaml.root().unwrap();
        assert_eq!(&text[root.get("a").unwrap().span()], "b: 1\n  c: [2, 3]");
        assert_eq!(&text[root.get("d").unwrap().span()], "{e: 4}");
        assert!(root.get("d").unwrap().is_flow() && !root.get("a").unwrap().is_flow());
        assert_eq!(yaml.comments.iter().map(|span| &text[span.clone()]).collect::<Vec<_>>(), ["# x", "# y"]);
        assert_eq!(root.get("d").unwrap().place(), (6, 4));
    }

    #[test]
    fn nothing_is_told_from_a_text() {
        let yaml = Yaml::parse("a:\nb: ~\nc: null\nd: ''\ne: \"null\"\non: x\n").unwrap();
        let nulls: Vec<bool> = yaml.root().unwrap().entries().map(|(_, value)| value.is_null()).collect();
        assert_eq!(nulls, [true, true, true, false, false, false]);
        // YAML 1.1 reads it as a truth; GitHub, and this, as a word.
        assert_eq!(yaml.root().unwrap().get("on").unwrap().scalar(), Some("x"));
    }

    #[test]
    fn aliases_are_the_same_node_and_bombs_stay_small() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for nth in 1..60 {
            let alias = vec![format!("*a{}", nth - 1); 9].join(", ");
            bomb += &format!("a{nth}: &a{nth} [{alias}]\n");
        }
        let yaml = Yaml::parse(&bomb).unwrap();
        assert!(yaml.linked && yaml.nodes.len() < 300, "{}", yaml.nodes.len());
        assert!(Yaml::parse("a: &a [*a]").is_err());
        assert!(Yaml::parse("a: *b").is_err());
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = |depth: usize| (0..depth).map(|nth| " ".repeat(nth) + "a:\n").collect::<String>();
        assert!(Yaml::parse(&deep(90)).is_ok());
        assert!(Yaml::parse(&deep(200)).unwrap_err().message.contains("nested"));
        assert!(Yaml::parse(&"[".repeat(100_000)).is_err());
        assert!(Yaml::parse(&" ".repeat(MAX_BYTES + 1)).is_err());
        assert!(Yaml::parse(&"- a\n".repeat(MAX_NODES + 1)).is_err());
    }

    #[test]
    fn keys_that_are_there_twice_are_told() {
        let yaml = Yaml::parse("a: 1\nb: {c: 1, c: 2}\na: 2\n").unwrap();
        let twice: Vec<_> = yaml.twice.iter().map(|&ix| yaml.view(ix).place()).collect();
        assert_eq!(twice, [(2, 11), (3, 1)]);
    }

    #[test]
    fn faults_say_where() {
        let fault = Yaml::parse("run: |\n  x\n\"open\nb: 1\n").unwrap_err();
        assert!(fault.line >= 3, "{fault:?}");
    }
}
