//! What an event costs the core: a million small files, two shuffled epochs, answered by an instant driver.
//! `cargo run --release -p mlopt-core --example event_cost`
#![allow(clippy::disallowed_methods)] // an example measures; the core never looks at a clock

use std::collections::VecDeque;
use std::time::Instant;

use mlopt_core::{Core, Effect, Event, Extent, FileFacts, FileId, Nanos, Plan, ReaderId, TicketId, Version};

const FILES: u32 = 1_000_000;
const FILE_BYTES: u64 = 100_000;

fn plan(policy: &str, share: f64, staged: f64) -> Plan {
    let memory = u64::from(FILES) * (FILE_BYTES + 2048);
    let kernel_share = if policy == "lru" { 0.0 } else { 1.0 };
    let prefetch = if staged > 0.0 {
        format!(r#",{{"type":"prefetch","parameters":{{"mode":"epoch_set","share":{staged},"depth":16}}}}"#)
    } else {
        String::new()
    };
    let text = format!(
        r#"{{"version":1,"seed":7,"block_bytes":1048576,"observe":"none","staleness_ns":60000000000,
        "threshold":0.5,"max_rules":5,
        "tiers":{{"memory":{{"bytes":{memory},"kernel_share":{kernel_share}}},"disk":{{"bytes":0,"dir_required":false}}}},
        "rules":[{{"id":"all","priority":1,"order":0,"match":"all","origin":{{"layer":"flag","file":"e","line":1}},
        "conditions":[{{"fact":"file.size","op":"greater_equal","value":0,"weight":1.0,"required":false}}],
        "actions":[{{"type":"cache","parameters":{{"policy":"{policy}","share":{share}}}}}{prefetch}]}}]}}"#
    );
    Plan::from_json(&text).expect("the plan is valid")
}

fn answer(effect: &Effect) -> Option<Event> {
    match *effect {
        Effect::Fetch { id, extent, .. } => Some(Event::FetchDone {
            id,
            bytes: extent.length,
        }),
        Effect::Fill { extent, .. } => Some(Event::Filled { extent }),
        Effect::DropKernel { extent } => Some(Event::Dropped { extent }),
        _ => None,
    }
}

/// Tell an event and everything that follows; how many events that were.
fn tell(core: &mut Core, events: &mut VecDeque<Event>, event: Event) -> u64 {
    let mut count = 0;
    events.push_back(event);
    while let Some(event) = events.pop_front() {
        core.handle(event, Nanos(0)).expect("the driver obeys");
        count += 1;
        while let Some(effect) = core.poll_effect() {
            events.extend(answer(&effect));
        }
    }
    count
}

fn measure(name: &str, plan: Plan) {
    let mut core = Core::new(plan).expect("compiles");
    let mut events = VecDeque::new();
    let all: Vec<FileFacts> = (0..FILES)
        .map(|number| FileFacts {
            path: format!("train/{:03}/{number:07}.jpg", number / 1000).into_bytes(),
            size: FILE_BYTES,
            mtime_ns: 0,
            version: Version(1),
            format: None,
        })
        .collect();
    let start = Instant::now();
    for (number, facts) in all.into_iter().enumerate() {
        let file = FileId(number as u32);
        tell(&mut core, &mut events, Event::Seen { file, facts });
    }
    println!(
        "{name}: seen {:.0} ns a file",
        start.elapsed().as_nanos() as f64 / f64::from(FILES)
    );
    for epoch in 0..3_u32 {
        let stride = [7_919, 104_729, 611_953][epoch as usize]; // primes: each a permutation
        let start = Instant::now();
        let mut count = 0;
        for position in 0..u64::from(FILES) {
            let file = (position * stride % u64::from(FILES)) as u32;
            let extent = Extent {
                file: FileId(file),
                offset: 0,
                length: FILE_BYTES,
            };
            let read = Event::Read {
                ticket: TicketId(position),
                extent,
                reader: ReaderId(1),
            };
            count += tell(&mut core, &mut events, read);
        }
        let spent = start.elapsed().as_nanos() as f64;
        println!(
            "{name}: epoch {epoch}: {:.0} ns a read, {:.0} ns an event",
            spent / f64::from(FILES),
            spent / count as f64
        );
    }
    println!("{name}: {:?}", core.stats().served_prefetched);
}

fn main() {
    measure("pinned .5", plan("pinned", 0.5, 0.0));
    measure("lru .5", plan("lru", 0.5, 0.0));
    measure("pinned .3, epoch_set .2", plan("pinned", 0.3, 0.2));
}
