//! JSON as events.
//!
//! YAML readers refuse some JSON (a pair of surrogates, a line break before a colon, a key of 1,025 characters) and
//! take things for JSON that are none; so recipes in JSON have a scanner of their own, and all that follows, such as
//! caps, duplicate keys and positions, is the same for both.

use crate::event::{Event, Events as EventSource, Kind};
use crate::finding::{Finding, Mark};

/// How much is shown of a text that should not be there [characters].
const SHOWN: usize = 20;

pub(crate) struct Events<'t> {
    text: &'t str,
    at: usize,
    /// A place that was told before, from which the next one is counted.
    told: (usize, Mark),
    open: Vec<(char, Mark)>,
    expects: Expects,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Document,
    Value,
    /// The first entry of a list or mapping, or its end.
    EntryOrEnd,
    CommaOrEnd,
    Nothing,
}

impl<'t> Events<'t> {
    pub(crate) fn new(text: &'t str) -> Events<'t> {
        Events {
            text,
            at: 0,
            told: (0, Mark { line: 1, column: 1 }),
            open: Vec::new(),
            expects: Expects::Document,
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Skip blanks and give the character after them.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += blanks;
        self.rest().chars().next()
    }

    /// The position of a byte that lies at or behind the last one asked for.
    fn mark(&mut self, at: usize) -> Mark {
        let (told, mut mark) = self.told;
        for character in self.text[told..at].chars() {
            if character == '\n' {
                mark = Mark {
                    line: mark.line + 1,
                    column: 1,
                };
            } else {
                mark.column += 1;
            }
        }
        self.told = (at, mark);
        mark
    }

    fn error(&mut self, expected: &str) -> Finding {
        let is_word = |found: &char| found.is_alphanumeric() || "_.+-".contains(*found);
        let word: String = self.rest().chars().take_while(is_word).take(SHOWN).collect();
        let is_no_word = word.is_empty();
        let shown = if is_no_word {
            self.rest().chars().take(1).collect()
        } else {
            word
        };
        let here = self.mark(self.at);
        if shown.is_empty() {
            let opened = self.open.last().map_or(here, |(_, mark)| *mark);
            return problem(&format!("expected {expected}"), opened);
        }
        let shown = match shown.chars().next() {
            Some('\'') => "\"'\"".into(),
            Some(character) if character.is_control() => format!("U+{:04X}", character as u32),
            _ => format!("'{shown}'"),
        };
        problem(&format!("expected {expected}, found {shown}"), here)
    }

    fn value(&mut self) -> Result<Event, Finding> {
        let first = self.peek();
        let mark = self.mark(self.at);
        self.expects = if self.open.is_empty() {
            Expects::Nothing
        } else {
            Expects::CommaOrEnd
        };
        match first {
            Some('"') => self.text_event(mark),
            Some(bracket @ ('{' | '[')) => {
                self.at += 1;
                self.expects = Expects::EntryOrEnd;
                let (closing, kind) = if bracket == '{' {
                    ('}', Kind::Mapping)
                } else {
                    (']', Kind::List)
                };
                self.open.push((closing, mark));
                Ok(Event::new(mark, kind))
            }
            _ => {
                let length = plain_length(self.rest());
                if length == 0 {
                    return Err(self.error("a value"));
                }
                let word = self.rest()[..length].to_owned();
                self.at += length;
                Ok(Event::new(mark, Kind::Scalar(word, true)))
            }
        }
    }

    /// Take a key with its colon.
    fn key(&mut self) -> Result<Event, Finding> {
        if self.peek() != Some('"') {
            return Err(self.error("a key in double quotes"));
        }
        let mark = self.mark(self.at);
        let key = self.text_event(mark)?;
        if self.peek() != Some(':') {
            return Err(self.error("':'"));
        }
        self.at += 1;
        self.expects = Expects::Value;
        Ok(key)
    }

    /// An entry of the innermost list or mapping.
    fn entry(&mut self) -> Result<Event, Finding> {
        match self.open.last() {
            Some(('}', _)) => self.key(),
            _ => self.value(),
        }
    }

    /// Take the closing bracket if it stands here.
    fn end(&mut self) -> Option<Event> {
        let (closing, _) = *self.open.last()?;
        if self.peek() != Some(closing) {
            return None;
        }
        let mark = self.mark(self.at);
        self.at += 1;
        self.open.pop();
        self.expects = if self.open.is_empty() {
            Expects::Nothing
        } else {
            Expects::CommaOrEnd
        };
        Some(Event::new(mark, Kind::End))
    }

    /// Take a text in quotes, which starts here.
    fn text_event(&mut self, start: Mark) -> Result<Event, Finding> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let plain = self.rest();
            let length = plain.find(|found: char| found == '"' || found == '\\' || found < ' ');
            let Some(length) = length else {
                return Err(problem("unterminated string", start));
            };
            text.push_str(&plain[..length]);
            self.at += length;
            match plain.as_bytes()[length] {
                b'"' => {
                    self.at += 1;
                    return Ok(Event::new(start, Kind::Scalar(text, false)));
                }
                b'\\' => text.push(self.escape(start)?),
                _ => {
                    let mark = self.mark(self.at);
                    return Err(problem("invalid control character", mark));
                }
            }
        }
    }

    /// Take what follows a backslash, which stands here.
    fn escape(&mut self, start: Mark) -> Result<char, Finding> {
        let letter = self.rest().as_bytes().get(1).copied();
        let character = match letter {
            Some(b'u') => return self.unicode(start),
            Some(letter @ (b'"' | b'\\' | b'/')) => letter as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            None => return Err(problem("unterminated string", start)),
            Some(_) => {
                let mark = self.mark(self.at);
                return Err(problem("invalid \\escape", mark));
            }
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode(&mut self, start: Mark) -> Result<char, Finding> {
        let first = self.unit()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let units = match is_high && self.rest().starts_with("\\u") {
            true => vec![first, self.unit()?],
            false => vec![first],
        };
        match char::decode_utf16(units.iter().copied()).collect::<Result<Vec<_>, _>>() {
            Ok(characters) if characters.len() == 1 => Ok(characters[0]),
            _ => Err(problem("half of a pair of surrogates", start)),
        }
    }

    /// Take one `\uXXXX`.
    fn unit(&mut self) -> Result<u16, Finding> {
        let digits = self.rest().get(2..6);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            let mark = self.mark(self.at);
            return Err(problem("invalid \\uXXXX escape", mark));
        };
        self.at += 6;
        Ok(unit)
    }
}

impl EventSource for Events<'_> {
    fn next(&mut self) -> Result<Event, Finding> {
        match self.expects {
            Expects::Document => {
                let is_blank = self.peek().is_none();
                let mark = self.mark(self.at);
                self.expects = if is_blank {
                    Expects::Nothing
                } else {
                    Expects::Value
                };
                let kind = if is_blank { Kind::Nothing } else { Kind::Document };
                Ok(Event::new(mark, kind))
            }
            Expects::Value => self.value(),
            Expects::EntryOrEnd => match self.end() {
                Some(end) => Ok(end),
                None => self.entry(),
            },
            Expects::CommaOrEnd => {
                if let Some(end) = self.end() {
                    return Ok(end);
                }
                if self.peek() != Some(',') {
                    let closing = self.open.last().map_or(']', |(closing, _)| *closing);
                    return Err(self.error(&format!("',' or '{closing}'")));
                }
                self.at += 1;
                self.entry()
            }
            Expects::Nothing => {
                if self.peek().is_some() {
                    return Err(self.error("the end of the file"));
                }
                let mark = self.mark(self.at);
                Ok(Event::new(mark, Kind::Nothing))
            }
        }
    }
}

fn problem(said: &str, mark: Mark) -> Finding {
    let remedy = "Check quotes and commas there";
    Finding::new("MLO103", format!("not JSON: {said}"), Some(mark), remedy)
}

/// How many bytes at the start of a text are a number or one of JSON's words.
fn plain_length(text: &str) -> usize {
    for word in ["true", "false", "null"] {
        if text.starts_with(word) {
            return word.len();
        }
    }
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    end += match bytes.get(end) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(end),
        _ => return 0,
    };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = bytes.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}
