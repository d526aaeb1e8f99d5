//! Which rules treat which files together, and what came of it: one tally for each set of rules, summed for each rule
//! when somebody asks. Absent: deciding (`rules`), and reads that the kernel answered alone, which nobody sees.

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::catalog::NONE;
use crate::stats::Tally;
use crate::{AppliedRule, FetchClass, Plan, ServedFrom};

/// Where reads were answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Served {
    source: Tally,
    resident: Tally,
    prefetched: Tally,
    late: Tally,
}

/// What was fetched from the source, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Fetched {
    demand: Tally,
    prefetch: Tally,
    refill: Tally,
}

/// Files that are treated alike now, and what happened to files while they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Treatment {
    files: u64,
    bytes: u64,
    served: Served,
    fetched: Fetched,
}

/// All sets of rules that ever applied together under one plan.
#[derive(Default)]
pub(crate) struct Treatments {
    numbers: FxHashMap<Box<[u32]>, u32>,
    all: Vec<Treatment>,
    /// The set that is looked up, so that a decision needs no memory of its own.
    wanted: Vec<u32>,
}

impl Treatments {
    /// The treatment by a set of rules, whatever their order.
    pub(crate) fn of(&mut self, applied: &[AppliedRule]) -> u32 {
        self.wanted.clear();
        self.wanted
            .extend(applied.iter().map(|applied| applied.rule as u32));
        self.wanted.sort_unstable();
        if let Some(&number) = self.numbers.get(&self.wanted[..]) {
            return number;
        }
        let number = self.all.len() as u32;
        self.numbers.insert(self.wanted.as_slice().into(), number);
        self.all.push(Treatment::default());
        number
    }

    /// A file is treated so from now on.
    pub(crate) fn enters(&mut self, treatment: u32, bytes: u64) {
        let entered = &mut self.all[treatment as usize];
        entered.files += 1;
        entered.bytes += bytes;
    }

    /// A file is no longer treated so.
    pub(crate) fn leaves(&mut self, treatment: u32, bytes: u64) {
        if treatment != NONE {
            let left = &mut self.all[treatment as usize];
            left.files -= 1;
            left.bytes -= bytes;
        }
    }

    /// A read of a file was answered.
    pub(crate) fn served(&mut self, treatment: u32, from: ServedFrom, bytes: u64) {
        let served = &mut self.all[treatment as usize].served;
        match from {
            ServedFrom::Source => &mut served.source,
            ServedFrom::Resident => &mut served.resident,
            ServedFrom::Prefetched => &mut served.prefetched,
            ServedFrom::Late => &mut served.late,
        }
        .add(bytes);
    }

    /// A block of a file came from the source.
    pub(crate) fn fetched(&mut self, treatment: u32, class: FetchClass, bytes: u64) {
        let fetched = &mut self.all[treatment as usize].fetched;
        match class {
            FetchClass::Demand => &mut fetched.demand,
            FetchClass::Prefetch => &mut fetched.prefetch,
            FetchClass::Refill => &mut fetched.refill,
        }
        .add(bytes);
    }

    /// The plan's rules as they were written, each with the files that it applies to now and what came of it so far, and
    /// what happened where no rule applies. A file counts for each of its rules.
    pub(crate) fn to_json(&self, plan: &Plan) -> Value {
        let mut sums = vec![Treatment::default(); plan.rules.len()];
        let mut none = Treatment::default();
        for (rules, &number) in &self.numbers {
            let part = &self.all[number as usize];
            if rules.is_empty() {
                none += part;
            }
            for &rule in rules {
                sums[rule as usize] += part;
            }
        }
        let rules = plan.rules.iter().zip(&sums).map(|(spec, sum)| {
            let mut rule = json!(spec);
            rule["threshold"] = spec.threshold.unwrap_or(plan.threshold).into();
            rule["now"] = json!(sum);
            rule
        });
        json!({
            "max_rules": plan.max_rules,
            "rules": rules.collect::<Vec<_>>(),
            "no_rule": none,
        })
    }
}

impl std::ops::AddAssign<&Treatment> for Treatment {
    fn add_assign(&mut self, part: &Treatment) {
        self.files += part.files;
        self.bytes += part.bytes;
        let (served, fetched) = (&part.served, &part.fetched);
        for (sum, part) in [
            (&mut self.served.source, served.source),
            (&mut self.served.resident, served.resident),
            (&mut self.served.prefetched, served.prefetched),
            (&mut self.served.late, served.late),
            (&mut self.fetched.demand, fetched.demand),
            (&mut self.fetched.prefetch, fetched.prefetch),
            (&mut self.fetched.refill, fetched.refill),
        ] {
            sum.count += part.count;
            sum.bytes += part.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rules: &[usize]) -> Vec<AppliedRule> {
        let rules = rules.iter();
        rules.map(|&rule| AppliedRule { rule, score: 1.0 }).collect()
    }

    #[test]
    fn a_set_of_rules_is_one_treatment_whatever_their_order() {
        let mut treatments = Treatments::default();
        let both = treatments.of(&applied(&[1, 0]));
        assert_eq!(treatments.of(&applied(&[0, 1])), both);
        assert_ne!(treatments.of(&applied(&[0])), both);
        assert_ne!(treatments.of(&[]), both);
    }
}
