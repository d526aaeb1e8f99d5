//! What the engine has, in one value: Python's models, help, documents and conformance runs are made from it.

use serde_json::{Value, json};

use crate::action;
use crate::eviction::POLICIES;
use crate::filetype::{FORMATS, FileType};
use crate::prefetch::PREFETCHERS;
use crate::rules::{AccessPattern, FACTS, OPERATORS};

/// Facts, operators, actions, policies, prefetchers and the closed sets of words.
pub fn registry() -> Value {
    json!({
        "facts": FACTS,
        "operators": OPERATORS,
        "actions": action::describe(),
        "policies": POLICIES,
        "prefetchers": PREFETCHERS,
        "file_types": FileType::ALL.map(FileType::name),
        "file_formats": FORMATS,
        "access_patterns": AccessPattern::ALL.map(AccessPattern::name),
    })
}
