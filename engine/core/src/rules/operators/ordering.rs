//! greater_than, less_than, greater_equal, less_equal, between.

use std::cmp::Ordering;

use serde_json::Value;

use super::Test;
use crate::rules::facts::{Fact, FactInfo};
use crate::rules::number::Number;

/// `fits` judges how the value compares with the fact.
struct Compared {
    value: Number,
    fits: fn(Ordering) -> bool,
}

impl Test for Compared {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match fact {
            Fact::Number(number) => (self.fits)(self.value.compare(number)),
            Fact::Text(_) => false,
        }
    }
}

struct Between {
    least: Number,
    most: Number,
}

impl Test for Between {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match fact {
            Fact::Number(number) => self.least.compare(number).is_le() && self.most.compare(number).is_ge(),
            Fact::Text(_) => false,
        }
    }
}

pub(super) fn greater_than(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    compared(fact, value, Ordering::is_lt)
}

pub(super) fn less_than(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    compared(fact, value, Ordering::is_gt)
}

pub(super) fn greater_equal(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    compared(fact, value, Ordering::is_le)
}

pub(super) fn less_equal(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    compared(fact, value, Ordering::is_ge)
}

pub(super) fn between(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    let Some([least, most]) = value.as_array().map(Vec::as_slice) else {
        return Err(format!("'between' takes two numbers, not {value}"));
    };
    Ok(Box::new(Between {
        least: Number::of(fact, least)?,
        most: Number::of(fact, most)?,
    }))
}

fn compared(fact: &FactInfo, value: &Value, fits: fn(Ordering) -> bool) -> Result<Box<dyn Test>, String> {
    let value = Number::of(fact, value)?;
    Ok(Box::new(Compared { value, fits }))
}
