//! Why a file is treated as it is: every rule, every condition with the actual value. Absent: layout for people.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::strongest::Strongest;
use super::view::{NO_FILE, View};
use super::{FACTS, FactSet, FactSource, LiveFacts, Rules, Verdict};
use crate::action::Decision;
use crate::{FileFacts, Match};

/// One condition and what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConditionReport {
    /// Canonical fact.
    pub fact: String,
    /// Operator.
    pub op: String,
    /// What the fact was compared with.
    pub value: Value,
    /// What the fact is; absent when unknown.
    pub actual: Option<Value>,
    /// Whether the condition holds.
    pub verdict: Verdict,
    /// Its weight.
    pub weight: f64,
    /// Whether the rule needs it.
    pub required: bool,
}

/// One rule and whether it fired.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleReport {
    /// Its index in the plan.
    pub rule: usize,
    /// Its name.
    pub id: String,
    /// Whether it fired.
    pub fires: bool,
    /// Whether it takes part: it fired and was among the first `max_rules`.
    pub applied: bool,
    /// Its score, 0..1.
    pub score: f64,
    /// What the score had to exceed.
    pub threshold: f64,
    /// How its conditions combine.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Its conditions.
    pub conditions: Vec<ConditionReport>,
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Every fact that is known, by name.
    pub facts: Map<String, Value>,
    /// What happens.
    pub decision: Decision,
    /// Every rule of the plan, in its order.
    pub rules: Vec<RuleReport>,
}

impl Explanation {
    /// As `test-rules` and `explain` print it for a file: facts, rules, the rule that set each parameter, actions.
    pub fn entry(&self) -> Map<String, Value> {
        let origin = self.decision.winners.iter().map(|winner| {
            let parameter = format!("{}.{}", winner.action, winner.parameter);
            (parameter, Value::from(self.rules[winner.rule].id.clone()))
        });
        let origin: Map<_, _> = origin.collect();
        Map::from_iter([
            ("facts".to_owned(), Value::from(self.facts.clone())),
            ("rules".to_owned(), json!(self.rules)),
            ("origin".to_owned(), origin.into()),
            ("action".to_owned(), self.decision.actions()),
        ])
    }
}

impl Rules {
    /// Whether a rule fires for a file, and what each of its conditions says.
    pub fn verdicts(
        &self,
        rule: usize,
        file: &FileFacts,
        live: &LiveFacts,
        around: &FactSet,
    ) -> (bool, Vec<Verdict>) {
        let view = View::new(file, live, around);
        let rule = &self.rules[rule];
        let (_, fires) = rule.judge(|place| rule.conditions[place].verdict(&view) == Verdict::True);
        let verdicts = rule.conditions.iter().map(|condition| condition.verdict(&view));
        (fires, verdicts.collect())
    }

    /// A rule's conditions as they were written into the plan.
    pub fn conditions_of(&self, rule: usize) -> &[crate::ConditionSpec] {
        &self.specs[rule].conditions
    }

    /// Facts that a rule asks for and that are unknown for every file.
    pub fn unknown_facts(&self, rule: usize, around: &FactSet, is_observed: bool) -> Vec<&'static str> {
        let live = LiveFacts::default();
        let view = View::new(&NO_FILE, &live, around);
        let observed = ["access.pattern", "access.frequency"];
        let conditions = self.rules[rule].conditions.iter();
        let mut names: Vec<&str> = conditions
            .filter(|condition| condition.fact.source != FactSource::File)
            .filter(|condition| !(is_observed && observed.contains(&condition.fact.name)))
            .filter(|condition| condition.actual(&view).is_none())
            .map(|condition| condition.fact.name)
            .collect();
        names.dedup();
        names
    }

    /// Decide, and say why.
    pub fn explain(&self, file: &FileFacts, live: &LiveFacts, around: &FactSet) -> Explanation {
        let view = View::new(file, live, around);
        let mut rules = Vec::with_capacity(self.rules.len());
        let mut strongest = Strongest::new(&self.rules, self.max_rules);
        for (index, (rule, spec)) in self.rules.iter().zip(&self.specs).enumerate() {
            let (score, fires) = rule.judge(|place| rule.conditions[place].verdict(&view) == Verdict::True);
            if fires {
                strongest.add(index, score);
            }
            let conditions = rule.conditions.iter().zip(&spec.conditions);
            rules.push(RuleReport {
                rule: index,
                id: spec.id.clone(),
                fires,
                applied: false,
                score,
                threshold: rule.threshold,
                matching: rule.matching,
                conditions: conditions
                    .map(|(condition, spec)| ConditionReport {
                        fact: spec.fact.clone(),
                        op: spec.op.clone(),
                        value: spec.value.clone(),
                        actual: condition.actual(&view),
                        verdict: condition.verdict(&view),
                        weight: spec.weight,
                        required: spec.required,
                    })
                    .collect(),
            });
        }
        let decision = self.compose(strongest);
        for applied in &decision.applied {
            rules[applied.rule].applied = true;
        }
        let named = FACTS.iter().enumerate().filter_map(|(index, fact)| {
            let value = view.value(index)?;
            Some((fact.name.to_owned(), value.to_json()))
        });
        Explanation {
            facts: named.collect(),
            decision,
            rules,
        }
    }
}
