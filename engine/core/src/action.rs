//! What a recipe can ask for a file, typed and complete. Absent: how it was composed from rules (`rules`), how it
//! is carried out (policies, prefetchers, drivers).

use serde::{Deserialize, Serialize};

/// Whose blocks go first when another class is in need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachePriority {
    /// Evicted first.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Evicted last.
    High,
}

/// Keep blocks of a file in the memory tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheAction {
    /// Name of the policy, as `pinned` or `lru`.
    pub policy: String,
    /// Cap of the class's bytes as a share of the tier, 0..1.
    pub share: f64,
    /// The source never changes these files: infinite timeouts.
    pub immutable: bool,
    /// How long a source change may stay unseen [ns]; the plan's own where absent.
    pub staleness_ns: Option<u64>,
    /// Lock the pages in memory.
    pub lock: bool,
    /// Against other classes.
    pub priority: CachePriority,
}

impl Default for CacheAction {
    /// What the engine assumes for each parameter that no rule set.
    fn default() -> CacheAction {
        CacheAction {
            policy: "lru".into(),
            share: 1.0,
            immutable: false,
            staleness_ns: None,
            lock: false,
            priority: CachePriority::Normal,
        }
    }
}

/// Which bytes a prefetcher asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefetchMode {
    /// Ahead of a reader in the same file, with an adaptive window.
    #[default]
    Sequential,
    /// The rest of the file.
    WholeFile,
    /// The next files of a hinted or learned order.
    Sequence,
    /// Whatever of the class was not read in this epoch.
    EpochSet,
}

/// What starts a prefetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The file was opened; needs opens to be observed.
    Open,
    /// A read reached the daemon.
    #[default]
    Read,
    /// An order was given.
    Hint,
}

/// Fetch ahead of the readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrefetchAction {
    /// Which bytes.
    pub mode: PrefetchMode,
    /// Cap of staged bytes as a share of the tier, 0..1.
    pub share: f64,
    /// How far ahead within a file [bytes].
    pub window_bytes: u64,
    /// How many files ahead.
    pub files: u32,
    /// Fetches outstanding at most.
    pub depth: u32,
    /// What starts it.
    pub trigger: Trigger,
}

impl Default for PrefetchAction {
    /// What the engine assumes for each parameter that no rule set.
    fn default() -> PrefetchAction {
        PrefetchAction {
            mode: PrefetchMode::Sequential,
            share: 0.1,
            window_bytes: 8 << 20,
            files: 16,
            depth: 16,
            trigger: Trigger::Read,
        }
    }
}

/// A rule that takes part in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AppliedRule {
    /// Its index in the plan.
    pub rule: usize,
    /// Weighted share of its true conditions, 0..1.
    pub score: f64,
}

/// Which rule set a parameter of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Winner {
    /// Type of the action, as `cache`.
    pub action: &'static str,
    /// Name of the parameter, as `policy`.
    pub parameter: &'static str,
    /// The rule's index in the plan.
    pub rule: usize,
}

/// What happens to a file: the composed actions of the rules that apply. Neither action means: streamed.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Decision {
    /// Keep its blocks.
    pub cache: Option<CacheAction>,
    /// Fetch ahead.
    pub prefetch: Option<PrefetchAction>,
    /// The rules that took part, the strongest first.
    pub applied: Vec<AppliedRule>,
    /// Where each parameter that a rule set came from.
    pub winners: Vec<Winner>,
}
