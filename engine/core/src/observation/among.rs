//! The order of files of one folder and extension. Absent: reads inside a file (`inside`).

use crate::rules::AccessPattern;

/// Steps between files before anything is said: in a shuffle of 32, .30 to .70 rise (4 standard deviations).
const FILE_STEPS: u32 = 32;
/// Shares of steps that follow an order, of the last 64: above the one a sequence, below the other none.
const ORDERED: f64 = 0.8;
const DISORDERED: f64 = 0.7;
/// A share of files that come too early or too late for a pass over all: above it files are drawn at random.
const REDRAWN: f64 = 0.1;
/// Of sets up to this size a pass is all of them.
const FEW_FILES: u32 = 8;

/// The order of the files of one folder and extension.
#[derive(Debug, Default)]
pub(super) struct FolderOrder {
    pub(super) members: u32,
    /// The pass under way, from 1; files started in it, and in the longest one before.
    pub(super) pass: u32,
    pub(super) started: u32,
    pub(super) longest: u32,
    pub(super) steps: u32,
    /// The last 64 steps: whether each followed an order, and whether it fits a pass over all files.
    pub(super) ordered: u64,
    pub(super) redrawn: u64,
    pub(super) pattern: Option<AccessPattern>,
}

impl FolderOrder {
    /// Whether a file starts that a pass over all files would not read now. `pass` is the file's own.
    ///
    /// Half of the files make a pass: a mount does not see the reads of those that it holds.
    pub(super) fn is_redrawn(&mut self, pass: &mut u32) -> bool {
        let is_repeat = self.pass > 0 && *pass == self.pass;
        if self.pass == 0 || is_repeat && self.started >= (self.members / 2).max(self.members.min(FEW_FILES))
        {
            self.pass += 1;
            self.longest = self.longest.max(self.started);
            self.started = 0;
        } else if is_repeat {
            return true;
        }
        let is_new = *pass == 0;
        *pass = self.pass;
        self.started += 1;
        // a pass leaves out nothing that a later one of the same length reads
        is_new && self.pass > 1 && self.started <= self.longest
    }

    /// Take in one step; true when the pattern changed.
    pub(super) fn note(&mut self, ordered: bool, redrawn: bool) -> bool {
        self.ordered = self.ordered << 1 | u64::from(ordered);
        self.redrawn = self.redrawn << 1 | u64::from(redrawn);
        self.steps = self.steps.saturating_add(1);
        // Now and then: a change costs a decision for each file of the folder.
        if !self.steps.is_multiple_of(FILE_STEPS) {
            return false;
        }
        let window = f64::from(self.steps.min(64));
        let share = f64::from(self.ordered.count_ones()) / window;
        let pattern = if share >= ORDERED {
            Some(AccessPattern::Sequential)
        } else if share > DISORDERED {
            self.pattern
        } else if f64::from(self.redrawn.count_ones()) / window > REDRAWN {
            Some(AccessPattern::Random)
        } else {
            Some(AccessPattern::Shuffled)
        };
        std::mem::replace(&mut self.pattern, pattern) != pattern
    }
}
