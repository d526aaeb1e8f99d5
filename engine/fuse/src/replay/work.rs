//! Burning CPU time and sleeping as a recorded job did. Absent: when and why.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// Python threads hand their interpreter lock over after this time.
const SWITCH_NS: u64 = 5_000_000;
/// Sleeps are cut into such pieces, so that a cancelled replay ends soon [ns].
const SLEEP_SLICE_NS: u64 = 100_000_000;

/// Threads of one interpreter compute one at a time.
pub type InterpreterLock = Mutex<()>;

/// CPU time of the calling thread [ns].
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to a valid timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What a thread has computed against what it should have.
///
/// Recorded CPU times contain the CPU of the recorded calls. What the replay's own calls cost is therefore a debt that
/// the next spin pays back, so that the sum is the recorded one.
#[derive(Debug)]
pub struct Work<'a> {
    speed: Option<f64>,
    lock: Option<&'a InterpreterLock>,
    cancelled: &'a AtomicBool,
    settled_ns: u64,
}

impl<'a> Work<'a> {
    /// Of the calling thread, from now on; no speed means without burning and sleeping.
    pub fn new(speed: Option<f64>, lock: Option<&'a InterpreterLock>, cancelled: &'a AtomicBool) -> Work<'a> {
        Work {
            speed,
            lock,
            cancelled,
            settled_ns: thread_cpu_ns(),
        }
    }

    /// Compute until this much more CPU time is used than when the time before was settled [ns].
    pub fn burn(&mut self, cpu_ns: u64) {
        let Some(speed) = self.speed else { return };
        let target = self.settled_ns + (cpu_ns as f64 / speed) as u64;
        self.settled_ns = target;
        let mut now = thread_cpu_ns();
        let mut held = None;
        while now < target && !self.cancelled.load(Ordering::Relaxed) {
            held = self.lock.map(Mutex::lock);
            let pause = (now + SWITCH_NS).min(target);
            while now < pause {
                for _ in 0..200 {
                    std::hint::spin_loop();
                }
                now = thread_cpu_ns();
            }
            if let Some(guard) = held.take() {
                MutexGuard::unlock_fair(guard);
            }
        }
        drop(held);
    }

    /// Start anew from here: what the thread computed until now is nobody's debt.
    pub fn forgive(&mut self) {
        self.settled_ns = self.settled_ns.max(thread_cpu_ns());
    }

    /// Sleep [ns].
    pub fn wait(&self, wait_ns: u64) {
        let Some(speed) = self.speed else { return };
        let mut left_ns = (wait_ns as f64 / speed) as u64;
        while left_ns > 0 && !self.cancelled.load(Ordering::Relaxed) {
            let slice = left_ns.min(SLEEP_SLICE_NS);
            let time = libc::timespec {
                tv_sec: 0,
                tv_nsec: slice as i64,
            };
            // SAFETY: reads a valid timespec. A signal cuts the slice short, which the next one does not repair.
            unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
            left_ns -= slice;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burning_uses_the_cpu_time_asked_for_and_pays_debts_back() {
        let never = AtomicBool::new(false);
        let before = thread_cpu_ns();
        let mut work = Work::new(Some(2.0), None, &never);
        while thread_cpu_ns() < before + 3_000_000 {} // a call that costs 3 ms
        work.burn(20_000_000); // at twice the speed: 10 ms with the debt
        let used = thread_cpu_ns() - before;
        assert!((10_000_000..13_000_000).contains(&used), "{used}");
        work.forgive();
        let mut idle = Work::new(None, None, &never);
        idle.burn(1 << 40);
        idle.wait(1 << 40);
    }

    #[test]
    fn a_cancelled_replay_neither_burns_nor_sleeps() {
        let cancelled = AtomicBool::new(true);
        let mut work = Work::new(Some(1.0), None, &cancelled);
        work.burn(1 << 50);
        work.wait(1 << 50);
    }
}
