//! `orch run --otel`: telemetry, by the variables that OpenTelemetry has for it.

use std::{env, sync::Arc};

use super::streams::Console;
use crate::{
    Clock, PriceTable, Result,
    executor::Trace,
    ext::otel::{Exported, HttpExporter, OtelOptions, Telemetry},
    id::Printable,
};

/// The trace that this process was started in, or a new one, and what tells of it.
pub(super) fn of_run(prices: PriceTable) -> Result<(Trace, Arc<Telemetry>)> {
    let options = OtelOptions::from_variables(|name| env::var(name).ok())?;
    let trace = Trace::of(env::var("TRACEPARENT").ok().as_deref(), &Clock::system());
    let exporter = Arc::new(HttpExporter::new(options.clone()));
    let telemetry = Telemetry::start(trace.clone(), options, exporter, Arc::new(prices));
    Ok((trace, Arc::new(telemetry)))
}

/// Says what did not arrive.
pub(super) fn complain(done: &Exported, console: &mut Console<'_>) {
    if let Some(why) = &done.why {
        let (lost, why) = (done.lost, Printable(why));
        console.note(format_args!("telemetry did not all arrive ({lost} spans lost): {why}"));
    } else if done.lost > 0 {
        console.note(format_args!("{} spans came too fast to be told", done.lost));
    }
}
