//! Numbers of recipes compared by value: 1048576, 1048576.0 and a size in bytes are one number.

use std::cmp::Ordering;

use serde_json::Value;

use super::facts::FactInfo;

/// A number as a recipe gives it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Fraction(f64),
}

impl Number {
    pub(super) fn of(fact: &FactInfo, value: &Value) -> Result<Number, String> {
        let number = value.as_number();
        let whole = number.and_then(serde_json::Number::as_i128);
        let number = whole
            .map(Number::Whole)
            .or_else(|| number.and_then(serde_json::Number::as_f64).map(Number::Fraction));
        number.ok_or_else(|| format!("{} is compared with a number, not with {value}", fact.name))
    }

    /// How this number compares with a fact.
    pub(super) fn compare(self, fact: u64) -> Ordering {
        match self {
            Number::Whole(whole) => whole.cmp(&i128::from(fact)),
            Number::Fraction(fraction) => {
                // A conversion saturates, so the whole part is exact wherever the fact can equal it.
                let whole = fraction.floor() as i128;
                let above_whole = if fraction > fraction.floor() {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                };
                whole.cmp(&i128::from(fact)).then(above_whole)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::facts::FACTS;

    fn check(value: Value, fact: u64, expected: Ordering) {
        let number = Number::of(&FACTS[0], &value).expect("a number");
        assert_eq!(number.compare(fact), expected, "{value} with {fact}");
    }

    #[test]
    fn numbers_compare_by_value_and_exactly() {
        check(Value::from(5), 5, Ordering::Equal);
        check(Value::from(5.0), 5, Ordering::Equal);
        check(Value::from(5.5), 5, Ordering::Greater);
        check(Value::from(-1), 0, Ordering::Less);
        check(Value::from(-0.5), 0, Ordering::Less);
        check(Value::from(u64::MAX), u64::MAX - 1, Ordering::Greater);
        check(Value::from(1e300), u64::MAX, Ordering::Greater);
        check(
            Value::from(9_007_199_254_740_993_u64),
            9_007_199_254_740_992,
            Ordering::Greater,
        );
    }
}
