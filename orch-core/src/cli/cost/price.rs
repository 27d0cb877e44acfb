//! `orch cost price`: what one record of usage costs.

use super::super::{args_money::CostPrice, exit::Exit, streams::Console};
use crate::{
    PriceTable,
    clock::Clock,
    cost::{Quoted, UsageQuery, quoted},
    error::Result,
    id::Printable,
    session,
};

/// Runs `orch cost price`.
pub(in super::super) fn main(args: &CostPrice, mut prices: PriceTable, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(path) = &args.prices {
        prices = session::load_prices(prices, path)?;
    }
    let shown = Printable(&args.usage.display().to_string()).to_string();
    let said = if args.usage.as_os_str() == "-" {
        session::read_text(std::io::stdin(), "stdin")?
    } else {
        session::load_text(&args.usage)?
    };
    let query = UsageQuery {
        model: args.model.clone(),
        provider: args.provider.clone(),
        batch: args.batch,
        ..UsageQuery::default()
    };
    let found = query.read(&said).map_err(|error| error.with("file", shown))?;
    let at = args.at.unwrap_or_else(|| Clock::system().wall());
    let priced = quoted(&prices, &found.usage, at)?;
    if args.json {
        console.json(&serde_json::json!({
            "version": 1, "usd": priced.usd.to_decimal(), "model": args.model, "dialect": found.dialect, "charges": priced.form(),
        }));
    } else {
        console.result(&text(&priced));
    }
    Ok(Exit::Done)
}

fn text(priced: &Quoted) -> String {
    let mut text = format!("${}\n", priced.usd.to_decimal());
    for (usage, quote) in &priced.entries {
        let cached = usage.cache_read.saturating_add(usage.cache_write).saturating_add(usage.cache_write_1h);
        text += &format!(
            "  ${:<12}  {}  {} in ({cached} cached), {} out\n",
            quote.total.to_decimal(),
            Printable(&usage.model),
            usage.input,
            usage.output
        );
        let fallback = if quote.is_fallback { ", in place of a model that is not known" } else { "" };
        text += &format!(
            "    price of {} from {}, at {}{fallback}\n",
            Printable(&quote.model),
            Printable(&quote.list),
            quote.at
        );
    }
    text
}
