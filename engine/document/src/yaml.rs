//! YAML as events, and what its parser refuses as findings. Absent: values.

use crate::event::{Event, Events as EventSource};
use crate::finding::{Finding, Mark};
use crate::libyaml::{Parser, Problem};

const BYTE_ORDER_MARK: char = '\u{feff}';

pub(crate) struct Events<'t> {
    text: &'t str,
    parser: Parser<'t>,
}

impl<'t> Events<'t> {
    pub(crate) fn new(text: &'t str) -> Events<'t> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let parser = Parser::new(text);
        Events { text, parser }
    }
}

impl EventSource for Events<'_> {
    fn next(&mut self) -> Result<Event, Finding> {
        let event = self.parser.next();
        event.map_err(|problem| finding(self.text, &problem))
    }
}

/// Place a parser's error: where it went wrong, or where what is missing at the end was opened.
fn finding(text: &str, problem: &Problem) -> Finding {
    let is_at_end = problem.found.is_none_or(|mark| is_end(text, mark));
    let Some(mark) = problem.opened.filter(|_| is_at_end).or(problem.found) else {
        return unknown_character(text, &problem.said);
    };
    let said = format!("not YAML: {}", problem.said);
    let mut shown = mark;
    if is_end(text, mark) {
        shown = last_character(text);
    }
    let line = text.split('\n').nth(shown.line as usize - 1).unwrap_or_default();
    if line.chars().nth(mark.column as usize - 1) == Some('\t') {
        return Finding::new(
            "MLO104",
            "a tab cannot indent YAML",
            Some(shown),
            "Indent with spaces",
        );
    }
    let remedy = "Check indentation, quotes and brackets there";
    Finding::new("MLO103", said, Some(shown), remedy)
}

/// Whether nothing but blanks stands from a line on.
fn is_end(text: &str, mark: Mark) -> bool {
    let mut rest = text.split('\n').skip(mark.line as usize - 1);
    rest.all(|line| line.trim().is_empty())
}

fn last_character(text: &str) -> Mark {
    let lines = text.split('\n').enumerate();
    let last = lines.filter(|(_, line)| !line.trim().is_empty()).last();
    let (number, line) = last.unwrap_or((0, text.split('\n').next().unwrap_or_default()));
    Mark {
        line: number as u32 + 1,
        column: line.trim_end().chars().count().max(1) as u32,
    }
}

/// Name the character that YAML does not allow; the parser's own error has no usable position.
fn unknown_character(text: &str, said: &str) -> Finding {
    for (number, line) in text.split('\n').enumerate() {
        if let Some((column, character)) = line.chars().enumerate().find(|(_, found)| !is_allowed(*found)) {
            let message = format!("character U+{:04X} is not allowed in YAML", character as u32);
            let mark = Mark {
                line: number as u32 + 1,
                column: column as u32 + 1,
            };
            return Finding::new("MLO102", message, Some(mark), "Remove it");
        }
    }
    let said = format!("not YAML: {said}");
    Finding::new("MLO103", said, None, "Save the file as UTF-8 text")
}

fn is_allowed(character: char) -> bool {
    match character {
        '\t' | '\r' | '\u{85}' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => !character.is_control(),
    }
}
