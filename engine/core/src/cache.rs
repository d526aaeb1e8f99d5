//! The state machine: events in, effects and the next deadline out. Absent: time, bytes, devices.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{
    CoreError, Effect, Event, Extent, FetchClass, FetchId, FileFacts, FileId, Nanos, Plan, ServedFrom,
    TicketId,
};

/// How long a fetch may take before its readers get ETIMEDOUT [ns]: the default of `mlopt mount --deadline`.
const FETCH_DEADLINE_NS: u64 = 60_000_000_000;

struct Waiting {
    ticket: TicketId,
    extent: Extent,
}

/// The engine's core; one per mount or simulated mount.
pub struct Core {
    plan: Plan,
    now: Nanos,
    next_fetch: u64,
    files: Vec<FileFacts>,
    effects: VecDeque<Effect>,
    fetches: FxHashMap<FetchId, (Extent, Vec<Waiting>)>,
    in_flight: FxHashMap<(FileId, u64), FetchId>,
}

impl Core {
    /// Start with an empty cache.
    ///
    /// # Errors
    /// `CoreError::Plan` when the plan asks for what the engine does not have.
    pub fn new(plan: Plan) -> Result<Core, CoreError> {
        Ok(Core {
            plan,
            now: Nanos(0),
            next_fetch: 0,
            files: Vec::new(),
            effects: VecDeque::new(),
            fetches: FxHashMap::default(),
            in_flight: FxHashMap::default(),
        })
    }

    /// Take one event.
    ///
    /// # Errors
    /// When the driver broke the contract; the state is unchanged then.
    pub fn handle(&mut self, event: Event, now: Nanos) -> Result<(), CoreError> {
        if now < self.now {
            return Err(CoreError::TimeWentBackwards { last: self.now, now });
        }
        self.now = now;
        match event {
            Event::Seen { file, facts } => {
                debug_assert_eq!(file.0 as usize, self.files.len());
                self.files.push(facts);
            }
            Event::Read { ticket, extent, .. } => self.read(ticket, extent)?,
            Event::FetchDone { id, .. } => {
                let (extent, waiting) = self.take_fetch(id)?;
                for waiter in &waiting {
                    self.effects.push_back(Effect::Serve {
                        ticket: waiter.ticket,
                        from: ServedFrom::Source,
                    });
                    self.effects.push_back(Effect::DropKernel {
                        extent: waiter.extent,
                    });
                }
                self.effects.push_back(Effect::DropDaemon { extent });
            }
            Event::FetchFailed { id, errno } => {
                let (_, waiting) = self.take_fetch(id)?;
                for waiter in waiting {
                    self.effects.push_back(Effect::Fail {
                        ticket: waiter.ticket,
                        errno,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Take the next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the core wants a `Tick`, if ever.
    pub fn poll_deadline(&self) -> Option<Nanos> {
        None
    }

    fn take_fetch(&mut self, id: FetchId) -> Result<(Extent, Vec<Waiting>), CoreError> {
        let fetch = self.fetches.remove(&id).ok_or(CoreError::Unknown {
            what: "fetch",
            id: id.0,
        })?;
        self.in_flight.remove(&(fetch.0.file, fetch.0.offset));
        Ok(fetch)
    }

    fn read(&mut self, ticket: TicketId, extent: Extent) -> Result<(), CoreError> {
        let facts = self.files.get(extent.file.0 as usize).ok_or(CoreError::Unknown {
            what: "file",
            id: u64::from(extent.file.0),
        })?;
        let block = self.plan.block_bytes;
        let start = extent.offset / block * block;
        let end = extent.end().div_ceil(block).saturating_mul(block).min(facts.size);
        let id = *self.in_flight.entry((extent.file, start)).or_insert_with(|| {
            let id = FetchId(self.next_fetch);
            self.next_fetch += 1;
            let fetched = Extent {
                file: extent.file,
                offset: start,
                length: end - start,
            };
            self.effects.push_back(Effect::Fetch {
                id,
                extent: fetched,
                class: FetchClass::Demand,
                streams: 1,
                deadline: Nanos(self.now.0 + FETCH_DEADLINE_NS),
            });
            self.fetches.insert(id, (fetched, Vec::new()));
            id
        });
        if let Some((_, waiting)) = self.fetches.get_mut(&id) {
            waiting.push(Waiting { ticket, extent });
        }
        Ok(())
    }
}
