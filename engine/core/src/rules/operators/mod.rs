//! How a condition compares: the list of operators, one file per family. Absent: facts, weights.
//!
//! A new operator is one function in the file of its family and one line in [`OPERATORS`].

mod equality;
mod ordering;
mod pattern;
mod substring;

use serde::Serialize;
use serde_json::Value;

use super::facts::{Fact, FactInfo, FactKind};

/// One entry of the list of operators.
#[derive(Clone, Copy, Serialize)]
pub struct OperatorInfo {
    /// The name that recipes use.
    pub name: &'static str,
    /// What it compares.
    pub compares: &'static [FactKind],
    /// What the value must be.
    pub value: ValueShape,
    /// One sentence.
    pub summary: &'static str,
    #[serde(skip)]
    build: Build,
}

/// What an operator's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueShape {
    /// One text or number.
    One,
    /// A list of them.
    List,
    /// Two numbers, the smaller first.
    Pair,
    /// A regular expression.
    Regex,
    /// A glob.
    Glob,
    /// True or false.
    Bool,
}

/// A compiled comparison. It must not allocate and must take time linear in the fact.
pub(super) trait Test: Send + Sync {
    /// Compare a known value.
    fn holds(&self, fact: Fact<'_>) -> bool;

    /// What can be told without asking; a condition that cannot hold for other values is not asked for them.
    fn quick(&self) -> Quick<'_> {
        Quick::Ask
    }
}

/// For which values a test can hold.
pub(super) enum Quick<'t> {
    /// It holds for all.
    Always,
    /// It holds for these texts only; or, with true, for all others only.
    OneOf(&'t [Box<[u8]>], bool),
    /// It holds for numbers from the first to the second only, both included.
    Within(u64, u64),
    /// It can hold for texts only that start so.
    Start(&'t [u8]),
    /// It can hold for texts only whose last component starts so.
    NameStart(&'t [u8]),
    /// It can hold for texts only that end so.
    End(&'t [u8]),
    /// Whoever wants to know has to ask.
    Ask,
}

type Build = fn(&FactInfo, &Value) -> Result<Box<dyn Test>, String>;

const ALL: &[FactKind] = &[FactKind::Text, FactKind::Word, FactKind::Number];
const TEXTS: &[FactKind] = &[FactKind::Text, FactKind::Word];
const NUMBERS: &[FactKind] = &[FactKind::Number];

/// Name of the one operator that asks whether a value is known; it is answered before any test is made.
pub(super) const EXISTS: &str = "exists";

/// Every operator, those of the ancestor first.
#[rustfmt::skip]
pub static OPERATORS: &[OperatorInfo] = &[
    operator("equals", ALL, ValueShape::One, equality::equals, "Is the value; numbers compare by value."),
    operator("contains", TEXTS, ValueShape::One, substring::contains, "Has the value somewhere in it."),
    operator("matches", TEXTS, ValueShape::Regex, pattern::matches, "Has a match of the regular expression somewhere; linear in time."),
    operator("in", ALL, ValueShape::List, equality::is_in, "Is one of the values."),
    operator("greater_than", NUMBERS, ValueShape::One, ordering::greater_than, "Is greater."),
    operator("less_than", NUMBERS, ValueShape::One, ordering::less_than, "Is less."),
    operator("greater_equal", NUMBERS, ValueShape::One, ordering::greater_equal, "Is greater or equal."),
    operator("less_equal", NUMBERS, ValueShape::One, ordering::less_equal, "Is less or equal."),
    operator("glob", TEXTS, ValueShape::Glob, pattern::glob, "Fits the glob as a whole: * and ? stay within a folder, ** crosses folders; without a slash the last component is compared."),
    operator("not_equals", ALL, ValueShape::One, equality::not_equals, "Is not the value."),
    operator("not_in", ALL, ValueShape::List, equality::not_in, "Is none of the values."),
    operator("not_contains", TEXTS, ValueShape::One, substring::not_contains, "Has the value nowhere in it."),
    operator("starts_with", TEXTS, ValueShape::One, substring::starts_with, "Starts with the value."),
    operator("ends_with", TEXTS, ValueShape::One, substring::ends_with, "Ends with the value."),
    operator("between", NUMBERS, ValueShape::Pair, ordering::between, "Lies between two numbers, both included."),
    operator(EXISTS, ALL, ValueShape::Bool, equality::never, "Is known at all (or is not, with false)."),
];

const fn operator(
    name: &'static str,
    compares: &'static [FactKind],
    value: ValueShape,
    build: Build,
    summary: &'static str,
) -> OperatorInfo {
    OperatorInfo {
        name,
        compares,
        value,
        summary,
        build,
    }
}

/// Compile one comparison.
pub(super) fn build(fact: &FactInfo, name: &str, value: &Value) -> Result<Box<dyn Test>, String> {
    let operator = OPERATORS
        .iter()
        .find(|operator| operator.name == name)
        .ok_or_else(|| format!("unknown operator '{name}'"))?;
    if !operator.compares.contains(&fact.kind) {
        let kind = if fact.kind == FactKind::Number {
            "number"
        } else {
            "text"
        };
        return Err(format!(
            "'{name}' cannot compare {}, which is a {kind}",
            fact.name
        ));
    }
    (operator.build)(fact, value)
}

/// The text that a fact is compared with: words in lower case, an extension without its dot.
fn text_of(fact: &FactInfo, value: &Value) -> Result<Box<[u8]>, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("{} is compared with a text, not with {value}", fact.name))?;
    if fact.kind == FactKind::Text {
        return Ok(text.as_bytes().into());
    }
    let word = text.to_ascii_lowercase();
    let word = if fact.name == "file.extension" {
        word.strip_prefix('.').unwrap_or(&word)
    } else {
        &word
    };
    Ok(word.as_bytes().into())
}
