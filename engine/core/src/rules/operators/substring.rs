//! contains, not_contains, starts_with, ends_with.

use serde_json::Value;

use super::{Quick, Test, text_of};
use crate::rules::facts::{Fact, FactInfo};

struct Part {
    text: Box<[u8]>,
    place: PartPlace,
    negated: bool,
}

impl Test for Part {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match fact {
            Fact::Text(text) => {
                let found = match self.place {
                    PartPlace::Anywhere => has(text, &self.text),
                    PartPlace::Start => text.starts_with(&self.text),
                    PartPlace::End => text.ends_with(&self.text),
                };
                found != self.negated
            }
            Fact::Number(_) => false,
        }
    }

    fn quick(&self) -> Quick<'_> {
        match self.place {
            PartPlace::Start => Quick::Start(&self.text),
            PartPlace::End => Quick::End(&self.text),
            PartPlace::Anywhere => Quick::Ask,
        }
    }
}

enum PartPlace {
    Anywhere,
    Start,
    End,
}

pub(super) fn contains(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, PartPlace::Anywhere, false)
}

pub(super) fn not_contains(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, PartPlace::Anywhere, true)
}

pub(super) fn starts_with(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, PartPlace::Start, false)
}

pub(super) fn ends_with(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    part(fact, value, PartPlace::End, false)
}

fn part(fact: &FactInfo, value: &Value, place: PartPlace, negated: bool) -> Result<Box<dyn Test>, String> {
    let text = text_of(fact, value)?;
    Ok(Box::new(Part { text, place, negated }))
}

/// Paths are at most 4 KiB and values short, so the quadratic worst case stays below the cost of a better search.
fn has(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
