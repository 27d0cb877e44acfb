//! Badges, as vectors.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{failed, read};
use crate::{
    Result, Usd,
    ext::badges::{Badge, Basis, Endpoint, Style, Theme, badge_url, markdown, place_block, svg},
};

/// One of the questions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Drawn(Drawn),
    Figures(Figures),
    Placed(Block),
}

/// A badge in every form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    badge: Badge,
}

/// Badges of figures; `null`: nothing is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    figures: Vec<Figure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Figure {
    MtdCost(Option<(f64, Basis)>),
    Savings(Option<(f64, f64, Basis)>),
    WeeklySavings(Option<(f64, Basis)>),
    Rate(Option<f64>),
    HitRate(Option<f64>),
    /// In nano-dollars: what is left, and of how much.
    Budget(Option<(Usd, Usd)>),
    Runs(Option<(u64, u64)>),
}

/// A README and its block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    readme: String,
    block: String,
    #[serde(default)]
    insert: bool,
}

pub(super) fn run(input: Value) -> Result<Value> {
    Ok(match read(input)? {
        Input::Drawn(Drawn { badge }) => {
            let mut forms = Map::new();
            for style in [Style::Flat, Style::ForTheBadge] {
                let url = badge_url(&badge, style);
                let drawn = json!({
                    "svg": svg(&badge, style, Theme::Light),
                    "svg_dark": svg(&badge, style, Theme::Dark),
                    "markdown": markdown(&badge.label, &url, "./reports/"),
                    "url": url,
                });
                forms.insert(style.name().to_owned(), drawn);
            }
            json!({"styles": forms, "endpoint": Endpoint::new(&badge, None, Some(3600)).to_text()})
        }
        Input::Figures(Figures { figures }) => {
            let badge = |figure: Figure| match figure {
                Figure::MtdCost(it) => Badge::mtd_cost(it),
                Figure::Savings(it) => Badge::savings(it),
                Figure::WeeklySavings(it) => Badge::weekly_savings(it),
                Figure::Rate(it) => Badge::rate(it),
                Figure::HitRate(it) => Badge::hit_rate(it),
                Figure::Budget(it) => Badge::budget_left(it),
                Figure::Runs(it) => Badge::runs(it),
            };
            json!({"badges": figures.into_iter().map(badge).collect::<Vec<_>>()})
        }
        Input::Placed(Block { readme, block, insert }) => match place_block(&readme, &block, insert) {
            Ok(placed) => json!({"text": placed.text, "replaced": [placed.replaced.start, placed.replaced.end]}),
            Err(error) => failed(&error),
        },
    })
}
