//! Metrics: sums and histograms over a run.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::export::attributes;
use crate::units::{ModelUsage, Usd};

/// The edges that the conventions name.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// What a metric is told apart by, in order.
type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Default, Clone)]
struct Histogram {
    counts: Vec<u64>,
    sum: f64,
    least: Option<f64>,
    most: Option<f64>,
}

impl Histogram {
    fn add(&mut self, edges: &[f64], value: f64) {
        self.counts.resize(edges.len() + 1, 0);
        // A bucket holds its upper edge.
        let at = edges.iter().position(|edge| value <= *edge).unwrap_or(edges.len());
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        self.most = Some(self.most.map_or(value, |most| most.max(value)));
    }
}

#[derive(Debug, Default)]
pub(super) struct Metrics {
    latest: bool,
    tokens: BTreeMap<Labels, Histogram>,
    seconds: BTreeMap<Labels, Histogram>,
    counters: BTreeMap<(&'static str, Labels), u64>,
    dollars: BTreeMap<Labels, f64>,
}

impl Metrics {
    pub(super) fn new(latest: bool) -> Self {
        Self { latest, ..Self::default() }
    }

    pub(super) fn took(&mut self, operation: &str, name: &str, time: Duration, error: Option<&str>) {
        let mut labels = vec![("gen_ai.operation.name", operation.to_owned())];
        let key = if operation == "invoke_agent" { "gen_ai.agent.name" } else { "gen_ai.workflow.name" };
        labels.push((key, name.to_owned()));
        labels.extend(error.map(|error| ("error.type", error.to_owned())));
        self.seconds.entry(labels).or_default().add(&SECONDS, time.as_secs_f64());
    }

    pub(super) fn used(&mut self, provider: &str, used: &ModelUsage, usd: Option<Usd>) {
        let labels: Labels = vec![
            ("gen_ai.operation.name", "chat".to_owned()),
            ("gen_ai.provider.name", provider.to_owned()),
            ("gen_ai.request.model", used.model.clone()),
        ];
        for (kind, tokens) in [("input", used.input), ("output", used.output)] {
            let mut labels = labels.clone();
            labels.push(("gen_ai.token.type", kind.to_owned()));
            self.tokens.entry(labels).or_default().add(&TOKENS, tokens as f64);
        }
        if let Some(usd) = usd {
            *self.dollars.entry(labels.clone()).or_default() += usd.dollars();
        }
        if self.latest {
            let mut labels = labels;
            // Tokens of pictures and sound have items of their own, which are among these.
            let modality = if used.items.keys().any(|item| item.ends_with("_tokens")) { "unknown" } else { "text" };
            labels.push(("gen_ai.token.modality", modality.to_owned()));
            for (name, tokens) in [
                ("gen_ai.client.inference.usage.input_tokens", used.input),
                ("gen_ai.client.inference.usage.output_tokens", used.output),
                ("gen_ai.client.inference.usage.cache_read.input_tokens", used.cache_read),
                (
                    "gen_ai.client.inference.usage.cache_write.input_tokens",
                    used.cache_write.saturating_add(used.cache_write_1h),
                ),
                ("gen_ai.client.inference.usage.reasoning.output_tokens", used.reasoning),
            ] {
                if tokens > 0 {
                    let sum = self.counters.entry((name, labels.clone())).or_default();
                    *sum = sum.saturating_add(tokens);
                }
            }
        }
    }

    /// All of it in the form of OTLP, cumulative over the run.
    pub(super) fn json(&self, begins: &str, ends: &str) -> Vec<Value> {
        let own = |labels: &Labels| {
            let values: Vec<(&str, Value)> = labels.iter().map(|(key, value)| (*key, value.as_str().into())).collect();
            attributes(&values)
        };
        let histogram = |name: &str, unit: &str, edges: &[f64], all: &BTreeMap<Labels, Histogram>| {
            let points: Vec<Value> = all
                .iter()
                .map(|(labels, histogram)| {
                    json!({
                        "attributes": own(labels), "startTimeUnixNano": begins, "timeUnixNano": ends,
                        "count": histogram.counts.iter().sum::<u64>().to_string(), "sum": histogram.sum,
                        "bucketCounts": histogram.counts.iter().map(u64::to_string).collect::<Vec<_>>(),
                        "explicitBounds": edges, "min": histogram.least, "max": histogram.most,
                    })
                })
                .collect();
            (!points.is_empty())
                .then(|| json!({"name": name, "unit": unit, "histogram": {"dataPoints": points, "aggregationTemporality": 2}}))
        };
        let sum = |name: &str, unit: &str, points: Vec<Value>| json!({"name": name, "unit": unit, "sum": {"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true}});
        let mut all = Vec::new();
        all.extend(histogram("gen_ai.client.token.usage", "{token}", &TOKENS, &self.tokens));
        all.extend(histogram("gen_ai.client.operation.duration", "s", &SECONDS, &self.seconds));
        let mut counters: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for ((name, labels), count) in &self.counters {
            let point = json!({
                "attributes": own(labels), "startTimeUnixNano": begins, "timeUnixNano": ends, "asInt": count.to_string(),
            });
            counters.entry(name).or_default().push(point);
        }
        all.extend(counters.into_iter().map(|(name, points)| sum(name, "{token}", points)));
        if !self.dollars.is_empty() {
            let point = |(labels, usd): (&Labels, &f64)| json!({"attributes": own(labels), "startTimeUnixNano": begins, "timeUnixNano": ends, "asDouble": usd});
            all.push(sum("orch.cost.usage", "USD", self.dollars.iter().map(point).collect()));
        }
        all
    }
}
