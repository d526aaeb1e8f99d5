//! Who waits for whom in a replayed job: epochs, batches, the bounded queue. Absent: what is done between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A cancelled replay is noticed within this time.
const LOOK_AROUND: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct State {
    epoch: u32,
    /// Batches taken so far; the next one's number.
    taken: u64,
    /// Runs of accesses still missing to each batch.
    missing: Vec<u32>,
    /// Batches that readers wait to enter.
    gated: Vec<u64>,
    /// The lowest gated batch may enter although the queue is full: the recorded order was not the consumer's.
    forced: Option<u64>,
    at_barrier: usize,
    consumer_waits: bool,
    /// The epoch behind whose end the replay stands still until somebody says go on.
    held: Option<u32>,
}

/// The meeting place of all threads of a replay.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    readers: usize,
    /// Batches that may be begun before the first of them is taken; None without a consumer.
    room: Option<u64>,
}

impl Gate {
    /// For this many readers; `missing` has the runs of accesses of each batch.
    pub fn new(readers: usize, missing: Vec<u32>, room: Option<u64>) -> Gate {
        Gate {
            state: Mutex::new(State {
                missing,
                ..State::default()
            }),
            changed: Condvar::new(),
            readers,
            room,
        }
    }

    /// A reader begins a run of accesses of a batch: wait until the queue has room.
    pub fn enter(&self, batch: u64, cancelled: &AtomicBool) {
        let Some(room) = self.room else { return };
        let mut state = self.state.lock();
        if batch < state.taken + room {
            return;
        }
        state.gated.push(batch);
        self.force_if_stuck(&mut state);
        while batch >= state.taken + room && state.forced != Some(batch) && !cancelled.load(Ordering::Relaxed)
        {
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
        if state.forced == Some(batch) {
            state.forced = None;
        }
        if let Some(position) = state.gated.iter().position(|gated| *gated == batch) {
            state.gated.swap_remove(position);
        }
    }

    /// A reader has finished a run of accesses of a batch.
    pub fn finish(&self, batch: u64) {
        let mut state = self.state.lock();
        if let Some(missing) = state.missing.get_mut(batch as usize) {
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                self.changed.notify_all();
            }
        }
    }

    /// A reader is done with an epoch: wait for the next.
    pub fn leave_epoch(&self, epoch: u32, cancelled: &AtomicBool) {
        let mut state = self.state.lock();
        state.at_barrier += 1;
        self.force_if_stuck(&mut state);
        self.changed.notify_all();
        while state.epoch <= epoch && !cancelled.load(Ordering::Relaxed) {
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
    }

    /// The consumer takes the next batch when it is complete.
    pub fn take(&self, cancelled: &AtomicBool) {
        let mut state = self.state.lock();
        let next = state.taken as usize;
        state.consumer_waits = true;
        while state.missing.get(next).is_some_and(|missing| *missing > 0)
            && !cancelled.load(Ordering::Relaxed)
        {
            self.force_if_stuck(&mut state);
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
        state.consumer_waits = false;
        state.taken += 1;
        self.changed.notify_all();
    }

    /// Wait until every reader is done with the epoch.
    pub fn wait_for_readers(&self, cancelled: &AtomicBool) {
        let mut state = self.state.lock();
        while state.at_barrier < self.readers && !cancelled.load(Ordering::Relaxed) {
            self.force_if_stuck(&mut state);
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
    }

    /// Let all readers into the next epoch.
    pub fn next_epoch(&self) {
        let mut state = self.state.lock();
        state.epoch += 1;
        state.at_barrier = 0;
        self.changed.notify_all();
    }

    /// Stand still behind an epoch's end until [`Gate::go_on`], so that others can read their counters.
    pub fn hold(&self, epoch: u32, cancelled: &AtomicBool) {
        let mut state = self.state.lock();
        state.held = Some(epoch);
        while state.held.is_some() && !cancelled.load(Ordering::Relaxed) {
            self.changed.wait_for(&mut state, LOOK_AROUND);
        }
    }

    /// The epoch behind whose end the replay stands still.
    pub fn held(&self) -> Option<u32> {
        self.state.lock().held
    }

    /// Let a replay that stands still go on.
    pub fn go_on(&self) {
        self.state.lock().held = None;
        self.changed.notify_all();
    }

    /// When nobody can go on, the lowest gated batch may.
    fn force_if_stuck(&self, state: &mut State) {
        let all_wait = state.gated.len() + state.at_barrier == self.readers;
        if all_wait && state.forced.is_none() && (state.consumer_waits || self.room.is_none()) {
            state.forced = state.gated.iter().min().copied();
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_full_queue_holds_the_reader_until_a_batch_is_taken() {
        let never = AtomicBool::new(false);
        let gate = Arc::new(Gate::new(1, vec![1, 1, 1], Some(1)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let reader = {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            std::thread::spawn(move || {
                let never = AtomicBool::new(false);
                for batch in 0..3 {
                    gate.enter(batch, &never);
                    order.lock().push(format!("read {batch}"));
                    gate.finish(batch);
                }
                gate.leave_epoch(0, &never);
            })
        };
        for batch in 0..3 {
            gate.take(&never);
            assert_eq!(gate.state.lock().taken, batch + 1);
        }
        gate.wait_for_readers(&never);
        gate.next_epoch();
        reader.join().unwrap();
        assert_eq!(*order.lock(), ["read 0", "read 1", "read 2"]);
    }

    #[test]
    fn an_order_that_the_queue_forbids_does_not_hang() {
        // The only reader brings batch 2 first, with room for one: it must be let in.
        let never = AtomicBool::new(false);
        let gate = Arc::new(Gate::new(1, vec![1, 1, 1], Some(1)));
        let reader = {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                let never = AtomicBool::new(false);
                for batch in [2, 1, 0] {
                    gate.enter(batch, &never);
                    gate.finish(batch);
                }
                gate.leave_epoch(0, &never);
            })
        };
        for _ in 0..3 {
            gate.take(&never);
        }
        gate.wait_for_readers(&never);
        gate.next_epoch();
        reader.join().unwrap();
    }
}
