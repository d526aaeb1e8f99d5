//! Passes over one set of samples: when the job begins to read the set again. Absent: which files are a set (`job`).
//!
//! A pass begins when files that the pass under way visited are visited again: three in four of the last visits are
//! such (as many visits as a quarter of the files visited so far, 2 to 64). A few files that come back alone, as an index or
//! a sample that is looked at beforehand, begin nothing. Where files keep coming back amid new ones the job draws at
//! random, or several readers go over the set each in its own order: such a set has no passes.

/// Visits of which the latest are weighed.
const MOST_WEIGHED: u32 = 64;
/// Of sets up to this size half must have been visited before a pass can end.
const FEW_FILES: u32 = 8;
/// Files visited just now: threads that share a file, and processes side by side, visit it once.
const RECENT: usize = 8;

/// Passes over one set.
#[derive(Debug, Default)]
pub(super) struct Passes {
    /// Files of the set that are known.
    pub(super) members: u32,
    /// The pass under way, from 1; 0 before the first visit.
    number: u32,
    /// Files visited in it, and in the one before.
    visited: u32,
    visited_before: u32,
    /// Of those visited in it, the ones visited again: the next pass, once it is one.
    again: u32,
    /// Visits of files that were visited in this pass already.
    repeats: u32,
    /// The last 64 visits: whether each was the second one of its file.
    window: u64,
    recent: [Option<u32>; RECENT],
    next_recent: usize,
    is_drawn: bool,
}

impl Passes {
    /// Take in a visit of a file, whose own pass is `pass`. Nothing of a file visited a moment ago.
    pub(super) fn visit(&mut self, file: u32, pass: &mut u32) {
        if self.was_just_visited(file) {
            return;
        }
        self.number = self.number.max(1);
        let comes_again = *pass == self.number;
        self.window = self.window << 1 | u64::from(comes_again);
        if *pass < self.number {
            *pass = self.number;
            self.visited += 1;
            return;
        }
        self.repeats += 1;
        if comes_again {
            *pass = self.number + 1;
            self.again += 1;
        }
        if comes_again && self.begins_anew() {
            self.number += 1;
            self.visited_before = self.visited;
            self.visited = self.again;
            (self.again, self.repeats, self.window) = (0, 0, 0);
        } else if self.repeats - self.weighed_repeats() > 2.max(self.visited / 10) {
            // uniform draws show so before half of the set came again
            self.is_drawn = true;
        }
    }

    fn was_just_visited(&mut self, file: u32) -> bool {
        let remembered = RECENT.min(self.members as usize / 4);
        let is_recent = self.recent[..remembered].contains(&Some(file));
        if !is_recent && remembered > 0 {
            self.recent[self.next_recent % remembered] = Some(file);
            self.next_recent += 1;
        }
        is_recent
    }

    fn weighed(&self) -> u32 {
        (self.visited / 4).clamp(2, MOST_WEIGHED)
    }

    fn weighed_repeats(&self) -> u32 {
        (self.window << (u64::BITS - self.weighed())).count_ones()
    }

    fn begins_anew(&self) -> bool {
        let repeats = self.weighed_repeats();
        let enough = self.visited >= FEW_FILES.min(self.members / 2);
        enough && (self.members == 1 || repeats >= 2 && 4 * repeats >= 3 * self.weighed())
    }

    /// The number of the pass, from 0; unknown before the first, and where there are none.
    pub(super) fn epoch(&self) -> Option<u64> {
        let number = u64::from(self.number).checked_sub(1);
        number.filter(|_| !self.is_drawn)
    }

    /// Whether the set was read again as a whole.
    pub(super) fn has_repeated(&self) -> bool {
        self.number > 1 && !self.is_drawn
    }

    /// Whether hardly a file of the pass is left.
    pub(super) fn is_nearly_over(&self) -> bool {
        let whole = if self.number > 1 {
            self.visited_before
        } else {
            self.members
        };
        10 * u64::from(self.visited) >= 9 * u64::from(whole)
    }
}
