//! Drives the core in virtual time. Owns: the event heap, modelled CPUs, devices and page cache. Absent: policy, real time.

mod bounds;
mod cache_replay;
mod clock;
mod cpu;
mod device;
mod front;
mod job;
mod kernel;
mod mount;
mod random;
mod replay;
mod report;
mod scenario;
mod workload;

pub use cache_replay::{Accesses, FIRST_ACCESS, Misses, lru_stack_distances, replay_cache};
pub use device::StorageModel;
pub use replay::{ReplayError, journal, replay};
pub use report::{EpochReport, RunReport};
pub use scenario::{FrontSpec, FuseCosts, Scenario};
pub use workload::{Access, Columns, Consumer, Op, Workload, file_facts};
