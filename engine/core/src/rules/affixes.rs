//! Tests that only texts with a certain start, or end, can pass: found by that start, then asked.
//!
//! Absent: which part of a text counts; the caller cuts it.

use rustc_hash::FxHashMap;

use super::index::Place;

#[derive(Default)]
pub(super) struct Affixes {
    /// How long the affixes are; a recipe has a few lengths, each is one look-up.
    lengths: Vec<usize>,
    tests: FxHashMap<Box<[u8]>, Vec<Vec<Place>>>,
}

impl Affixes {
    pub(super) fn insert(&mut self, affix: &[u8], places: Vec<Place>) {
        if !self.lengths.contains(&affix.len()) {
            self.lengths.push(affix.len());
        }
        self.tests.entry(affix.into()).or_default().push(places);
    }

    /// Ask each test whose affix the text has; `cut` gives so many bytes of it, if it has them.
    pub(super) fn visit<'t>(&self, cut: impl Fn(usize) -> Option<&'t [u8]>, mut ask: impl FnMut(&[Place])) {
        let found = self
            .lengths
            .iter()
            .filter_map(|&length| self.tests.get(cut(length)?));
        found.flatten().for_each(|places| ask(places));
    }
}
