//! What a replay is asked: storage, costs, cores, and what stands between job and storage. Absent: the job.

use mlopt_core::{FactSet, Plan};
use serde::Deserialize;

use crate::device::StorageModel;

/// FUSE's own costs, as CPU time; the fields of `simulator.fuse_costs.FuseCosts` in microseconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FuseCosts {
    /// One LOOKUP [us].
    pub lookup_us: f64,
    /// One OPEN [us].
    pub open_us: f64,
    /// One READ without its bytes [us].
    pub read_us: f64,
    /// The bytes of a READ [us/MiB].
    pub read_us_per_mib: f64,
    /// Pushing pages into the kernel, once [us].
    pub fill_us: f64,
    /// Pushing pages into the kernel, the bytes [us/MiB].
    pub fill_us_per_mib: f64,
    /// What a READ costs the daemon beyond the bare answer: the core's decision, timer and order of the drop [us].
    pub serve_us: f64,
    /// Dropping the pages of one block [us].
    pub drop_us: f64,
    /// Opening and reading a file that the kernel holds, above the job's own work [us].
    pub silent_us: f64,
    /// The bytes of such a read [us/MiB].
    pub silent_us_per_mib: f64,
    /// Part of a message's cost that the reader pays; the daemon pays the rest [1].
    pub client_share: f64,
}

/// What stands between the job and the storage.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontSpec {
    /// Nothing but the kernel's read-ahead; a page cache without limit where the storage keeps it.
    Source,
    /// A page cache of this size [bytes]: a fifo approximation of Linux's.
    PageCache(u64),
    /// The mount under this plan.
    Mount(Box<Plan>),
    /// A bound: a cache of this size that knows the future [bytes]; hits cost nothing.
    Belady(u64),
    /// A bound: what was read once is never read from the source again.
    Infinite,
    /// A bound: no read waits.
    NoIo,
}

/// One question to the simulator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The storage.
    pub storage: StorageModel,
    /// What FUSE costs.
    pub fuse: FuseCosts,
    /// What stands between.
    pub front: FrontSpec,
    /// Cores that job and daemon share.
    pub cpus: usize,
    /// Draw CPU per item around the recorded value; false takes it as recorded.
    pub draw_cpu: bool,
    /// The job is the replayer (`mlopt replay`), which computes for the recorded CPU time in all: what its calls cost is
    /// taken from what it computes next. False is the job itself, whose calls cost what they cost here.
    pub replays: bool,
    /// Delay of a wake-up behind a wait for the source [ns].
    pub wake_ns: u64,
    /// Largest READ and read-ahead of the mount [bytes].
    pub read_ahead_bytes: u64,
    /// Source reads that the daemon has under way at once.
    pub fetch_threads: usize,
    /// Threads of the daemon that answer the kernel.
    pub daemon_threads: usize,
    /// What is known of job and machine.
    #[serde(default)]
    pub facts: FactSet,
}
