//! Conditions: whether a task runs. Parsed by a real grammar, never evaluated as code.
//!
//! The language is the small part of JavaScript that command definitions use:
//!
//! ```text
//! or       = and { "||" and }
//! and      = not { "&&" not }
//! not      = "!" not | compare
//! compare  = value [ ( "===" | "!==" | "==" | "!=" | ">" | ">=" | "<" | "<=" ) value ]
//! value    = literal | path | value ".length" | value ".includes(" or ")" | value ".some(" name "=>" or ")" | "(" or ")"
//! literal  = 'text' | "text" | number | true | false | null | undefined
//! path     = name { "." name }
//! ```
//!
//! What it means, where JavaScript would guess:
//!
//! - A path that leads nowhere is undefined. **A comparison with an undefined value is false, `!=` and `!==` too**; alone, it
//!   counts as false. Only the literals ask for it: `x === undefined`, `x !== undefined`, and, for undefined or null,
//!   `x == null`, `x != null`.
//! - Values are compared as JSON, without conversion: `1 == "1"` is false, `1 == 1.0` is true, arrays and objects are equal when
//!   their contents are. `<` and its like compare two numbers or two texts; anything else is false.
//! - Alone, `false`, `null`, `0` and `''` count as false, everything else as true. `&&`, `||` and `!` answer true or false.
//! - `.length` counts the elements of an array or the UTF-16 units of a text, unless an object has a member of that name.
//! - `.includes` looks in an array or a text; `.some` in an array.
//!
//! What a name stands for is the [`Scope`]'s business.
//!
//! ```
//! use orch_core::definition::command::Expression;
//! use serde_json::json;
//!
//! let condition = Expression::parse("inputs.frameworks.length > 0 || risks.some(r => r.kind === 'security')")?;
//! assert!(condition.evaluate(&json!({"inputs": {"frameworks": []}, "risks": [{"kind": "security"}]})));
//! assert!(!condition.evaluate(&json!({"inputs": {"frameworks": []}})));
//! assert_eq!(condition.references(), [vec!["inputs", "frameworks"], vec!["risks"]]);
//! # Ok::<(), orch_core::Error>(())
//! ```

mod evaluate;
mod model;
mod parse;

pub use evaluate::member;
pub use model::{Condition, Expression, Scope, Test, camel_case};

#[cfg(test)]
mod tests;
