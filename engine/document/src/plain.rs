//! What a word without quotes stands for. Words that YAML 1.1 and 1.2 read differently are refused, not guessed.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::value::Value;

/// Plain words that YAML 1.1 turns into something else than what is written; each with its likely meaning.
const TRAPS: [(&str, &str); 5] = [
    (
        "(?i-u:yes|no|on|off)",
        "is a truth value to some YAML readers and a word to others",
    ),
    (
        "[-+]?0[0-9_]+",
        "is an octal number to some YAML readers and a decimal one to others",
    ),
    (
        "[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+",
        "is a number to base 60 to some YAML readers",
    ),
    (
        "[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)",
        "is a number to some YAML readers only",
    ),
    (
        "[-+]?[0-9][0-9,]*(_[0-9]+)+(\\.[0-9_]*)?",
        "is a number to some YAML readers only",
    ),
];

static TRAP: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = TRAPS.iter().map(|(pattern, _)| format!("^(?:{pattern})$"));
    RegexSet::new(patterns).expect("patterns of this file")
});

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = "^[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?$";
    Regex::new(pattern).expect("a pattern of this file")
});

/// What a plain word is.
pub(crate) enum Plain {
    Value(Value),
    Text,
    /// One that readers disagree on: how.
    Trap(&'static str),
    NoNumber,
    TooLarge,
}

pub(crate) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Value(Value::Null),
        "true" | "True" | "TRUE" => return Plain::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Plain::Value(Value::Bool(false)),
        _ if is_ordinary(text) => return Plain::Text,
        _ => {}
    }
    if is_integer(text) {
        let signed = text.parse().map(Value::Integer);
        let number = signed.or_else(|_| text.parse().map(Value::Large));
        return number.map_or(Plain::TooLarge, Plain::Value);
    }
    if let Some(meaning) = trap(text) {
        return Plain::Trap(meaning);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Plain::NoNumber;
    }
    if !FLOAT.is_match(text) {
        return Plain::Text;
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Plain::Value(Value::Float(number)),
        _ => Plain::NoNumber,
    }
}

/// How readers disagree on a plain word, if they do.
pub(crate) fn trap(text: &str) -> Option<&'static str> {
    if is_ordinary(text) {
        return None;
    }
    let found = TRAP.matches(text).iter().next();
    found.map(|place| TRAPS[place].1)
}

/// Digits without a zero before others, which makes some readers count to base 8.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts_well = digits == "0" || !digits.starts_with('0');
    starts_well && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a word reads back as the same text without quotes: no constant, no number, none that readers disagree on.
pub fn is_plain_text(text: &str) -> bool {
    matches!(plain(text), Plain::Text)
}

/// Nearly all words start with no sign, digit or dot and are longer than "off"; the rest meets the patterns.
fn is_ordinary(text: &str) -> bool {
    let is_long = text.len() > "off".len();
    is_long && !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_kind_and_their_value() {
        for (text, expected) in [
            ("0", "Integer(0)"),
            ("-0", "Integer(0)"),
            ("+7", "Integer(7)"),
            ("-9223372036854775808", "Integer(-9223372036854775808)"),
            ("18446744073709551615", "Large(18446744073709551615)"),
            ("1.", "Float(1.0)"),
            (".5e-3", "Float(0.0005)"),
            ("+1.5", "Float(1.5)"),
        ] {
            let Plain::Value(value) = plain(text) else {
                panic!("{text} is a value")
            };
            assert_eq!(format!("{value:?}"), expected);
        }
        assert!(matches!(plain("18446744073709551616"), Plain::TooLarge));
        assert!(matches!(plain("-9223372036854775809"), Plain::TooLarge));
        assert!(matches!(plain("1e999"), Plain::NoNumber));
    }

    #[test]
    fn words_that_readers_disagree_on_are_traps() {
        for text in [
            "yes", "No", "ON", "oFF", "0755", "-00", "12:30", "1:2:3", "0x1F", "0o17", "0b01", "1_000",
            "1,0_0.5",
        ] {
            assert!(trap(text).is_some(), "{text}");
            assert!(!is_plain_text(text), "{text}");
        }
        for text in [
            "yes!",
            "none",
            "offer",
            "1.2.3",
            "2024-01-01",
            "64MiB",
            "a:b",
            "0x",
            "é",
            "-",
            "+a",
        ] {
            assert!(trap(text).is_none(), "{text}");
            assert!(is_plain_text(text), "{text}");
        }
    }
}
