//! coordinate: fetch each block once for all readers.

use serde::Serialize;

use super::Action;
use super::parameter::{Parameter, ParameterKind, Set, words};

words! {
    /// Whose readers share a fetch.
    Scope {
        /// Those of one process.
        Process = "process",
        /// All processes of the node: they read one mount.
        #[default]
        Node = "node",
        /// Those of other nodes too.
        Cluster = "cluster",
    }
}

/// Fetch each block once for all readers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CoordinateAction {
    /// Readers of a block on its way join its fetch.
    pub single_flight: bool,
    /// Whose.
    pub scope: Scope,
}

impl Default for CoordinateAction {
    fn default() -> CoordinateAction {
        CoordinateAction {
            single_flight: true,
            scope: Scope::Node,
        }
    }
}

impl Action for CoordinateAction {
    const NAME: &'static str = "coordinate";
    const SUMMARY: &'static str = "Fetch each block once for all readers.";
    const EFFECT: &'static str = "Who reads a block that is on its way joins its fetch, whatever process it is. So it is \
        wherever a file is cached or fetched ahead; with this action also where nothing else is done with it.";
    const PARAMETERS: &'static [Parameter<CoordinateAction>] = &[
        Parameter::<Self>::new(
            "single_flight",
            ParameterKind::Bool,
            "Readers of a block that is on its way join its fetch.",
            Set::Bool(|action, single_flight| action.single_flight = single_flight),
        )
        .refused(&[("false", "a mount never fetches one block twice at the same time")]),
        Parameter::<Self>::new(
            "scope",
            ParameterKind::Word(Scope::WORDS),
            "Whose readers share a fetch; process and node are the same within one mount.",
            Set::Word(|action, word| action.scope = Scope::ALL[word]),
        )
        .without_effect(&[(
            "cluster",
            "mounts of other nodes fetch for themselves, the scope is the node",
        )]),
    ];
}
