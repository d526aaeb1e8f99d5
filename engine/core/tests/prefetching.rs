//! What fetching ahead keeps to: each block once, as many at a time as allowed, files never mixed up, nothing for readers
//! without an order. A driver with a source that answers when the test says so.

use std::collections::BTreeMap;

use mlopt_core::{
    Core, Effect, Event, Extent, FetchId, FileFacts, FileId, Nanos, Plan, ReaderId, TicketId, Version,
};

const BLOCK: u64 = 65_536;

fn plan(memory_blocks: u64, mode: &str, parameters: &str) -> Plan {
    let memory_bytes = memory_blocks * BLOCK;
    Plan::from_json(&format!(
        r#"{{"version":1,"seed":7,"block_bytes":{BLOCK},"observe":"opens","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,
        "tiers":{{"memory":{{"bytes":{memory_bytes},"kernel_share":0.5}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{{"id":"all","priority":1,"order":0,"match":"all","origin":{{"layer":"flag","file":"t","line":1}},
        "conditions":[{{"fact":"file.path","op":"glob","value":"**","weight":1.0,"required":false}}],
        "actions":[{{"type":"prefetch","parameters":{{"mode":"{mode}"{parameters}}}}}]}}]}}"#
    ))
    .expect("the test's plan is valid")
}

struct World {
    core: Core,
    sizes: Vec<u64>,
    tickets: u64,
    /// Fetches that the source has not answered.
    coming: BTreeMap<FetchId, Extent>,
    asked: Vec<Extent>,
    cancelled: Vec<FetchId>,
    answers: u64,
    failures: u64,
}

impl World {
    fn new(plan: Plan, sizes: &[u64]) -> World {
        let mut world = World {
            core: Core::new(plan).expect("the plan compiles"),
            sizes: sizes.to_vec(),
            tickets: 0,
            coming: BTreeMap::new(),
            asked: Vec::new(),
            cancelled: Vec::new(),
            answers: 0,
            failures: 0,
        };
        for (number, &size) in sizes.iter().enumerate() {
            let facts = FileFacts {
                path: format!("{number:03}").into_bytes(),
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

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.core.handle(event, Nanos(0)).expect("the driver obeys");
            while let Some(effect) = self.core.poll_effect() {
                match effect {
                    Effect::Fetch { id, extent, .. } => {
                        self.asked.push(extent);
                        self.coming.insert(id, extent);
                    }
                    Effect::Cancel { id } => self.cancelled.push(id),
                    Effect::Serve { .. } => self.answers += 1,
                    Effect::Fail { .. } => self.failures += 1,
                    Effect::DropKernel { extent } => events.push(Event::Dropped { extent }),
                    Effect::Fill { extent, .. } => events.push(Event::Filled { extent }),
                    _ => {}
                }
            }
        }
    }

    fn read(&mut self, file: u32, block: u64, reader: u32) {
        self.tickets += 1;
        let offset = block * BLOCK;
        let extent = Extent {
            file: FileId(file),
            offset,
            length: BLOCK.min(self.sizes[file as usize] - offset),
        };
        self.tell(Event::Read {
            ticket: TicketId(self.tickets),
            extent,
            reader: ReaderId(reader),
        });
    }

    /// The source answers the fetch that it was asked for first.
    fn answer(&mut self) -> bool {
        let Some((id, extent)) = self.coming.pop_first() else {
            return false;
        };
        self.tell(Event::FetchDone {
            id,
            bytes: extent.length,
        });
        true
    }

    fn times(&self, file: u32, block: u64) -> usize {
        let is_meant = |extent: &&Extent| extent.file == FileId(file) && extent.offset == block * BLOCK;
        self.asked.iter().filter(is_meant).count()
    }
}

#[test]
fn a_second_question_joins_the_fetch_under_way_and_is_counted() {
    let mut world = World::new(plan(64, "whole_file", r#","share":0.9"#), &[8 * BLOCK]);
    world.read(0, 0, 1);
    assert_eq!(world.asked.len(), 8, "the rest of the file comes ahead");
    for reader in [1, 2, 3] {
        world.read(0, 5, reader);
    }
    world.read(0, 0, 2);
    assert_eq!(world.asked.len(), 8, "nothing is fetched twice");
    while world.answer() {}
    let stats = world.core.stats();
    assert_eq!((stats.fetched_demand.count, stats.fetched_prefetch.count), (1, 7));
    assert_eq!((stats.served_late.count, stats.served_source.count), (3, 2));
    assert_eq!(world.answers, 5);
    // and what has come is not fetched by a later question
    world.read(0, 6, 4);
    assert_eq!(
        (world.asked.len(), world.core.stats().served_prefetched.count),
        (8, 1)
    );
}

#[test]
fn fifty_files_come_three_at_a_time_and_all_of_them_come() {
    for depth in [1_usize, 3, 50] {
        let parameters = format!(r#","share":0.9,"depth":{depth},"trigger":"hint""#);
        let mut world = World::new(plan(512, "whole_file", &parameters), &[2 * BLOCK; 50]);
        let files = (0..50).map(FileId).collect();
        world.tell(Event::Hint { files });
        let mut most = world.coming.len();
        while world.answer() {
            most = most.max(world.coming.len());
        }
        assert_eq!(most, depth);
        assert_eq!(world.core.stats().fetched_prefetch.count, 100);
        let once = (0..50).all(|file| world.times(file, 0) == 1 && world.times(file, 1) == 1);
        assert!(once, "each block is fetched once");
    }
}

#[test]
fn what_has_no_place_waits_until_something_was_read() {
    // staged blocks may take 1/16 of 64 blocks
    let parameters = r#","share":0.0625,"trigger":"hint""#;
    let mut world = World::new(plan(64, "whole_file", parameters), &[BLOCK; 10]);
    let files = (0..10).map(FileId).collect();
    world.tell(Event::Hint { files });
    assert_eq!(world.asked.len(), 4);
    while world.answer() {}
    assert_eq!(world.asked.len(), 4, "staged and unread blocks keep their places");
    world.read(0, 0, 1);
    assert_eq!(world.asked.len(), 5);
    assert_eq!(world.core.stats().prefetch_wasted.count, 0);
}

#[test]
fn fetches_of_a_file_that_changed_are_cancelled_and_their_readers_answered() {
    let mut world = World::new(plan(64, "whole_file", r#","share":0.9"#), &[8 * BLOCK, 8 * BLOCK]);
    world.read(0, 0, 1);
    world.read(1, 0, 2);
    assert_eq!(world.coming.len(), 16);
    world.tell(Event::SourceChanged {
        file: FileId(0),
        version: Version(2),
    });
    assert_eq!((world.cancelled.len(), world.failures), (8, 1));
    while world.answer() {}
    assert_eq!(world.answers, 1, "the other file's reader");
    world.read(1, 7, 2);
    assert_eq!(world.answers, 2);
    assert!(world.core.is_quiescent());
}

#[test]
fn same_places_of_different_files_are_different_blocks() {
    let mut world = World::new(plan(256, "whole_file", ""), &[4 * BLOCK; 6]);
    for file in 0..6 {
        world.read(file, 0, 1);
    }
    while world.answer() {}
    assert_eq!(world.asked.len(), 24);
    for file in 0..6 {
        for block in 0..4 {
            assert_eq!(world.times(file, block), 1, "file {file}, block {block}");
        }
    }
}

#[test]
fn a_reader_in_order_is_fetched_ahead_of_from_the_next_block_on() {
    let parameters = format!(r#","share":0.9,"window_bytes":{}"#, 4 * BLOCK);
    let mut world = World::new(plan(256, "sequential", &parameters), &[64 * BLOCK]);
    for block in 0..4 {
        world.read(0, block, 1);
        while world.answer() {}
    }
    let blocks: Vec<u64> = world.asked.iter().map(|extent| extent.offset / BLOCK).collect();
    assert_eq!(blocks, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_reader_in_no_order_is_not_fetched_ahead_of() {
    for mode in ["sequential", "sequence"] {
        let mut world = World::new(plan(256, mode, r#","share":0.9"#), &[64 * BLOCK]);
        for block in [40, 7, 22, 3, 55, 13, 31, 48] {
            world.read(0, block, 1);
            while world.answer() {}
        }
        assert_eq!(world.asked.len(), 8, "{mode}");
        assert_eq!(world.core.stats().fetched_prefetch.count, 0, "{mode}");
    }
}

#[test]
fn a_model_in_reads_of_two_mebibytes_has_four_ahead_from_its_start_on() {
    let parameters = format!(
        r#","share":0.9,"window_bytes":{},"first_window_bytes":{}"#,
        128 * BLOCK,
        64 * BLOCK
    );
    let mut world = World::new(plan(1024, "sequential", &parameters), &[512 * BLOCK]);
    for read in 0..4 {
        for block in 0..32 {
            world.read(0, read * 32 + block, 1);
        }
        while world.answer() {}
        let farthest = world.asked.iter().map(Extent::end).max().unwrap_or(0);
        assert!(
            farthest >= ((read + 1) * 32 + 64) * BLOCK,
            "read {read}: up to {farthest}"
        );
    }
    assert_eq!(world.core.stats().prefetch_wasted.count, 0);
}

#[test]
fn a_second_pass_over_a_file_is_fetched_ahead_from_its_first_read_on() {
    let parameters = format!(r#","share":0.5,"first_window_bytes":{}"#, 4 * BLOCK);
    let mut world = World::new(plan(64, "sequential", &parameters), &[160 * BLOCK]);
    for block in 0..150 {
        world.read(0, block, 1);
        while world.answer() {}
    }
    let before = world.core.stats().fetched_prefetch.bytes;
    world.read(0, 0, 1);
    while world.answer() {}
    assert_eq!(world.core.stats().fetched_prefetch.bytes, before + 256 * 1024);
}
