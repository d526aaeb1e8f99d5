//! What can go wrong at the core's border. Absent: errors of sources and devices; those are events.

use crate::Nanos;

/// A driver broke the contract, or a plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// `now` was earlier than in the event before.
    #[error("time went backwards: {now:?} after {last:?}")]
    TimeWentBackwards {
        /// Time of the event before.
        last: Nanos,
        /// Time of this event.
        now: Nanos,
    },
    /// An event names something the core never heard of.
    #[error("unknown {what} {id}")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// Its number.
        id: u64,
    },
    /// The plan cannot be carried out.
    #[error("plan: {0}")]
    Plan(String),
}
