//! Shuffled epochs through the whole core, under an ideal driver: fetches, fills and drops end at once.
//! The hit ratios must be those that theory gives.

use std::collections::VecDeque;

use mlopt_core::{
    Core, Effect, Event, Extent, FileFacts, FileId, Nanos, Plan, ReaderId, ServedFrom, TicketId, Version,
};

const FILE_BYTES: u64 = 100_000;
const FILES: u32 = 4_000;
const INODE_BYTES: u64 = 2048;
/// What the core keeps free for demand fetches, 4 blocks.
const HEADROOM_BYTES: u64 = 4 * FILE_BYTES;

/// A plan whose shares are of the data, though the budget pays for inodes and headroom as well.
fn plan(pinned: f64, staged: f64) -> Plan {
    let data = FILES as f64 * FILE_BYTES as f64;
    let memory = (pinned + staged) * data + (u64::from(FILES) * INODE_BYTES + HEADROOM_BYTES) as f64;
    let mut actions = vec![format!(
        r#"{{"type":"cache","parameters":{{"policy":"pinned","share":{}}}}}"#,
        pinned * data / memory
    )];
    if staged > 0.0 {
        actions.push(format!(
            r#"{{"type":"prefetch","parameters":{{"mode":"epoch_set","share":{},"depth":64}}}}"#,
            staged * data / memory
        ));
    }
    Plan::from_json(&format!(
        r#"{{"version":1,"seed":7,"block_bytes":1048576,"observe":"none","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,
        "tiers":{{"memory":{{"bytes":{},"kernel_share":1.0}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{{"id":"all","priority":1,"order":0,"match":"all","origin":{{"layer":"flag","file":"t","line":1}},
        "conditions":[{{"fact":"file.size","op":"greater_equal","value":0,"weight":1.0,"required":false}}],
        "actions":[{}]}}]}}"#,
        memory.ceil(),
        actions.join(",")
    ))
    .expect("the test's plan is valid")
}

/// The ideal driver, and a kernel that answers from the pages it was filled with.
struct Job {
    core: Core,
    /// Whole files that the kernel holds.
    silent: Vec<bool>,
    ticket: u64,
    served: Option<ServedFrom>,
}

impl Job {
    fn new(plan: Plan) -> Job {
        let mut job = Job {
            core: Core::new(plan).expect("the plan compiles"),
            silent: vec![false; FILES as usize],
            ticket: 0,
            served: None,
        };
        for number in 0..FILES {
            let facts = FileFacts {
                path: format!("train/{number}.jpg").into_bytes(),
                size: FILE_BYTES,
                mtime_ns: 0,
                version: Version(1),
                format: None,
            };
            job.tell(Event::Seen {
                file: FileId(number),
                facts,
            });
        }
        job
    }

    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.core.handle(event, Nanos(self.ticket)).expect("obeys");
            while let Some(effect) = self.core.poll_effect() {
                match effect {
                    Effect::Serve { from, .. } => self.served = Some(from),
                    Effect::Fail { .. } => panic!("nothing fails here"),
                    Effect::Fetch { id, extent, .. } => events.push_back(Event::FetchDone {
                        id,
                        bytes: extent.length,
                    }),
                    Effect::Fill {
                        extent,
                        leave_tail_pages,
                    } => {
                        self.silent[extent.file.0 as usize] = leave_tail_pages == 0;
                        events.push_back(Event::Filled { extent });
                    }
                    Effect::DropKernel { extent } => {
                        self.silent[extent.file.0 as usize] = false;
                        events.push_back(Event::Dropped { extent });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Read a whole file; whether nobody had to wait for the source.
    fn read(&mut self, file: u32) -> bool {
        if self.silent[file as usize] {
            return true;
        }
        self.ticket += 1;
        self.tell(Event::Read {
            ticket: TicketId(self.ticket),
            extent: Extent {
                file: FileId(file),
                offset: 0,
                length: FILE_BYTES,
            },
            reader: ReaderId(1),
        });
        let from = self.served.take().expect("an ideal driver answers at once");
        matches!(from, ServedFrom::Resident | ServedFrom::Prefetched)
    }
}

/// Hit ratio per shuffled epoch after the cold one.
fn hit_ratio(pinned: f64, staged: f64, epochs: u32) -> f64 {
    let mut job = Job::new(plan(pinned, staged));
    let mut random = 7_u64;
    let mut order: Vec<u32> = (0..FILES).collect();
    let mut hits = 0_u32;
    for epoch in 0..=epochs {
        for last in (1..order.len()).rev() {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (random >> 33) as usize % (last + 1));
        }
        let found = order.iter().filter(|&&file| job.read(file)).count() as u32;
        if epoch > 0 {
            hits += found;
        }
    }
    let stats = job.core.stats();
    assert!(
        stats.peak_bytes <= job.core.plan().tiers.memory.bytes,
        "the budget is hard: {} of {} bytes",
        stats.peak_bytes,
        job.core.plan().tiers.memory.bytes
    );
    f64::from(hits) / f64::from(epochs * FILES)
}

/// p + k (1 + ln((1 - p) / k)).
fn closed_form(pinned: f64, staged: f64) -> f64 {
    pinned + staged * (1.0 + ((1.0 - pinned) / staged).ln())
}

#[test]
fn pinning_has_the_share_that_fits() {
    let found = hit_ratio(0.5, 0.0, 3);
    assert!((found - 0.5).abs() < 0.01, "{found}");
}

#[test]
fn staging_half_the_data_hits_as_theory_says() {
    let found = hit_ratio(0.0, 0.5, 4);
    assert!(
        (found - closed_form(0.0, 0.5)).abs() < 0.01,
        "{found} for {}",
        closed_form(0.0, 0.5)
    );
}

#[test]
fn pinning_and_staging_together_hit_as_theory_says() {
    let found = hit_ratio(0.3, 0.2, 4);
    assert!(
        (found - closed_form(0.3, 0.2)).abs() < 0.01,
        "{found} for {}",
        closed_form(0.3, 0.2)
    );
}

#[test]
fn a_first_epoch_whose_files_are_all_kept_is_fetched_once() {
    let mut job = Job::new(plan(1.01, 0.3));
    for number in 0..FILES {
        job.read((number * 1_009) % FILES); // each file once, in no order of names
    }
    let stats = job.core.stats();
    assert_eq!(stats.prefetch_wasted.count, 0);
    let fetched = stats.fetched_demand.bytes + stats.fetched_prefetch.bytes;
    assert_eq!(fetched, u64::from(FILES) * FILE_BYTES);
}
