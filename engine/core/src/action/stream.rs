//! stream: read a file in parallel, ahead of a sequential reader, and leave nothing behind.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set};

/// Read a file in parallel ahead of each sequential reader.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StreamAction {
    /// Bytes ahead per stream [bytes].
    pub chunk_bytes: u64,
    /// Fetches under way for each reader.
    pub streams: u32,
    /// Where the window starts; whole where absent [bytes].
    pub first_window_bytes: Option<u64>,
    /// How many times as large the window gets with each block read on, from 1 [1].
    pub growth: f64,
    /// Blocks leave when their readers have passed them, unless a cache action keeps them.
    pub drop_behind: bool,
}

impl Default for StreamAction {
    fn default() -> StreamAction {
        StreamAction {
            chunk_bytes: 8 << 20,
            streams: 4,
            first_window_bytes: None,
            growth: 2.0,
            drop_behind: true,
        }
    }
}

impl Action for StreamAction {
    const NAME: &'static str = "stream";
    const SUMMARY: &'static str = "Read a file in parallel, ahead of each sequential reader.";
    const EFFECT: &'static str = "A window of chunk_bytes x streams is kept fetched ahead of each sequential reader, \
        `streams` blocks under way at once; simulations charge the storage's concurrency.";
    const PARAMETERS: &'static [Parameter<StreamAction>] = &[
        Parameter::<Self>::new(
            "chunk_bytes",
            ParameterKind::Size(4096, 1 << 30),
            "Bytes ahead of the reader per stream, in whole blocks of settings.block_size.",
            Set::Whole(|action, bytes| action.chunk_bytes = bytes),
        ),
        Parameter::<Self>::new(
            "streams",
            ParameterKind::Count(1, 256),
            "Fetches under way for each reader.",
            Set::Whole(|action, streams| action.streams = streams as u32),
        ),
        Parameter::<Self>::new(
            "first_window_bytes",
            ParameterKind::Size(4096, 1 << 40),
            "Where the window of a reader starts; at chunk_bytes x streams without it.",
            Set::Whole(|action, bytes| action.first_window_bytes = Some(bytes)),
        ),
        Parameter::<Self>::new(
            "growth",
            ParameterKind::Ratio(1024.0),
            "How many times as large the window gets each time its reader enters a new block, up to its cap.",
            Set::Real(|action, growth| action.growth = growth),
        ),
        Parameter::<Self>::new(
            "drop_behind",
            ParameterKind::Bool,
            "Blocks leave when their readers have passed them, unless a cache action keeps them; false keeps them while there is room.",
            Set::Bool(|action, drop| action.drop_behind = drop),
        ),
    ];
}
