//! Bounds: which reads miss in a cache that knows the future, and in one without limit. Absent: time.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

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

/// The blocks of each read in recorded order: (place of the access, block).
fn block_reads(job: &Workload) -> Vec<(u32, (u32, u32))> {
    let mut reads = Vec::new();
    for place in &job.recorded_order {
        let access = &job.accesses[*place as usize];
        if access.op != Op::Read || access.length == 0 {
            continue;
        }
        let last = (access.offset + access.length - 1) / BLOCK_BYTES;
        for block in access.offset / BLOCK_BYTES..=last {
            reads.push((*place, (access.file, block as u32)));
        }
    }
    reads
}

/// Belady's MIN over blocks with bypass: what is used last of all leaves or does not enter.
fn belady(job: &Workload, budget_bytes: u64) -> Vec<bool> {
    let reads = block_reads(job);
    let mut next_use = vec![u32::MAX; reads.len()];
    let mut seen: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    for (position, (_, block)) in reads.iter().enumerate().rev() {
        if let Some(later) = seen.insert(*block, position as u32) {
            next_use[position] = later;
        }
    }
    let bytes_of = |block: (u32, u32)| {
        let size = job.files[block.0 as usize].size;
        BLOCK_BYTES.min(size - u64::from(block.1) * BLOCK_BYTES)
    };
    let mut misses = vec![false; job.accesses.len()];
    let mut held: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    let mut by_use: BTreeSet<(u32, (u32, u32))> = BTreeSet::new();
    let mut free = budget_bytes;
    for (position, (place, block)) in reads.iter().enumerate() {
        match held.remove(block) {
            Some(planned) => {
                by_use.remove(&(planned, *block));
                free += bytes_of(*block);
            }
            None => misses[*place as usize] = true,
        }
        if next_use[position] == u32::MAX || bytes_of(*block) > budget_bytes {
            continue;
        }
        by_use.insert((next_use[position], *block));
        held.insert(*block, next_use[position]);
        let mut need = bytes_of(*block);
        while free < need {
            let Some((_, victim)) = by_use.pop_last() else {
                break;
            };
            held.remove(&victim);
            if victim == *block {
                need = 0;
            } else {
                free += bytes_of(victim);
            }
        }
        free -= need;
    }
    misses
}
