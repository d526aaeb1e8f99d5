//! The order of reads inside one file. Absent: what files stand beside it (`among`).
//!
//! A stride is looked for before a sequence, so that gaps of some kB are not taken for a sequence with holes. The
//! kernel's read-ahead arrives out of order: bytes beyond the expected ones are held until they are reached, and break
//! a sequence only when that does not happen.

use crate::rules::AccessPattern;

/// So many steps in a row make a pattern inside a file.
const STEPS: u8 = 3;
/// Reads that early bytes may wait for the ones before them: the kernel keeps few read-ahead requests in flight.
const PATIENCE: u8 = 4;

/// The order of reads inside one file.
#[derive(Debug, Clone, Default)]
pub(super) struct FileOrder {
    pub(super) size: u64,
    /// End of what was read from the start of the sequence on.
    pub(super) next: u64,
    /// Bytes that arrived before those that lead to them.
    pub(super) early: Option<(u64, u64)>,
    /// Where the last read began, and how far behind the one before.
    pub(super) last: u64,
    pub(super) step: i64,
    pub(super) contiguous: u8,
    pub(super) scattered: u8,
    pub(super) strides: u8,
    pub(super) waited: u8,
    pub(super) reads: u32,
    /// Bytes read since a reader came to the file [bytes].
    pub(super) since_visit: u64,
    pub(super) folder: u32,
    /// The pass in which the file was last started, from 1; and which file the same reader started next.
    pub(super) pass: u32,
    pub(super) successor: u32,
}

impl FileOrder {
    pub(super) fn take(&mut self, offset: u64, length: u64) {
        let (is_first, end) = (self.reads == 0, offset.saturating_add(length));
        self.reads = self.reads.saturating_add(1);
        let step = offset as i64 - self.last as i64;
        self.last = offset;
        if is_first || offset == 0 {
            // a new pass says nothing of the order inside; what is known stays
            (self.next, self.early, self.step) = (end, None, 0);
            return;
        }
        let leaves_gap = offset != self.next;
        self.strides = match step == self.step && step != 0 && leaves_gap {
            true => self.strides.saturating_add(1),
            false => 0,
        };
        self.step = step;
        if !leaves_gap {
            self.next = end;
            self.follow();
            if let Some((_, far)) = self.early.filter(|early| early.0 <= end) {
                (self.early, self.next) = (None, far.max(end));
                self.follow();
            }
            return;
        }
        self.early = match self.early {
            // a second sequence that nothing leads up to: the reader went elsewhere and reads on there
            Some((start, far)) if offset == far => {
                self.waited = self.waited.saturating_add(1);
                if self.waited < STEPS {
                    Some((start, end))
                } else {
                    (self.next, self.waited) = (end, 0);
                    (self.contiguous, self.scattered) = (STEPS, 0);
                    None
                }
            }
            // arrived before the early ones: read-ahead in reverse
            Some((start, far)) if end == start && self.waited < PATIENCE => Some((offset, far)),
            Some(_) => {
                self.break_off();
                Some((offset, end))
            }
            None => {
                self.waited = 0;
                if offset < self.next {
                    self.break_off();
                }
                Some((offset, end))
            }
        };
    }

    fn follow(&mut self) {
        self.contiguous = self.contiguous.saturating_add(1);
        (self.scattered, self.waited) = (0, 0);
    }

    fn break_off(&mut self) {
        self.scattered = self.scattered.saturating_add(1);
        (self.contiguous, self.waited) = (0, 0);
    }

    pub(super) fn inside(&self) -> Option<AccessPattern> {
        if self.strides >= STEPS {
            Some(AccessPattern::Strided)
        } else if self.contiguous >= STEPS {
            Some(AccessPattern::Sequential)
        } else if self.scattered >= STEPS {
            Some(AccessPattern::Random)
        } else {
            None
        }
    }
}
