//! From the actions of the rules that apply to one decision: for each parameter the strongest rule that sets it wins.
//!
//! [`actions!`] makes the list of actions, the decision's fields and the composition from one line per action.

use super::parameter::Settings;
use super::{Action, Winner};

/// One action of a decision in the making.
#[derive(Debug, Default)]
pub(super) struct Part<A> {
    action: A,
    /// Which parameters were set, by their place in the list.
    taken: u32,
    is_asked_for: bool,
}

impl<A: Action> Part<A> {
    /// Add a rule's settings to what stronger rules have set.
    pub(super) fn apply(&mut self, settings: &Settings, rule: usize, winners: &mut Vec<Winner>) {
        self.is_asked_for = true;
        for &(place, given) in settings {
            if self.taken & (1 << place) != 0 {
                continue;
            }
            self.taken |= 1 << place;
            let parameter = &A::PARAMETERS[place];
            parameter.write(&mut self.action, given);
            winners.push(Winner {
                action: A::NAME,
                parameter: parameter.key,
                rule,
            });
        }
    }

    pub(super) fn finish(self) -> Option<A> {
        (self.is_asked_for && !self.action.is_nothing()).then_some(self.action)
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $field:ident: $type:ty),+ $(,)?) => {
        /// What happens to a file: the composed actions of the rules that apply. None of them means: streamed.
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
        pub struct Decision {
            $($(#[$doc])* pub $field: Option<$type>,)+
            /// The rules that took part, the strongest first.
            pub applied: Vec<AppliedRule>,
            /// Where each parameter that a rule set came from.
            pub winners: Vec<Winner>,
        }

        impl Decision {
            /// The actions alone, by name; null for those that no rule asks for.
            pub fn actions(&self) -> serde_json::Value {
                serde_json::json!({ $(<$type as Action>::NAME: self.$field),+ })
            }
        }

        /// A rule's actions, read, with what it left open.
        #[derive(Debug, Default)]
        pub(crate) struct Patch {
            $($field: Option<Settings>,)+
        }

        impl Patch {
            /// Read a rule's actions.
            pub(crate) fn compile(actions: &[ActionSpec]) -> Result<Patch, CoreError> {
                let mut patch = Patch::default();
                for action in actions {
                    let problem = |error: String| CoreError::Plan(format!("action {}: {error}", action.kind));
                    match action.kind.as_str() {
                        $(<$type as Action>::NAME => {
                            let settings = parameter::read(<$type as Action>::PARAMETERS, &action.parameters);
                            patch.$field = Some(settings.map_err(problem)?);
                        })+
                        _ => return Err(problem(format!("the engine knows {}", NAMES.join(", ")))),
                    }
                }
                Ok(patch)
            }

            /// Add this rule's parameters to a decision that stronger rules have had their say in.
            pub(crate) fn apply(&self, rule: usize, composed: &mut Composed) {
                $(if let Some(settings) = &self.$field {
                    composed.$field.apply(settings, rule, &mut composed.winners);
                })+
            }
        }

        /// A decision in the making.
        #[derive(Default)]
        pub(crate) struct Composed {
            $($field: Part<$type>,)+
            winners: Vec<Winner>,
        }

        impl Composed {
            pub(crate) fn finish(self, applied: Vec<AppliedRule>) -> Decision {
                Decision {
                    $($field: self.$field.finish(),)+
                    applied,
                    winners: self.winners,
                }
            }
        }

        const NAMES: &[&str] = &[$(<$type as Action>::NAME),+];

        /// Every action with its parameters, for Python, documents and people.
        pub fn describe() -> Vec<serde_json::Value> {
            vec![$(describe_action::<$type>()),+]
        }
    };
}
pub(super) use actions;
