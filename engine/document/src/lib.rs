//! Reads the text of a recipe, YAML or JSON, to plain values that know their places.
//!
//! Owns: the caps on depth, aliases and size, what is refused (words that YAML readers disagree on, tags, keys that
//! come twice), and positions. Absent: reading files, and what a recipe means (the Python package `recipes`).
//!
//! Everything is built from parser events, so nothing exists before depth, aliases and size were counted.
#![deny(unsafe_code)]

mod event;
mod finding;
mod json;
mod libyaml;
mod plain;
mod reader;
mod value;
mod yaml;

pub use finding::{Finding, Mark};
pub use plain::is_plain_text;
pub use reader::{MAX_DEPTH, MAX_ENTRIES, MAX_FINDINGS, MAX_NODES};
pub use value::{Document, Mapping, Node, Part, Value};

/// Read a recipe's text.
///
/// # Errors
/// Everything that was found: what is no YAML or JSON ends the reading, most else does not.
pub fn read(text: &str, is_json: bool) -> Result<Document, Vec<Finding>> {
    if is_json {
        reader::read(json::Events::new(text))
    } else {
        reader::read(yaml::Events::new(text))
    }
}
