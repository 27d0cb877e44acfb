//! Small programs, one question each. `cargo run -p examples --example run_closures` runs one; all are run by `./test`.
//!
//! | example | question |
//! |---|---|
//! | `build_and_plan` | In which order can these tasks run, and how long will it take? |
//! | `run_closures` | How do I run my own async functions as tasks? |
//! | `retry_and_timeout` | What happens to tasks that fail, hang or panic? |
//! | `typed_outputs` | How do tasks hand values of my own types to each other? |
//! | `progress_events` | How do I follow a run while it goes on? |
//! | `dynamic_tasks` | How can a task decide, while the run goes on, what else is to do? |
