//! The core under a driver that obeys the protocol in random order: one answer per read, books that balance, no byte
//! served that is not held, nothing left over when all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use mlopt_core::eviction::{Needs, PolicyInfo};
use mlopt_core::{
    Core, Effect, Event, Extent, FetchId, FileFacts, FileId, Nanos, Plan, ReaderId, TicketId, Tier, Version,
};
use proptest::prelude::*;

const PAGE: u64 = 4096;
const BLOCK: u64 = 16 * PAGE;

fn plan(memory_bytes: u64, policy: &str, share: f64, prefetch: Option<(&str, f64)>) -> Plan {
    let mut actions = Vec::new();
    if policy != "none" {
        actions.push(format!(
            r#"{{"type":"cache","parameters":{{"policy":"{policy}","share":{share}}}}}"#
        ));
    }
    if let Some((mode, staging)) = prefetch {
        actions.push(format!(
            r#"{{"type":"prefetch","parameters":{{"mode":"{mode}","share":{staging},"depth":4,"window_bytes":{}}}}}"#,
            4 * BLOCK
        ));
    }
    let needs = PolicyInfo::find(policy).map_or(Needs::Reads, |policy| policy.needs);
    let kernel_share = if needs == Needs::Misses { 1.0 } else { 0.0 };
    let has_actions = !actions.is_empty();
    let mut plan = Plan::from_json(&format!(
        r#"{{"version":1,"seed":7,"block_bytes":{BLOCK},"observe":"none","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,
        "tiers":{{"memory":{{"bytes":{memory_bytes},"kernel_share":{kernel_share}}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{{"id":"all","priority":1,"order":0,"match":"all","origin":{{"layer":"flag","file":"t","line":1}},
        "conditions":[{{"fact":"file.size","op":"greater_equal","value":0,"weight":1.0,"required":false}}],
        "actions":[{}]}}]}}"#,
        actions.join(",")
    ))
    .expect("the test's plan is valid");
    if !has_actions {
        plan.rules.clear();
    }
    plan
}

/// A driver with a kernel and a source, whose answers come in whatever order the test wants.
struct World {
    core: Core,
    now: u64,
    sizes: Vec<u64>,
    ticket: u64,
    unanswered: BTreeMap<TicketId, Extent>,
    answered: u64,
    failed: u64,
    /// What is under way, and whether it is read through.
    fetching: BTreeMap<FetchId, (Extent, bool)>,
    /// What came just now and is not held.
    read_through: Option<Extent>,
    /// Blocks whose bytes the driver holds, by file and offset.
    held: BTreeSet<(u32, u64)>,
    fills: Vec<Extent>,
    drops: Vec<Extent>,
    /// Every drop that was ordered, until a test takes it out.
    dropped: Vec<Extent>,
}

impl World {
    fn new(plan: Plan, sizes: &[u64]) -> World {
        let mut world = World {
            core: Core::new(plan).expect("the plan compiles"),
            now: 0,
            sizes: sizes.to_vec(),
            ticket: 0,
            unanswered: BTreeMap::new(),
            answered: 0,
            failed: 0,
            fetching: BTreeMap::new(),
            read_through: None,
            held: BTreeSet::new(),
            fills: Vec::new(),
            drops: Vec::new(),
            dropped: Vec::new(),
        };
        for (number, &size) in sizes.iter().enumerate() {
            let facts = FileFacts {
                path: format!("data/{number}").into_bytes(),
                size,
                mtime_ns: 0,
                version: Version(1),
                format: None,
            };
            world.tell(Event::Seen {
                file: FileId(number as u32),
                facts,
            });
        }
        world
    }

    fn press(&mut self, bytes: u64) {
        let tier = Tier::Kernel;
        self.tell(Event::Pressure { tier, bytes });
        self.settle();
    }

    fn tell(&mut self, event: Event) {
        self.now += 1;
        self.core
            .handle(event, Nanos(self.now))
            .expect("the driver obeys the protocol");
        while let Some(effect) = self.core.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Serve { ticket, .. } => {
                let extent = self.unanswered.remove(&ticket).expect("one answer per read");
                for block in extent.offset / BLOCK..=(extent.end() - 1) / BLOCK {
                    assert!(
                        self.read_through == Some(extent)
                            || self.held.contains(&(extent.file.0, block * BLOCK)),
                        "served bytes that are not held"
                    );
                }
                self.answered += 1;
            }
            Effect::Fail { ticket, .. } => {
                self.unanswered.remove(&ticket).expect("one answer per read");
                self.failed += 1;
            }
            Effect::Fetch {
                id,
                extent,
                reads_through: true,
                ..
            } => {
                self.fetching.insert(id, (extent, true));
            }
            Effect::Fetch { id, extent, .. } => {
                assert_eq!(extent.offset % BLOCK, 0);
                assert!(
                    !self.held.contains(&(extent.file.0, extent.offset)),
                    "fetched what is held"
                );
                assert!(
                    self.fetching.values().all(|other| *other != (extent, false)),
                    "two fetches of one block"
                );
                self.fetching.insert(id, (extent, false));
            }
            Effect::DropDaemon { extent } => {
                assert!(
                    self.held.remove(&(extent.file.0, extent.offset)),
                    "dropped what is not held"
                );
            }
            Effect::Fill { extent, .. } => {
                assert!(
                    self.held.contains(&(extent.file.0, extent.offset)),
                    "filled from bytes not held"
                );
                self.fills.push(extent);
            }
            Effect::DropKernel { extent } => {
                self.drops.push(extent);
                self.dropped.push(extent);
            }
            Effect::Cancel { .. }
            | Effect::Keep { .. }
            | Effect::Lock { .. }
            | Effect::Retire { .. }
            | Effect::DropDisk { .. } => {}
        }
    }

    fn read(&mut self, file: u32, offset: u64, length: u64, reader: u32) {
        let size = self.sizes[file as usize];
        let offset = (offset / PAGE * PAGE).min((size - 1) / PAGE * PAGE);
        let extent = Extent {
            file: FileId(file),
            offset,
            length: length.clamp(1, size - offset),
        };
        self.ticket += 1;
        self.unanswered.insert(TicketId(self.ticket), extent);
        self.tell(Event::Read {
            ticket: TicketId(self.ticket),
            extent,
            reader: ReaderId(reader),
        });
    }

    /// Let one thing that is under way end.
    fn step(&mut self, choice: usize, fails: bool) {
        let ways = self.fetching.len() + self.fills.len() + self.drops.len();
        if ways == 0 {
            return;
        }
        let choice = choice % ways;
        if choice < self.fetching.len() {
            let id = *self.fetching.keys().nth(choice).expect("within");
            let (extent, reads_through) = self.fetching.remove(&id).expect("within");
            if fails {
                self.tell(Event::FetchFailed { id, errno: 5 });
            } else if reads_through {
                self.read_through = Some(extent);
                self.tell(Event::FetchDone {
                    id,
                    bytes: extent.length,
                });
                self.read_through = None;
            } else {
                self.held.insert((extent.file.0, extent.offset));
                self.tell(Event::FetchDone {
                    id,
                    bytes: extent.length,
                });
            }
        } else if choice < self.fetching.len() + self.fills.len() {
            let extent = self.fills.swap_remove(choice - self.fetching.len());
            let event = if fails {
                Event::Dropped { extent }
            } else {
                Event::Filled { extent }
            };
            self.tell(event);
        } else {
            let extent = self
                .drops
                .swap_remove(choice - self.fetching.len() - self.fills.len());
            self.tell(Event::Dropped { extent });
        }
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            if self.fetching.is_empty() && self.fills.is_empty() && self.drops.is_empty() {
                return;
            }
            self.step(0, false);
        }
        panic!("the core never comes to rest");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Read {
        file: u32,
        offset: u64,
        length: u64,
        reader: u32,
    },
    Finish {
        choice: usize,
        fails: bool,
    },
    Forget {
        file: u32,
    },
    Lose {
        file: u32,
    },
    Pressure {
        bytes: u64,
    },
    Open {
        file: u32,
        reader: u32,
    },
    Hint {
        files: Vec<u32>,
    },
    Change {
        file: u32,
    },
    Swap {
        policy: &'static str,
        prefetch: Option<(&'static str, f64)>,
        blocks: u64,
    },
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..12_u32, 0..6 * BLOCK, 1..2 * BLOCK, 0..3_u32)
            .prop_map(|(file, offset, length, reader)| Step::Read { file, offset, length, reader }),
        6 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(choice, fails)| Step::Finish { choice, fails }),
        1 => (0..12_u32).prop_map(|file| Step::Forget { file }),
        1 => (0..12_u32).prop_map(|file| Step::Lose { file }),
        1 => (0..4 * BLOCK).prop_map(|bytes| Step::Pressure { bytes }),
        1 => (0..12_u32, 0..3_u32).prop_map(|(file, reader)| Step::Open { file, reader }),
        1 => prop::collection::vec(0..12_u32, 0..12).prop_map(|files| Step::Hint { files }),
        1 => (0..12_u32).prop_map(|file| Step::Change { file }),
        1 => (all_policies(), 1..30_u64)
            .prop_map(|((policy, prefetch), blocks)| Step::Swap { policy, prefetch, blocks }),
        1 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 1..300)
}

const SIZES: [u64; 12] = [
    1,
    PAGE,
    BLOCK,
    BLOCK + 1,
    3 * BLOCK,
    5000,
    6 * BLOCK - 7,
    70_000,
    2 * BLOCK,
    123_456,
    9 * PAGE,
    4 * BLOCK,
];

fn all_policies() -> impl Strategy<Value = (&'static str, Option<(&'static str, f64)>)> {
    let policies: Vec<&'static str> = mlopt_core::eviction::POLICIES
        .iter()
        .map(|policy| policy.name)
        .chain(["none"])
        .collect();
    let mut modes: Vec<Option<(&'static str, f64)>> = vec![None];
    modes.extend(
        mlopt_core::prefetch::PREFETCHERS
            .iter()
            .map(|prefetcher| Some((prefetcher.name, 0.3))),
    );
    (prop::sample::select(policies), prop::sample::select(modes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_policy_and_prefetcher_keeps_the_protocol(
        (policy, prefetch) in all_policies(),
        blocks in 1..30_u64,
        steps in steps(),
    ) {
        let mut budget = 12 * 2048 + blocks * BLOCK;
        let mut largest = budget.max(12 * 2048 + 6 * BLOCK); // one block always gets through
        let mut world = World::new(plan(budget, policy, 0.8, prefetch), &SIZES);
        let mut asked = 0;
        for step in steps {
            match step {
                Step::Read { file, offset, length, reader } => {
                    world.read(file, offset, length, reader);
                    asked += 1;
                }
                Step::Finish { choice, fails } => world.step(choice, fails),
                Step::Forget { file } => world.tell(Event::Forgotten { file: FileId(file) }),
                Step::Lose { file } => {
                    let extent = Extent { file: FileId(file), offset: 0, length: SIZES[file as usize] };
                    world.tell(Event::Dropped { extent });
                }
                Step::Pressure { bytes } => world.tell(Event::Pressure { tier: Tier::Kernel, bytes }),
                Step::Open { file, reader } => {
                    world.tell(Event::Open { file: FileId(file), reader: ReaderId(reader) });
                }
                Step::Hint { files } => {
                    world.tell(Event::Hint { files: files.into_iter().map(FileId).collect() });
                }
                Step::Change { file } => {
                    world.tell(Event::SourceChanged { file: FileId(file), version: Version(2) });
                }
                Step::Swap { policy, prefetch, blocks } => {
                    budget = 12 * 2048 + blocks * BLOCK;
                    largest = largest.max(budget); // what is under way cannot be called back
                    world.tell(Event::PlanSwapped { plan: Box::new(plan(budget, policy, 0.8, prefetch)) });
                }
                Step::Tick => world.tell(Event::Tick),
            }
            let stats = world.core.stats();
            let held: u64 = world.held.iter()
                .map(|&(file, offset)| BLOCK.min(SIZES[file as usize] - offset)).sum();
            prop_assert_eq!(stats.daemon_bytes, held);
            let coming: u64 = world.fetching.values().map(|(extent, _)| extent.length).sum();
            prop_assert_eq!(stats.in_flight_bytes, coming);
            let used = stats.kernel_bytes + stats.daemon_bytes + stats.in_flight_bytes + 12 * 2048;
            let leaving: u64 = world.drops.iter().map(|extent| extent.length).sum();
            prop_assert!(
                used <= largest + leaving + 3 * BLOCK, // and the copy of each reader's last reply
                "{used} bytes in a budget of {largest}, {leaving} on their way out"
            );
        }
        world.settle();
        prop_assert!(world.unanswered.is_empty(), "{} reads were never answered", world.unanswered.len());
        prop_assert_eq!(world.answered + world.failed, asked);
        prop_assert!(world.core.is_quiescent());
        let stats = world.core.stats();
        prop_assert!(
            stats.kernel_bytes + stats.daemon_bytes + 12 * 2048 <= budget.max(12 * 2048 + 6 * BLOCK),
            "{} + {} bytes stay in a budget of {}", stats.kernel_bytes, stats.daemon_bytes, budget
        );
    }
}

#[test]
fn what_a_smaller_plan_takes_over_in_the_kernel_keeps_no_second_copy() {
    let bytes = |blocks: u64| 12 * 2048 + blocks * BLOCK;
    let mut world = World::new(plan(bytes(11), "lfu", 0.8, None), &SIZES);
    for (file, offset, length) in [(0, 0, 1), (6, 245_760, 86_022), (6, 131_072, 110_592)] {
        world.read(file, offset, length, 0);
        world.settle();
    }
    world.tell(Event::PlanSwapped {
        plan: Box::new(plan(bytes(5), "pinned", 0.8, None)),
    });
    world.settle();
    let stats = world.core.stats();
    assert!(stats.kernel_bytes + stats.daemon_bytes <= 6 * BLOCK, "{stats:?}");
    assert!(stats.kernel_bytes > 0);
}

#[test]
fn of_a_file_that_nothing_is_done_with_just_what_was_asked_for_is_read() {
    let plan = plan(1 << 20, "none", 1.0, None);
    let mut world = World::new(plan, &SIZES);
    let reads = [(0, PAGE), (BLOCK - PAGE, 3 * PAGE), (2 * BLOCK + PAGE, PAGE)];
    for (offset, length) in reads {
        world.read(4, offset, length, 1);
        world.settle();
    }
    let stats = world.core.stats();
    assert_eq!((world.answered, stats.fetched_demand.count), (3, 3));
    assert_eq!(stats.fetched_demand.bytes, 5 * PAGE);
    assert_eq!(stats.kernel_bytes, 5 * PAGE);
    // two readers of the same bytes at once: two fetches, as the source itself would see them; a file that is replaced
    // meanwhile fails both
    world.read(2, 0, PAGE, 1);
    world.read(2, 0, PAGE, 2);
    assert_eq!(world.fetching.len(), 2);
    world.tell(Event::SourceChanged {
        file: FileId(2),
        version: Version(2),
    });
    assert_eq!((world.failed, world.unanswered.len()), (2, 0));
    world.settle();
    assert!(world.core.is_quiescent());
}

#[test]
fn a_file_that_no_cache_action_treats_leaves_nothing_behind() {
    let mut plan = plan(1 << 20, "pinned", 1.0, None);
    plan.rules.clear();
    let mut world = World::new(plan, &SIZES);
    world.read(4, 0, BLOCK, 1);
    world.settle();
    assert_eq!(world.answered, 1);
    assert!(world.held.is_empty());
    let stats = world.core.stats();
    assert_eq!((stats.daemon_bytes, stats.admitted.count), (0, 0));
    // the reader may still be in these pages; they go as soon as anybody needs the room
    assert_eq!(stats.kernel_bytes, BLOCK);
    world.press(BLOCK);
    assert_eq!(world.core.stats().kernel_bytes, 0);
}

#[test]
fn pages_of_a_stream_stay_until_its_reader_has_passed_them() {
    // 16 blocks of 64 KiB are one window of read-ahead; room for 32 blocks, so that something must go
    let mut world = World::new(plan(32 * BLOCK + 4096, "pinned", 0.0, None), &[200 * BLOCK]);
    for block in 0..200 {
        world.read(0, block * BLOCK, BLOCK, 1);
        world.settle();
        for dropped in world.dropped.drain(..) {
            let last_needed = (block * BLOCK).saturating_sub(1 << 20);
            assert!(
                dropped.end() <= last_needed,
                "{dropped:?} when the READ was at block {block}"
            );
        }
    }
    assert_eq!(world.core.stats().fetched_demand.count, 200);
    assert!(world.core.stats().peak_bytes <= 32 * BLOCK + 4096);
}

#[test]
fn a_stream_that_lost_pages_too_early_gets_more_room() {
    // Held blocks leave 4 blocks; the reader is 12 blocks behind its READs and loses pages before it comes to them.
    let blocks = 400;
    let mut world = World::new(
        plan(64 * BLOCK, "pinned", 1.0, None),
        &[blocks * BLOCK, 80 * BLOCK],
    );
    for block in 0..80 {
        world.read(1, block * BLOCK, BLOCK, 2);
        world.settle();
    }
    let mut lost = Vec::new();
    let lag = 12;
    for block in 0..blocks {
        world.read(0, block * BLOCK, BLOCK, 1);
        world.settle();
        let reader = block.saturating_sub(lag);
        if world
            .dropped
            .drain(..)
            .any(|gone| gone.file == FileId(0) && gone.end() > reader * BLOCK + BLOCK / 2)
        {
            world.read(0, reader * BLOCK + BLOCK / 2, BLOCK / 2, 1);
            world.settle();
            lost.push(block);
        }
    }
    assert!(!lost.is_empty(), "nothing was lost, so nothing was learned");
    assert!(
        lost.len() < 40 && lost.last() < Some(&200),
        "still losing: {lost:?}"
    );
}

#[test]
fn a_pinned_file_is_recharged_and_then_silent() {
    let mut world = World::new(plan(1 << 22, "pinned", 1.0, None), &[100_000]);
    world.read(0, 0, 65_536, 1);
    world.read(0, 65_536, 34_464, 1);
    world.settle();
    let stats = world.core.stats();
    assert_eq!(stats.kernel_bytes, 100_000);
    assert_eq!(stats.daemon_bytes, 0, "the daemon keeps no second copy");
    assert_eq!(world.core.held().len(), 2);
    assert_eq!(stats.fetched_demand.bytes, 100_000);
}

#[test]
fn a_held_file_that_the_kernel_lost_is_restored() {
    let mut world = World::new(plan(1 << 22, "pinned", 1.0, None), &[50_000]);
    world.read(0, 0, 50_000, 1);
    world.settle();
    let extent = Extent {
        file: FileId(0),
        offset: 0,
        length: 50_000,
    };
    world.tell(Event::Dropped { extent });
    world.settle();
    let stats = world.core.stats();
    assert_eq!(stats.fetched_refill.count, 1);
    assert_eq!(stats.kernel_bytes, 50_000);
}

#[test]
fn readers_of_a_changed_file_get_estale_and_the_id_is_dead() {
    let mut world = World::new(plan(1 << 22, "pinned", 1.0, None), &[50_000]);
    world.read(0, 0, 50_000, 1);
    world.tell(Event::SourceChanged {
        file: FileId(0),
        version: Version(2),
    });
    assert_eq!(world.failed, 1);
    world.read(0, 0, 50_000, 1);
    assert_eq!(world.failed, 2);
    world.settle();
    assert!(world.held.is_empty());
}

#[test]
fn a_stream_is_fetched_ahead_of_its_reader() {
    let size = 40 * BLOCK;
    let mut world = World::new(plan(12 << 20, "pinned", 0.0, Some(("sequential", 0.5))), &[size]);
    for block in 0..40 {
        world.read(0, block * BLOCK, BLOCK, 1);
        world.settle();
    }
    let stats = world.core.stats();
    assert_eq!(stats.served_source.count, 1, "only the first block is waited for");
    assert_eq!(stats.served_prefetched.count, 39);
    assert_eq!(stats.prefetch_wasted.count, 0);
    assert_eq!(stats.daemon_bytes, 0);
    world.press(stats.kernel_bytes);
    assert_eq!(world.core.stats().kernel_bytes, 0);
}

#[test]
fn a_journal_of_the_same_events_has_the_same_effects() {
    let run = || {
        let mut effects = Vec::new();
        let mut core = Core::new(plan(1 << 20, "lru", 1.0, Some(("epoch_set", 0.3)))).expect("compiles");
        for number in 0..30_u32 {
            let facts = FileFacts {
                path: vec![b'f'; 3],
                size: 50_000,
                mtime_ns: 0,
                version: Version(1),
                format: None,
            };
            core.handle(
                Event::Seen {
                    file: FileId(number),
                    facts,
                },
                Nanos(0),
            )
            .expect("obeys");
        }
        let mut now = 0;
        for ticket in 0..90_u64 {
            let extent = Extent {
                file: FileId((ticket * 7 % 30) as u32),
                offset: 0,
                length: 50_000,
            };
            now += 1;
            let event = Event::Read {
                ticket: TicketId(ticket),
                extent,
                reader: ReaderId(1),
            };
            core.handle(event, Nanos(now)).expect("obeys");
            let mut pending: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
            while let Some(effect) = pending.pop() {
                let answer = match effect {
                    Effect::Fetch { id, extent, .. } => Some(Event::FetchDone {
                        id,
                        bytes: extent.length,
                    }),
                    Effect::DropKernel { extent } => Some(Event::Dropped { extent }),
                    Effect::Fill { extent, .. } => Some(Event::Filled { extent }),
                    _ => None,
                };
                effects.push(effect);
                if let Some(answer) = answer {
                    core.handle(answer, Nanos(now)).expect("obeys");
                    pending.extend(std::iter::from_fn(|| core.poll_effect()));
                }
            }
        }
        effects
    };
    let first = run();
    assert!(first.len() > 200);
    assert_eq!(first, run());
}

#[test]
fn many_readers_fetch_side_by_side_when_pinned_blocks_fill_the_tier() {
    const READERS: u32 = 16;
    let size = 60_000;
    let budget = 400 * 2048 + 200 * size;
    for first_readers in [1, READERS] {
        let mut world = World::new(plan(budget, "pinned", 1.0, None), &[size; 400]);
        for file in 0..400 {
            world.read(file, 0, size, file % first_readers);
            if file % first_readers == first_readers - 1 {
                world.settle();
            }
        }
        let held: BTreeSet<u32> = world
            .core
            .held()
            .iter()
            .map(|(extent, _)| extent.file.0)
            .collect();
        assert!(held.len() >= 165, "the tier is well used: {}", held.len());
        let absent: Vec<u32> = (0..400).filter(|file| !held.contains(file)).collect();
        for round in 0..2 {
            for reader in 0..READERS {
                world.read(absent[(round * READERS + reader) as usize], 0, size, reader);
            }
            if round == 1 || first_readers == READERS {
                assert_eq!(
                    world.fetching.len(),
                    READERS as usize,
                    "{first_readers} readers first"
                );
            }
            world.settle();
        }
        let left = world.core.held().len();
        assert!(
            left + 2 * READERS as usize >= held.len(),
            "{left} of {} stay",
            held.len()
        );
        assert!(world.core.stats().peak_bytes <= budget);
    }
}

#[test]
fn readers_of_parts_leave_an_lru_within_its_budget() {
    const READERS: u32 = 24;
    let budget = 64 * 2048 + 40 * BLOCK;
    let mut world = World::new(plan(budget, "lru", 1.0, None), &[BLOCK; 64]);
    for file in 0..64 {
        world.read(file, 0, BLOCK, 99);
        world.settle();
    }
    let held: Vec<u32> = world
        .core
        .held()
        .iter()
        .map(|(extent, _)| extent.file.0)
        .collect();
    for (reader, &file) in held.iter().rev().take(READERS as usize).enumerate() {
        world.read(file, 0, BLOCK - PAGE, reader as u32);
        world.settle();
    }
    let stats = world.core.stats();
    let used = stats.kernel_bytes + stats.daemon_bytes + 64 * 2048;
    assert!(used <= budget, "{used} of {budget} bytes");
}
