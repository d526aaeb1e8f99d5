//! The part of mlopt that decides: which bytes stay, which are fetched ahead, which rule treats which file.
//!
//! Owns: cache policies, prefetchers, the memory tier and its hard budget, rule evaluation, the journal format.
//! Absent: clocks, I/O, threads, environment, randomness of its own. A driver hands in events with the time and
//! carries out the effects; `mlopt-sim` does so in virtual time, `mlopt-fuse` in real time.
#![deny(missing_docs)]
#![deny(clippy::disallowed_methods)]
#![forbid(unsafe_code)]

mod action;
mod cache;
mod catalog;
mod class;
mod deciding;
mod decisions;
mod effect;
mod error;
mod event;
pub mod eviction;
mod fetching;
mod filetype;
pub mod journal;
mod kernel_pages;
pub mod observation;
mod order;
mod plan;
pub mod prefetch;
mod rate;
mod reading;
mod registry;
mod residency;
mod retention;
mod room;
pub mod rules;
mod stats;
mod trail;
mod transient;
mod treatment;
mod units;

pub use action::{
    Action, AppliedRule, CacheAction, CachePriority, CompressAction, CoordinateAction, Decision, Parameter,
    ParameterKind, PrefetchAction, PrioritizeAction, PriorityClass, Scope, Set, StreamAction, Trigger,
    Winner,
};
pub use cache::Core;
pub use catalog::Catalog;
pub use effect::{Effect, FetchClass, ServedFrom, Tier};
pub use error::CoreError;
pub use event::{Event, FileFacts};
pub use filetype::{DetectedBy, Detection, FIRST_BYTES, FORMATS, FileType, Format, KnownFormat};
pub use order::{FairQueue, Priority};
pub use plan::{
    ActionSpec, ConditionSpec, DiskTier, Match, MemoryTier, Observe, Origin, Plan, RuleSpec, Tiers,
};
pub use registry::registry;
pub use rules::{AccessPattern, FactSet, JobUse, LiveFacts, Rules};
pub use stats::{Stats, Tally};
pub use units::{Extent, FetchId, FileId, Nanos, ReaderId, TicketId, Version};
