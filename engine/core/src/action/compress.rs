//! compress: store blocks compressed on the disk tier.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set, words};

const NO_DISK: &str = "there is no disk tier yet, and the memory tier is not compressed";

words! {
    /// How blocks are compressed.
    Codec {
        /// Smaller.
        #[default]
        Zstd = "zstd",
        /// Faster.
        Lz4 = "lz4",
        /// Not at all.
        None = "none",
    }
}

/// Store blocks compressed on the disk tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CompressAction {
    /// How.
    pub codec: Codec,
    /// How hard it tries.
    pub level: u32,
    /// Blocks that shrink less are stored as they are.
    pub min_ratio: f64,
}

impl Default for CompressAction {
    fn default() -> CompressAction {
        CompressAction {
            codec: Codec::Zstd,
            level: 3,
            min_ratio: 1.2,
        }
    }
}

impl Action for CompressAction {
    const NAME: &'static str = "compress";
    const SUMMARY: &'static str = "Store blocks compressed on the disk tier.";
    const EFFECT: &'static str = "None yet.";
    const NOT_ENFORCED: Option<&'static str> = Some(NO_DISK);
    const PARAMETERS: &'static [Parameter<CompressAction>] = &[
        Parameter::<Self>::new(
            "codec",
            ParameterKind::Word(Codec::WORDS),
            "How blocks are compressed; none takes a weaker rule's compression away.",
            Set::Word(|action, word| action.codec = Codec::ALL[word]),
        )
        .without_effect(&[("*", NO_DISK)]),
        Parameter::<Self>::new(
            "level",
            ParameterKind::Count(1, 19),
            "How hard the codec tries.",
            Set::Whole(|action, level| action.level = level as u32),
        )
        .without_effect(&[("*", NO_DISK)]),
        Parameter::<Self>::new(
            "min_ratio",
            ParameterKind::Ratio(1000.0),
            "Blocks that shrink less than this many times are stored as they are.",
            Set::Real(|action, ratio| action.min_ratio = ratio),
        )
        .without_effect(&[("*", NO_DISK)]),
    ];

    fn is_nothing(&self) -> bool {
        self.codec == Codec::None
    }
}
