//! A drawing of a small graph in layers, from left to right.
//!
//! The way of Sugiyama, Tagawa and Toda (1981): a dependency that passes levels gets a waypoint on each of them; the order
//! within a level follows the barycentres of the neighbours, forth and back, and the order with the fewest crossings
//! stays; heights are then pulled towards the neighbours as far as the order and the distances allow.
//!
//! It knows numbers only: no tasks, no names, no colours.

mod layout;
mod order;
mod place;

pub(super) use layout::{Layout, MOST_TASKS, Point, layout};
