//! Badges for shields' endpoint: <https://shields.io/badges/endpoint-badge>. Pure.

use serde::Serialize;

use super::{badge::Badge, svg::Style};

/// The JSON that shields asks for. It has no other keys: shields refuses what it does not know, so what else orch has to say stands elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    schema_version: u8,
    label: String,
    message: String,
    color: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_seconds: Option<u32>,
}

impl Endpoint {
    /// The least that shields takes for how long it may keep an answer, in seconds.
    pub const LEAST_CACHE_SECONDS: u32 = 300;

    /// That badge; `style`: unless the address says another one; how long it may be kept, at least 300 seconds.
    ///
    /// ```
    /// use orch_core::ext::badges::{Badge, Endpoint};
    ///
    /// let text = Endpoint::new(&Badge::mtd_cost(None), None, Some(60)).to_text();
    /// assert_eq!(text, "{\"schemaVersion\":1,\"label\":\"MTD Cost\",\"message\":\"no data\",\"color\":\"lightgrey\",\"cacheSeconds\":300}\n");
    /// ```
    pub fn new(badge: &Badge, style: Option<Style>, cache_seconds: Option<u32>) -> Self {
        let cache_seconds = cache_seconds.map(|seconds| seconds.max(Self::LEAST_CACHE_SECONDS));
        let (label, message, color) = (badge.label.clone(), badge.message.clone(), badge.color.name());
        Self { schema_version: 1, label, message, color, style: style.map(Style::name), cache_seconds }
    }

    /// The text of the file, with a line break at its end.
    pub fn to_text(&self) -> String {
        // Plain data; writing it to memory cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}
