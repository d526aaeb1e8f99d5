//! contains, not_contains, starts_with, ends_with.

use serde_json::Value;

use super::{Test, text_of};
use crate::rules::facts::{Fact, FactInfo};

struct Part {
    text: Box<[u8]>,
    fits: fn(&[u8], &[u8]) -> bool,
    negated: bool,
}

impl Test for Part {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match fact {
            Fact::Text(text) => (self.fits)(text, &self.text) != self.negated,
            Fact::Number(_) => false,
        }
    }
}

pub(super) fn contains(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, has, false)
}

pub(super) fn not_contains(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, has, true)
}

pub(super) fn starts_with(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, |text, part| text.starts_with(part), false)
}

pub(super) fn ends_with(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, |text, part| text.ends_with(part), false)
}

fn part(
    fact: &FactInfo,
    value: &Value,
    fits: fn(&[u8], &[u8]) -> bool,
    negated: bool,
) -> Result<Box<dyn Test>, String> {
    let text = text_of(fact, value)?;
    Ok(Box::new(Part { text, fits, negated }))
}

/// Paths are at most 4 KiB and values short, so the quadratic worst case stays below the cost of a better search.
fn has(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
