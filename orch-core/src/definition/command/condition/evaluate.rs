//! The answer of an expression.

use std::{borrow::Cow, cell::Cell, cmp::Ordering};

use serde_json::{Number, Value};

use super::{
    model::{Expression, Scope},
    parse::{Node, Op},
};

/// The member of a JSON value at that path; the value itself for the empty path.
///
/// ```
/// use orch_core::definition::command::member;
/// use serde_json::json;
///
/// let value = json!({"a": {"b": 1}});
/// assert_eq!(member(&value, &["a".into(), "b".into()]), Some(&json!(1)));
/// assert_eq!(member(&value, &["a".into(), "c".into()]), None);
/// ```
pub fn member<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.as_object()?.get(name))
}

pub(super) fn holds(root: &Node, scope: &dyn Scope) -> bool {
    let run = Run { scope, steps: Cell::new(0) };
    // What passes the limit is false as a whole, not only in the part that took too long.
    let holds = run.eval(root, None).is_some_and(|value| truthy(&value));
    holds && run.steps.get() <= Expression::MAX_STEPS
}

struct Run<'a> {
    scope: &'a dyn Scope,
    steps: Cell<u32>,
}

/// The variable of a `.some`, and those around it.
struct Variable<'a, 'outer> {
    name: &'a str,
    value: &'a Value,
    outer: Option<&'outer Variable<'a, 'outer>>,
}

impl<'a> Run<'a> {
    /// The value of a node; none if it is undefined.
    fn eval(&self, node: &'a Node, variables: Option<&Variable<'a, '_>>) -> Option<Cow<'a, Value>> {
        self.step()?;
        match node {
            Node::Literal(value) => Some(Cow::Borrowed(value)),
            Node::Undefined => None,
            Node::Path(path) => self.path(path, variables).map(Cow::Borrowed),
            Node::Length(of) => length(self.eval(of, variables)?),
            Node::Includes(of, wanted) => {
                let of = self.eval(of, variables)?;
                let wanted = self.eval(wanted, variables)?;
                self.includes(&of, &wanted).map(boolean)
            }
            Node::Some { of, variable, body } => {
                // Only a value of the scope can be an array: there are no array literals.
                let Cow::Borrowed(Value::Array(elements)) = self.eval(of, variables)? else { return None };
                let any = elements.iter().any(|value| {
                    let variables = Variable { name: variable, value, outer: variables };
                    self.holds(body, Some(&variables))
                });
                Some(boolean(any))
            }
            Node::Not(of) => Some(boolean(!self.holds(of, variables))),
            Node::All(parts) => Some(boolean(parts.iter().all(|part| self.holds(part, variables)))),
            Node::Any(parts) => Some(boolean(parts.iter().any(|part| self.holds(part, variables)))),
            Node::Compare(left, op, right) => {
                let (word, other) = (Word::of(left), Word::of(right));
                Some(boolean(match (word, other) {
                    (Some(word), None) => word.compare(*op, self.eval(right, variables).as_deref()),
                    (None, Some(word)) => word.compare(*op, self.eval(left, variables).as_deref()),
                    _ => compare(&*self.eval(left, variables)?, *op, &*self.eval(right, variables)?),
                }))
            }
        }
    }

    fn holds(&self, node: &'a Node, variables: Option<&Variable<'a, '_>>) -> bool {
        self.eval(node, variables).is_some_and(|value| truthy(&value))
    }

    fn step(&self) -> Option<()> {
        if self.steps.get() > Expression::MAX_STEPS {
            return None;
        }
        self.steps.set(self.steps.get() + 1);
        Some(())
    }

    fn path(&self, path: &'a [String], variables: Option<&Variable<'a, '_>>) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        let mut next = variables;
        while let Some(variable) = next {
            if variable.name == first {
                return member(variable.value, rest);
            }
            next = variable.outer;
        }
        self.scope.value(path)
    }

    fn includes(&self, of: &Value, wanted: &Value) -> Option<bool> {
        match (of, wanted) {
            (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
            (Value::Array(elements), wanted) => {
                Some(elements.iter().any(|element| self.step().is_some() && same(element, wanted)))
            }
            _ => None,
        }
    }
}

/// The words that ask whether a value is there.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    Undefined,
    Null,
}

impl Word {
    fn of(node: &Node) -> Option<Self> {
        match node {
            Node::Undefined => Some(Self::Undefined),
            Node::Literal(Value::Null) => Some(Self::Null),
            _ => None,
        }
    }

    fn compare(self, op: Op, value: Option<&Value>) -> bool {
        match (op, self) {
            (Op::Same, Self::Undefined) => value.is_none(),
            (Op::NotSame, Self::Undefined) => value.is_some(),
            (Op::Same, Self::Null) => value.is_some_and(Value::is_null),
            (Op::NotSame, Self::Null) | (Op::NotEqual, _) => value.is_some_and(|value| !value.is_null()),
            (Op::Equal, _) => value.is_none_or(Value::is_null),
            (Op::Less | Op::LessOrEqual | Op::More | Op::MoreOrEqual, _) => false,
        }
    }
}

fn compare(left: &Value, op: Op, right: &Value) -> bool {
    let order = || match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match op {
        Op::Same | Op::Equal => same(left, right),
        Op::NotSame | Op::NotEqual => !same(left, right),
        Op::Less => order().is_some_and(Ordering::is_lt),
        Op::LessOrEqual => order().is_some_and(Ordering::is_le),
        Op::More => order().is_some_and(Ordering::is_gt),
        Op::MoreOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

/// Equal as JSON: 1 and 1.0 are one number, also inside arrays and objects.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// Whole numbers are compared exactly, also where a float could not hold them.
fn numbers(left: &Number, right: &Number) -> Option<Ordering> {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn length(of: Cow<'_, Value>) -> Option<Cow<'_, Value>> {
    let count = match of {
        Cow::Borrowed(Value::Object(members)) => return members.get("length").map(Cow::Borrowed),
        Cow::Borrowed(Value::Array(elements)) => elements.len(),
        ref other => other.as_str()?.encode_utf16().count(),
    };
    Some(Cow::Owned(Value::from(count)))
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn boolean(value: bool) -> Cow<'static, Value> {
    Cow::Owned(Value::Bool(value))
}
