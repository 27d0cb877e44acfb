//! What a price list can bill, and what is a part of what.

use std::sync::LazyLock;

/// Something that is counted.
#[derive(Debug)]
pub(super) struct Unit {
    /// What usages call it.
    pub(super) usage: &'static str,
    /// What prices call it.
    pub(super) price: &'static str,
    kind: u32,
}

// A hexadecimal digit for each question that can be asked of a unit; zero where it has no answer of its own.
const TOKENS: u32 = 0x1;
const DURATIONS: u32 = 0x2;
const CALLS: u32 = 0x3;
const PAGES: u32 = 0x4;
const CHARACTERS: u32 = 0x5;
const MESSAGES: u32 = 0x6;
const PIXELS: u32 = 0x7;
const REQUESTS: u32 = 0x8;
const RERANKS: u32 = 0x9;
const INPUT: u32 = 0x10;
const OUTPUT: u32 = 0x20;
const TEXT: u32 = 0x100;
const AUDIO: u32 = 0x200;
const IMAGE: u32 = 0x300;
const VIDEO: u32 = 0x400;
const READ: u32 = 0x1000;
const WRITE: u32 = 0x2000;
const TOOL: u32 = 0x3000;
const REASONING: u32 = 0x4000;
const CITATION: u32 = 0x5000;
const MINUTES: u32 = 0x1_0000;
const HOUR: u32 = 0x2_0000;
const CODE: u32 = 0x10_0000;
const SOCIAL: u32 = 0x20_0000;
const STORAGE: u32 = 0x30_0000;
const WEB: u32 = 0x40_0000;
const ANNOTATED: u32 = 0x100_0000;

const fn unit(usage: &'static str, price: &'static str, kind: u32) -> Unit {
    Unit { usage, price, kind }
}

/// Which part of the money a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
    Neither,
}

impl Unit {
    /// How many of it a price is for.
    pub(super) const fn per(&self) -> u32 {
        match self.kind & 0xf {
            TOKENS | CHARACTERS => 1_000_000,
            DURATIONS => 3_600,
            PIXELS => 1_000_000_000,
            _ => 1_000,
        }
    }

    pub(super) const fn side(&self) -> Side {
        match self.kind & 0xf0 {
            INPUT => Side::Input,
            OUTPUT => Side::Output,
            _ => Side::Neither,
        }
    }

    /// The digits that are not zero, each as `f`.
    const fn answers(&self) -> u32 {
        let pairs = self.kind | self.kind >> 1;
        ((pairs | pairs >> 2) & 0x1111_1111) * 0xf
    }

    /// Whether it answers each question as the other does, or one of them does not answer it.
    pub(super) const fn is_compatible(&self, other: &Self) -> bool {
        (self.kind ^ other.kind) & self.answers() & other.answers() == 0
    }

    /// Whether it is counted within the other: it answers all that the other does, the same way, and more.
    pub(super) const fn is_part_of(&self, whole: &Self) -> bool {
        self.kind != whole.kind && self.is_compatible(whole) && self.is_both(self, whole)
    }

    /// Whether it is what is the one and the other, of two that are compatible.
    pub(super) const fn is_both(&self, one: &Self, other: &Self) -> bool {
        self.kind == one.kind | other.kind
    }
}

/// All of them. What is a part of something else comes before it.
#[rustfmt::skip]
pub(super) static UNITS: [Unit; 59] = [
    unit("cache_audio_write_1h_tokens", "cache_audio_write_1h_mtok", TOKENS | INPUT | AUDIO | WRITE | HOUR),
    unit("cache_audio_write_5m_tokens", "cache_audio_write_5m_mtok", TOKENS | INPUT | AUDIO | WRITE | MINUTES),
    unit("cache_image_write_1h_tokens", "cache_image_write_1h_mtok", TOKENS | INPUT | IMAGE | WRITE | HOUR),
    unit("cache_image_write_5m_tokens", "cache_image_write_5m_mtok", TOKENS | INPUT | IMAGE | WRITE | MINUTES),
    unit("cache_text_write_1h_tokens", "cache_text_write_1h_mtok", TOKENS | INPUT | TEXT | WRITE | HOUR),
    unit("cache_text_write_5m_tokens", "cache_text_write_5m_mtok", TOKENS | INPUT | TEXT | WRITE | MINUTES),
    unit("cache_video_write_1h_tokens", "cache_video_write_1h_mtok", TOKENS | INPUT | VIDEO | WRITE | HOUR),
    unit("cache_video_write_5m_tokens", "cache_video_write_5m_mtok", TOKENS | INPUT | VIDEO | WRITE | MINUTES),
    unit("cache_audio_read_tokens", "cache_audio_read_mtok", TOKENS | INPUT | AUDIO | READ),
    unit("cache_audio_write_tokens", "cache_audio_write_mtok", TOKENS | INPUT | AUDIO | WRITE),
    unit("cache_image_read_tokens", "cache_image_read_mtok", TOKENS | INPUT | IMAGE | READ),
    unit("cache_image_write_tokens", "cache_image_write_mtok", TOKENS | INPUT | IMAGE | WRITE),
    unit("cache_text_read_tokens", "cache_text_read_mtok", TOKENS | INPUT | TEXT | READ),
    unit("cache_text_write_tokens", "cache_text_write_mtok", TOKENS | INPUT | TEXT | WRITE),
    unit("cache_video_read_tokens", "cache_video_read_mtok", TOKENS | INPUT | VIDEO | READ),
    unit("cache_video_write_tokens", "cache_video_write_mtok", TOKENS | INPUT | VIDEO | WRITE),
    unit("cache_write_1h_tokens", "cache_write_1h_mtok", TOKENS | INPUT | WRITE | HOUR),
    unit("cache_write_5m_tokens", "cache_write_5m_mtok", TOKENS | INPUT | WRITE | MINUTES),
    unit("input_audio_tool_tokens", "input_audio_tool_mtok", TOKENS | INPUT | AUDIO | TOOL),
    unit("input_image_tool_tokens", "input_image_tool_mtok", TOKENS | INPUT | IMAGE | TOOL),
    unit("input_text_tool_tokens", "input_text_tool_mtok", TOKENS | INPUT | TEXT | TOOL),
    unit("input_video_tool_tokens", "input_video_tool_mtok", TOKENS | INPUT | VIDEO | TOOL),
    unit("output_audio_citation_tokens", "output_audio_citation_mtok", TOKENS | OUTPUT | AUDIO | CITATION),
    unit("output_audio_reasoning_tokens", "output_audio_reasoning_mtok", TOKENS | OUTPUT | AUDIO | REASONING),
    unit("output_image_citation_tokens", "output_image_citation_mtok", TOKENS | OUTPUT | IMAGE | CITATION),
    unit("output_image_reasoning_tokens", "output_image_reasoning_mtok", TOKENS | OUTPUT | IMAGE | REASONING),
    unit("output_text_citation_tokens", "output_text_citation_mtok", TOKENS | OUTPUT | TEXT | CITATION),
    unit("output_text_reasoning_tokens", "output_text_reasoning_mtok", TOKENS | OUTPUT | TEXT | REASONING),
    unit("output_video_citation_tokens", "output_video_citation_mtok", TOKENS | OUTPUT | VIDEO | CITATION),
    unit("output_video_reasoning_tokens", "output_video_reasoning_mtok", TOKENS | OUTPUT | VIDEO | REASONING),
    unit("cache_read_tokens", "cache_read_mtok", TOKENS | INPUT | READ),
    unit("cache_write_tokens", "cache_write_mtok", TOKENS | INPUT | WRITE),
    unit("input_annotated_document_pages", "input_annotated_document_kpages", PAGES | INPUT | ANNOTATED),
    unit("input_audio_seconds", "input_audio_hours", DURATIONS | INPUT | AUDIO),
    unit("input_audio_tokens", "input_audio_mtok", TOKENS | INPUT | AUDIO),
    unit("input_image_tokens", "input_image_mtok", TOKENS | INPUT | IMAGE),
    unit("input_text_messages", "input_text_messages_kcount", MESSAGES | INPUT | TEXT),
    unit("input_text_tokens", "input_text_mtok", TOKENS | INPUT | TEXT),
    unit("input_tool_tokens", "input_tool_mtok", TOKENS | INPUT | TOOL),
    unit("input_video_tokens", "input_video_mtok", TOKENS | INPUT | VIDEO),
    unit("output_audio_seconds", "output_audio_hours", DURATIONS | OUTPUT | AUDIO),
    unit("output_audio_tokens", "output_audio_mtok", TOKENS | OUTPUT | AUDIO),
    unit("output_citation_tokens", "output_citation_mtok", TOKENS | OUTPUT | CITATION),
    unit("output_image_tokens", "output_image_mtok", TOKENS | OUTPUT | IMAGE),
    unit("output_reasoning_tokens", "output_reasoning_mtok", TOKENS | OUTPUT | REASONING),
    unit("output_text_tokens", "output_text_mtok", TOKENS | OUTPUT | TEXT),
    unit("output_video_tokens", "output_video_mtok", TOKENS | OUTPUT | VIDEO),
    unit("audio_seconds", "audio_hours", DURATIONS | AUDIO),
    unit("code_executions", "code_executions_kcount", CALLS | CODE),
    unit("input_characters", "input_mchars", CHARACTERS | INPUT),
    unit("input_document_pages", "input_document_kpages", PAGES | INPUT),
    unit("input_pixels", "input_gpixels", PIXELS | INPUT),
    unit("input_tokens", "input_mtok", TOKENS | INPUT),
    unit("output_tokens", "output_mtok", TOKENS | OUTPUT),
    unit("social_searches", "social_searches_kcount", CALLS | SOCIAL),
    unit("storage_searches", "storage_searches_kcount", CALLS | STORAGE),
    unit("web_searches", "web_searches_kcount", CALLS | WEB),
    unit("requests", "requests_kcount", REQUESTS),
    unit("rerank_searches", "rerank_searches_kcount", RERANKS),
];

/// For each unit a bit for each of its parts, and for each of what it is a part of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kin {
    pub(super) parts: u64,
    pub(super) wholes: u64,
}

// Each has a bit.
const _: () = assert!(UNITS.len() <= 64);

pub(super) static KIN: LazyLock<[Kin; UNITS.len()]> = LazyLock::new(|| {
    let bits = |is_it: &dyn Fn(&Unit) -> bool| {
        UNITS.iter().enumerate().fold(0, |bits, (id, unit)| bits | u64::from(is_it(unit)) << id)
    };
    UNITS
        .each_ref()
        .map(|unit| Kin { parts: bits(&|part| part.is_part_of(unit)), wholes: bits(&|whole| unit.is_part_of(whole)) })
});

/// Where a unit stands in the list.
pub(super) type UnitId = usize;

pub(super) const INPUT_TOKENS: UnitId = by_kind(TOKENS | INPUT);
pub(super) const OUTPUT_TOKENS: UnitId = by_kind(TOKENS | OUTPUT);
pub(super) const REASONING_TOKENS: UnitId = by_kind(TOKENS | OUTPUT | REASONING);
pub(super) const READ_TOKENS: UnitId = by_kind(TOKENS | INPUT | READ);
pub(super) const WRITTEN_TOKENS: UnitId = by_kind(TOKENS | INPUT | WRITE);
pub(super) const HOUR_TOKENS: UnitId = by_kind(TOKENS | INPUT | WRITE | HOUR);
pub(super) const AUDIO_SECONDS: UnitId = by_kind(DURATIONS | AUDIO);
pub(super) const INPUT_AUDIO_SECONDS: UnitId = by_kind(DURATIONS | INPUT | AUDIO);
pub(super) const CALLS_OF_IT: UnitId = by_kind(REQUESTS);

const fn by_kind(kind: u32) -> UnitId {
    let (mut id, mut left): (UnitId, &[Unit]) = (0, &UNITS);
    while let [unit, rest @ ..] = left {
        if unit.kind == kind {
            break;
        }
        (id, left) = (id + 1, rest);
    }
    id
}

pub(super) fn by_price(key: &str) -> Option<UnitId> {
    UNITS.iter().position(|unit| unit.price == key)
}

pub(super) fn by_usage(key: &str) -> Option<UnitId> {
    UNITS.iter().position(|unit| unit.usage == key)
}
