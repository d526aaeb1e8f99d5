//! prefetch: fetch ahead of the readers.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set, words};
use crate::prefetch::PREFETCHERS;

/// As a mode: not at all.
const NO_MODE: &str = "none";
/// What `mode` takes: every prefetcher, and none.
const MODE_WORDS: &[&str] = &{
    let mut words = [NO_MODE; PREFETCHERS.len() + 1];
    let mut place = 0;
    while place < PREFETCHERS.len() {
        words[place] = PREFETCHERS[place].name;
        place += 1;
    }
    words
};

words! {
    /// What starts a prefetch.
    Trigger {
        /// The file was opened; needs opens to be observed.
        Open = "open",
        /// A read reached the daemon.
        #[default]
        Read = "read",
        /// An order was given.
        Hint = "hint",
    }
}

/// Fetch ahead of the readers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PrefetchAction {
    /// Name of the prefetcher: which bytes.
    pub mode: &'static str,
    /// Cap of staged bytes as a share of the tier, 0..1.
    pub share: f64,
    /// How far ahead within a file [bytes].
    pub window_bytes: u64,
    /// Where that window starts; at two blocks where absent [bytes].
    pub first_window_bytes: Option<u64>,
    /// How many times as large the window gets with each block read on, from 1 [1].
    pub growth: f64,
    /// How many files ahead.
    pub files: u32,
    /// Fetches outstanding at most.
    pub depth: u32,
    /// What starts it.
    pub trigger: Trigger,
}

impl Default for PrefetchAction {
    fn default() -> PrefetchAction {
        PrefetchAction {
            mode: "sequential",
            share: 0.1,
            window_bytes: 8 << 20,
            first_window_bytes: None,
            growth: 2.0,
            files: 16,
            depth: 16,
            trigger: Trigger::Read,
        }
    }
}

impl Action for PrefetchAction {
    const NAME: &'static str = "prefetch";
    const SUMMARY: &'static str = "Fetch ahead of the readers, into a share of the memory tier.";
    const EFFECT: &'static str = "Blocks are fetched before they are asked for and staged with the daemon until they are \
        read; simulations charge source requests, waste and late prefetches.";
    const PARAMETERS: &'static [Parameter<PrefetchAction>] = &[
        Parameter::<Self>::new(
            "mode",
            ParameterKind::Word(MODE_WORDS),
            "Which bytes are fetched ahead; none takes a weaker rule's prefetch away.",
            Set::Word(|action, word| action.mode = MODE_WORDS[word]),
        ),
        Parameter::<Self>::new(
            "share",
            ParameterKind::Share,
            "Most staged bytes, as a share of the tier.",
            Set::Real(|action, share| action.share = share),
        ),
        Parameter::<Self>::new(
            "window_bytes",
            ParameterKind::Size(4096, 1 << 40),
            "How far ahead of a reader within a file, at most.",
            Set::Whole(|action, bytes| action.window_bytes = bytes),
        ),
        Parameter::<Self>::new(
            "first_window_bytes",
            ParameterKind::Size(4096, 1 << 40),
            "Where the window of a reader starts; at two blocks without it.",
            Set::Whole(|action, bytes| action.first_window_bytes = Some(bytes)),
        ),
        Parameter::<Self>::new(
            "growth",
            ParameterKind::Ratio(1024.0),
            "How many times as large the window gets each time its reader enters a new block, up to its cap.",
            Set::Real(|action, growth| action.growth = growth),
        ),
        Parameter::<Self>::new(
            "files",
            ParameterKind::Count(1, 1_000_000),
            "How many files ahead in a sequence.",
            Set::Whole(|action, files| action.files = files as u32),
        ),
        Parameter::<Self>::new(
            "depth",
            ParameterKind::Count(1, 4096),
            "Most fetches under way for the class.",
            Set::Whole(|action, depth| action.depth = depth as u32),
        ),
        Parameter::<Self>::new(
            "trigger",
            ParameterKind::Word(Trigger::WORDS),
            "What starts a fetch of whole files.",
            Set::Word(|action, word| action.trigger = Trigger::ALL[word]),
        ),
    ];

    fn is_nothing(&self) -> bool {
        self.mode == NO_MODE
    }
}
