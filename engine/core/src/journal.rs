//! The journal: each event with its time and the effects that it had, one JSON object a line after the plan's line.
//! A fresh core fed with the events must give the same effects. Absent: files.

use serde::{Deserialize, Serialize};

use crate::{Core, CoreError, Effect, Event, Nanos, Plan};

/// One line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Position, from 0.
    pub seq: u64,
    /// When the event was handled.
    pub now: Nanos,
    /// The event.
    pub event: Event,
    /// What came of it.
    pub effects: Vec<Effect>,
}

/// Where a replay first differs from the journal.
#[derive(Debug, Clone, Serialize)]
pub struct Divergence {
    /// The entry.
    pub seq: u64,
    /// What the journal says.
    pub recorded: Vec<Effect>,
    /// What the fresh core did.
    pub replayed: Vec<Effect>,
}

/// Replay a journal through a fresh core.
///
/// Returns how many events were replayed, and the first difference if there is one. A last line that was cut off
/// (the daemon was killed) is left out.
///
/// # Errors
/// When the text is no journal, or the core refuses an event.
pub fn replay(text: &str) -> Result<(u64, Option<Divergence>), CoreError> {
    let mut lines = text.lines();
    let plan = Plan::from_json(lines.next().unwrap_or_default())?;
    let mut core = Core::new(plan)?;
    let mut count = 0;
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let entry: JournalEntry = match serde_json::from_str(line) {
            Ok(entry) => entry,
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => break,
            Err(error) => return Err(CoreError::Plan(format!("journal line {}: {error}", count + 2))),
        };
        core.handle(entry.event, entry.now)?;
        let replayed: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
        count += 1;
        if replayed != entry.effects {
            let divergence = Divergence {
                seq: entry.seq,
                recorded: entry.effects,
                replayed,
            };
            return Ok((count, Some(divergence)));
        }
    }
    Ok((count, None))
}
