//! greater_than, less_than, greater_equal, less_equal, between.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Quick, Test};
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

    fn quick(&self) -> Quick<'_> {
        let holds = |number| (self.fits)(self.value.compare(number));
        match (holds(0), holds(u64::MAX)) {
            (true, true) => Quick::Within(0, u64::MAX),
            (true, false) => Quick::Within(0, first_number(|number| !holds(number)) - 1),
            (false, true) => Quick::Within(first_number(holds), u64::MAX),
            (false, false) => Quick::Within(1, 0),
        }
    }
}

/// The least number from which on something is so; it is so of the largest.
fn first_number(is_so: impl Fn(u64) -> bool) -> u64 {
    let (mut least, mut most) = (0, u64::MAX);
    while least < most {
        let middle = least + (most - least) / 2;
        if is_so(middle) {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    least
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
