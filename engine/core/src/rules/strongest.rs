//! The rules that take part in a decision: of all that apply, the strongest few.
//!
//! Rules are asked from the highest priority down, so that what is weaker than those few even with all of its
//! conditions is not asked at all. Absent: the order itself (`Rule::stronger_first`).

use std::cmp::Ordering;

use super::Rule;
use crate::action::AppliedRule;

/// So few are kept in order with each that comes; more are cut back now and then.
const FEW: usize = 8;

pub(super) struct Strongest<'r> {
    rules: &'r [Rule],
    most: usize,
    applied: Vec<AppliedRule>,
    /// The weakest of as many as may take part: what is weaker cannot.
    floor: Option<AppliedRule>,
}

impl<'r> Strongest<'r> {
    pub(super) fn new(rules: &'r [Rule], most: usize) -> Strongest<'r> {
        Strongest {
            rules,
            most,
            applied: Vec::new(),
            floor: None,
        }
    }

    /// Whether a rule with at most this score can still take part.
    pub(super) fn can_enter(&self, rule: usize, score: f64) -> bool {
        let candidate = AppliedRule { rule, score };
        let is_stronger = |floor| stronger_first(self.rules, &candidate, floor) != Ordering::Greater;
        self.floor.as_ref().is_none_or(is_stronger) && self.most > 0
    }

    pub(super) fn add(&mut self, rule: usize, score: f64) {
        self.applied.push(AppliedRule { rule, score });
        let room = if self.most <= FEW {
            self.most
        } else {
            2 * self.most
        };
        if self.applied.len() >= room {
            self.cut();
        }
    }

    /// The strongest first.
    pub(super) fn finish(mut self) -> Vec<AppliedRule> {
        self.cut();
        self.applied
    }

    fn cut(&mut self) {
        self.applied
            .sort_unstable_by(|a, b| stronger_first(self.rules, a, b));
        self.applied.truncate(self.most);
        self.floor = self.applied.get(self.most.wrapping_sub(1)).copied();
    }
}

/// Priority x score, then priority, score, position, id.
pub(super) fn stronger_first(rules: &[Rule], a: &AppliedRule, b: &AppliedRule) -> Ordering {
    let (left, right) = (&rules[a.rule], &rules[b.rule]);
    (right.priority * b.score)
        .total_cmp(&(left.priority * a.score))
        .then(right.priority.total_cmp(&left.priority))
        .then(b.score.total_cmp(&a.score))
        .then(left.order.cmp(&right.order))
        .then_with(|| left.id.cmp(&right.id))
}

/// The order in which rules are asked: the stronger first, had each all that it can have, which is the score 1.
pub(super) fn asking_order(rules: &[Rule]) -> Vec<u32> {
    let best = |rule: u32| AppliedRule {
        rule: rule as usize,
        score: 1.0,
    };
    let mut order: Vec<u32> = (0..rules.len() as u32).collect();
    order.sort_by(|&a, &b| stronger_first(rules, &best(a), &best(b)));
    order
}
