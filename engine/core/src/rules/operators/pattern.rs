//! matches, glob: compiled once, linear in the text.

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Quick, Test, text_of};
use crate::filetype::name_of;
use crate::rules::facts::{Fact, FactInfo, FactKind};

/// What one compiled expression may take [bytes]; `\w{99}` in Unicode is refused, real patterns take < 100 KiB.
const PROGRAM_BYTES: usize = 1 << 19;
/// How long a pattern may be [bytes]: a glob of 300,000 stars compiles to more than a process has.
const PATTERN_BYTES: usize = 4096;

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

fn within_bounds(pattern: &str) -> Result<(), String> {
    if pattern.len() <= PATTERN_BYTES {
        return Ok(());
    }
    Err(format!(
        "a pattern of {} bytes is longer than {PATTERN_BYTES}",
        pattern.len()
    ))
}

pub(super) fn matches(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    let pattern = value
        .as_str()
        .ok_or_else(|| format!("'matches' takes a regular expression, not {value}"))?;
    within_bounds(pattern)?;
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
    /// `*.jpg`, `train*`, `shard-*.tar`: of the last component
    Name(Star),
    /// `train/*.jpg`, `train/a-*.jpg`: of the whole path
    Path(Star),
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
            Glob::Name(star) => star.fits(name_of(text)),
            Glob::Path(star) => star.fits(text),
            Glob::Compiled(matcher, true) => is_match(matcher, name_of(text)),
            Glob::Compiled(matcher, false) => is_match(matcher, text),
        }
    }

    fn quick(&self) -> Quick<'_> {
        match self {
            Glob::Whole(whole) => Quick::OneOf(std::slice::from_ref(whole), false),
            Glob::Below(folder) => Quick::Start(folder),
            Glob::Anything => Quick::Always,
            // The longer literal tells more.
            Glob::Name(star) | Glob::Path(star) if star.end.len() > star.start.len() => Quick::End(&star.end),
            Glob::Name(star) if !star.start.is_empty() => Quick::NameStart(&star.start),
            Glob::Path(star) if !star.start.is_empty() => Quick::Start(&star.start),
            Glob::Name(_) | Glob::Path(_) => Quick::Ask,
            Glob::Compiled(matcher, is_name) => compiled_start(matcher.glob().glob(), *is_name),
        }
    }
}

/// The literal that a glob of any shape starts with; a slash at its end may stand for nothing before `**`.
fn compiled_start(pattern: &str, is_name: bool) -> Quick<'_> {
    let literal = pattern.split(['*', '?', '[', ']', '{', '}', '\\']).next();
    match literal.unwrap_or_default().trim_end_matches('/').as_bytes() {
        [] => Quick::Ask,
        start if is_name => Quick::NameStart(start),
        start => Quick::Start(start),
    }
}

/// Two literals around one star, which stays within a folder.
struct Star {
    start: Box<[u8]>,
    end: Box<[u8]>,
}

impl Star {
    fn of(pattern: &str) -> Option<Star> {
        let (start, end) = pattern.split_once('*')?;
        (is_literal(start) && is_literal(end)).then(|| Star {
            start: start.as_bytes().into(),
            end: end.as_bytes().into(),
        })
    }

    fn fits(&self, text: &[u8]) -> bool {
        let middle = text
            .strip_prefix(&*self.start)
            .and_then(|rest| rest.strip_suffix(&*self.end));
        middle.is_some_and(|middle| !middle.contains(&b'/'))
    }
}

fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

fn is_match(matcher: &GlobMatcher, text: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    matcher.is_match(std::ffi::OsStr::from_bytes(text))
}

pub(super) fn glob(fact: &FactInfo, value: &Value) -> Result<Box<dyn Test>, String> {
    let written = value
        .as_str()
        .ok_or_else(|| format!("'glob' takes a glob, not {value}"))?;
    within_bounds(written)?;
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
    if pattern == "**" {
        return Some(Glob::Anything);
    }
    if let Some(folder) = pattern.strip_suffix("**") {
        let is_folder = folder.ends_with('/') && is_literal(folder);
        return is_folder.then(|| Glob::Below(folder.as_bytes().into()));
    }
    let name = pattern.strip_prefix("**/").unwrap_or(pattern);
    if !name.contains('/') && name.contains('*') {
        return Star::of(name).map(Glob::Name);
    }
    if is_literal(pattern) && pattern.contains('/') {
        return Some(Glob::Whole(pattern.as_bytes().into()));
    }
    Star::of(pattern).map(Glob::Path)
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

    fn fits(pattern: &str, path: &str) -> bool {
        let fact = FACTS
            .iter()
            .find(|fact| fact.name == "file.path")
            .expect("listed");
        let test = glob(fact, &Value::from(pattern)).expect("a glob");
        test.holds(Fact::Text(path.as_bytes()))
    }

    /// What the quick shapes stand for.
    fn fits_in_general(pattern: &str, path: &str) -> bool {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .expect("a glob");
        let subject = if pattern.contains('/') || pattern == "**" {
            path.as_bytes()
        } else {
            name_of(path.as_bytes())
        };
        is_match(&glob.compile_matcher(), subject)
    }

    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(fits(pattern, path), expected, "{pattern} on {path}");
        assert_eq!(
            fits_in_general(pattern, path),
            expected,
            "general form of {pattern} on {path}"
        );
    }

    proptest::proptest! {
        #[test]
        fn quick_shapes_mean_what_the_general_form_means(
            parts in proptest::collection::vec("a|b|\\.|/|\\*|\\*\\*|\\?|\\*\\*/|\\[ab\\]", 1..7),
            path in "[ab.]{1,3}(/[ab.]{1,3}){0,3}",
        ) {
            let pattern = parts.concat();
            proptest::prop_assert_eq!(fits(&pattern, &path), fits_in_general(&pattern, &path), "{} on {}", pattern, path);
        }
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
