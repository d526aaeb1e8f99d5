//! The job: readers that walk their recorded accesses, batches, a bounded queue, the consumer, epochs.
//! Absent: what answers a read (`front.rs`), the books (`report.rs`).

use std::collections::VecDeque;

use crate::cpu::Task;
use crate::kernel::{PAGE_BYTES, ReadAhead};
use crate::random::Random;
use crate::replay::{Front, Replay, SLEEP};
use crate::workload::{Access, Op};

/// CPU that a reader may gather before it is put on a core [ns]: reads that need nobody cost no event of their own.
const GATHERED_CPU_NS: u64 = 20_000;

/// Accesses whose client CPU a reader may have in credit: an open, its read and the one before.
const CREDITED_ACCESSES: f64 = 3.0;

/// Where a reader stands within its current access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Begin,
    AtBarrier,
    Compute,
    Wait,
    EnterBatch,
    AtGate,
    Issue,
    Looked,
    Opened,
    Walk,
    Finish,
    Done,
}

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) at: u32,
    pub(crate) end: u32,
    pub(crate) stage: Stage,
    /// CPU gathered and not yet spent [ns].
    pub(crate) debt: f64,
    /// CPU of the recorded storage's client taken out and not charged again; requests may cost that much [ns].
    credit: f64,
    /// CPU of a replayer's calls that it has not yet taken from what it computes [ns].
    prepaid: f64,
    factor: f64,
    pub(crate) file: u32,
    batch: i32,
    pub(crate) page: u64,
    pub(crate) to_page: u64,
    pub(crate) read_ahead: ReadAhead,
    pub(crate) waits_since: u64,
    pub(crate) stall_ns: u64,
    random: Random,
}

impl Reader {
    pub(crate) fn new(at: u32, end: u32, random: Random) -> Reader {
        Reader {
            at,
            end,
            stage: Stage::Begin,
            debt: 0.0,
            credit: 0.0,
            prepaid: 0.0,
            factor: 1.0,
            file: u32::MAX,
            batch: -1,
            page: 0,
            to_page: 0,
            read_ahead: ReadAhead::opened(),
            waits_since: 0,
            stall_ns: 0,
            random,
        }
    }
}

/// An interpreter lock: one thread of the process computes at a time.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    pub(crate) is_held: bool,
    pub(crate) queue: VecDeque<(Task, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MainStage {
    Idle,
    Computes,
    Waits,
    Tail,
}

/// The consumer of batches, which is also the task that ends an epoch.
#[derive(Debug)]
pub(crate) struct Main {
    pub(crate) stage: MainStage,
    /// Batches taken so far; the next one's number.
    pub(crate) taken: u32,
    /// Runs of accesses that are still missing to each batch.
    pub(crate) missing: Vec<u32>,
    pub(crate) gated: Vec<(i32, Task)>,
    pub(crate) random: Random,
}

impl Replay<'_> {
    /// Let a reader go on until it must wait.
    pub(crate) fn run_reader(&mut self, r: usize) {
        while self.step(r) {}
    }

    /// One step; false when the reader waits.
    fn step(&mut self, r: usize) -> bool {
        let reader = &self.readers[r];
        if reader.stage == Stage::Begin && reader.at == reader.end {
            return self.leave_epoch(r);
        }
        if matches!(reader.stage, Stage::Done | Stage::AtBarrier | Stage::AtGate) {
            return false;
        }
        let access = self.job.accesses[reader.at as usize];
        match reader.stage {
            Stage::Begin => self.begin(r, &access),
            Stage::Compute => self.compute(r, &access),
            Stage::Wait => {
                self.readers[r].stage = Stage::EnterBatch;
                access.wait_ns == 0 || self.sleep(r as Task, access.wait_ns)
            }
            Stage::EnterBatch => self.enter_batch(r, &access),
            Stage::Issue => self.issue(r, &access),
            Stage::Looked => self.after_lookup(r, &access),
            Stage::Opened => {
                self.readers[r].read_ahead = ReadAhead::opened();
                self.readers[r].stage = Stage::Finish;
                true
            }
            Stage::Walk => self.walk(r, &access),
            Stage::Finish => {
                let reader = &mut self.readers[r];
                reader.at += 1;
                reader.stage = Stage::Begin;
                self.report.accesses += 1;
                true
            }
            Stage::Done | Stage::AtBarrier | Stage::AtGate => false,
        }
    }

    fn begin(&mut self, r: usize, access: &Access) -> bool {
        if access.epoch > self.epoch {
            return self.leave_epoch(r);
        }
        let reader = &mut self.readers[r];
        if access.op == Op::Open || access.file != reader.file {
            reader.file = access.file;
            reader.factor = if self.scenario.draw_cpu {
                reader.random.gamma6()
            } else {
                1.0
            };
            reader.read_ahead = ReadAhead::opened();
        }
        let recorded = access.cpu_ns as f64;
        if self.scenario.replays {
            let paid = self.readers[r].prepaid.min(recorded);
            self.readers[r].prepaid -= paid;
            self.readers[r].debt += recorded - paid;
            self.readers[r].stage = Stage::Compute;
            return true;
        }
        let client = self.recorded_client_ns(access).min(recorded);
        let reader = &mut self.readers[r];
        reader.debt += (recorded - client) * reader.factor;
        reader.credit = (reader.credit + client).min(CREDITED_ACCESSES * client.max(reader.credit));
        reader.stage = Stage::Compute;
        true
    }

    /// Spend the gathered CPU where something else may happen next: a wait or another batch.
    fn compute(&mut self, r: usize, access: &Access) -> bool {
        self.readers[r].stage = Stage::Wait;
        let must = access.wait_ns > 0 || access.batch != self.readers[r].batch;
        if must || self.readers[r].debt >= GATHERED_CPU_NS as f64 {
            return self.spend(r);
        }
        true
    }

    /// Charge the reader's part of a call's cost.
    pub(crate) fn charge_call(&mut self, r: usize, cost_ns: f64) {
        let reader = &mut self.readers[r];
        reader.debt += cost_ns;
        if self.scenario.replays {
            reader.prepaid += cost_ns;
        }
    }

    /// Charge a request of the storage's client, as far as it was a part of the recorded CPU.
    pub(crate) fn charge_client(&mut self, r: usize, client_ns: f64) {
        let reader = &mut self.readers[r];
        let charged = client_ns.min(reader.credit);
        reader.credit -= charged;
        reader.debt += charged;
    }

    /// Put the gathered CPU on a core; false when the reader waits for that.
    pub(crate) fn spend(&mut self, r: usize) -> bool {
        let debt = self.readers[r].debt as u64;
        self.readers[r].debt -= debt as f64;
        self.burn(r as Task, debt)
    }

    fn enter_batch(&mut self, r: usize, access: &Access) -> bool {
        if access.batch != self.readers[r].batch {
            self.finish_batch(r);
            if access.batch >= 0 && !self.may_enter(access.batch) {
                self.readers[r].stage = Stage::AtGate;
                self.main.gated.push((access.batch, r as Task));
                return false;
            }
            self.readers[r].batch = access.batch;
        }
        self.readers[r].stage = Stage::Issue;
        true
    }

    fn may_enter(&self, batch: i32) -> bool {
        let Some(consumer) = &self.job.consumer else {
            return true;
        };
        let room = u64::from(consumer.prefetch_batches.max(1)) * self.job.readers() as u64;
        (batch as u64) < u64::from(self.main.taken) + room
    }

    fn finish_batch(&mut self, r: usize) {
        let batch = std::mem::replace(&mut self.readers[r].batch, -1);
        if let Some(missing) = usize::try_from(batch)
            .ok()
            .and_then(|b| self.main.missing.get_mut(b))
        {
            *missing = missing.saturating_sub(1);
            self.wake_main();
        }
    }

    fn leave_epoch(&mut self, r: usize) -> bool {
        if self.readers[r].debt >= 1.0 {
            return self.spend(r);
        }
        self.finish_batch(r);
        let is_done = self.readers[r].at == self.readers[r].end;
        self.readers[r].stage = if is_done { Stage::Done } else { Stage::AtBarrier };
        self.at_barrier += 1;
        self.wake_main();
        false
    }

    fn issue(&mut self, r: usize, access: &Access) -> bool {
        match access.op {
            Op::Read => {
                if access.length == 0 {
                    self.readers[r].stage = Stage::Finish;
                    return true;
                }
                if let Front::Bound(misses) = &self.front {
                    let is_miss = misses[self.readers[r].at as usize];
                    return self.read_bound(r, access, is_miss);
                }
                let reader = &mut self.readers[r];
                reader.page = access.offset / PAGE_BYTES;
                reader.to_page = (access.offset + access.length).div_ceil(PAGE_BYTES);
                reader.stage = Stage::Walk;
                true
            }
            Op::Open | Op::Stat | Op::List => self.look_up(r, access),
        }
    }

    /// The consumer's turn, if it has one.
    pub(crate) fn run_main(&mut self) {
        loop {
            match self.main.stage {
                MainStage::Idle => {
                    if !self.take_batch_or_end() {
                        return;
                    }
                }
                MainStage::Computes => {
                    self.main.stage = MainStage::Waits;
                    let wait = self.main_wait_ns();
                    if wait > 0 && !self.sleep(self.main_task(), wait) {
                        return;
                    }
                }
                MainStage::Waits => self.main.stage = MainStage::Idle,
                MainStage::Tail => {
                    self.main.stage = MainStage::Idle;
                    if !self.next_epoch() {
                        return;
                    }
                }
            }
        }
    }

    pub(crate) fn wake_main(&mut self) {
        if self.main.stage == MainStage::Idle && !self.main_is_woken {
            self.main_is_woken = true;
            let main = self.main_task();
            self.ready.push_back(main);
        }
    }

    fn main_wait_ns(&self) -> u64 {
        let batch = self.main.taken as usize - 1;
        self.job
            .consumer
            .as_ref()
            .map_or(0, |c| c.wait_ns.get(batch).copied().unwrap_or(0))
    }

    /// Take the next batch or end the epoch; false when there is nothing to do yet or the CPU is not there yet.
    fn take_batch_or_end(&mut self) -> bool {
        let job = self.job;
        let next = self.main.taken as usize;
        let is_due = job
            .batch_epoch
            .get(next)
            .is_some_and(|epoch| *epoch <= self.epoch);
        if let Some(consumer) = job.consumer.as_ref().filter(|_| is_due) {
            if self.main.missing[next] > 0 {
                return false;
            }
            self.main.taken += 1;
            self.open_gates();
            self.main.stage = MainStage::Computes;
            let factor = if self.scenario.draw_cpu {
                self.main.random.gamma6()
            } else {
                1.0
            };
            return self.burn(self.main_task(), (consumer.cpu_ns[next] as f64 * factor) as u64);
        }
        if self.at_barrier < self.readers.len() || self.is_finished {
            return false;
        }
        self.main.stage = MainStage::Tail;
        let tail = job
            .epoch_tail_cpu_ns
            .get(self.epoch as usize)
            .copied()
            .unwrap_or(0);
        self.burn(self.main_task(), tail)
    }

    fn open_gates(&mut self) {
        let gated = std::mem::take(&mut self.main.gated);
        for (batch, task) in gated {
            if self.may_enter(batch) {
                self.pass_gate(batch, task);
            } else {
                self.main.gated.push((batch, task));
            }
        }
    }

    /// Let the reader in that waits for the lowest batch: the recorded order of batches was not the consumer's.
    pub(crate) fn force_gate(&mut self) -> bool {
        let lowest = self
            .main
            .gated
            .iter()
            .enumerate()
            .min_by_key(|(_, gated)| **gated);
        let Some((position, &(batch, task))) = lowest else {
            return false;
        };
        self.main.gated.remove(position);
        self.pass_gate(batch, task);
        true
    }

    fn pass_gate(&mut self, batch: i32, task: Task) {
        let reader = &mut self.readers[task as usize];
        reader.batch = batch;
        reader.stage = Stage::Issue;
        self.ready.push_back(task);
    }

    fn next_epoch(&mut self) -> bool {
        self.close_epoch();
        self.epoch += 1;
        self.at_barrier = 0;
        if self.epoch == self.job.epochs {
            self.is_finished = true;
            return false;
        }
        for (r, reader) in self.readers.iter_mut().enumerate() {
            if reader.stage == Stage::Done {
                self.at_barrier += 1;
            } else {
                reader.stage = Stage::Begin;
                reader.prepaid = 0.0; // a new epoch is nobody's debt
                self.ready.push_back(r as Task);
            }
        }
        true
    }

    /// Sleep until later; false when an event will tell of the end, true when the time has already come.
    pub(crate) fn sleep(&mut self, task: Task, length_ns: u64) -> bool {
        let end = self.now + length_ns;
        if self.ready.is_empty() && self.heap.next_time() > end {
            self.now = end;
            return true;
        }
        self.heap.push(end, SLEEP | task);
        false
    }

    /// Compute; false when an event will tell of the end, true when it is already over.
    pub(crate) fn burn(&mut self, task: Task, length_ns: u64) -> bool {
        if length_ns == 0 {
            return true;
        }
        let lock = self.lock_of(task);
        if let Some(lock) = lock.filter(|lock| self.locks[*lock].is_held) {
            self.locks[lock].queue.push_back((task, length_ns));
            return false;
        }
        let end = self.now + length_ns;
        if self.ready.is_empty() && self.heap.next_time() > end && self.cpus.run_alone(task, length_ns) {
            self.now = end;
            return true;
        }
        if let Some(lock) = lock {
            self.locks[lock].is_held = true;
        }
        self.start_cpu(task, length_ns);
        false
    }

    pub(crate) fn lock_of(&self, task: Task) -> Option<usize> {
        self.job
            .lock
            .get(task as usize)
            .and_then(|lock| usize::try_from(*lock).ok())
    }
}
