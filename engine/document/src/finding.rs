//! What is wrong with a text, and where.

/// A position, from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable name; the Python package `recipes` explains each.
    pub code: &'static str,
    /// What is wrong, with the value, without a full stop.
    pub message: String,
    /// Where; none when the text as a whole is meant.
    pub mark: Option<Mark>,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(
        code: &'static str,
        message: impl Into<String>,
        mark: Option<Mark>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            code,
            message: message.into(),
            mark,
            remedy: remedy.into(),
        }
    }
}
