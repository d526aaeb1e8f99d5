//! What each enforced action does, under a driver in virtual time: a source that answers each fetch after a fixed latency,
//! a kernel that drops and fills at once, and a clock that follows the core's deadlines.

use std::collections::{BTreeMap, BTreeSet};

use mlopt_core::{
    Core, Effect, Event, Extent, FetchClass, FetchId, FileFacts, FileId, Nanos, Plan, PriorityClass,
    ReaderId, TicketId, Version,
};
use proptest::prelude::*;

const BLOCK: u64 = 65_536;
const SECOND: u64 = 1_000_000_000;
const LATENCY: u64 = 10_000_000;

/// A plan with one rule per (glob, actions).
fn plan(memory_bytes: u64, rules: &[(&str, &str)]) -> Plan {
    let rules: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(order, (glob, actions))| {
            format!(
                r#"{{"id":"r{order}","priority":1,"order":{order},"match":"all",
                "origin":{{"layer":"flag","file":"t","line":1}},
                "conditions":[{{"fact":"file.path","op":"glob","value":"{glob}","weight":1.0,"required":false}}],
                "actions":[{actions}]}}"#
            )
        })
        .collect();
    Plan::from_json(&format!(
        r#"{{"version":1,"seed":7,"block_bytes":{BLOCK},"observe":"none","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,
        "tiers":{{"memory":{{"bytes":{memory_bytes},"kernel_share":0.5}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{}]}}"#,
        rules.join(",")
    ))
    .expect("the test's plan is valid")
}

fn action(kind: &str, parameters: &str) -> String {
    format!(r#"{{"type":"{kind}","parameters":{{{parameters}}}}}"#)
}

/// A fetch as the source saw it.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: u64,
    extent: Extent,
    class: FetchClass,
    priority: PriorityClass,
}

struct World {
    core: Core,
    now: u64,
    sizes: Vec<u64>,
    tickets: u64,
    /// Answers under way: when, in the order of asking.
    coming: BTreeMap<(u64, FetchId), Extent>,
    asked: Vec<Asked>,
    waiting: BTreeMap<TicketId, u64>,
    /// How long each answered read waited, by file [ns].
    waited: Vec<(u32, u64)>,
    most_under_way: usize,
}

impl World {
    fn new(plan: Plan, files: &[(&str, u64)]) -> World {
        let mut world = World {
            core: Core::new(plan).expect("the plan compiles"),
            now: 0,
            sizes: files.iter().map(|(_, size)| *size).collect(),
            tickets: 0,
            coming: BTreeMap::new(),
            asked: Vec::new(),
            waiting: BTreeMap::new(),
            waited: Vec::new(),
            most_under_way: 0,
        };
        for (number, (path, size)) in files.iter().enumerate() {
            let facts = FileFacts {
                path: path.as_bytes().to_vec(),
                size: *size,
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

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.core
                .handle(event, Nanos(self.now))
                .expect("the driver obeys the protocol");
            while let Some(effect) = self.core.poll_effect() {
                match effect {
                    Effect::Serve { ticket, .. } => {
                        let since = self.waiting.remove(&ticket).expect("one answer per read");
                        self.waited.push(((ticket.0 >> 32) as u32, self.now - since));
                    }
                    Effect::Fail { .. } => panic!("nothing fails here"),
                    Effect::Fetch {
                        id,
                        extent,
                        class,
                        priority,
                        ..
                    } => {
                        self.asked.push(Asked {
                            at: self.now,
                            extent,
                            class,
                            priority: priority.class,
                        });
                        self.coming.insert((self.now + LATENCY, id), extent);
                        self.most_under_way = self.most_under_way.max(self.coming.len());
                    }
                    Effect::DropKernel { extent } => events.push(Event::Dropped { extent }),
                    Effect::Fill { extent, .. } => events.push(Event::Filled { extent }),
                    _ => {}
                }
            }
        }
    }

    fn read(&mut self, file: u32, offset: u64, length: u64, reader: u32) -> TicketId {
        self.tickets += 1;
        let ticket = TicketId(u64::from(file) << 32 | self.tickets);
        self.waiting.insert(ticket, self.now);
        let length = length.min(self.sizes[file as usize] - offset);
        let extent = Extent {
            file: FileId(file),
            offset,
            length,
        };
        self.tell(Event::Read {
            ticket,
            extent,
            reader: ReaderId(reader),
        });
        ticket
    }

    /// Let time go on to the next thing that happens; false when nothing ever will.
    fn go_on(&mut self) -> bool {
        let arrival = self.coming.keys().next().copied();
        let tick = self.core.poll_deadline().map(|at| at.0.max(self.now));
        match (arrival, tick) {
            (None, None) => false,
            (Some((at, id)), tick) if tick.is_none_or(|tick| at <= tick) => {
                self.now = at;
                let extent = self.coming.remove(&(at, id)).expect("it is there");
                self.tell(Event::FetchDone {
                    id,
                    bytes: extent.length,
                });
                true
            }
            (_, Some(tick)) => {
                self.now = tick;
                self.tell(Event::Tick);
                let next = self.core.poll_deadline();
                assert!(
                    next.is_none_or(|next| next.0 > tick),
                    "a tick that changes nothing would come for ever"
                );
                true
            }
            (Some(_), None) => unreachable!("the second arm"),
        }
    }

    fn wait_for(&mut self, ticket: TicketId) {
        while self.waiting.contains_key(&ticket) {
            assert!(self.go_on(), "a read that is never answered");
        }
    }

    fn settle(&mut self, until: u64) {
        while self.coming.keys().next().is_some_and(|(at, _)| *at <= until)
            || self.core.poll_deadline().is_some_and(|at| at.0 <= until)
        {
            self.go_on();
        }
        self.now = self.now.max(until);
    }

    /// Read a file from its start in pieces, as a job does: the next piece when the last one is there.
    fn read_through(&mut self, file: u32, piece: u64, reader: u32) {
        for offset in (0..self.sizes[file as usize]).step_by(piece as usize) {
            let ticket = self.read(file, offset, piece, reader);
            self.wait_for(ticket);
        }
    }
}

#[test]
fn a_stream_has_its_number_of_fetches_under_way_and_fetches_each_block_once() {
    for streams in [1_u64, 2, 4, 8] {
        let asked = format!(r#""chunk_bytes":{},"streams":{streams}"#, 2 * BLOCK);
        let plan = plan(64 << 20, &[("**", &action("stream", &asked))]);
        let mut world = World::new(plan, &[("big", 64 * BLOCK)]);
        world.read_through(0, BLOCK / 4, 1);
        assert_eq!(world.most_under_way, streams as usize);
        let blocks: BTreeSet<u64> = world.asked.iter().map(|each| each.extent.offset).collect();
        assert_eq!(
            (world.asked.len(), blocks.len()),
            (64, 64),
            "{streams} streams: a block was fetched twice"
        );
        // behind the reader nothing is left
        world.settle(world.now + SECOND);
        assert_eq!(world.core.stats().daemon_bytes, 0);
        assert!(world.core.is_quiescent());
        // 64 blocks of one latency each, so many at a time, and the time to get going
        let least = 64_u64.div_ceil(streams) * LATENCY;
        assert!(
            (least..=least + 2 * LATENCY).contains(&world.now.saturating_sub(SECOND)),
            "{}",
            world.now
        );
    }
}

#[test]
fn each_reader_has_its_own_streams_and_a_random_reader_has_none() {
    let asked = format!(r#""chunk_bytes":{BLOCK},"streams":3"#);
    let plan = plan(64 << 20, &[("**", &action("stream", &asked))]);
    let mut world = World::new(plan, &[("a", 64 * BLOCK), ("b", 64 * BLOCK), ("c", 64 * BLOCK)]);
    world.read(0, 0, BLOCK / 4, 1);
    world.read(1, 0, BLOCK / 4, 2);
    assert_eq!(world.coming.len(), 6);
    for block in [40, 7, 22, 3] {
        let ticket = world.read(2, block * BLOCK, 4096, 3);
        world.wait_for(ticket);
    }
    assert_eq!(
        world
            .asked
            .iter()
            .filter(|each| each.extent.file == FileId(2))
            .count(),
        4
    );
}

#[test]
fn what_a_cache_action_keeps_is_not_dropped_behind() {
    let keep = action("cache", r#""policy":"lru""#);
    let plan = plan(
        64 << 20,
        &[("**", &format!("{keep},{}", action("stream", r#""streams":4"#)))],
    );
    let mut world = World::new(plan, &[("big", 32 * BLOCK)]);
    world.read_through(0, BLOCK, 1);
    world.read_through(0, BLOCK, 2);
    assert_eq!(world.asked.len(), 32);
    assert_eq!(world.core.stats().served_resident.count, 32);
}

#[test]
fn what_was_passed_leaves_the_kernel_at_once_or_while_there_is_room_and_the_budget_holds() {
    for (drop_behind, blocks_of_memory) in [(true, 256), (false, 256), (true, 40), (false, 40)] {
        let budget = blocks_of_memory * BLOCK;
        let asked = format!(r#""chunk_bytes":{BLOCK},"streams":2,"drop_behind":{drop_behind}"#);
        let streams = action("stream", &asked);
        let mut world = World::new(plan(budget, &[("**", &streams)]), &[("big", 64 * BLOCK)]);
        world.read_through(0, BLOCK, 1);
        let left = world.core.stats().kernel_bytes;
        if drop_behind {
            // a reader may be a read-ahead window of 1 MiB behind its last READ
            assert!(left <= (1 << 20) + 2 * BLOCK, "{left} bytes are left");
        } else if blocks_of_memory == 256 {
            assert_eq!(left, 64 * BLOCK);
        }
        assert!(world.core.stats().peak_bytes <= budget);
        assert_eq!(world.asked.len(), 64);
    }
}

#[test]
fn what_still_passes_through_the_kernel_is_not_fetched_ahead_of_a_second_reader() {
    let asked = format!(r#""chunk_bytes":{BLOCK},"streams":8,"drop_behind":false"#);
    let streams = action("stream", &asked);
    let mut world = World::new(plan(256 * BLOCK, &[("**", &streams)]), &[("big", 64 * BLOCK)]);
    world.read_through(0, BLOCK, 1);
    // a page of the start went: the second reader's READ opens its window over what the kernel still has
    world.tell(Event::Dropped {
        extent: Extent {
            file: FileId(0),
            offset: 0,
            length: BLOCK,
        },
    });
    let ticket = world.read(0, 0, BLOCK, 2);
    world.wait_for(ticket);
    world.settle(world.now + SECOND);
    assert_eq!(world.asked.len(), 65, "one block was gone");
    assert_eq!(world.core.stats().prefetch_wasted.count, 0);
}

#[test]
fn retention_lets_blocks_go_when_their_time_is_over_whatever_the_policy() {
    for policy in ["pinned", "lru"] {
        let keep = action(
            "cache",
            &format!(r#""policy":"{policy}","retention_ns":{}"#, 5 * SECOND),
        );
        let mut world = World::new(plan(64 << 20, &[("**", &keep)]), &[("a", BLOCK), ("b", BLOCK)]);
        world.read_through(0, BLOCK, 1);
        world.settle(3 * SECOND);
        world.read_through(1, BLOCK, 1);
        assert_eq!(world.core.held().len(), 2, "{policy}");
        assert_eq!(world.core.poll_deadline(), Some(Nanos(5 * SECOND + LATENCY)));
        world.settle(6 * SECOND);
        assert_eq!(world.core.held().len(), 1, "{policy}");
        // read again: fetched again, and its time starts anew
        world.read_through(0, BLOCK, 1);
        world.settle(9 * SECOND);
        let held: Vec<FileId> = world.core.held().iter().map(|(extent, _)| extent.file).collect();
        assert_eq!(held, [FileId(0)], "{policy}");
        world.settle(20 * SECOND);
        assert_eq!(world.core.held(), [], "{policy}");
        assert_eq!(
            (world.core.stats().kernel_bytes, world.core.stats().daemon_bytes),
            (0, 0)
        );
        assert_eq!(world.core.poll_deadline(), None);
    }
}

/// Which of the files a and b have blocks held, and how many, after b was read behind a full tier of a.
fn held_after(a: &str, b: &str) -> (usize, usize) {
    let keep = |parameters: &str| action("cache", parameters);
    // shares that never bind keep the two apart: files with one action are one class
    let own = |parameters: &str, share: f64| keep(&format!(r#"{parameters},"share":{share}"#));
    let rules = [("a/**", own(a, 0.99)), ("b/**", own(b, 1.0))];
    let rules: Vec<(&str, &str)> = rules.iter().map(|(glob, what)| (*glob, what.as_str())).collect();
    let mut world = World::new(
        plan(64 * BLOCK, &rules),
        &[("a/1", 64 * BLOCK), ("b/1", 64 * BLOCK)],
    );
    for file in [0, 1] {
        world.read_through(file, BLOCK, file);
        world.settle(world.now + SECOND);
    }
    let held = world.core.held();
    let of = |file| {
        held.iter()
            .filter(|(extent, _)| extent.file == FileId(file))
            .count()
    };
    (of(0), of(1))
}

#[test]
fn a_class_gives_way_to_one_of_higher_priority_and_to_no_other() {
    // each part of the tier is one half; what readers wait for needs some of it
    for policy in ["lru", "lfu", "sieve", "upstream", "fifo", "pinned"] {
        let with = |priority: &str| format!(r#""policy":"{policy}","priority":"{priority}""#);
        let (low, high) = held_after(&with("low"), &with("high"));
        assert_eq!(low, 0, "{policy}: {low} low and {high} high blocks");
        let (normal, same) = held_after(&with("normal"), &with("normal"));
        assert!(
            same == 0 && normal == high,
            "{policy}: {normal} came first, {same} then"
        );
        let (high, low) = held_after(&with("high"), &with("low"));
        assert!(
            low == 0 && high == normal,
            "{policy}: {high} high and {low} low blocks"
        );
    }
}

#[test]
fn under_pressure_the_lowest_priority_leaves_first_whatever_its_policy() {
    let rules = [
        ("a/**", action("cache", r#""policy":"lru","priority":"high""#)),
        ("b/**", action("cache", r#""policy":"pinned","priority":"low""#)),
    ];
    let rules: Vec<(&str, &str)> = rules.iter().map(|(glob, what)| (*glob, what.as_str())).collect();
    let mut world = World::new(
        plan(256 * BLOCK, &rules),
        &[("a/1", 20 * BLOCK), ("b/1", 20 * BLOCK)],
    );
    world.read_through(0, BLOCK, 1);
    world.read_through(1, BLOCK, 2);
    world.settle(SECOND);
    assert_eq!(world.core.held().len(), 40);
    let tier = mlopt_core::Tier::Kernel;
    world.tell(Event::Pressure {
        tier,
        bytes: 30 * BLOCK,
    });
    let held = world.core.held();
    assert_eq!(
        held.iter().filter(|(extent, _)| extent.file == FileId(0)).count(),
        20
    );
    assert!((20..40).contains(&held.len()), "{} blocks are held", held.len());
}

/// Blocks asked for ahead of a reader after each read of one block.
fn ahead_of(kind: &str, parameters: &str) -> Vec<usize> {
    let plan = plan(512 * BLOCK, &[("**", &action(kind, parameters))]);
    let mut world = World::new(plan, &[("big", 200 * BLOCK)]);
    (0..6)
        .map(|block| {
            let ticket = world.read(0, block * BLOCK, BLOCK, 1);
            world.wait_for(ticket);
            world.settle(world.now + SECOND);
            world.asked.len() - (block as usize + 1)
        })
        .collect()
}

#[test]
fn a_window_starts_grows_and_ends_as_the_action_says() {
    let sized = |window: u64, more: &str| {
        format!(
            r#""share":0.9,"depth":64,"window_bytes":{}{more}"#,
            window * BLOCK
        )
    };
    let first =
        |blocks: u64, growth: f64| format!(r#","first_window_bytes":{},"growth":{growth}"#, blocks * BLOCK);
    let ahead = |window, more: &str| ahead_of("prefetch", &sized(window, more));
    assert_eq!(ahead(16, ""), [2, 4, 8, 16, 16, 16]);
    assert_eq!(ahead(16, &first(1, 1.0)), [1; 6]);
    assert_eq!(ahead(16, &first(2, 1.5)), [2, 3, 5, 7, 11, 16]);
    assert_eq!(ahead(40, &first(4, 3.0)), [4, 12, 36, 40, 40, 40]);
    assert_eq!(ahead(8, &first(32, 2.0)), [8; 6]);
    let streams = format!(r#""chunk_bytes":{},"streams":8"#, 4 * BLOCK);
    assert_eq!(ahead_of("stream", &streams), [32; 6]);
    assert_eq!(
        ahead_of("stream", &format!("{streams}{}", first(2, 4.0))),
        [2, 8, 32, 32, 32, 32]
    );
}

#[test]
fn fetches_carry_the_class_of_their_file() {
    let rules = [
        (
            "fast/**",
            action("prioritize", r#""class":"realtime","weight":500"#),
        ),
        ("slow/**", action("prioritize", r#""class":"background""#)),
    ];
    let rules: Vec<(&str, &str)> = rules
        .iter()
        .map(|(glob, actions)| (*glob, actions.as_str()))
        .collect();
    let mut world = World::new(plan(64 << 20, &rules), &[("fast/a", 1), ("slow/a", 1), ("a", 1)]);
    for file in 0..3 {
        world.read_through(file, 1, 1);
    }
    let classes: Vec<PriorityClass> = world.asked.iter().map(|each| each.priority).collect();
    assert_eq!(
        classes,
        [
            PriorityClass::Realtime,
            PriorityClass::Background,
            PriorityClass::Normal
        ]
    );
}

#[test]
fn among_reads_that_wait_for_room_the_class_decides() {
    let urgent = action("prioritize", r#""class":"realtime""#);
    // room for two blocks: each further fetch waits until one of them has left
    let plan = plan(2 * BLOCK + 5 * 2048, &[("fast", &urgent)]);
    let files = [
        ("a", BLOCK),
        ("b", BLOCK),
        ("c", BLOCK),
        ("d", BLOCK),
        ("fast", BLOCK),
    ];
    let mut world = World::new(plan, &files);
    for file in 0..5 {
        world.read(file, 0, BLOCK, file);
    }
    while world.go_on() {}
    let order: Vec<u32> = world.asked.iter().map(|each| each.extent.file.0).collect();
    assert_eq!(order, [0, 1, 4, 2, 3]);
}

#[test]
fn a_limit_holds_prefetch_back_while_readers_wait_and_lets_it_go_on_by_itself() {
    let rate = 4 * BLOCK;
    let limited = action("prioritize", &format!(r#""limit_bytes_per_s":{rate}"#));
    let ahead = action(
        "prefetch",
        &format!(r#""mode":"whole_file","share":0.5,"window_bytes":{BLOCK}"#),
    );
    let mut world = World::new(
        plan(64 << 20, &[("**", &format!("{limited},{ahead}"))]),
        &[("big", 12 * BLOCK)],
    );
    let ticket = world.read(0, 0, 4096, 1);
    world.wait_for(ticket);
    world.settle(10 * SECOND);
    // nobody read on: the ticks alone fetched the rest
    assert_eq!(world.asked.len(), 12);
    assert_eq!(
        world
            .asked
            .iter()
            .filter(|each| each.class == FetchClass::Prefetch)
            .count(),
        11
    );
    assert!(world.asked[11].at >= 2 * SECOND, "{}", world.asked[11].at);
    assert_eq!(world.core.poll_deadline(), None);
}

#[test]
fn a_plan_without_the_limit_lets_waiting_reads_go_at_once() {
    let limited = action("prioritize", r#""limit_bytes_per_s":65536"#);
    let mut world = World::new(plan(64 << 20, &[("**", &limited)]), &[("big", 64 * BLOCK)]);
    for block in 0..64 {
        world.read(0, block * BLOCK, BLOCK, 1);
    }
    assert!(world.asked.len() < 4);
    let plan = Box::new(plan(64 << 20, &[]));
    world.tell(Event::PlanSwapped { plan });
    assert_eq!(world.asked.len(), 64);
    world.settle(world.now + LATENCY);
    assert_eq!((world.waited.len(), world.waiting.len()), (64, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any mix of readers: no window of time has more than the limit, everybody is answered, the others do not wait.
    #[test]
    fn a_limit_is_kept_and_delays_its_own_files_only(
        blocks_per_s in 1_u64..40,
        memory_blocks in 16_u64..256,
        policy in prop::sample::select(vec!["lru", "pinned", "none"]),
        is_ahead in any::<bool>(),
        reads in proptest::collection::vec((0_u32..4, 0_u64..24, 0_u64..SECOND), 1..60),
    ) {
        let rate = blocks_per_s * BLOCK;
        let mut actions = vec![
            action("prioritize", &format!(r#""limit_bytes_per_s":{rate}"#)),
            action("cache", &format!(r#""policy":"{policy}","share":0.3"#)),
        ];
        if is_ahead {
            actions.push(action("stream", &format!(r#""chunk_bytes":{BLOCK},"streams":3"#)));
        }
        let plan = plan(memory_blocks * BLOCK, &[("slow/**", &actions.join(","))]);
        let files = [("slow/a", 24 * BLOCK), ("slow/b", 24 * BLOCK), ("slow/c", 24 * BLOCK), ("free", 24 * BLOCK)];
        let mut world = World::new(plan, &files);
        for (reader, (file, block, pause)) in reads.iter().enumerate() {
            world.read(*file, block * BLOCK, BLOCK, reader as u32 % 5);
            world.settle(world.now + pause);
        }
        while !world.waiting.is_empty() {
            prop_assert!(world.go_on(), "a read that is never answered");
        }
        prop_assert_eq!(world.waited.len(), reads.len());
        prop_assert!(world.core.stats().peak_bytes <= memory_blocks * BLOCK);
        let slow: Vec<&Asked> = world.asked.iter().filter(|each| each.extent.file != FileId(3)).collect();
        for (first, from) in slow.iter().enumerate() {
            let mut bytes = 0;
            for until in &slow[first..] {
                bytes += until.extent.length;
                let time = (until.at - from.at) as f64 / SECOND as f64;
                let allowed = rate as f64 * (time + 0.125) + BLOCK as f64 + 1.0;
                prop_assert!(bytes as f64 <= allowed, "{} bytes within {} s at {}/s", bytes, time, rate);
            }
        }
        for (_, waited) in world.waited.iter().filter(|(file, _)| *file == 3) {
            // memory for what is under way beside them is all that they may wait for
            prop_assert!(*waited <= 3 * LATENCY, "waited {}", waited);
        }
    }
}
