//! What happens to each file: decisions from the rules, taken anew when what they depend on changes; a new plan.
//! Absent: judging conditions (`rules`), carrying actions out.

use crate::cache::Core;
use crate::catalog::NONE;
use crate::class::{Ahead, CacheClass, OrderClass, PrefetchClass, some_policy_ranks_files};
use crate::decisions::DecisionTrace;
use crate::eviction::Slot;
use crate::observation::{ObservedRead, Observer};
use crate::rules::{LiveFacts, Reach, Rules};
use crate::treatment::Treatments;
use crate::{
    CoreError, Decision, Extent, FactSet, FileFacts, FileId, KnownFormat, Plan, PrioritizeAction, ReaderId,
};

impl Core {
    pub(crate) fn seen(&mut self, file: FileId, facts: &FileFacts) -> Result<(), CoreError> {
        if file.0 as usize != self.catalog.files.len() {
            return Err(CoreError::Unknown {
                what: "next file id",
                id: u64::from(file.0),
            });
        }
        self.catalog.add(facts);
        self.stats.files += 1;
        self.longest_block = self.longest_block.max(facts.size.min(self.plan.block_bytes));
        if let Some(observer) = &mut self.observer {
            observer.add(&facts.path, facts.size);
        }
        let decision = self.rules.decide(facts, &self.live_facts(file), &self.around);
        self.assign(file, decision)
    }

    /// Put a file into the classes of its decision.
    fn assign(&mut self, file: FileId, decision: Decision) -> Result<(), CoreError> {
        self.decisions.note(file, self.now, &decision);
        self.treat(file, &decision);
        let tier_bytes = self.plan.tiers.memory.bytes;
        let class = match decision.cache {
            None => NONE,
            Some(action) => match self.classes.iter().position(|class| class.action == action) {
                Some(index) => index as u32,
                None => {
                    self.classes.push(CacheClass::new(action, tier_bytes)?);
                    self.classes.len() as u32 - 1
                }
            },
        };
        let order = decision.prioritize.map_or(NONE, |action| self.order_of(action));
        let prefetch = decision.prefetch.map(Ahead::Prefetch);
        let stream = decision.stream.map(Ahead::Stream);
        let prefetch = prefetch.map_or(Ok(NONE), |ahead| self.group_of(ahead, order))?;
        let stream = stream.map_or(Ok(NONE), |ahead| self.group_of(ahead, order))?;
        let known = &mut self.catalog.files[file.0 as usize];
        (known.class, known.order) = (class, order);
        known.is_untreated = (class, prefetch, stream) == (NONE, NONE, NONE) && decision.coordinate.is_none();
        let is_empty = known.size == 0;
        for (now, before) in [(prefetch, &mut known.prefetch), (stream, &mut known.stream)] {
            if *before != now {
                *before = now;
                if now != NONE && !is_empty {
                    let group = &mut self.prefetches[now as usize];
                    group.has_members = true;
                    group.prefetcher.member(file);
                }
            }
        }
        Ok(())
    }

    /// Count a file where its rules are counted.
    fn treat(&mut self, file: FileId, decision: &Decision) {
        let treatment = self.treatments.of(&decision.applied);
        let known = &mut self.catalog.files[file.0 as usize];
        let before = std::mem::replace(&mut known.treatment, treatment);
        if !known.is_dead && before != treatment {
            self.treatments.leaves(before, known.size);
            self.treatments.enters(treatment, known.size);
        }
    }

    fn order_of(&mut self, action: PrioritizeAction) -> u32 {
        let found = self.orders.iter().position(|order| order.action == action);
        let index = found.unwrap_or_else(|| {
            self.orders.push(OrderClass::new(action, self.now));
            self.orders.len() - 1
        });
        index as u32
    }

    /// The class of files that are fetched ahead alike, within one limit.
    fn group_of(&mut self, ahead: Ahead, order: u32) -> Result<u32, CoreError> {
        let is_limited = order != NONE && self.orders[order as usize].limit.is_some();
        let limit = if is_limited { order } else { NONE };
        let mut groups = self.prefetches.iter();
        if let Some(index) = groups.position(|group| group.ahead == ahead && group.limit == limit) {
            return Ok(index as u32);
        }
        let tier_bytes = self.plan.tiers.memory.bytes;
        self.prefetches
            .push(PrefetchClass::new(ahead, limit, tier_bytes)?);
        Ok(self.prefetches.len() as u32 - 1)
    }

    pub(crate) fn live_facts(&self, file: FileId) -> LiveFacts {
        let observer = self.observer.as_ref();
        observer.map_or(LiveFacts::default(), |observer| observer.facts(file))
    }

    pub(crate) fn judge(&self, file: FileId) -> Decision {
        let facts = self.catalog.facts(file);
        self.rules.decide(&facts, &self.live_facts(file), &self.around)
    }

    fn judge_anew(&mut self, file: FileId) -> Result<(), CoreError> {
        if self.catalog.files[file.0 as usize].is_dead {
            return Ok(());
        }
        let decision = self.judge(file);
        self.assign(file, decision)
    }

    /// Note how a file is read; decide anew where that changes the verdict of some condition.
    pub(crate) fn observe(&mut self, extent: &Extent, reader: ReaderId) -> Result<(), CoreError> {
        let Some(observer) = &mut self.observer else {
            return Ok(());
        };
        let read = ObservedRead {
            file: extent.file,
            reader,
            offset: extent.offset,
            length: extent.length,
        };
        let before = observer.facts(extent.file);
        let folder_changed = observer.read(&read, |file| self.catalog.path(file));
        let after = observer.facts(extent.file);
        if self.rules.depend_on_job(&before, &after, &self.around) {
            return self.judge_all_anew();
        }
        if self.rules.depend_on(&before, &after, &self.around) {
            self.judge_anew(extent.file)?;
        }
        if folder_changed && self.rules.ask_for_use() {
            for file in self
                .observer
                .iter()
                .flat_map(|seen| seen.folder_members(extent.file))
                .collect::<Vec<_>>()
            {
                self.judge_anew(file)?;
            }
        }
        Ok(())
    }

    /// Note who came to a file; decide anew where what that shows of the job changes a verdict.
    pub(crate) fn observe_open(&mut self, file: FileId, reader: ReaderId) -> Result<(), CoreError> {
        let Some(observer) = &mut self.observer else {
            return Ok(());
        };
        let before = observer.facts(file);
        observer.open(file, reader);
        let after = observer.facts(file);
        if self.rules.depend_on_job(&before, &after, &self.around) {
            self.judge_all_anew()?;
        }
        Ok(())
    }

    fn judge_all_anew(&mut self) -> Result<(), CoreError> {
        (0..self.catalog.files.len() as u32)
            .map(FileId)
            .try_for_each(|file| self.judge_anew(file))
    }

    pub(crate) fn recognized(&mut self, file: FileId, format: KnownFormat) -> Result<(), CoreError> {
        self.catalog.files[file.0 as usize].format = Some(format);
        if self.rules.need_content() {
            self.judge_anew(file)?;
        }
        Ok(())
    }

    /// Take over what is known of job and machine; decide anew what that can change.
    pub(crate) fn facts_changed(&mut self, facts: FactSet) -> Result<(), CoreError> {
        let before = std::mem::replace(&mut self.around, facts);
        if let Some(observer) = &mut self.observer {
            let job = |observer: &Observer| LiveFacts {
                job: observer.job(),
                ..LiveFacts::default()
            };
            let shown = job(observer);
            observer.set_work(self.around.work);
            if self.rules.depend_on_job(&shown, &job(observer), &self.around) {
                return self.judge_all_anew();
            }
        }
        let reach = self.rules.reach_of(&before, &self.around);
        for file in (0..self.catalog.files.len() as u32).map(FileId) {
            let concerned = match reach {
                Reach::None => break,
                Reach::All => true,
                Reach::Aged => self
                    .rules
                    .has_aged(&self.catalog.facts(file), &before, &self.around),
            };
            if concerned {
                self.judge_anew(file)?;
            }
        }
        Ok(())
    }

    pub(crate) fn swap_plan(&mut self, plan: Plan) -> Result<(), CoreError> {
        let rules = Rules::compile(&plan)?;
        if plan.block_bytes != self.plan.block_bytes {
            return Err(CoreError::Plan(format!(
                "block_bytes changes from {} to {}: remount needed",
                self.plan.block_bytes, plan.block_bytes
            )));
        }
        if plan.observe != self.plan.observe {
            return Err(CoreError::Plan("what is observed changes: remount needed".into()));
        }
        let needs_observer = needs_observer(&rules, &plan);
        let mut fresh = (needs_observer && self.observer.is_none()).then(|| self.catalog.observer());
        if let Some(observer) = &mut fresh {
            observer.set_work(self.around.work);
        }
        let decisions: Vec<Decision> = (0..self.catalog.files.len() as u32)
            .map(FileId)
            .map(|file| {
                let observer = fresh.as_ref().or(self.observer.as_ref());
                let live = observer.map_or(LiveFacts::default(), |seen| seen.facts(file));
                rules.decide(&self.catalog.facts(file), &live, &self.around)
            })
            .collect();
        let caches = decisions.iter().filter_map(|decision| decision.cache);
        for action in caches.collect::<Vec<_>>() {
            CacheClass::new(action, plan.tiers.memory.bytes)?; // refuse before anything is changed
        }
        let held: Vec<Slot> = self.resident_slots();
        for &slot in &held {
            self.disown(slot);
        }
        for slot in self.staged_slots() {
            self.unstage(slot, false);
            self.release(slot);
        }
        self.decisions = DecisionTrace::new(plan.debug);
        self.treatments = Treatments::default();
        self.plan = plan;
        self.observer = fresh.or(self.observer.take()).filter(|_| needs_observer);
        self.rules = rules;
        self.classes.clear();
        self.prefetches.clear();
        self.clear_orders();
        for fetch in self.fetches.values_mut() {
            fetch.group = NONE;
        }
        for (file, decision) in decisions.into_iter().enumerate() {
            let known = &mut self.catalog.files[file];
            (known.prefetch, known.stream, known.treatment) = (NONE, NONE, NONE);
            self.assign(FileId(file as u32), decision)?;
        }
        for slot in held {
            if !self.readmit(slot) {
                self.release(slot);
            }
        }
        Ok(())
    }

    pub(crate) fn resident_slots(&self) -> Vec<Slot> {
        let blocks = self.catalog.blocks.iter().enumerate();
        blocks
            .filter(|(_, block)| block.is_resident)
            .map(|(slot, _)| slot as Slot)
            .collect()
    }

    fn staged_slots(&self) -> Vec<Slot> {
        let blocks = self.catalog.blocks.iter().enumerate();
        blocks
            .filter(|(_, block)| block.staged != NONE)
            .map(|(slot, _)| slot as Slot)
            .collect()
    }
}

/// Whether something must be known of how files are used.
pub(crate) fn needs_observer(rules: &Rules, plan: &Plan) -> bool {
    rules.need_live_facts() || some_policy_ranks_files(plan)
}
