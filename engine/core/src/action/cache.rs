//! cache: keep blocks of a file in the memory tier.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set, words};
use crate::eviction::POLICIES;

/// As a policy: not at all.
const NO_POLICY: &str = "none";
const NO_DISK: &str = "there is no disk tier yet, the memory tier is used";
/// What `policy` takes: every policy, and none.
const POLICY_WORDS: &[&str] = &{
    let mut words = [NO_POLICY; POLICIES.len() + 1];
    let mut place = 0;
    while place < POLICIES.len() {
        words[place] = POLICIES[place].name;
        place += 1;
    }
    words
};

words! {
    /// Whose blocks go first when another class is in need.
    CachePriority {
        /// Evicted first.
        Low = "low",
        /// The default.
        #[default]
        Normal = "normal",
        /// Evicted last.
        High = "high",
    }
}

words! {
    /// Where blocks are kept.
    CacheTier {
        /// In memory.
        #[default]
        Memory = "memory",
        /// In the cache directory.
        Disk = "disk",
        /// In both.
        Both = "both",
    }
}

/// Keep blocks of a file in the memory tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CacheAction {
    /// Where; only memory so far.
    pub tier: CacheTier,
    /// Name of the policy, as `pinned` or `lru`.
    pub policy: &'static str,
    /// Cap of the class's bytes as a share of the tier, 0..1.
    pub share: f64,
    /// The source never changes these files: infinite timeouts.
    pub immutable: bool,
    /// How long a source change may stay unseen [ns]; the plan's own where absent.
    pub staleness_ns: Option<u64>,
    /// How long a block stays since it was fetched [ns]; for ever where absent.
    pub retention_ns: Option<u64>,
    /// Lock the pages in memory.
    pub lock: bool,
    /// Against other classes.
    pub priority: CachePriority,
}

impl Default for CacheAction {
    fn default() -> CacheAction {
        CacheAction {
            tier: CacheTier::Memory,
            policy: "lru",
            share: 1.0,
            immutable: false,
            staleness_ns: None,
            retention_ns: None,
            lock: false,
            priority: CachePriority::Normal,
        }
    }
}

impl Action for CacheAction {
    const NAME: &'static str = "cache";
    const SUMMARY: &'static str = "Keep blocks of a file in the memory tier.";
    const EFFECT: &'static str = "Blocks that were fetched stay as the policy says, held in the kernel where the policy \
        need not see reads, with the daemon otherwise; simulations charge hits and evictions.";
    const PARAMETERS: &'static [Parameter<CacheAction>] = &[
        Parameter::<Self>::new(
            "tier",
            ParameterKind::Word(CacheTier::WORDS),
            "Where blocks are kept.",
            Set::Word(|action, word| action.tier = CacheTier::ALL[word]),
        )
        .without_effect(&[("disk", NO_DISK), ("both", NO_DISK)]),
        Parameter::<Self>::new(
            "policy",
            ParameterKind::Word(POLICY_WORDS),
            "Which block leaves first; none takes a weaker rule's cache away.",
            Set::Word(|action, word| action.policy = POLICY_WORDS[word]),
        ),
        Parameter::<Self>::new(
            "pin",
            ParameterKind::Bool,
            "Short for the policy pinned.",
            Set::Never,
        )
        .key("policy"),
        Parameter::<Self>::new(
            "share",
            ParameterKind::Share,
            "Most bytes of the class, as a share of the tier.",
            Set::Real(|action, share| action.share = share),
        ),
        Parameter::<Self>::new(
            "immutable",
            ParameterKind::Bool,
            "The source never changes these files: the kernel never asks again.",
            Set::Bool(|action, immutable| action.immutable = immutable),
        ),
        Parameter::<Self>::new(
            "staleness",
            ParameterKind::Duration,
            "How long a change at the source may stay unseen; settings.staleness without it.",
            Set::Whole(|action, staleness| action.staleness_ns = Some(staleness)),
        )
        .key("staleness_ns"),
        Parameter::<Self>::new(
            "retention",
            ParameterKind::Duration,
            "How long a block stays since it was fetched; for ever without it.",
            Set::Whole(|action, retention| action.retention_ns = Some(retention)),
        )
        .key("retention_ns"),
        Parameter::<Self>::new(
            "lock",
            ParameterKind::Bool,
            "Lock held pages in memory, so that the kernel cannot reclaim them.",
            Set::Bool(|action, lock| action.lock = lock),
        ),
        Parameter::<Self>::new(
            "priority",
            ParameterKind::Word(CachePriority::WORDS),
            "Whose blocks go first when another class is in need.",
            Set::Word(|action, word| action.priority = CachePriority::ALL[word]),
        ),
    ];

    fn is_nothing(&self) -> bool {
        self.policy == NO_POLICY
    }
}
