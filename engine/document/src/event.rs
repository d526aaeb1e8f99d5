//! What YAML and JSON have in common: a stream of events with positions. Absent: values.

use crate::finding::{Finding, Mark};

pub(crate) struct Event {
    pub(crate) mark: Mark,
    pub(crate) kind: Kind,
    pub(crate) tag: Option<String>,
    pub(crate) anchor: Option<String>,
}

pub(crate) enum Kind {
    Document,
    /// Its text, and whether it stands without quotes.
    Scalar(String, bool),
    Alias(String),
    List,
    Mapping,
    /// Of a list or a mapping.
    End,
    /// Of the text.
    Nothing,
}

impl Event {
    pub(crate) fn new(mark: Mark, kind: Kind) -> Event {
        Event {
            mark,
            kind,
            tag: None,
            anchor: None,
        }
    }
}

pub(crate) trait Events {
    /// The next event; `Nothing` at the end, again and again.
    ///
    /// # Errors
    /// What is no YAML or JSON; nothing is read after it.
    fn next(&mut self) -> Result<Event, Finding>;
}
