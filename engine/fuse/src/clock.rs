//! The only place of the engine that reads the operating system's clock. Absent: waiting.

use std::time::Instant;

use mlopt_core::Nanos;

/// Monotonic time since the clock was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Start at zero.
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// Time since the start.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> Nanos {
        Nanos(Instant::now().duration_since(self.start).as_nanos() as u64)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}
