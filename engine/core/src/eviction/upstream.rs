//! The ancestor's score of a cached file: .3 frequency + .3 recency + .2 size + .2 kind. The lowest leaves first.
//! Source: `weed/mount/ml/cache_policy.go` of SeaweedFS, branch improve-fuse-mount, 2025; a policy to beat beside LRU.
//!
//! Its absolute thresholds are left out: by them only settings that were read once could ever leave. Of its inputs a hot
//! region is a block with more than 50 reads, which is the ancestor's own limit for serving; relevance to the epoch is
//! 1 for sets that are read in shuffled epochs, and reuse is never predicted.
//!
//! Recency is 1 for a minute, falls to .1 in nine and stays there. So blocks are in three groups, each with an order that
//! time does not change: within the falling group all scores fall alike, and the time of the last read can be put into the
//! key. A victim is the lowest of three firsts, and each read costs O(log n).

use std::collections::BTreeSet;

use super::list::SlotList;
use super::{Asked, Eviction, Slot};
use crate::Nanos;
use crate::filetype::FileType;
use crate::rules::AccessPattern;

const FREQUENCY: f64 = 0.3;
const RECENCY: f64 = 0.3;
const SIZE: f64 = 0.2;
const KIND: f64 = 0.2;
/// Recency is full up to here, and lowest from there on [s].
const FRESH_S: f64 = 60.0;
const OLD_S: f64 = 600.0;
const OLD_RECENCY: f64 = 0.1;
/// Recency lost per second between the two [1/s].
const FALL: f64 = (1.0 - OLD_RECENCY) / (OLD_S - FRESH_S);
const SMALL_BYTES: f64 = 10.0 * 1024.0 * 1024.0;
const HOT_READS: u32 = 50;

/// How recently something was read, 1 to .1, after so many seconds.
fn recency(age_s: f64) -> f64 {
    (1.0 - FALL * (age_s - FRESH_S)).clamp(OLD_RECENCY, 1.0)
}

/// The part of the score that only a read changes.
fn worth(reads: u32, asked: &Asked) -> f64 {
    let is_model = matches!(asked.kind, FileType::Model | FileType::Checkpoint);
    let is_epoch = asked.pattern == Some(AccessPattern::Shuffled);
    let is_in_order = asked.pattern == Some(AccessPattern::Sequential);
    let mut frequency = f64::from(reads + 1).ln();
    let mut kind = match asked.kind {
        FileType::Model | FileType::Checkpoint => 1.0,
        FileType::Dataset => 0.8,
        FileType::Tensor => 0.7,
        FileType::Config | FileType::Tokenizer | FileType::Index => 0.4,
        FileType::Log => 0.3,
        FileType::Unknown => 0.5,
    };
    for (holds, of_frequency, of_kind) in [
        (asked.kind == FileType::Dataset, 1.5, 1.0),
        (is_model, 2.0, 1.0),
        (is_in_order, 1.3, if is_model { 1.5 } else { 1.2 }),
        (is_epoch, 1.4, 1.3 * 1.3),
        (reads > HOT_READS, 1.0, 1.1),
    ] {
        if holds {
            frequency *= of_frequency;
            kind *= of_kind;
        }
    }
    let bytes = asked.bytes as f64;
    let size = match bytes < SMALL_BYTES {
        true => 1.2,
        false => (SMALL_BYTES / bytes).sqrt().max(0.3),
    };
    FREQUENCY * frequency + SIZE * size + KIND * kind
}

/// A score that sorts, its lower first; then the block that was read longest ago.
type Key = (u64, u64, Slot);

/// The bits of a score above 0, in its order.
fn bits(score: f64) -> u64 {
    score.to_bits()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Age {
    #[default]
    Fresh,
    Falling,
    Old,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    asked: Asked,
    reads: u32,
    worth: f64,
    at_s: f64,
    /// Reads of all blocks before this one's last: who was read longest ago among equals.
    turn: u64,
    age: Age,
}

impl Known {
    fn key(&self, slot: Slot) -> Key {
        let added = match self.age {
            Age::Fresh | Age::Old => 0.0,
            Age::Falling => RECENCY * FALL * self.at_s,
        };
        (bits(self.worth + added), self.turn, slot)
    }
}

/// Evicts the block with the lowest score.
#[derive(Debug, Default)]
pub struct Upstream {
    known: Vec<Known>,
    now_s: f64,
    turns: u64,
    /// Blocks that are fresh, and whose recency falls, in the order of their last reads.
    fresh: SlotList,
    falling: SlotList,
    /// By key, each with the blocks of one age.
    ranked: [BTreeSet<Key>; 3],
}

impl Upstream {
    /// Put a block into the group of an age.
    fn enter(&mut self, slot: Slot, age: Age) {
        let known = &mut self.known[slot as usize];
        known.age = age;
        let key = known.key(slot);
        self.ranked[age as usize].insert(key);
        match age {
            Age::Fresh => self.fresh.push_back(slot),
            Age::Falling => self.falling.push_back(slot),
            Age::Old => {}
        }
    }

    fn leave(&mut self, slot: Slot) {
        let known = &self.known[slot as usize];
        self.ranked[known.age as usize].remove(&known.key(slot));
        match known.age {
            Age::Fresh => self.fresh.remove(slot),
            Age::Falling => self.falling.remove(slot),
            Age::Old => {}
        }
    }

    /// Let blocks grow old.
    fn advance(&mut self, now_s: f64) {
        self.now_s = now_s;
        for (age, after_s) in [(Age::Falling, FRESH_S), (Age::Old, OLD_S)] {
            loop {
                let eldest = match age {
                    Age::Falling => self.fresh.front(),
                    _ => self.falling.front(),
                };
                match eldest {
                    Some(slot) if now_s - self.known[slot as usize].at_s > after_s => {
                        self.leave(slot);
                        self.enter(slot, age);
                    }
                    _ => break,
                }
            }
        }
    }

    fn count(&mut self, slot: Slot, reads: u32) {
        self.turns += 1;
        let known = &mut self.known[slot as usize];
        known.reads = reads;
        known.worth = worth(reads, &known.asked);
        (known.at_s, known.turn) = (self.now_s, self.turns);
        self.enter(slot, Age::Fresh);
    }

    fn know(&mut self, slot: Slot) -> &mut Known {
        let index = slot as usize;
        if index >= self.known.len() {
            self.known.resize(index + 1, Known::default());
        }
        &mut self.known[index]
    }

    fn score(&self, slot: Slot) -> f64 {
        let known = &self.known[slot as usize];
        known.worth + RECENCY * recency(self.now_s - known.at_s)
    }
}

impl Eviction for Upstream {
    fn asked(&mut self, slot: Slot, asked: &Asked) {
        self.know(slot).asked = *asked;
        self.advance(seconds(asked.now));
    }

    fn insert(&mut self, slot: Slot) {
        self.know(slot);
        self.count(slot, 1);
    }

    fn touch(&mut self, slot: Slot) {
        self.leave(slot);
        let reads = self.known[slot as usize].reads.saturating_add(1);
        self.count(slot, reads);
    }

    fn remove(&mut self, slot: Slot) {
        self.leave(slot);
    }

    fn victim(&mut self) -> Option<Slot> {
        let firsts = self.ranked.iter().filter_map(|group| group.first());
        let slots = firsts.map(|&(_, turn, slot)| (self.score(slot), turn, slot));
        slots
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, _, slot)| slot)
    }
}

fn seconds(now: Nanos) -> f64 {
    now.0 as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MINUTE: u64 = 60_000_000_000;

    fn file(kind: FileType) -> Asked {
        Asked {
            kind,
            bytes: MIB,
            ..Asked::default()
        }
    }

    fn read_as(pattern: AccessPattern) -> Asked {
        Asked {
            pattern: Some(pattern),
            ..file(FileType::Model)
        }
    }

    fn at(asked: Asked, minutes: u64) -> Asked {
        Asked {
            now: Nanos(minutes * MINUTE),
            ..asked
        }
    }

    /// The order in which blocks leave that came as told, one after the other.
    fn leaving(came: &[Asked], now: Nanos) -> Vec<Slot> {
        let mut policy = Upstream::default();
        for (slot, asked) in came.iter().enumerate() {
            policy.asked(slot as Slot, asked);
            policy.insert(slot as Slot);
        }
        policy.advance(seconds(now));
        std::iter::from_fn(|| {
            let victim = policy.victim()?;
            policy.remove(victim);
            Some(victim)
        })
        .collect()
    }

    #[test]
    fn the_weights_are_shares_of_one() {
        assert_eq!(FREQUENCY + RECENCY + SIZE + KIND, 1.0);
    }

    #[test]
    fn recency_is_one_for_a_minute_and_a_tenth_from_ten_minutes_on() {
        assert_eq!(
            (recency(0.0), recency(60.0), recency(600.0), recency(1e6)),
            (1.0, 1.0, 0.1, 0.1)
        );
        assert!((recency(330.0) - 0.55).abs() < 1e-12);
    }

    #[test]
    fn models_stay_before_training_data_and_these_before_others_of_the_same_size() {
        use FileType::{Config, Dataset, Log, Model, Tensor, Unknown};
        let kinds = [Model, Dataset, Tensor, Unknown, Config, Log];
        let came: Vec<Asked> = kinds.map(file).to_vec();
        assert_eq!(leaving(&came, Nanos(0)), [5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn a_model_in_order_is_worth_more_than_one_in_none_and_small_more_than_large() {
        use AccessPattern::{Random, Sequential, Shuffled};
        let in_order = worth(1, &read_as(Sequential));
        let in_epochs = worth(1, &read_as(Shuffled));
        let in_none = worth(1, &read_as(Random));
        assert!(in_order > in_none && in_epochs > in_none);
        let large = |bytes| Asked {
            bytes,
            ..file(FileType::Model)
        };
        let worths = [MIB, 20 * MIB, 60 * MIB, 1000 * MIB].map(|bytes| worth(1, &large(bytes)));
        assert!(worths.is_sorted_by(|a, b| a > b), "{worths:?}");
    }

    #[test]
    fn hot_is_worth_more_than_the_count_alone() {
        let step = |reads| worth(reads + 1, &file(FileType::Model)) - worth(reads, &file(FileType::Model));
        assert!(step(50) > 2.0 * step(49));
    }

    #[test]
    fn what_was_read_once_half_an_hour_ago_leaves_before_what_is_fresh() {
        let unknown = file(FileType::Unknown);
        let came = [at(unknown, 0), at(unknown, 25), at(unknown, 30)];
        assert_eq!(leaving(&came, Nanos(30 * MINUTE)), [0, 1, 2]);
        // a model of that age still goes last
        let came = [
            at(file(FileType::Model), 0),
            at(file(FileType::Log), 30),
            at(unknown, 30),
        ];
        assert_eq!(leaving(&came, Nanos(30 * MINUTE)), [1, 2, 0]);
    }

    /// The three groups agree with the score of each block, whatever the times of reads.
    #[test]
    fn the_victim_is_the_lowest_score_of_all() {
        let mut policy = Upstream::default();
        let mut state = 1_u64;
        let mut is_in = [false; 40];
        for step in 0..4000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let slot = (state >> 33) as usize % is_in.len();
            let asked = Asked {
                now: Nanos(step * MINUTE / 7),
                bytes: MIB << (state >> 60),
                kind: FileType::ALL[slot % FileType::ALL.len()],
                pattern: None,
            };
            policy.asked(slot as Slot, &asked);
            if is_in[slot] {
                policy.touch(slot as Slot);
            } else {
                policy.insert(slot as Slot);
                is_in[slot] = true;
            }
            let victim = policy.victim().expect("one is in");
            let lowest = (0..is_in.len() as Slot)
                .filter(|&slot| is_in[slot as usize])
                .map(|slot| policy.score(slot))
                .fold(f64::MAX, f64::min);
            assert!((policy.score(victim) - lowest).abs() < 1e-9, "step {step}");
            if step % 3 == 0 {
                policy.remove(victim);
                is_in[victim as usize] = false;
            }
        }
    }
}
