//! The compiled recipe as it crosses from Python: canonical JSON, everything resolved. Absent: evaluation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::CoreError;

/// What the mount must be told by the kernel; fixed when mounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observe {
    /// Only reads that the kernel cannot answer.
    None,
    /// Opens too: one message each.
    Opens,
}

/// How a rule's conditions combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// By the weighted share of true conditions.
    Weighted,
    /// All must be true.
    All,
    /// One must be true.
    Any,
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The layer: built-in, framework, environment, custom, flag.
    pub layer: String,
    /// The file, as the user named it.
    pub file: String,
    /// First line of the rule, from 1.
    pub line: u32,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionSpec {
    /// Canonical fact, as `file.path` or `access.pattern`.
    pub fact: String,
    /// Operator, as `equals` or `glob`.
    pub op: String,
    /// What the fact is compared with; sizes in bytes, times in nanoseconds.
    pub value: Value,
    /// Weight in the score, 0..1.
    pub weight: f64,
    /// The rule cannot fire without it.
    pub required: bool,
}

/// One action of a rule: the parameters that it sets. What no rule sets is `CacheAction::default` and the like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpec {
    /// Canonical action: cache, prefetch, stream, coordinate, compress, prioritize.
    #[serde(rename = "type")]
    pub kind: String,
    /// Parameters by name.
    pub parameters: Map<String, Value>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Unique name.
    pub id: String,
    /// Higher wins.
    pub priority: u32,
    /// Position in the merged recipe, the last tie-break before the id.
    pub order: u32,
    /// How conditions combine.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Overrides the plan's threshold.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Where it was written.
    pub origin: Origin,
    /// Tests.
    pub conditions: Vec<ConditionSpec>,
    /// What to do.
    pub actions: Vec<ActionSpec>,
}

/// The memory tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryTier {
    /// Hard budget of kernel part, daemon part and inode overhead together [bytes].
    pub bytes: u64,
    /// Share of the budget that the kernel part may take; the rest is the daemon's, 0..1.
    pub kernel_share: f64,
}

/// The disk tier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskTier {
    /// Hard budget [bytes]; 0 means none.
    pub bytes: u64,
    /// Whether some rule needs a cache directory.
    pub dir_required: bool,
}

/// Both tiers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// Memory.
    pub memory: MemoryTier,
    /// Disk.
    pub disk: DiskTier,
}

/// A recipe, compiled. Its SHA-256 over the canonical JSON is the recipe's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format version, 1.
    pub version: u32,
    /// For choices made at random (sentinels, replacement of stale staged files).
    pub seed: u64,
    /// Size of a cache block [bytes], a power of two >= 4096.
    pub block_bytes: u64,
    /// What must be seen.
    pub observe: Observe,
    /// How long a source change may stay unseen [ns]; `u64::MAX` means immutable.
    pub staleness_ns: u64,
    /// A rule fires above this score.
    pub threshold: f64,
    /// How many rules may apply to one file.
    pub max_rules: u32,
    /// Keep a trace of decisions.
    #[serde(default)]
    pub debug: bool,
    /// Budgets.
    pub tiers: Tiers,
    /// Rules in merged order.
    pub rules: Vec<RuleSpec>,
}

impl Plan {
    /// Read a plan from canonical JSON.
    ///
    /// # Errors
    /// `CoreError::Plan` when the text is no plan or its numbers are out of range.
    pub fn from_json(text: &str) -> Result<Plan, CoreError> {
        let plan: Plan = serde_json::from_str(text).map_err(|error| CoreError::Plan(error.to_string()))?;
        if plan.version != 1 {
            return Err(CoreError::Plan(format!("version {} is not 1", plan.version)));
        }
        if !plan.block_bytes.is_power_of_two() || plan.block_bytes < 4096 {
            return Err(CoreError::Plan(format!(
                "block_bytes {} is no power of two >= 4096",
                plan.block_bytes
            )));
        }
        Ok(plan)
    }
}
