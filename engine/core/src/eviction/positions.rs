//! A set of positions in a sequence whose greatest member is found at once. Absent: what stands at a position.
//!
//! A bit for each position, and above it levels with a bit for each word of 64 that is not empty: 5 million positions
//! are 625 KB, three words lead to the greatest, and most changes end in the lowest level. A heap of as many entries
//! costs a cache miss for each level of its tree.

const BITS: usize = u64::BITS as usize;

/// Positions below a bound, a bit each.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    words: Vec<u64>,
    /// Which words of the level below are not empty; the last level has one word.
    summaries: Vec<Vec<u64>>,
}

impl Positions {
    /// An empty set of positions below `bound`.
    pub(crate) fn below(bound: usize) -> Positions {
        let words = vec![0; bound.div_ceil(BITS)];
        let mut summaries = Vec::new();
        let mut length = words.len();
        while length > 1 {
            length = length.div_ceil(BITS);
            summaries.push(vec![0; length]);
        }
        Positions { words, summaries }
    }

    /// Put a position in.
    #[inline]
    pub(crate) fn insert(&mut self, position: u32) {
        let mut place = position as usize / BITS;
        let was_empty = self.words[place] == 0;
        self.words[place] |= bit(position as usize);
        if !was_empty {
            return;
        }
        for level in &mut self.summaries {
            let word = &mut level[place / BITS];
            let was_empty = *word == 0;
            *word |= bit(place);
            if !was_empty {
                return;
            }
            place /= BITS;
        }
    }

    /// Take out a position that is in.
    #[inline]
    pub(crate) fn remove(&mut self, position: u32) {
        let mut place = position as usize / BITS;
        self.words[place] &= !bit(position as usize);
        if self.words[place] != 0 {
            return;
        }
        for level in &mut self.summaries {
            let word = &mut level[place / BITS];
            *word &= !bit(place);
            if *word != 0 {
                return;
            }
            place /= BITS;
        }
    }

    /// The greatest position.
    #[inline]
    pub(crate) fn greatest(&self) -> Option<u32> {
        let mut place = 0;
        for level in self.summaries.iter().rev().chain([&self.words]) {
            place = place * BITS + level.get(place)?.checked_ilog2()? as usize;
        }
        Some(place as u32)
    }
}

#[inline]
fn bit(place: usize) -> u64 {
    1 << (place % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_is_that_of_an_ordered_set(
            steps in prop::collection::vec((prop::bool::weighted(0.6), 0..7_u32, 0..64_u32), 1..300),
        ) {
            let (mut positions, mut expected) = (Positions::below(1 << 25), BTreeSet::new());
            for (is_insert, magnitude, low) in steps {
                // up to 2^24: five levels, of which few words are filled
                let position = (low << (3 * magnitude)) | low;
                if is_insert {
                    positions.insert(position);
                    expected.insert(position);
                } else if let Some(greatest) = expected.pop_last() {
                    positions.remove(greatest);
                    if expected.remove(&position) {
                        positions.remove(position);
                    }
                }
                prop_assert_eq!(positions.greatest(), expected.last().copied());
            }
        }
    }
}
