//! Plain values and where each was written. Absent: how they are read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::finding::Mark;

/// A text that was read: its values with their places.
#[derive(Debug)]
pub struct Document {
    /// The mapping on top.
    pub root: Node,
    pub(crate) words: Words,
}

/// A value and where it starts.
#[derive(Debug)]
pub struct Node {
    /// Where it was written.
    pub mark: Mark,
    /// Number of its anchor, from 1; 0 without one.
    pub anchor: u32,
    /// What it is.
    pub value: Value,
}

/// What can be written. Texts are numbers of words: recipes say the same few over and over.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// Above `i64::MAX`.
    Large(u64),
    Float(f64),
    Text(u32),
    List(Vec<Node>),
    Mapping(Mapping),
    /// The value of the anchor with this number.
    Alias(u32),
}

/// Keys in the order in which they were written.
#[derive(Debug, Default)]
pub struct Mapping {
    entries: Vec<(u32, Mark, Node)>,
    /// Places of keys; only once there are many.
    places: Option<Box<FxHashMap<u32, u32>>>,
}

/// So many keys are found faster one after the other.
const FEW_ENTRIES: usize = 16;

/// One step of a path through a document.
#[derive(Debug, Clone, Copy)]
pub enum Part<'p> {
    /// Into a mapping.
    Key(&'p str),
    /// Into a list.
    Index(usize),
}

impl Mapping {
    /// Number of the key, the key's place and the value of each entry.
    pub fn entries(&self) -> &[(u32, Mark, Node)] {
        &self.entries
    }

    pub(crate) fn find(&self, key: u32) -> Option<&(u32, Mark, Node)> {
        if self.entries.len() <= FEW_ENTRIES {
            return self.entries.iter().find(|entry| entry.0 == key);
        }
        let place = *self.places.as_ref()?.get(&key)?;
        self.entries.get(place as usize)
    }

    pub(crate) fn push(&mut self, key: u32, mark: Mark, node: Node) {
        self.entries.push((key, mark, node));
        if self.entries.len() > FEW_ENTRIES {
            let places = self.places.get_or_insert_default();
            let new = self.entries.iter().enumerate().skip(places.len());
            places.extend(new.map(|(place, entry)| (entry.0, place as u32)));
        }
    }
}

impl Document {
    /// Every word of the document, by number.
    pub fn words(&self) -> &[Arc<str>] {
        &self.words.all
    }

    /// Where the innermost thing on a path was written; with `of_key`, its key where it has one.
    pub fn mark(&self, path: &[Part<'_>], of_key: bool) -> Mark {
        let (mut node, mut mark) = (&self.root, self.root.mark);
        for part in path {
            let next = match (part, &node.value) {
                (Part::Index(index), Value::List(items)) => items.get(*index).map(|item| (item.mark, item)),
                (Part::Key(key), Value::Mapping(mapping)) => {
                    let entry = self.words.number(key).and_then(|number| mapping.find(number));
                    entry.map(|(_, key, item)| (if of_key { *key } else { item.mark }, item))
                }
                _ => None,
            };
            let Some(next) = next else { break };
            (mark, node) = next;
        }
        mark
    }
}

/// Each text once.
#[derive(Debug, Default)]
pub(crate) struct Words {
    all: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, u32>,
}

impl Words {
    pub(crate) fn take(&mut self, text: &str) -> u32 {
        if let Some(number) = self.number(text) {
            return number;
        }
        let (number, text) = (self.all.len() as u32, Arc::<str>::from(text));
        self.all.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    pub(crate) fn get(&self, number: u32) -> &str {
        &self.all[number as usize]
    }

    pub(crate) fn number(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }
}
