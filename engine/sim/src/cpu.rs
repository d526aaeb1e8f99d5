//! Cores with a run queue each, as Linux has them: slices of 4 ms, wake on the previous core if idle, else on an idle
//! one, else queue on the previous; no stealing. Absent: what the tasks compute and what they wait for.
//!
//! Linux is not work-conserving when tasks alternate CPU and sleep, and this is what shows it: four tasks of 5 ms CPU
//! and 4 ms sleep use 75-78 % of two cores, where processor sharing predicts 87 %.

use std::collections::VecDeque;

/// Time after which a waiting task gets the core: a tick of HZ=250 [ns].
pub const SLICE_NS: u64 = 4_000_000;

/// A task: a reader, the consumer, a thread of the daemon.
pub type Task = u32;

#[derive(Debug, Default)]
struct Core {
    running: Option<Task>,
    /// The running task has computed what it had to and did not yet say whether it goes on or waits.
    lingers: bool,
    /// What the running task has used since it got the core [ns].
    used_ns: u64,
    queue: VecDeque<Task>,
}

impl Core {
    /// Whether the task can have it at once.
    fn is_free_for(&self, task: Task) -> bool {
        match self.running {
            None => true,
            Some(running) => {
                self.lingers && running == task && (self.queue.is_empty() || self.used_ns < SLICE_NS)
            }
        }
    }
}

/// All cores, and what each task still has to compute.
#[derive(Debug)]
pub struct Cpus {
    cores: Vec<Core>,
    previous: Vec<u32>,
    remaining: Vec<u64>,
    busy_ns: u64,
    /// Cores whose task lingers.
    lingering: Vec<u32>,
}

/// What is to be scheduled: the slice on this core ends after so many ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Which core.
    pub core: u32,
    /// How long [ns].
    pub length_ns: u64,
}

impl Cpus {
    /// Idle cores; tasks start spread over them.
    pub fn new(cores: usize, tasks: usize) -> Cpus {
        let cores = cores.max(1);
        Cpus {
            cores: (0..cores).map(|_| Core::default()).collect(),
            previous: (0..tasks).map(|task| (task % cores) as u32).collect(),
            remaining: vec![0; tasks],
            busy_ns: 0,
            lingering: Vec::new(),
        }
    }

    /// CPU time used by all tasks [ns].
    pub fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// Give a task something to compute; the slice that begins now, if a core is free for it.
    pub fn start(&mut self, task: Task, length_ns: u64) -> Option<Slice> {
        self.remaining[task as usize] = length_ns;
        let core = self.place(task);
        self.previous[task as usize] = core;
        let slot = &mut self.cores[core as usize];
        if !slot.is_free_for(task) {
            slot.queue.push_back(task);
            return None;
        }
        Some(self.run(core, task))
    }

    /// Compute without an event: allowed when nothing else can happen before the end. False if no core is idle.
    pub fn run_alone(&mut self, task: Task, length_ns: u64) -> bool {
        let core = self.place(task);
        let slot = &mut self.cores[core as usize];
        if !slot.is_free_for(task) || !slot.queue.is_empty() {
            return false;
        }
        (slot.running, slot.lingers) = (None, false);
        self.previous[task as usize] = core;
        self.busy_ns += length_ns;
        true
    }

    /// A slice ended: the task that is done, if it is, and the slice that begins now. A task that is done keeps its core
    /// until [`Cpus::release`], as a thread does that computes on: it would otherwise queue anew for each piece of work.
    pub fn slice_ended(&mut self, core: u32) -> (Option<Task>, Option<Slice>) {
        let slot = &mut self.cores[core as usize];
        let Some(task) = slot.running else {
            return (None, None);
        };
        if self.remaining[task as usize] == 0 {
            slot.lingers = true;
            self.lingering.push(core);
            return (Some(task), None);
        }
        let next = match slot.queue.pop_front() {
            Some(other) => {
                slot.queue.push_back(task);
                slot.running = None;
                other
            }
            None => task,
        };
        (None, Some(self.run(core, next)))
    }

    /// Whoever was done and did not go on waits now: a slice of the next task, for each call one, until there is none.
    pub fn release(&mut self) -> Option<Slice> {
        while let Some(core) = self.lingering.pop() {
            let slot = &mut self.cores[core as usize];
            if !std::mem::take(&mut slot.lingers) {
                continue;
            }
            slot.running = None;
            if let Some(next) = slot.queue.pop_front() {
                return Some(self.run(core, next));
            }
        }
        None
    }

    fn place(&self, task: Task) -> u32 {
        let previous = self.previous[task as usize];
        if self.cores[previous as usize].is_free_for(task) {
            return previous;
        }
        let mut cores = self.cores.iter();
        let idle = cores.position(|core| core.running.is_none());
        // Whoever lingers is, as a rule, about to wait for the very task that is placed here.
        let soon = || {
            self.cores
                .iter()
                .position(|core| core.lingers && core.queue.is_empty())
        };
        idle.or_else(soon).map_or(previous, |core| core as u32)
    }

    fn run(&mut self, core: u32, task: Task) -> Slice {
        let slot = &mut self.cores[core as usize];
        if slot.running != Some(task) || slot.used_ns >= SLICE_NS {
            slot.used_ns = 0;
        }
        (slot.running, slot.lingers) = (Some(task), false);
        let left = &mut self.remaining[task as usize];
        let length_ns = (*left).min(SLICE_NS - slot.used_ns);
        slot.used_ns += length_ns;
        *left -= length_ns;
        self.busy_ns += length_ns;
        Slice { core, length_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Heap;

    /// Share of the cores used by tasks that compute and sleep in turn for ten minutes.
    fn used_share(tasks: u32, cpu_ns: u64, sleep_ns: u64) -> f64 {
        const CORES: usize = 2;
        const SLEEP: u32 = 1 << 31;
        let end = 600_000_000_000;
        let mut heap = Heap::default();
        let mut cpus = Cpus::new(CORES, tasks as usize);
        for task in 0..tasks {
            heap.push(u64::from(task) * 1_000_000, SLEEP | task);
        }
        while let Some((now, what)) = heap.pop().filter(|(now, _)| *now < end) {
            let slice = if what & SLEEP != 0 {
                cpus.start(what & !SLEEP, cpu_ns)
            } else {
                let (done, slice) = cpus.slice_ended(what);
                match done {
                    Some(task) if sleep_ns == 0 => cpus.start(task, cpu_ns),
                    Some(task) => {
                        heap.push(now + sleep_ns, SLEEP | task);
                        None
                    }
                    None => slice,
                }
            };
            for slice in slice.into_iter().chain(std::iter::from_fn(|| cpus.release())) {
                heap.push(now + slice.length_ns, slice.core);
            }
        }
        cpus.busy_ns() as f64 / (end as f64 * CORES as f64)
    }

    #[test]
    fn four_tasks_of_5_ms_cpu_and_4_ms_sleep_use_75_to_78_percent_of_two_cores() {
        let share = used_share(4, 5_000_000, 4_000_000);
        assert!((0.74..0.80).contains(&share), "{share}");
    }

    #[test]
    fn tasks_that_never_sleep_use_everything_and_a_lone_one_its_share() {
        assert!(used_share(4, 5_000_000, 0) > 0.999);
        assert!(used_share(4, 100_000, 0) > 0.999);
        let lone = used_share(1, 5_000_000, 5_000_000);
        assert!((lone - 0.25).abs() < 0.005, "{lone}");
    }

    #[test]
    fn a_task_with_more_to_do_goes_on_until_its_slice_ends() {
        // one core; task 0 has six pieces of 1 ms, task 1 waits: it gets the core after 4 ms, not after each piece
        let mut cpus = Cpus::new(1, 2);
        assert!(cpus.start(0, 1_000_000).is_some());
        assert!(cpus.start(1, 1_000_000).is_none());
        for _ in 0..3 {
            assert_eq!(cpus.slice_ended(0), (Some(0), None));
            assert!(cpus.start(0, 1_000_000).is_some());
        }
        assert_eq!(cpus.slice_ended(0), (Some(0), None));
        assert!(cpus.start(0, 1_000_000).is_none());
        assert!(cpus.release().is_some());
        assert_eq!(cpus.slice_ended(0), (Some(1), None));
        assert!(cpus.release().is_some());
        assert_eq!(cpus.slice_ended(0), (Some(0), None));
        assert!(cpus.release().is_none());
    }
}
