//! Bars as SVG. Pure.

use std::fmt::Write as _;

use crate::report::render::escape_markup;

/// A chart of bars, one group a row, whose values stand on each other.
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// Before each number: `$`, or nothing.
    pub(super) unit: &'a str,
    /// The names of the values of a row, from below.
    pub(super) series: &'a [(&'a str, &'a str)],
    /// The rows: a name, and a value for each of the series. Negative values count as 0.
    pub(super) rows: Vec<(String, Vec<f64>)>,
}

const WIDE: f64 = 720.0;
const HIGH: f64 = 220.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// The room that the name of a row takes.
const NAME: f64 = 76.0;

impl Chart<'_> {
    /// The figure in HTML, with a legend and a table of the same numbers for those who cannot see it.
    pub(super) fn html(&self) -> String {
        let mut out = String::from("<figure>");
        // Writing to a String cannot fail.
        _ = write!(out, "<figcaption><b>{}</b>", escape_markup(self.title));
        for (name, class) in self.series {
            _ = write!(
                out,
                "<span class=\"key\"><svg width=\"10\" height=\"10\" aria-hidden=\"true\"><rect width=\"10\" height=\"10\" rx=\"2\" class=\"{class}\"/></svg>{}</span>",
                escape_markup(name)
            );
        }
        out += "</figcaption>";
        if self.rows.is_empty() {
            return out + "<p class=\"none\">no data</p></figure>";
        }
        if self.highest() <= 0.0 {
            return out + "<p class=\"none\">nothing in this time</p></figure>";
        }
        out += &self.svg();
        out += "<details><summary>as a table</summary><table><thead><tr><th scope=\"col\"></th>";
        for (name, _) in self.series {
            _ = write!(out, "<th scope=\"col\">{}</th>", escape_markup(name));
        }
        out += "</tr></thead><tbody>";
        for (name, values) in &self.rows {
            _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape_markup(name));
            for value in values {
                _ = write!(out, "<td>{}</td>", self.number(*value));
            }
            out += "</tr>";
        }
        out + "</tbody></table></details></figure>"
    }

    /// What the highest row adds up to.
    fn highest(&self) -> f64 {
        let sum = |values: &[f64]| values.iter().map(|value| value.max(0.0)).sum::<f64>();
        self.rows.iter().map(|(_, values)| sum(values)).fold(0.0, f64::max)
    }

    fn svg(&self) -> String {
        let highest = self.highest();
        let step = tick(highest / 4.0);
        let top = (highest / step).ceil() * step;
        let (height, width) = (HIGH - TOP - BOTTOM, WIDE - LEFT - 8.0);
        let y = |value: f64| TOP + height * (1.0 - value / top);
        let each = width / self.rows.len() as f64;
        let bar = (each * 0.7).min(44.0);
        let mut out =
            format!("<svg viewBox=\"0 0 {WIDE} {HIGH}\" role=\"img\" aria-label=\"{}\">", escape_markup(self.title));
        let digits = if self.unit.is_empty() || step >= 1.0 { 0 } else { 2 };
        let mut at = 0.0;
        while at <= top + step / 2.0 {
            let line = y(at);
            _ = write!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{line:.1}\" y2=\"{line:.1}\" class=\"grid\"/>",
                WIDE - 8.0
            );
            _ = write!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" class=\"tick end\">{}</text>",
                LEFT - 8.0,
                line + 4.0,
                self.rounded(at, digits)
            );
            at += step;
        }
        // As many names as there is room for.
        let named = (self.rows.len() as f64 * NAME / width).ceil().max(1.0) as usize;
        for (nth, (name, values)) in self.rows.iter().enumerate() {
            let middle = LEFT + each * (nth as f64 + 0.5);
            let mut below = 0.0;
            for ((series, class), value) in self.series.iter().zip(values) {
                let value = value.max(0.0);
                let (from, to) = (y(below), y(below + value));
                if from - to > 0.0 {
                    let (x, tall) = (middle - bar / 2.0, from - to);
                    _ = write!(
                        out,
                        "<rect x=\"{x:.1}\" y=\"{to:.1}\" width=\"{bar:.1}\" height=\"{tall:.1}\" rx=\"1.5\" class=\"{class}\"><title>{}: {} {}</title></rect>",
                        escape_markup(name),
                        self.number(value),
                        escape_markup(series)
                    );
                }
                below += value;
            }
            // Counted from the end, so that the latest has its name; on a phone there is room for half of them.
            let before_last = self.rows.len() - 1 - nth;
            if before_last.is_multiple_of(named) {
                let less = if before_last.is_multiple_of(2 * named) { "" } else { " less" };
                _ = write!(
                    out,
                    "<text x=\"{:.1}\" y=\"{}\" class=\"tick mid{less}\">{}</text>",
                    middle.min(WIDE - NAME / 2.0),
                    HIGH - 10.0,
                    escape_markup(name)
                );
            }
        }
        out + "</svg>"
    }

    fn number(&self, value: f64) -> String {
        self.rounded(value, if self.unit.is_empty() { 0 } else { 2 })
    }

    fn rounded(&self, value: f64, digits: usize) -> String {
        format!("{}{value:.digits$}", self.unit)
    }
}

/// The least of 1, 2, 5, 10, .. that is not less; of small ones 0.01, 0.02, ..
fn tick(at_least: f64) -> f64 {
    let mut size = 0.01;
    loop {
        for times in [1.0, 2.0, 5.0] {
            if size * times >= at_least {
                return size * times;
            }
        }
        size *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach() {
        for (at_least, size) in [(0.0, 0.01), (0.3, 0.5), (1.0, 1.0), (2.2, 5.0), (36.25, 50.0), (700.0, 1000.0)] {
            assert!((tick(at_least) - size).abs() < size / 1e6, "{at_least} {}", tick(at_least));
        }
    }

    #[test]
    fn bars_stand_on_each_other_and_names_are_no_markup() {
        let rows = vec![("<a>".to_owned(), vec![1.0, 3.0]), ("b".to_owned(), vec![-1.0, 0.0])];
        let text = Chart { title: "t", unit: "", series: &[("one", "a"), ("two", "b")], rows }.html();
        assert!(!text.contains("<a>") && text.contains("&lt;a&gt;"), "{text}");
        // Four units high: one from the ground, three on it.
        assert!(
            text.contains("height=\"45.0\" rx=\"1.5\" class=\"a\"")
                && text.contains("height=\"135.0\" rx=\"1.5\" class=\"b\""),
            "{text}"
        );
        assert_eq!(text.matches("<rect x=").count(), 2);
        // What is less than nothing takes nothing from the others.
        let rows = vec![("c".to_owned(), vec![-1.0, 2.0])];
        let text = Chart { title: "t", unit: "", series: &[("one", "a"), ("two", "b")], rows }.html();
        assert!(text.contains("height=\"180.0\" rx=\"1.5\" class=\"b\""), "{text}");
    }
}
