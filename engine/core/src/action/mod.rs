//! What a recipe can ask for a file: one file per action, one line in the list below.
//!
//! Owns: the actions with their parameters, defaults and documentation, and how rules compose them. Absent: which rules
//! apply (`rules`), how an action is carried out (policies, prefetchers, drivers).

mod cache;
mod compose;
mod compress;
mod coordinate;
mod parameter;
mod prefetch;
mod prioritize;
mod stream;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use cache::{CacheAction, CachePriority};
pub use compress::CompressAction;
pub use coordinate::{CoordinateAction, Scope};
pub use parameter::{Parameter, ParameterKind, Set};
pub use prefetch::{PrefetchAction, Trigger};
pub use prioritize::{PrioritizeAction, PriorityClass};
pub use stream::StreamAction;

use crate::{ActionSpec, CoreError};
use compose::{Part, actions};
use parameter::Settings;

actions! {
    /// Keep its blocks.
    cache: CacheAction,
    /// Fetch ahead.
    prefetch: PrefetchAction,
    /// Read it in parallel, ahead of a sequential reader.
    stream: StreamAction,
    /// Fetch once for all readers.
    coordinate: CoordinateAction,
    /// Store it compressed.
    compress: CompressAction,
    /// Order and rate of its source fetches.
    prioritize: PrioritizeAction,
}

/// What each action states about itself. `Default` is what the engine assumes for each parameter that no rule set.
pub trait Action: Default + Serialize + 'static {
    /// As recipes name it.
    const NAME: &'static str;
    /// One sentence: what it is for.
    const SUMMARY: &'static str;
    /// What the mount does, and what the simulator charges.
    const EFFECT: &'static str;
    /// Why it has no effect yet, if it has none.
    const NOT_ENFORCED: Option<&'static str> = None;
    /// Its parameters, 32 at most.
    const PARAMETERS: &'static [Parameter<Self>];

    /// Whether it says "not at all", so that a strong rule takes a weaker rule's treatment away.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// A rule that takes part in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AppliedRule {
    /// Its index in the plan.
    pub rule: usize,
    /// Weighted share of its true conditions, 0..1.
    pub score: f64,
}

/// Which rule set a parameter of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Winner {
    /// Type of the action, as `cache`.
    pub action: &'static str,
    /// Name of the parameter in the plan, as `policy`.
    pub parameter: &'static str,
    /// The rule's index in the plan.
    pub rule: usize,
}

fn describe_action<A: Action>() -> Value {
    let defaults = serde_json::to_value(A::default()).unwrap_or_default();
    let parameters = A::PARAMETERS
        .iter()
        .map(|parameter| parameter.describe(&defaults));
    json!({
        "name": A::NAME, "summary": A::SUMMARY, "effect": A::EFFECT,
        "enforced": A::NOT_ENFORCED.is_none(), "not_enforced": A::NOT_ENFORCED,
        "parameters": parameters.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    /// A value that is not the default, as the plan would have it.
    fn another(kind: ParameterKind, default: &Value) -> Value {
        let candidates = match kind {
            ParameterKind::Bool => vec![json!(true), json!(false)],
            ParameterKind::Word(words) => words.iter().map(|word| json!(word)).collect(),
            ParameterKind::Share => vec![json!(0.25)],
            ParameterKind::Ratio(most) => vec![json!(most)],
            ParameterKind::Duration => vec![json!(5_000_000_000_u64)],
            ParameterKind::Size(least, _)
            | ParameterKind::Count(least, _)
            | ParameterKind::Rate(least, _) => {
                vec![json!(least), json!(least + 1)]
            }
        };
        candidates
            .into_iter()
            .find(|value| value != default)
            .expect("a kind has two values")
    }

    fn every_parameter_is_set<A: Action>() {
        let defaults = serde_json::to_value(A::default()).expect("an action is data");
        assert!(A::PARAMETERS.len() <= 32, "{}: a decision counts 32", A::NAME);
        assert!(!A::SUMMARY.is_empty() && A::EFFECT.ends_with('.'), "{}", A::NAME);
        for parameter in A::PARAMETERS {
            assert!(parameter.summary.ends_with('.'), "{}.{}", A::NAME, parameter.name);
            if matches!(parameter.set, Set::Never) {
                continue;
            }
            let default = defaults.get(parameter.key);
            let default = default.unwrap_or_else(|| panic!("{} has no field {}", A::NAME, parameter.key));
            let value = another(parameter.kind, default);
            let given = Map::from_iter([(parameter.key.to_owned(), value.clone())]);
            let settings = parameter::read(A::PARAMETERS, &given);
            let written = value.to_string();
            if parameter.refused.iter().any(|(word, _)| written == *word) {
                assert!(settings.is_err(), "{}.{}", A::NAME, parameter.name);
                continue;
            }
            let mut part = Part::<A>::default();
            let mut winners = Vec::new();
            part.apply(&settings.expect("within its range"), 7, &mut winners);
            assert_eq!(
                (winners[0].action, winners[0].parameter, winners[0].rule),
                (A::NAME, parameter.key, 7)
            );
            if let Some(action) = part.finish() {
                let set = serde_json::to_value(action).expect("an action is data");
                assert_eq!(set[parameter.key], value, "{}.{}", A::NAME, parameter.name);
            }
        }
    }

    #[test]
    fn every_parameter_of_every_action_is_read_and_set() {
        every_parameter_is_set::<CacheAction>();
        every_parameter_is_set::<PrefetchAction>();
        every_parameter_is_set::<StreamAction>();
        every_parameter_is_set::<CoordinateAction>();
        every_parameter_is_set::<CompressAction>();
        every_parameter_is_set::<PrioritizeAction>();
        assert_eq!(NAMES.len(), 6, "an action that is not tested here");
    }

    #[test]
    fn a_stronger_rule_wins_key_by_key_and_none_takes_away() {
        let patch = |parameters: Value| {
            let parameters = parameters.as_object().expect("a mapping").clone();
            Patch::compile(&[ActionSpec {
                kind: "cache".into(),
                parameters,
            }])
            .expect("it fits")
        };
        let mut composed = Composed::default();
        patch(json!({"share": 0.5})).apply(1, &mut composed);
        patch(json!({"share": 0.9, "policy": "pinned"})).apply(0, &mut composed);
        let cache = composed.finish(Vec::new()).cache.expect("asked for");
        assert_eq!((cache.share, cache.policy), (0.5, "pinned"));

        let mut composed = Composed::default();
        patch(json!({"policy": "none"})).apply(1, &mut composed);
        patch(json!({"policy": "pinned"})).apply(0, &mut composed);
        assert_eq!(composed.finish(Vec::new()).cache, None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_name_and_value() {
        let compile = |kind: &str, parameters: Value| {
            let parameters = parameters.as_object().expect("a mapping").clone();
            let error = Patch::compile(&[ActionSpec {
                kind: kind.into(),
                parameters,
            }]);
            error.expect_err("it does not fit").to_string()
        };
        assert!(compile("cache", json!({"share": 1.5})).contains("'share' cannot be 1.5"));
        assert!(compile("cache", json!({"pin": true})).contains("unknown parameter 'pin'"));
        assert!(
            compile("coordinate", json!({"single_flight": false})).contains("never fetches one block twice")
        );
        assert!(compile("teleport", json!({})).contains("cache, prefetch, stream"));
    }
}
