//! prioritize: whose source fetches go first, and how fast they may come.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set, words};

words! {
    /// Whose fetches go first, the most urgent first.
    PriorityClass {
        /// Before all others.
        Realtime = "realtime",
        /// The default.
        #[default]
        Normal = "normal",
        /// After all others.
        Background = "background",
    }
}

/// Order and rate of source fetches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PrioritizeAction {
    /// Strictly one class after the other.
    pub class: PriorityClass,
    /// Share of the source within a class, against other weights.
    pub weight: u32,
    /// Most bytes per second from the source [bytes/s]; as many as it gives where absent.
    pub limit_bytes_per_s: Option<u64>,
}

impl Default for PrioritizeAction {
    fn default() -> PrioritizeAction {
        PrioritizeAction {
            class: PriorityClass::Normal,
            weight: 100,
            limit_bytes_per_s: None,
        }
    }
}

impl Action for PrioritizeAction {
    const NAME: &'static str = "prioritize";
    const SUMMARY: &'static str = "Order and limit the source fetches of files.";
    const EFFECT: &'static str = "Fetches that wait for the source are taken by class, then in proportion to weight, what a \
        reader waits for before what is fetched ahead; a limit delays the fetches of its files. Simulations do the same.";
    const PARAMETERS: &'static [Parameter<PrioritizeAction>] = &[
        Parameter::<Self>::new(
            "class",
            ParameterKind::Word(PriorityClass::WORDS),
            "Strictly one class after the other, among what readers wait for and among what is fetched ahead.",
            Set::Word(|action, word| action.class = PriorityClass::ALL[word]),
        ),
        Parameter::<Self>::new(
            "weight",
            ParameterKind::Count(1, 10_000),
            "Share of the source within a class, in proportion to the other weights that wait.",
            Set::Whole(|action, weight| action.weight = weight as u32),
        ),
        Parameter::<Self>::new(
            "limit_bytes_per_s",
            // a block of 1 MiB comes within 16 s, a quarter of the default deadline
            ParameterKind::Rate(1 << 16, 1 << 50),
            "Most bytes per second that the source is asked for; all files with the same action share it.",
            Set::Whole(|action, rate| action.limit_bytes_per_s = Some(rate)),
        ),
    ];
}
