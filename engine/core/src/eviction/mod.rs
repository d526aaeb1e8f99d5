//! Cache policies: which block must leave. One file per policy, one line in [`POLICIES`].
//!
//! Owns: the contract of a policy and the list of all. Absent: bytes, budgets and tiers (the tier's business).

mod belady;
mod fifo;
mod lfu;
mod list;
mod lru;
mod pinned;
mod positions;
mod sieve;
mod upstream;

pub use belady::Belady;
pub use fifo::Fifo;
pub use lfu::Lfu;
pub(crate) use list::SlotList;
pub use lru::Lru;
pub use pinned::Pinned;
pub use sieve::Sieve;
pub use upstream::Upstream;

use serde::Serialize;

use crate::Nanos;
use crate::filetype::FileType;
use crate::rules::AccessPattern;

/// Index of a block among all blocks that the engine knows; dense.
pub type Slot = u32;

/// What a policy must see to decide well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Reads that found nothing: blocks can be held in the kernel, their hits are silent.
    Misses,
    /// Opens too.
    Opens,
    /// Every read: blocks are held in the daemon, each read is one message.
    Reads,
}

/// What is known of a block that is read, for policies that rank by more than the order of reads.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// When.
    pub now: Nanos,
    /// Size of the block [bytes].
    pub bytes: u64,
    /// What kind of file it is a part of.
    pub kind: FileType,
    /// How the file is read, as far as that is seen.
    pub pattern: Option<AccessPattern>,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked {
            now: Nanos(0),
            bytes: 1,
            kind: FileType::Unknown,
            pattern: None,
        }
    }
}

/// An order of eviction over the blocks of one class.
///
/// The caller guarantees that `insert` names a block that is not in, `touch` and `remove` one that is.
pub trait Eviction: Send {
    /// A block is read, in or not: told before a victim is asked for, where the policy `ranks_files`.
    #[inline]
    fn asked(&mut self, _slot: Slot, _asked: &Asked) {}
    /// A block enters.
    fn insert(&mut self, slot: Slot);
    /// A block was read.
    fn touch(&mut self, slot: Slot);
    /// A block leaves, for whatever reason.
    fn remove(&mut self, slot: Slot);
    /// The block that should leave next; it stays in until `remove`. None when nothing may be evicted.
    fn victim(&mut self) -> Option<Slot>;
    /// The block that gives way to a class of higher priority, also where nothing is evicted for the class itself.
    fn yields(&mut self) -> Option<Slot> {
        self.victim()
    }
}

/// One line of the list of policies.
#[derive(Clone, Copy, Serialize)]
pub struct PolicyInfo {
    /// As recipes name it.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it must see.
    pub needs: Needs,
    /// Needs the future, which only a simulation has.
    pub simulation_only: bool,
    /// Ranks by size, kind and use of the file and by time: it must be told of them.
    pub ranks_files: bool,
    /// The parameters that it reads beside those of every cache action.
    pub parameters: &'static [&'static str],
    /// Where it comes from.
    pub source: &'static str,
    #[serde(skip)]
    make: fn() -> Box<dyn Eviction>,
}

/// Every policy.
pub const POLICIES: &[PolicyInfo] = &[
    PolicyInfo {
        name: "belady",
        summary: "Evicts the block whose next read is farthest: the bound of every demand policy.",
        needs: Needs::Reads,
        simulation_only: true,
        ranks_files: false,
        parameters: &[],
        source: "Belady, IBM Systems Journal 5(2), 1966.",
        make: || Box::new(Belady::default()),
    },
    PolicyInfo {
        name: "fifo",
        summary: "Evicts the block that came first; reads need not be seen.",
        needs: Needs::Misses,
        simulation_only: false,
        ranks_files: false,
        parameters: &[],
        source: "Belady, IBM Systems Journal 5(2), 1966.",
        make: || Box::new(Fifo::default()),
    },
    PolicyInfo {
        name: "lfu",
        summary: "Evicts the block that was read least often since it came; it never forgets that one was read often.",
        needs: Needs::Reads,
        simulation_only: false,
        ranks_files: false,
        parameters: &[],
        source: "Shah, Mitra and Matani, An O(1) algorithm for implementing the LFU cache eviction scheme, 2010.",
        make: || Box::new(Lfu::default()),
    },
    PolicyInfo {
        name: "lru",
        summary: "Evicts the block that was read longest ago.",
        needs: Needs::Reads,
        simulation_only: false,
        ranks_files: false,
        parameters: &[],
        source: "Mattson et al., IBM Systems Journal 9(2), 1970.",
        make: || Box::new(Lru::default()),
    },
    PolicyInfo {
        name: "pinned",
        summary: "Never evicts: what came first stays. The optimum of shuffled epochs.",
        needs: Needs::Misses,
        simulation_only: false,
        ranks_files: false,
        parameters: &[],
        source: "MinIO in Mohan et al., Analyzing and mitigating data stalls in DNN training, VLDB 2021.",
        make: || Box::new(Pinned::default()),
    },
    PolicyInfo {
        name: "sieve",
        summary: "Evicts the oldest block that was not read since the last sweep: favourites stay, and are forgotten.",
        needs: Needs::Reads,
        simulation_only: false,
        ranks_files: false,
        parameters: &[],
        source: "Zhang et al., SIEVE is simpler than LRU, NSDI 2024.",
        make: || Box::new(Sieve::default()),
    },
    PolicyInfo {
        name: "upstream",
        summary: "Evicts by the ancestor's score of frequency, recency, size and kind of file: a policy to beat.",
        needs: Needs::Reads,
        simulation_only: false,
        ranks_files: true,
        parameters: &[],
        source: "SeaweedFS, branch improve-fuse-mount, weed/mount/ml/cache_policy.go, 2025.",
        make: || Box::new(Upstream::default()),
    },
];

impl PolicyInfo {
    /// Find a policy by its name.
    pub fn find(name: &str) -> Option<&'static PolicyInfo> {
        POLICIES.iter().find(|policy| policy.name == name)
    }

    /// Start an empty order.
    pub fn make(&self) -> Box<dyn Eviction> {
        (self.make)()
    }
}
