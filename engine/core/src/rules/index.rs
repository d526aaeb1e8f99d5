//! Which rules fire for a file, found without asking every condition of each.
//!
//! Owns: for each fact, the way from its value to the conditions that hold; for each rule, which sets of conditions
//! make it fire. Absent: what conditions and rules mean (`operators`, `Rule::judge`); both are asked here, never
//! written again, and scores come from the rule itself, so that they are the same bits.
//!
//! A rule's true conditions are bits of one word. Conditions that a table can answer set them; one that only its test
//! can answer is asked at once where several rules share it, else only where its answer can make the rule fire and be
//! among the strongest. That is exact: a rule fires no sooner, and scores no more, when fewer of its conditions hold.

use rustc_hash::FxHashMap;

use super::Rule;
use super::affixes::Affixes;
use super::condition::{Condition, Verdict};
use super::facts::Fact;
use super::operators::Quick;
use super::view::View;
use crate::RuleSpec;
use crate::filetype::name_of;

/// Up to 6 conditions have 64 sets of true ones, one bit each.
const TABLE_CONDITIONS: usize = 6;
/// So many conditions have a bit; a rule with more is judged as it stands.
const MASK_CONDITIONS: usize = 64;

/// One condition of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    rule: u32,
    condition: u32,
}

/// For each rule the conditions that hold, as bits.
pub(super) type Masks = [u64];

pub(super) struct Index {
    facts: Vec<FactIndex>,
    chances: Vec<Chance>,
}

/// What makes a rule fire.
struct Chance {
    way: Way,
    /// Conditions that were not asked when the masks were made.
    open: u64,
}

enum Way {
    /// Few conditions: bit n tells whether the rule fires when the conditions of the bits of n hold.
    Table(u64),
    Mask,
    /// Too many conditions for a mask.
    Judge,
}

/// One fact and the conditions on it; the first place of a list stands for the test that its places share.
#[derive(Default)]
struct FactIndex {
    fact: usize,
    absent: Vec<Place>,
    present: Vec<Place>,
    equal: FxHashMap<Box<[u8]>, Vec<Place>>,
    starts: Affixes,
    name_starts: Affixes,
    ends: Affixes,
    within: Vec<(u64, u64, Place)>,
    asked: Vec<Vec<Place>>,
}

impl Index {
    pub(super) fn new(rules: &[Rule], specs: &[RuleSpec]) -> Index {
        let mut index = Index {
            facts: Vec::new(),
            chances: rules.iter().map(Chance::new).collect(),
        };
        for places in shared_tests(rules, specs) {
            index.insert(rules, places);
        }
        index
    }

    fn insert(&mut self, rules: &[Rule], places: Vec<Place>) {
        let condition = at(rules, places[0]);
        let fact = condition.index;
        let known = self.facts.iter().position(|each| each.fact == fact);
        let known = known.unwrap_or_else(|| {
            self.facts.push(FactIndex {
                fact,
                ..FactIndex::default()
            });
            self.facts.len() - 1
        });
        if let Some(places) = self.facts[known].insert(condition, places) {
            let rule = places[0].rule as usize;
            self.chances[rule].open |= 1 << places[0].condition;
        }
    }

    /// Set the bits of all conditions that hold, save those left open.
    pub(super) fn mark(&self, rules: &[Rule], view: &View<'_>, masks: &mut Masks) {
        for fact in &self.facts {
            match view.value(fact.fact) {
                Some(value) => fact.mark(rules, value, masks),
                None => flip(masks, &fact.absent),
            }
        }
    }

    /// The most that the score of a rule can be, if it can fire: with all conditions that were left open.
    pub(super) fn best_score(&self, index: usize, rule: &Rule, mask: u64) -> Option<f64> {
        let chance = &self.chances[index];
        match chance.way {
            Way::Table(fires) if fires >> (mask | chance.open) & 1 == 0 => None,
            Way::Table(_) | Way::Mask => {
                let (score, fires) = rule.judge(|place| has(mask | chance.open, place));
                fires.then_some(score)
            }
            Way::Judge => Some(1.0),
        }
    }

    /// The score of a rule if it fires.
    pub(super) fn score(&self, index: usize, rule: &Rule, view: &View<'_>, mut mask: u64) -> Option<f64> {
        let chance = &self.chances[index];
        let holds = |place: usize| rule.conditions[place].verdict(view) == Verdict::True;
        let mut open = chance.open;
        while open != 0 {
            let place = open.trailing_zeros() as usize;
            mask |= u64::from(holds(place)) << place;
            open &= open - 1;
        }
        let (score, fires) = match chance.way {
            Way::Judge => rule.judge(holds),
            Way::Table(_) | Way::Mask => rule.judge(|place| has(mask, place)),
        };
        fires.then_some(score)
    }
}

impl Chance {
    fn new(rule: &Rule) -> Chance {
        let way = match rule.conditions.len() {
            few @ 0..=TABLE_CONDITIONS => {
                let fires = |mask: &u64| rule.judge(|place| has(*mask, place)).1;
                let firing = (0..1 << few).filter(fires);
                Way::Table(firing.fold(0, |table, mask| table | 1 << mask))
            }
            0..=MASK_CONDITIONS => Way::Mask,
            _ => Way::Judge,
        };
        Chance { way, open: 0 }
    }
}

impl FactIndex {
    /// Find the way to a test; the test is given back if there is none but to ask it.
    fn insert(&mut self, condition: &Condition, places: Vec<Place>) -> Option<Vec<Place>> {
        match (condition.exists, condition.quick()) {
            (Some(true), _) | (None, Quick::Always) => self.present.extend(places),
            (Some(false), _) => self.absent.extend(places),
            (None, Quick::OneOf(texts, negated)) => {
                if negated {
                    self.present.extend(&places);
                }
                for text in texts {
                    let listed = self.equal.entry(text.clone()).or_default();
                    // What a condition lists twice must not be flipped twice.
                    if listed.last() != places.last() {
                        listed.extend(&places);
                    }
                }
            }
            (None, Quick::Within(least, most)) => {
                self.within
                    .extend(places.into_iter().map(|place| (least, most, place)));
            }
            (None, Quick::Start(start)) => self.starts.insert(start, places),
            (None, Quick::NameStart(start)) => self.name_starts.insert(start, places),
            (None, Quick::End(end)) => self.ends.insert(end, places),
            (None, Quick::Ask) if places.len() > 1 => self.asked.push(places),
            (None, Quick::Ask) => return Some(places),
        }
        None
    }

    fn mark(&self, rules: &[Rule], value: Fact<'_>, masks: &mut Masks) {
        flip(masks, &self.present);
        let mut ask = |places: &[Place]| {
            if at(rules, places[0]).holds(value) {
                flip(masks, places);
            }
        };
        self.asked.iter().for_each(|places| ask(places));
        match value {
            Fact::Number(number) => {
                for &(least, most, place) in &self.within {
                    let holds = least <= number && number <= most;
                    masks[place.rule as usize] ^= u64::from(holds) << place.condition;
                }
            }
            Fact::Text(text) => {
                self.starts.visit(|length| text.get(..length), &mut ask);
                let name = name_of(text);
                self.name_starts.visit(|length| name.get(..length), &mut ask);
                let last = |length| text.len().checked_sub(length).map(|start| &text[start..]);
                self.ends.visit(last, &mut ask);
                if let Some(places) = self.equal.get(text) {
                    flip(masks, places);
                }
            }
        }
    }
}

/// Gather equal conditions, of all rules whose conditions have bits.
fn shared_tests(rules: &[Rule], specs: &[RuleSpec]) -> Vec<Vec<Place>> {
    let mut tests: Vec<Vec<Place>> = Vec::new();
    let mut known: FxHashMap<(usize, &str, String), usize> = FxHashMap::default();
    for (number, (rule, spec)) in rules.iter().zip(specs).enumerate() {
        if matches!(Chance::new(rule).way, Way::Judge) {
            continue;
        }
        for (condition, spec) in spec.conditions.iter().enumerate() {
            let test = (
                rule.conditions[condition].index,
                spec.op.as_str(),
                spec.value.to_string(),
            );
            let test = *known.entry(test).or_insert(tests.len());
            if test == tests.len() {
                tests.push(Vec::new());
            }
            tests[test].push(Place {
                rule: number as u32,
                condition: condition as u32,
            });
        }
    }
    tests
}

fn at(rules: &[Rule], place: Place) -> &Condition {
    &rules[place.rule as usize].conditions[place.condition as usize]
}

fn has(mask: u64, place: usize) -> bool {
    mask >> place & 1 == 1
}

fn flip(masks: &mut Masks, places: &[Place]) {
    for place in places {
        masks[place.rule as usize] ^= 1 << place.condition;
    }
}
