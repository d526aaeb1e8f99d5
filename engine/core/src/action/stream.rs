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
    /// Blocks leave when their readers have passed them, unless a cache action keeps them.
    pub drop_behind: bool,
}

impl Default for StreamAction {
    fn default() -> StreamAction {
        StreamAction {
            chunk_bytes: 8 << 20,
            streams: 4,
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
            "drop_behind",
            ParameterKind::Bool,
            "Blocks leave when their readers have passed them, unless a cache action keeps them; false keeps them while there is room.",
            Set::Bool(|action, drop| action.drop_behind = drop),
        ),
    ];
}
