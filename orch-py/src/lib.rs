//! The native half of the Python package `orch`.
//!
//! A door to [`orch_core`]: it takes values in, calls the core and gives values out. It decides nothing. What runs Python
//! code, the driver on the loop of asyncio, is written in Python; this half answers it what to begin and what to stop.

mod cache;
mod cli;
mod compat;
mod convert;
mod engine;
mod error;
mod event;
mod graph;
mod memo;
mod metrics;
mod money;
mod notices;
mod plan;
mod programs;
mod report;
mod session;
mod store;
mod told;
#[cfg(feature = "vectors")]
mod vectors;
mod worktrees;

use pyo3::prelude::*;

/// The extension module `orch._orch`.
#[pymodule(gil_used = false)]
fn _orch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", orch_core::VERSION)?;
    module.add_class::<cache::Cache>()?;
    module.add_class::<cache::Flight>()?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::Lock>()?;
    module.add_class::<memo::Memo>()?;
    module.add_class::<graph::Graph>()?;
    module.add_class::<plan::Plan>()?;
    module.add_class::<programs::Programs>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<store::Resume>()?;
    module.add_function(wrap_pyfunction!(store::source_of, module)?)?;
    module.add_class::<told::Said>()?;
    module.add_class::<event::Event>()?;
    module.add_class::<report::Report>()?;
    module.add_class::<money::Prices>()?;
    module.add_class::<money::Ledger>()?;
    module.add_function(wrap_pyfunction!(money::usage, module)?)?;
    module.add_class::<notices::Notices>()?;
    module.add_class::<notices::Telling>()?;
    module.add_function(wrap_pyfunction!(notices::payload, module)?)?;
    module.add_class::<compat::BudgetFile>()?;
    module.add_function(wrap_pyfunction!(compat::ask_models, module)?)?;
    module.add_function(wrap_pyfunction!(compat::tokens_used, module)?)?;
    module.add_function(wrap_pyfunction!(compat::tokens_cost, module)?)?;
    module.add_class::<metrics::Metrics>()?;
    module.add_function(wrap_pyfunction!(metrics::is_zone, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::savings_color, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::badge_markdown, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::write_block, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::rotate, module)?)?;
    module.add_class::<worktrees::Worktrees>()?;
    module.add_class::<worktrees::Lease>()?;
    module.add_class::<worktrees::Routes>()?;
    for door in [
        wrap_pyfunction!(worktrees::tokens_add, module)?,
        wrap_pyfunction!(worktrees::tokens_said, module)?,
        wrap_pyfunction!(worktrees::batch_costs, module)?,
        wrap_pyfunction!(worktrees::batch_advice, module)?,
        wrap_pyfunction!(worktrees::batch_report, module)?,
        wrap_pyfunction!(worktrees::batch_times, module)?,
    ] {
        module.add_function(door)?;
    }
    module.add_function(wrap_pyfunction!(cli::main, module)?)?;
    module.add_function(wrap_pyfunction!(convert::plain, module)?)?;
    #[cfg(feature = "vectors")]
    {
        module.add_function(wrap_pyfunction!(vectors::vector, module)?)?;
        module.add_function(wrap_pyfunction!(vectors::vector_areas, module)?)?;
    }
    // After that no thread of the core calls into the interpreter, which is not there any more then.
    let end = wrap_pyfunction!(session::end, module)?;
    module.add_function(end.clone())?;
    module.py().import("atexit")?.call_method1("register", (end,))?;
    Ok(())
}
