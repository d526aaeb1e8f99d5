//! equals, not_equals, in, not_in: texts byte by byte, numbers by value.

use serde_json::Value;

use super::{Quick, Test, text_of};
use crate::rules::facts::{Fact, FactInfo, FactKind};
use crate::rules::number::Number;

struct OneOf {
    texts: Box<[Box<[u8]>]>,
    numbers: Box<[Number]>,
    negated: bool,
}

impl Test for OneOf {
    fn holds(&self, fact: Fact<'_>) -> bool {
        let found = match fact {
            Fact::Text(text) => self.texts.iter().any(|value| **value == *text),
            Fact::Number(number) => self.numbers.iter().any(|value| value.compare(number).is_eq()),
        };
        found != self.negated
    }

    fn quick(&self) -> Quick<'_> {
        if self.numbers.is_empty() {
            Quick::OneOf(&self.texts, self.negated)
        } else {
            Quick::Ask
        }
    }
}

pub(super) fn equals(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    one_of(fact, std::slice::from_ref(value), false)
}

pub(super) fn not_equals(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    one_of(fact, std::slice::from_ref(value), true)
}

pub(super) fn is_in(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    one_of(fact, list_of(fact, value)?, false)
}

pub(super) fn not_in(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    one_of(fact, list_of(fact, value)?, true)
}

/// A test that no value passes, for what is answered before any test is asked.
pub(super) fn never(_: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    if !value.is_boolean() {
        return Err(format!("'exists' takes true or false, not {value}"));
    }
    Ok(Box::new(OneOf {
        texts: [].into(),
        numbers: [].into(),
        negated: false,
    }))
}

fn list_of<'v>(fact: &FactInfo, value: &'v Value) -> Result<&'v [Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("{} is compared with a list, not with {value}", fact.name))
}

fn one_of(fact: &FactInfo, values: &[Value], negated: bool) -> Result<Box<dyn Test>, String> {
    let is_number = fact.kind == FactKind::Number;
    let texts = if is_number { &[] } else { values };
    let numbers = if is_number { values } else { &[] };
    Ok(Box::new(OneOf {
        texts: texts
            .iter()
            .map(|value| text_of(fact, value))
            .collect::<Result<_, _>>()?,
        numbers: numbers
            .iter()
            .map(|value| Number::of(fact, value))
            .collect::<Result<_, _>>()?,
        negated,
    }))
}
