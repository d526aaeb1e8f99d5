//! Classes: files that one composed action treats share a policy instance and a cap. Absent: which files (rules).

use crate::action::{CacheAction, PrefetchAction};
use crate::eviction::{Eviction, Needs, PolicyInfo};
use crate::prefetch::{self, Prefetcher};
use crate::{CoreError, Tier};

/// Files with the same cache action.
pub(crate) struct CacheClass {
    pub(crate) action: CacheAction,
    pub(crate) policy: Box<dyn Eviction>,
    /// Where its blocks live: what needs no recency is held silently in the kernel.
    pub(crate) part: Tier,
    pub(crate) cap_bytes: u64,
    pub(crate) bytes: u64,
}

impl CacheClass {
    pub(crate) fn new(action: CacheAction, tier_bytes: u64) -> Result<CacheClass, CoreError> {
        let info = PolicyInfo::find(action.policy)
            .ok_or_else(|| CoreError::Plan(format!("unknown cache policy '{}'", action.policy)))?;
        Ok(CacheClass {
            policy: info.make(),
            part: if info.needs == Needs::Misses {
                Tier::Kernel
            } else {
                Tier::Daemon
            },
            cap_bytes: (action.share * tier_bytes as f64) as u64,
            bytes: 0,
            action,
        })
    }
}

/// Files with the same prefetch action.
pub(crate) struct PrefetchClass {
    pub(crate) action: PrefetchAction,
    pub(crate) prefetcher: Box<dyn Prefetcher>,
    pub(crate) cap_bytes: u64,
    /// Staged and on their way [bytes].
    pub(crate) bytes: u64,
    pub(crate) outstanding: u32,
    pub(crate) has_members: bool,
}

impl PrefetchClass {
    pub(crate) fn new(action: PrefetchAction, tier_bytes: u64) -> Result<PrefetchClass, CoreError> {
        Ok(PrefetchClass {
            prefetcher: prefetch::make(&action)
                .ok_or_else(|| CoreError::Plan(format!("unknown prefetch mode {:?}", action.mode)))?,
            cap_bytes: (action.share * tier_bytes as f64) as u64,
            action,
            bytes: 0,
            outstanding: 0,
            has_members: false,
        })
    }
}
