//! matches, glob: compiled once, linear in the text.

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Test, text_of};
use crate::filetype::name_of;
use crate::rules::facts::{Fact, FactInfo, FactKind};

/// What one compiled expression may take [bytes]; `\w{1000}` in Unicode is refused, real patterns take < 100 KiB.
const PROGRAM_BYTES: usize = 1 << 20;

struct Matches(Regex);

impl Test for Matches {
    fn holds(&self, fact: Fact<'_>) -> bool {
        match fact {
            // `.` fits a character, so a name that is no UTF-8 is compared with its bad bytes replaced.
            Fact::Text(text) => self.0.is_match(String::from_utf8_lossy(text).as_bytes()),
            Fact::Number(_) => false,
        }
    }
}

pub(super) fn matches(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    let pattern = value
        .as_str()
        .ok_or_else(|| format!("'matches' takes a regular expression, not {value}"))?;
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(fact.kind == FactKind::Word)
        .size_limit(PROGRAM_BYTES)
        .build()
        .map_err(|error| {
            format!(
                "bad regular expression '{pattern}': {}",
                one_line(&error.to_string())
            )
        })?;
    Ok(Box::new(Matches(regex)))
}

/// The shapes that nearly all globs have need no expression: 20 of them fit into a microsecond.
enum Glob {
    /// `train/index.csv`
    Whole(Box<[u8]>),
    /// `train/**`
    Below(Box<[u8]>),
    /// `**`
    Anything,
    /// `*.jpg` (of the last component)
    NameEnd(Box<[u8]>),
    /// `train*` (of the last component)
    NameStart(Box<[u8]>),
    /// The rest.
    Compiled(GlobMatcher, bool),
}

impl Test for Glob {
    fn holds(&self, fact: Fact<'_>) -> bool {
        let Fact::Text(text) = fact else { return false };
        match self {
            Glob::Whole(whole) => *text == **whole,
            Glob::Below(folder) => text.len() > folder.len() && text.starts_with(folder),
            Glob::Anything => true,
            Glob::NameEnd(end) => name_of(text).ends_with(end),
            Glob::NameStart(start) => name_of(text).starts_with(start),
            Glob::Compiled(matcher, true) => is_match(matcher, name_of(text)),
            Glob::Compiled(matcher, false) => is_match(matcher, text),
        }
    }
}

fn is_match(matcher: &GlobMatcher, text: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    matcher.is_match(std::ffi::OsStr::from_bytes(text))
}

pub(super) fn glob(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    let written = value
        .as_str()
        .ok_or_else(|| format!("'glob' takes a glob, not {value}"))?;
    let text = text_of(fact, value)?;
    let pattern = String::from_utf8_lossy(&text);
    if let Some(simple) = simple_glob(&pattern) {
        return Ok(Box::new(simple));
    }
    let glob = GlobBuilder::new(&pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| format!("bad glob '{written}': {}", error.kind()))?;
    Ok(Box::new(Glob::Compiled(
        glob.compile_matcher(),
        !pattern.contains('/'),
    )))
}

fn simple_glob(pattern: &str) -> Option<Glob> {
    let literal = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
    let bytes = |text: &str| text.as_bytes().into();
    if pattern == "**" {
        return Some(Glob::Anything);
    }
    if let Some(folder) = pattern.strip_suffix("**") {
        return (folder.ends_with('/') && literal(folder)).then(|| Glob::Below(bytes(folder)));
    }
    if pattern.contains('/') {
        let end = pattern.strip_prefix("**/*");
        return match end {
            Some(end) if literal(end) && !end.contains('/') => Some(Glob::NameEnd(bytes(end))),
            _ => literal(pattern).then(|| Glob::Whole(bytes(pattern))),
        };
    }
    if let Some(end) = pattern.strip_prefix('*').filter(|end| literal(end)) {
        return Some(Glob::NameEnd(bytes(end)));
    }
    let start = pattern.strip_suffix('*')?;
    literal(start).then(|| Glob::NameStart(bytes(start)))
}

/// The last line of an engine's message, which draws the pattern above it.
fn one_line(message: &str) -> &str {
    message
        .lines()
        .last()
        .unwrap_or(message)
        .trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::facts::FACTS;

    fn check(pattern: &str, path: &str, expected: bool) {
        let fact = FACTS
            .iter()
            .find(|fact| fact.name == "file.path")
            .expect("listed");
        let test = glob(fact, &Value::from(pattern)).expect("a glob");
        assert_eq!(
            test.holds(Fact::Text(path.as_bytes())),
            expected,
            "{pattern} on {path}"
        );
        // The quick shapes must mean what the general one means.
        let general = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .expect("a glob")
            .compile_matcher();
        let subject = if pattern.contains('/') {
            path.as_bytes()
        } else {
            name_of(path.as_bytes())
        };
        let both = is_match(&general, subject);
        assert_eq!(
            both,
            expected || (pattern == "**" && both),
            "general form of {pattern} on {path}"
        );
    }

    #[test]
    fn stars_stay_within_a_folder_and_double_stars_do_not() {
        check("train/**", "train/a/b.jpg", true);
        check("train/**", "train", false);
        check("train/**", "trainer/a", false);
        check("train/*.jpg", "train/a.jpg", true);
        check("train/*.jpg", "train/a/b.jpg", false);
        check("**/*.jpg", "a.jpg", true);
        check("**/*.jpg", "x/y/a.jpg", true);
        check("**/*.jpg", "x/y/a.jpeg", false);
        check("a/{b,c}/?.txt", "a/c/1.txt", true);
        check("a/[!b]*/x", "a/bb/x", false);
        check("index.csv", "index.csv", true);
        check("a/index.csv", "a/index.csv", true);
        check("**", "a/b", true);
    }

    #[test]
    fn a_glob_without_a_slash_is_about_the_last_component() {
        check("*.jpg", "x/y/a.jpg", true);
        check("shard-*", "x/shard-01.tar", true);
        check("shard-*", "shard-01/x", false);
        check("index.*", "x/index.csv", true);
    }
}
