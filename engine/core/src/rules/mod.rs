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

mod affixes;
mod condition;
mod explain;
mod fact_set;
mod facts;
mod index;
mod job_use;
mod number;
mod operators;
mod strongest;
mod view;

use condition::Condition;
use index::Index;
use serde_json::Value;
use strongest::{Strongest, asking_order};
use view::{NO_FILE, View};

pub use condition::Verdict;
pub use explain::{ConditionReport, Explanation, RuleReport};
pub use fact_set::FactSet;
pub use facts::{AccessPattern, FACTS, FactInfo, FactKind, FactSource, LiveFacts, Words};
pub use job_use::{JobUse, Phase, Work};
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

/// Up to so many rules a decision's bits need no memory of their own.
const FEW_RULES: usize = 64;

/// Which files a change of facts concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// None: no verdict differs.
    None,
    /// Those that passed an age; see [`Rules::has_aged`].
    Aged,
    /// All.
    All,
}

/// A plan's rules, ready to judge files.
pub struct Rules {
    rules: Vec<Rule>,
    index: Index,
    /// Places of the rules, the stronger first.
    order: Vec<u32>,
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
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        Ok(Rules {
            index: Index::new(&rules, &plan.rules),
            order: asking_order(&rules),
            rules,
            specs: plan.rules.clone(),
            max_rules: plan.max_rules as usize,
        })
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.rules.iter().flat_map(|rule| &rule.conditions)
    }

    /// Whether some condition asks for what is observed while files are used.
    pub fn need_live_facts(&self) -> bool {
        self.conditions()
            .any(|condition| condition.fact.source == FactSource::Live || condition.fact.is_shown_by_reads)
    }

    /// Whether some condition asks how files are used, each for itself.
    pub fn ask_for_use(&self) -> bool {
        self.conditions()
            .any(|condition| condition.fact.source == FactSource::Live)
    }

    /// Whether some condition asks for what first bytes can tell.
    pub fn need_content(&self) -> bool {
        const TOLD: [&str; 4] = ["file.type", "file.format", "file.framework", "file.mime_type"];
        self.conditions()
            .any(|condition| TOLD.contains(&condition.fact.name))
    }

    /// Whether a change of what was observed of a file can change its decision.
    pub fn depend_on(&self, before: &LiveFacts, after: &LiveFacts, around: &FactSet) -> bool {
        let views = (
            View::new(&NO_FILE, before, around),
            View::new(&NO_FILE, after, around),
        );
        self.differ(&views, |fact| fact.source == FactSource::Live)
    }

    /// Whether a change of what was observed of the job can change decisions, those of all files alike.
    pub fn depend_on_job(&self, before: &LiveFacts, after: &LiveFacts, around: &FactSet) -> bool {
        let views = (
            View::new(&NO_FILE, before, around),
            View::new(&NO_FILE, after, around),
        );
        before.job != after.job && self.differ(&views, |fact| fact.is_shown_by_reads)
    }

    /// Whose decisions a change of job and machine can change.
    pub fn reach_of(&self, before: &FactSet, after: &FactSet) -> Reach {
        let live = LiveFacts::default();
        let views = (
            View::new(&NO_FILE, &live, before),
            View::new(&NO_FILE, &live, after),
        );
        if self.differ(&views, |fact| fact.source != FactSource::File) {
            Reach::All
        } else if before.time_s != after.time_s && self.conditions().any(Condition::is_about_age) {
            Reach::Aged
        } else {
            Reach::None
        }
    }

    /// Whether a file passed an age that some condition names.
    pub fn has_aged(&self, file: &FileFacts, before: &FactSet, after: &FactSet) -> bool {
        let live = LiveFacts::default();
        let (before, after) = (View::new(file, &live, before), View::new(file, &live, after));
        self.conditions()
            .filter(|condition| condition.is_about_age())
            .any(|condition| condition.verdict(&before) != condition.verdict(&after))
    }

    fn differ(&self, views: &(View<'_>, View<'_>), asks: impl Fn(&FactInfo) -> bool) -> bool {
        self.conditions()
            .filter(|condition| asks(condition.fact))
            .any(|condition| condition.verdict(&views.0) != condition.verdict(&views.1))
    }

    /// Decide what happens to a file.
    pub fn decide(&self, file: &FileFacts, live: &LiveFacts, around: &FactSet) -> Decision {
        let view = View::new(file, live, around);
        let (mut few, mut many) = ([0; FEW_RULES], Vec::new());
        let masks = few.get_mut(..self.rules.len()).unwrap_or_else(|| {
            many.resize(self.rules.len(), 0);
            &mut many
        });
        self.index.mark(&self.rules, &view, masks);
        let mut strongest = Strongest::new(&self.rules, self.max_rules);
        for &place in &self.order {
            let place = place as usize;
            let Some(best) = self.index.best_score(place, &self.rules[place], masks[place]) else {
                continue;
            };
            if !strongest.can_enter(place, 1.0) {
                break; // nor can any that comes after it
            }
            if strongest.can_enter(place, best)
                && let Some(score) = self.index.score(place, &self.rules[place], &view, masks[place])
            {
                strongest.add(place, score);
            }
        }
        self.compose(strongest)
    }

    fn compose(&self, strongest: Strongest<'_>) -> Decision {
        let applied = strongest.finish();
        let mut composed = Composed::default();
        for &AppliedRule { rule, .. } in &applied {
            self.rules[rule].patch.apply(rule, &mut composed);
        }
        composed.finish(applied)
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

    /// Score and whether the rule fires, from what holds of its conditions.
    fn judge(&self, holds: impl Fn(usize) -> bool) -> (f64, bool) {
        let (mut held, mut missing, mut refused, mut chosen) = (0.0, 0_usize, false, false);
        for (place, condition) in self.conditions.iter().enumerate() {
            if holds(place) {
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
