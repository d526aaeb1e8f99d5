//! Parameters of actions: their kinds and ranges, and how a value of the plan is read and set. Absent: which there are.

use serde_json::{Map, Value, json};

/// What values a parameter takes, and within which range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParameterKind {
    /// True or false.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A part of a whole, 0..1.
    Share,
    /// How many times, from 1 [1].
    Ratio(f64),
    /// A number of bytes; recipes write `64MiB` too [bytes].
    Size(u64, u64),
    /// A time; nanoseconds in the plan, `60s` in recipes [s].
    Duration,
    /// A whole number [1].
    Count(u64, u64),
    /// A rate; recipes write `60MB/s` too [bytes/s].
    Rate(u64, u64),
}

impl ParameterKind {
    fn name(self) -> &'static str {
        match self {
            ParameterKind::Bool => "bool",
            ParameterKind::Word(_) => "word",
            ParameterKind::Share => "share",
            ParameterKind::Ratio(_) => "ratio",
            ParameterKind::Size(..) => "size",
            ParameterKind::Duration => "duration",
            ParameterKind::Count(..) => "count",
            ParameterKind::Rate(..) => "rate",
        }
    }

    fn unit(self) -> Option<&'static str> {
        match self {
            ParameterKind::Bool | ParameterKind::Word(_) => None,
            ParameterKind::Share | ParameterKind::Ratio(_) | ParameterKind::Count(..) => Some("1"),
            ParameterKind::Size(..) => Some("bytes"),
            ParameterKind::Duration => Some("s"),
            ParameterKind::Rate(..) => Some("bytes/s"),
        }
    }

    /// Smallest and largest value, in the plan's unit.
    fn range(self) -> (Value, Value) {
        match self {
            ParameterKind::Bool | ParameterKind::Word(_) => (Value::Null, Value::Null),
            ParameterKind::Share => (json!(0.0), json!(1.0)),
            ParameterKind::Ratio(most) => (json!(1.0), json!(most)),
            ParameterKind::Duration => (json!(0), json!(u64::MAX)),
            ParameterKind::Size(least, most)
            | ParameterKind::Count(least, most)
            | ParameterKind::Rate(least, most) => (json!(least), json!(most)),
        }
    }

    fn words(self) -> Option<&'static [&'static str]> {
        match self {
            ParameterKind::Word(words) => Some(words),
            _ => None,
        }
    }

    /// Read a value of the plan.
    fn read(self, value: &Value) -> Option<Given> {
        let whole = |least, most| value.as_u64().filter(|number| (least..=most).contains(number));
        let real = |least, most| value.as_f64().filter(|number| (least..=most).contains(number));
        match self {
            ParameterKind::Bool => value.as_bool().map(Given::Bool),
            ParameterKind::Word(words) => {
                let index = words.iter().position(|word| value == word);
                index.map(Given::Word)
            }
            ParameterKind::Share => real(0.0, 1.0).map(Given::Real),
            ParameterKind::Ratio(most) => real(1.0, most).map(Given::Real),
            ParameterKind::Duration => value.as_u64().map(Given::Whole),
            ParameterKind::Size(least, most)
            | ParameterKind::Count(least, most)
            | ParameterKind::Rate(least, most) => whole(least, most).map(Given::Whole),
        }
    }
}

/// A value that fits its parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given {
    Bool(bool),
    /// Index into the parameter's words.
    Word(usize),
    Whole(u64),
    Real(f64),
}

/// How a parameter is written into its action.
#[derive(Debug)]
pub enum Set<A> {
    /// From a truth value.
    Bool(fn(&mut A, bool)),
    /// From the index of a word.
    Word(fn(&mut A, usize)),
    /// From a whole number.
    Whole(fn(&mut A, u64)),
    /// From a real number.
    Real(fn(&mut A, f64)),
    /// Not at all: recipes only, in other words than the plan.
    Never,
}

/// One parameter of the action `A`.
#[derive(Debug)]
pub struct Parameter<A> {
    /// As recipes write it.
    pub name: &'static str,
    /// As plan and decision have it.
    pub key: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// One sentence, or a few.
    pub summary: &'static str,
    /// Values without effect, and why; `*` stands for all of them.
    pub without_effect: &'static [(&'static str, &'static str)],
    /// Values that nothing could honour, and why: an error.
    pub refused: &'static [(&'static str, &'static str)],
    /// How it is set.
    pub set: Set<A>,
}

impl<A> Parameter<A> {
    /// A parameter that plan and recipe name alike, and all of whose values are enforced.
    pub const fn new(
        name: &'static str,
        kind: ParameterKind,
        summary: &'static str,
        set: Set<A>,
    ) -> Parameter<A> {
        Parameter {
            name,
            key: name,
            kind,
            summary,
            without_effect: &[],
            refused: &[],
            set,
        }
    }

    /// In the plan it has another name.
    pub const fn key(mut self, key: &'static str) -> Parameter<A> {
        self.key = key;
        self
    }

    /// Some of its values have no effect.
    pub const fn without_effect(mut self, values: &'static [(&'static str, &'static str)]) -> Parameter<A> {
        self.without_effect = values;
        self
    }

    /// Some of its values are errors.
    pub const fn refused(mut self, values: &'static [(&'static str, &'static str)]) -> Parameter<A> {
        self.refused = values;
        self
    }

    fn read(&self, value: &Value) -> Result<Given, String> {
        let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.refused.iter().find(|(word, _)| *word == written) {
            Some((_, why)) => Err(format!("'{}' cannot be {value}: {why}", self.key)),
            None => self
                .kind
                .read(value)
                .ok_or_else(|| format!("'{}' cannot be {value}", self.key)),
        }
    }

    pub(super) fn write(&self, action: &mut A, given: Given) {
        match (&self.set, given) {
            (Set::Bool(set), Given::Bool(value)) => set(action, value),
            (Set::Word(set), Given::Word(value)) => set(action, value),
            (Set::Whole(set), Given::Whole(value)) => set(action, value),
            (Set::Real(set), Given::Real(value)) => set(action, value),
            _ => unreachable!("{} is set by another kind of value", self.name),
        }
    }

    /// For Python, documents and people; `defaults` is the action as it is when no rule sets anything.
    pub(super) fn describe(&self, defaults: &Value) -> Value {
        let (min, max) = self.kind.range();
        let by_value = |list: &[(&str, &str)]| -> Map<String, Value> {
            list.iter()
                .map(|(value, why)| ((*value).to_owned(), json!(why)))
                .collect()
        };
        let without_effect = by_value(self.without_effect);
        json!({
            "name": self.name, "key": self.key, "kind": self.kind.name(), "unit": self.kind.unit(),
            "min": min, "max": max, "words": self.kind.words(),
            "default": if matches!(self.set, Set::Never) { &Value::Null } else { &defaults[self.key] },
            "enforced": !without_effect.contains_key("*"), "without_effect": without_effect,
            "refused": by_value(self.refused), "summary": self.summary,
        })
    }
}

/// A rule's values for some parameters of one action, by their place in the action's list.
pub(super) type Settings = Vec<(usize, Given)>;

/// Read the parameters that a rule of the plan sets.
pub(super) fn read<A>(list: &[Parameter<A>], parameters: &Map<String, Value>) -> Result<Settings, String> {
    parameters
        .iter()
        .map(|(key, value)| {
            let is_meant = |known: &Parameter<A>| known.key == key && !matches!(known.set, Set::Never);
            let place = list.iter().position(is_meant);
            let place = place.ok_or_else(|| format!("unknown parameter '{key}'"))?;
            Ok((place, list[place].read(value)?))
        })
        .collect()
}

/// A set of words as an enum, in the order in which recipes list them.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$inner])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// Their words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}
pub(super) use words;
