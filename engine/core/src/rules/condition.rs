//! One compiled condition: a fact, a test, and a verdict of three values.

use serde::Serialize;
use serde_json::Value;

use super::facts::{FACTS, Fact, FactInfo};
use super::operators::{self, EXISTS, Quick, Test};
use super::view::View;
use crate::ConditionSpec;

/// What a condition says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nothing is known of the fact; counts as not held.
    Unknown,
}

pub(super) struct Condition {
    pub(super) fact: &'static FactInfo,
    /// Its place in [`FACTS`].
    pub(super) index: usize,
    pub(super) weight: f64,
    pub(super) required: bool,
    /// `Some(expected)` for the operator that asks whether the fact is known.
    pub(super) exists: Option<bool>,
    test: Box<dyn Test>,
}

impl Condition {
    pub(super) fn compile(spec: &ConditionSpec) -> Result<Condition, String> {
        let index = FACTS
            .iter()
            .position(|fact| fact.name == spec.fact)
            .ok_or_else(|| format!("unknown fact '{}'", spec.fact))?;
        let fact = &FACTS[index];
        if !(0.0..=1.0).contains(&spec.weight) {
            return Err(format!("weight {} is outside 0..1", spec.weight));
        }
        Ok(Condition {
            fact,
            index,
            weight: spec.weight,
            required: spec.required,
            exists: if spec.op == EXISTS {
                spec.value.as_bool()
            } else {
                None
            },
            test: operators::build(fact, &spec.op, &spec.value)?,
        })
    }

    /// Whether time alone changes its verdict.
    pub(super) fn is_about_age(&self) -> bool {
        self.fact.name == "file.age"
    }

    pub(super) fn verdict(&self, view: &View<'_>) -> Verdict {
        let value = view.value(self.index);
        let holds = match (self.exists, value) {
            (Some(expected), value) => value.is_some() == expected,
            (None, Some(value)) => self.test.holds(value),
            (None, None) => return Verdict::Unknown,
        };
        if holds { Verdict::True } else { Verdict::False }
    }

    /// What can be told of its test without asking it.
    pub(super) fn quick(&self) -> Quick<'_> {
        self.test.quick()
    }

    /// Whether its test holds for a known value.
    pub(super) fn holds(&self, value: Fact<'_>) -> bool {
        self.test.holds(value)
    }

    /// The fact's value, for people.
    pub(super) fn actual(&self, view: &View<'_>) -> Option<Value> {
        let value = view.value(self.index);
        value.map(Fact::to_json)
    }
}
