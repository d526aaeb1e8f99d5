//! Classes: files that one composed action treats share a policy instance and a cap. Absent: which files (rules).

use crate::action::{CacheAction, PrefetchAction, PrioritizeAction, StreamAction};
use crate::eviction::{Eviction, Needs, PolicyInfo};
use crate::prefetch::{self, Prefetcher};
use crate::rate::Limit;
use crate::retention::Retention;
use crate::{CoreError, Nanos, Plan, Priority, Tier};

/// Part of the tier that is kept free for what streams fetch ahead: 1 / 10.
const STREAM_PART: u64 = 10;

/// Files with the same cache action.
pub(crate) struct CacheClass {
    pub(crate) action: CacheAction,
    pub(crate) policy: Box<dyn Eviction>,
    /// The policy is told of each block that is read.
    pub(crate) ranks_files: bool,
    /// Where its blocks live: what needs no recency is held silently in the kernel.
    pub(crate) part: Tier,
    pub(crate) cap_bytes: u64,
    pub(crate) bytes: u64,
    /// When its blocks must leave, where the action says so.
    pub(crate) retention: Option<Retention>,
}

impl CacheClass {
    pub(crate) fn new(action: CacheAction, tier_bytes: u64) -> Result<CacheClass, CoreError> {
        let info = PolicyInfo::find(action.policy)
            .ok_or_else(|| CoreError::Plan(format!("unknown cache policy '{}'", action.policy)))?;
        Ok(CacheClass {
            policy: info.make(),
            ranks_files: info.ranks_files,
            part: if info.needs == Needs::Misses {
                Tier::Kernel
            } else {
                Tier::Daemon
            },
            cap_bytes: (action.share * tier_bytes as f64) as u64,
            bytes: 0,
            retention: action.retention_ns.map(Retention::new),
            action,
        })
    }
}

/// Whether some rule names a policy that must be told how files are used.
pub(crate) fn some_policy_ranks_files(plan: &Plan) -> bool {
    plan.rules
        .iter()
        .flat_map(|rule| &rule.actions)
        .filter_map(|action| PolicyInfo::find(action.parameters.get("policy")?.as_str()?))
        .any(|policy| policy.ranks_files)
}

/// What asks for a fetch ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ahead {
    Prefetch(PrefetchAction),
    Stream(StreamAction),
}

/// Files with the same prefetch or stream action, and the same limit of their rate.
pub(crate) struct PrefetchClass {
    pub(crate) ahead: Ahead,
    /// The class of order and rate whose limit holds its fetches back, or `NONE`.
    pub(crate) limit: u32,
    pub(crate) prefetcher: Box<dyn Prefetcher>,
    pub(crate) cap_bytes: u64,
    /// Most fetches under way.
    pub(crate) depth: u32,
    /// Staged and on their way [bytes].
    pub(crate) bytes: u64,
    pub(crate) outstanding: u32,
    pub(crate) has_members: bool,
}

impl PrefetchClass {
    pub(crate) fn new(ahead: Ahead, limit: u32, tier_bytes: u64) -> Result<PrefetchClass, CoreError> {
        let (prefetcher, cap_bytes, depth) = match &ahead {
            Ahead::Prefetch(action) => {
                let made = prefetch::make(action);
                let made =
                    made.ok_or_else(|| CoreError::Plan(format!("unknown prefetch mode '{}'", action.mode)))?;
                (made, (action.share * tier_bytes as f64) as u64, action.depth)
            }
            Ahead::Stream(action) => {
                // one reader's window has a place even in a small tier
                let window = action.chunk_bytes.saturating_mul(u64::from(action.streams));
                let cap = (tier_bytes / STREAM_PART).max(window.min(tier_bytes / 2));
                (prefetch::stream(action), cap, u32::MAX)
            }
        };
        Ok(PrefetchClass {
            ahead,
            limit,
            prefetcher,
            cap_bytes,
            depth,
            bytes: 0,
            outstanding: 0,
            has_members: false,
        })
    }

    /// Whether blocks leave as soon as their readers have passed them.
    pub(crate) fn drops_behind(&self) -> bool {
        matches!(&self.ahead, Ahead::Stream(action) if action.drop_behind)
    }
}

/// Files with the same prioritize action.
pub(crate) struct OrderClass {
    pub(crate) action: PrioritizeAction,
    pub(crate) priority: Priority,
    pub(crate) limit: Option<Limit>,
}

impl OrderClass {
    pub(crate) fn new(action: PrioritizeAction, now: Nanos) -> OrderClass {
        OrderClass {
            priority: Priority::from(&action),
            limit: action.limit_bytes_per_s.map(|rate| Limit::new(rate, now)),
            action,
        }
    }
}
