//! The one evaluator of recipes: which rules apply to a file, and what they ask for together.
//!
//! Owns: facts, operators, scores, the order of rules, composition of actions, and the explanation of all that.
//! Absent: YAML, defaults of recipes, messages with positions (the Python package `recipes` compiles those away),
//! and how decisions are carried out (policies, prefetchers).
//!
//! Score of a rule = weight of its true conditions / weight of all; it applies when the score exceeds the threshold
//! or is 1, and no required condition is anything but true. `match: all` and `any` replace the score by "all" and
//! "one true of those that are not required". Rules that apply are ordered by priority x score, then priority, score, position, id; the first
//! `max_rules` take part. Arithmetic is IEEE double in the order of the conditions, so that a model in another
//! language gives the same bits.

mod condition;
mod explain;
mod facts;
mod number;
mod operators;

use std::cmp::Ordering;

use condition::Condition;
use facts::FileView;
use serde_json::Value;

pub use condition::Verdict;
pub use explain::{ConditionReport, Explanation, RuleReport};
pub use facts::{AccessPattern, FACTS, FactInfo, FactKind, FactSource, LiveFacts};
pub use operators::{OPERATORS, OperatorInfo, ValueShape};

use crate::action::{AppliedRule, Composed, Decision, Patch};
use crate::{ConditionSpec, CoreError, FileFacts, Match, Plan, RuleSpec};

struct Rule {
    priority: f64,
    order: u32,
    id: String,
    matching: Match,
    threshold: f64,
    conditions: Vec<Condition>,
    /// Weight of all conditions, summed in their order.
    total: f64,
    patch: Patch,
}

/// Check one condition as [`Rules::compile`] would.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_condition(fact: &str, op: &str, value: Value) -> Result<(), String> {
    let spec = ConditionSpec {
        fact: fact.into(),
        op: op.into(),
        value,
        weight: 1.0,
        required: false,
    };
    Condition::compile(&spec).map(|_| ())
}

/// A plan's rules, ready to judge files.
pub struct Rules {
    rules: Vec<Rule>,
    specs: Vec<RuleSpec>,
    max_rules: usize,
}

impl Rules {
    /// Prepare the rules of a plan.
    ///
    /// # Errors
    /// `CoreError::Plan` for an unknown fact, operator or parameter, and for values that do not fit them.
    pub fn compile(plan: &Plan) -> Result<Rules, CoreError> {
        let rules = plan.rules.iter().map(|spec| Rule::compile(spec, plan.threshold));
        Ok(Rules {
            rules: rules.collect::<Result<_, _>>()?,
            specs: plan.rules.clone(),
            max_rules: plan.max_rules as usize,
        })
    }

    /// Whether some condition asks for what is observed while files are used; otherwise a file's decision is final.
    pub fn need_live_facts(&self) -> bool {
        let mut conditions = self.rules.iter().flat_map(|rule| &rule.conditions);
        conditions.any(|condition| condition.fact.source == FactSource::Live)
    }

    /// Decide what happens to a file.
    pub fn decide(&self, file: &FileFacts, live: &LiveFacts) -> Decision {
        let view = FileView::new(file, live);
        let mut applied = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let (score, fires) = rule.judge(|condition| condition.verdict(&view));
            if fires {
                applied.push(AppliedRule { rule: index, score });
            }
        }
        self.compose(applied)
    }

    fn compose(&self, mut applied: Vec<AppliedRule>) -> Decision {
        applied.sort_unstable_by(|a, b| self.stronger_first(a, b));
        applied.truncate(self.max_rules);
        let mut composed = Composed::default();
        for &AppliedRule { rule, .. } in &applied {
            self.rules[rule].patch.apply(rule, &mut composed);
        }
        composed.finish(applied)
    }

    fn stronger_first(&self, a: &AppliedRule, b: &AppliedRule) -> Ordering {
        let (left, right) = (&self.rules[a.rule], &self.rules[b.rule]);
        (right.priority * b.score)
            .total_cmp(&(left.priority * a.score))
            .then(right.priority.total_cmp(&left.priority))
            .then(b.score.total_cmp(&a.score))
            .then(left.order.cmp(&right.order))
            .then_with(|| left.id.cmp(&right.id))
    }
}

impl Rule {
    fn compile(spec: &RuleSpec, threshold: f64) -> Result<Rule, CoreError> {
        let problem = |error: String| CoreError::Plan(format!("rule '{}': {error}", spec.id));
        let conditions: Vec<Condition> = spec
            .conditions
            .iter()
            .map(Condition::compile)
            .collect::<Result<_, _>>()
            .map_err(problem)?;
        Ok(Rule {
            priority: f64::from(spec.priority),
            order: spec.order,
            id: spec.id.clone(),
            matching: spec.matching,
            threshold: spec.threshold.unwrap_or(threshold),
            total: conditions.iter().map(|condition| condition.weight).sum(),
            patch: Patch::compile(&spec.actions)?,
            conditions,
        })
    }

    /// Score and whether the rule fires.
    fn judge(&self, mut verdict: impl FnMut(&Condition) -> Verdict) -> (f64, bool) {
        let (mut held, mut missing, mut refused, mut chosen) = (0.0, 0_usize, false, false);
        for condition in &self.conditions {
            if verdict(condition) == Verdict::True {
                held += condition.weight;
                // A required one that holds is no choice: "any" would be true of every file.
                chosen |= !condition.required;
            } else {
                missing += 1;
                refused |= condition.required;
            }
        }
        let share = if self.total > 0.0 { held / self.total } else { 0.0 };
        let all = missing == 0 && !self.conditions.is_empty();
        let (score, fires) = match self.matching {
            Match::Weighted => (share, share > self.threshold || share == 1.0),
            Match::All => (if all { 1.0 } else { share }, all),
            Match::Any if chosen || all => (1.0, true),
            Match::Any => (0.0, false),
        };
        (score, fires && !refused)
    }
}
