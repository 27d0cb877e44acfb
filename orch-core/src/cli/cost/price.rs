//! `orch cost price`: what one record of usage costs.

use serde::Serialize;

use super::super::{args_money::CostPrice, exit::Exit, streams::Console};
use crate::{
    PriceTable,
    clock::{Clock, WallTime},
    cost::{Extractors, Quote, quotes},
    error::{Error, ErrorKind, Result},
    id::Printable,
    session,
    units::{ModelUsage, Usage, Usd},
};

/// What one entry costs, as `--json` has it.
#[derive(Serialize)]
struct Charge<'a> {
    model: &'a str,
    usd: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_usd: Option<String>,
    price: Which<'a>,
    usage: &'a ModelUsage,
}

/// Which price it is.
#[derive(Serialize)]
struct Which<'a> {
    model: &'a str,
    list: &'a str,
    at: String,
    fallback: bool,
}

impl<'a> Charge<'a> {
    fn new(usage: &'a ModelUsage, quote: &'a Quote) -> Self {
        let Quote { total, input, output, model, list, at, is_fallback } = quote;
        let price = Which { model, list, at: at.to_string(), fallback: *is_fallback };
        let [input_usd, output_usd] = [input, output].map(|part| part.map(Usd::to_decimal));
        Self { model: &usage.model, usd: total.to_decimal(), input_usd, output_usd, price, usage }
    }
}

/// Runs `orch cost price`.
pub(in super::super) fn main(args: &CostPrice, mut prices: PriceTable, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(path) = &args.prices {
        let text = session::load_text(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        prices = prices.with_list(name, &text)?;
    }
    let shown = Printable(&args.usage.display().to_string()).to_string();
    let said = if args.usage.as_os_str() == "-" {
        session::read_text(std::io::stdin(), "stdin")?
    } else {
        session::load_text(&args.usage)?
    };
    let (dialect, usage) = read(args, &said).map_err(|error| error.with("file", shown))?;
    let at = args.at.unwrap_or_else(|| Clock::system().wall());
    let found = priced(&prices, &usage, at)?;
    let total: Usd = found.iter().map(|(_, quote)| quote.total).sum();
    if args.json {
        let charges: Vec<Charge<'_>> = found.iter().map(|(usage, quote)| Charge::new(usage, quote)).collect();
        console.json(&serde_json::json!({
            "version": 1, "usd": total.to_decimal(), "model": args.model, "dialect": dialect, "charges": charges,
        }));
    } else {
        console.result(&text(total, &found));
    }
    Ok(Exit::Done)
}

/// What was used, under the name that was asked for.
fn read(args: &CostPrice, text: &str) -> Result<(String, Usage)> {
    let found = Extractors::built_in().read(text).ok_or_else(|| {
        let message = "there is no usage of a known form in it; see `orch cost price --help`";
        Error::new(ErrorKind::InvalidFormat, message)
    })?;
    let mut usage = Usage::default();
    for model in found.usage.models() {
        let mut model = model.clone();
        if let Some(name) = &args.model {
            model.model.clone_from(name);
        }
        if model.model.is_empty() {
            let message = "the usage does not name its model; give it with `--model`";
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        if let Some(provider) = &args.provider {
            model.model = format!("{provider}/{}", model.model);
        }
        if args.batch {
            model.terms.insert("processing".to_owned(), "batch".to_owned());
        }
        usage.add(&model.into());
    }
    Ok((found.dialect, usage))
}

/// Every entry with its price. What has none is an error, never nothing.
fn priced<'a>(prices: &'a PriceTable, usage: &'a Usage, at: WallTime) -> Result<Vec<(&'a ModelUsage, Quote)>> {
    let known = |(usage, quote): (&'a ModelUsage, Option<Quote>)| match quote {
        Some(quote) => Ok((usage, quote)),
        None => {
            let model = Printable(&usage.model);
            let message = format!(
                "there is no price for `{model}`, or for all of what was used; give rates in orch.toml, or a model that stands for \
                 it: `[prices]` and `\"{model}\" = \"KNOWN MODEL\"`"
            );
            Err(Error::new(ErrorKind::NotFound, message))
        }
    };
    quotes(prices, usage, at).map(known).collect()
}

fn text(total: Usd, found: &[(&ModelUsage, Quote)]) -> String {
    let mut text = format!("${}\n", total.to_decimal());
    for (usage, quote) in found {
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
