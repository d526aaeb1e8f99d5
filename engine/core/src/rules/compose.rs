//! From the actions of the rules that apply to one decision: for each parameter the strongest rule that sets it wins.

use serde_json::{Map, Value};

use crate::action::{CacheAction, CachePriority, Decision, PrefetchAction, PrefetchMode, Trigger, Winner};
use crate::{ActionSpec, CoreError};

/// Word for "not at all" as a policy or a mode: a strong rule takes a weaker rule's treatment away with it.
const NONE: &str = "none";

/// A rule's actions, typed, with what it left open.
#[derive(Debug, Default)]
pub(super) struct Patch {
    cache: Option<Vec<CacheField>>,
    prefetch: Option<Vec<PrefetchField>>,
}

#[derive(Debug, Clone)]
enum CacheField {
    Policy(Option<String>),
    Share(f64),
    Immutable(bool),
    Staleness(u64),
    Lock(bool),
    Priority(CachePriority),
}

#[derive(Debug, Clone, Copy)]
enum PrefetchField {
    Mode(Option<PrefetchMode>),
    Share(f64),
    Window(u64),
    Files(u32),
    Depth(u32),
    Trigger(Trigger),
}

impl CacheField {
    fn name(&self) -> &'static str {
        match self {
            CacheField::Policy(_) => "policy",
            CacheField::Share(_) => "share",
            CacheField::Immutable(_) => "immutable",
            CacheField::Staleness(_) => "staleness_ns",
            CacheField::Lock(_) => "lock",
            CacheField::Priority(_) => "priority",
        }
    }
}

impl PrefetchField {
    fn name(&self) -> &'static str {
        match self {
            PrefetchField::Mode(_) => "mode",
            PrefetchField::Share(_) => "share",
            PrefetchField::Window(_) => "window_bytes",
            PrefetchField::Files(_) => "files",
            PrefetchField::Depth(_) => "depth",
            PrefetchField::Trigger(_) => "trigger",
        }
    }
}

impl Patch {
    /// Read a rule's actions. Types that the engine does not carry out are left aside; recipes warn of them.
    pub(super) fn compile(actions: &[ActionSpec]) -> Result<Patch, CoreError> {
        let mut patch = Patch::default();
        for action in actions {
            let problem = |error: String| CoreError::Plan(format!("action {}: {error}", action.kind));
            match action.kind.as_str() {
                "cache" => patch.cache = Some(cache_fields(&action.parameters).map_err(problem)?),
                "prefetch" => patch.prefetch = Some(prefetch_fields(&action.parameters).map_err(problem)?),
                _ => {}
            }
        }
        Ok(patch)
    }

    /// Add this rule's parameters to a decision that stronger rules have had their say in.
    pub(super) fn apply(&self, rule: usize, composed: &mut Composed) {
        for field in self.cache.iter().flatten() {
            composed.set_cache(field, rule);
        }
        for field in self.prefetch.iter().flatten() {
            composed.set_prefetch(*field, rule);
        }
        composed.has_cache |= self.cache.is_some();
        composed.has_prefetch |= self.prefetch.is_some();
    }
}

/// A decision in the making.
#[derive(Default)]
pub(super) struct Composed {
    cache: CacheAction,
    prefetch: PrefetchAction,
    has_cache: bool,
    has_prefetch: bool,
    no_cache: bool,
    no_prefetch: bool,
    winners: Vec<Winner>,
}

impl Composed {
    fn wins(&mut self, action: &'static str, parameter: &'static str, rule: usize) -> bool {
        let taken = self
            .winners
            .iter()
            .any(|winner| winner.action == action && winner.parameter == parameter);
        if !taken {
            self.winners.push(Winner {
                action,
                parameter,
                rule,
            });
        }
        !taken
    }

    fn set_cache(&mut self, field: &CacheField, rule: usize) {
        if !self.wins("cache", field.name(), rule) {
            return;
        }
        match field {
            CacheField::Policy(Some(policy)) => self.cache.policy.clone_from(policy),
            CacheField::Policy(None) => self.no_cache = true,
            CacheField::Share(share) => self.cache.share = *share,
            CacheField::Immutable(immutable) => self.cache.immutable = *immutable,
            CacheField::Staleness(staleness) => self.cache.staleness_ns = Some(*staleness),
            CacheField::Lock(lock) => self.cache.lock = *lock,
            CacheField::Priority(priority) => self.cache.priority = *priority,
        }
    }

    fn set_prefetch(&mut self, field: PrefetchField, rule: usize) {
        if !self.wins("prefetch", field.name(), rule) {
            return;
        }
        match field {
            PrefetchField::Mode(Some(mode)) => self.prefetch.mode = mode,
            PrefetchField::Mode(None) => self.no_prefetch = true,
            PrefetchField::Share(share) => self.prefetch.share = share,
            PrefetchField::Window(window) => self.prefetch.window_bytes = window,
            PrefetchField::Files(files) => self.prefetch.files = files,
            PrefetchField::Depth(depth) => self.prefetch.depth = depth,
            PrefetchField::Trigger(trigger) => self.prefetch.trigger = trigger,
        }
    }

    pub(super) fn finish(self, decision: &mut Decision) {
        decision.cache = (self.has_cache && !self.no_cache).then_some(self.cache);
        decision.prefetch = (self.has_prefetch && !self.no_prefetch).then_some(self.prefetch);
        decision.winners = self.winners;
    }
}

fn cache_fields(parameters: &Map<String, Value>) -> Result<Vec<CacheField>, String> {
    parameters
        .iter()
        .map(|(name, value)| cache_field(name, value))
        .collect()
}

fn cache_field(name: &str, value: &Value) -> Result<CacheField, String> {
    Ok(match name {
        "policy" => {
            let policy = typed(name, value, value.as_str())?;
            CacheField::Policy((policy != NONE).then(|| policy.to_owned()))
        }
        "share" => CacheField::Share(share(name, value)?),
        "immutable" => CacheField::Immutable(typed(name, value, value.as_bool())?),
        "staleness_ns" => CacheField::Staleness(typed(name, value, value.as_u64())?),
        "lock" => CacheField::Lock(typed(name, value, value.as_bool())?),
        "priority" => CacheField::Priority(word(name, value)?),
        "tier" if value == "memory" => return Err("tier is implied: memory is the only one".into()),
        _ => return Err(format!("unknown parameter '{name}'")),
    })
}

fn prefetch_fields(parameters: &Map<String, Value>) -> Result<Vec<PrefetchField>, String> {
    parameters
        .iter()
        .map(|(name, value)| prefetch_field(name, value))
        .collect()
}

fn prefetch_field(name: &str, value: &Value) -> Result<PrefetchField, String> {
    Ok(match name {
        "mode" if value == NONE => PrefetchField::Mode(None),
        "mode" => PrefetchField::Mode(Some(word(name, value)?)),
        "share" => PrefetchField::Share(share(name, value)?),
        "window_bytes" => PrefetchField::Window(typed(name, value, value.as_u64())?),
        "files" => PrefetchField::Files(count(name, value)?),
        "depth" => PrefetchField::Depth(count(name, value)?),
        "trigger" => PrefetchField::Trigger(word(name, value)?),
        _ => return Err(format!("unknown parameter '{name}'")),
    })
}

fn typed<T>(name: &str, value: &Value, read: Option<T>) -> Result<T, String> {
    read.ok_or_else(|| format!("'{name}' cannot be {value}"))
}

fn share(name: &str, value: &Value) -> Result<f64, String> {
    typed(
        name,
        value,
        value.as_f64().filter(|share| (0.0..=1.0).contains(share)),
    )
}

fn count(name: &str, value: &Value) -> Result<u32, String> {
    typed(
        name,
        value,
        value.as_u64().and_then(|count| u32::try_from(count).ok()),
    )
}

fn word<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|_| format!("'{name}' cannot be {value}"))
}
