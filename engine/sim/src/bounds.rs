//! Bounds: which reads miss in a cache that knows the future, and in one without limit. Absent: time, the choice of
//! victims (the core's).

use mlopt_core::eviction::{Belady, Eviction, Slot};

use crate::scenario::FrontSpec;
use crate::workload::{Op, Workload};

/// Unit in which a bound's cache keeps large files [bytes].
const BLOCK_BYTES: u64 = 1 << 20;

/// Whether each access of the job misses, by its place in `Workload::accesses`.
pub(crate) fn misses_of(job: &Workload, bound: &FrontSpec) -> Vec<bool> {
    match bound {
        FrontSpec::Belady(bytes) => belady(job, *bytes),
        FrontSpec::Infinite => belady(job, u64::MAX),
        _ => vec![false; job.accesses.len()],
    }
}

/// The blocks that a job reads, in recorded order.
struct BlockReads {
    /// Place of the access that reads the block, in `Workload::accesses`.
    access: Vec<u32>,
    /// The block, dense over all files.
    slots: Vec<Slot>,
    /// Size of each block [bytes].
    bytes_of: Vec<u32>,
}

impl BlockReads {
    fn of(job: &Workload) -> BlockReads {
        let mut first_slot = Vec::with_capacity(job.files.len());
        let mut bytes_of = Vec::new();
        for file in &job.files {
            first_slot.push(bytes_of.len() as u64);
            let starts = (0..file.size).step_by(BLOCK_BYTES as usize);
            bytes_of.extend(starts.map(|start| BLOCK_BYTES.min(file.size - start) as u32));
        }
        let (mut access, mut slots) = (Vec::new(), Vec::new());
        for &place in &job.recorded_order {
            let read = &job.accesses[place as usize];
            if read.op != Op::Read || read.length == 0 {
                continue;
            }
            let last = (read.offset + read.length - 1) / BLOCK_BYTES;
            for block in read.offset / BLOCK_BYTES..=last {
                access.push(place);
                slots.push((first_slot[read.file as usize] + block) as Slot);
            }
        }
        BlockReads {
            access,
            slots,
            bytes_of,
        }
    }
}

/// Belady's MIN over blocks with bypass: what is used last of all leaves or does not enter.
fn belady(job: &Workload, budget_bytes: u64) -> Vec<bool> {
    let reads = BlockReads::of(job);
    let bytes_of = |slot: Slot| u64::from(reads.bytes_of[slot as usize]);
    let mut policy = Belady::knowing(&reads.slots);
    let mut misses = vec![false; job.accesses.len()];
    let mut is_held = vec![false; reads.bytes_of.len()];
    let mut free = budget_bytes;
    for (place, &slot) in reads.slots.iter().enumerate() {
        policy.advance_to(place);
        if std::mem::take(&mut is_held[slot as usize]) {
            policy.remove(slot);
            free += bytes_of(slot);
        } else {
            misses[reads.access[place] as usize] = true;
        }
        if !policy.is_read_again() || bytes_of(slot) > budget_bytes {
            continue;
        }
        policy.insert(slot);
        is_held[slot as usize] = true;
        // taken on loan: when too little is free, blocks leave, and the new one may be the first of them
        let mut lent = bytes_of(slot);
        while lent > free {
            let Some(victim) = policy.victim() else {
                break;
            };
            policy.remove(victim);
            is_held[victim as usize] = false;
            if victim == slot {
                lent = 0;
            } else {
                free += bytes_of(victim);
            }
        }
        free -= lent;
    }
    misses
}
