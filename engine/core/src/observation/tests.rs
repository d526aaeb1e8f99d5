//! The order of reads, as people would call it.

use super::*;
use crate::rules::Phase;
use AccessPattern::{Random, Sequential, Shuffled, Strided};

const KIB: u64 = 1024;

/// Reads of one large file: what is said after each.
fn inside(reads: &[(u64, u64)]) -> Vec<Option<AccessPattern>> {
    let mut observer = Observer::default();
    observer.add(b"big.bin", 1 << 40);
    let said = reads.iter().map(|&(offset, length)| {
        let read = ObservedRead {
            file: FileId(0),
            reader: ReaderId(1),
            offset,
            length,
        };
        observer.read(&read, |_| b"big.bin");
        observer.facts(FileId(0)).pattern
    });
    said.collect()
}

fn last(reads: &[(u64, u64)]) -> Option<AccessPattern> {
    inside(reads).last().copied().flatten()
}

#[test]
fn four_contiguous_reads_are_a_sequence_and_fewer_are_not() {
    let reads: Vec<_> = (0..4).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
    assert_eq!(inside(&reads), [None, None, None, Some(Sequential)]);
}

#[test]
fn a_gap_of_some_kilobytes_is_a_stride_and_no_sequence() {
    for gap in [1, 4, 32, 63] {
        let step = 4 * KIB + gap * KIB;
        let reads: Vec<_> = (0..6).map(|index| (index * step, 4 * KIB)).collect();
        assert_eq!(last(&reads), Some(Strided), "gap {gap} KiB");
        assert!(!inside(&reads).contains(&Some(Sequential)), "gap {gap} KiB");
    }
}

#[test]
fn the_stride_is_measured() {
    let mut observer = Observer::default();
    observer.add(b"a", 1 << 30);
    for index in 0..8 {
        let read = ObservedRead {
            file: FileId(0),
            reader: ReaderId(1),
            offset: index * 5120,
            length: 4096,
        };
        observer.read(&read, |_| b"a");
    }
    assert_eq!(observer.stride(FileId(0)), Some(5120));
}

#[test]
fn read_ahead_out_of_order_does_not_break_a_sequence() {
    let mut reads: Vec<_> = (0..8).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
    reads.swap(4, 5); // one early
    reads.swap(6, 7);
    let said = inside(&reads);
    assert!(
        said[3..].iter().all(|pattern| *pattern == Some(Sequential)),
        "{said:?}"
    );
    let mut reads: Vec<_> = (0..12).map(|index| (index * 128 * KIB, 128 * KIB)).collect();
    reads[5..8].reverse(); // three in reverse
    let said = inside(&reads);
    assert!(
        said[3..].iter().all(|pattern| *pattern == Some(Sequential)),
        "{said:?}"
    );
}

#[test]
fn a_break_ends_a_sequence_also_when_it_jumps_by_six_kilobytes() {
    for jump in [6 * KIB, 1 << 30] {
        let mut reads: Vec<_> = (0..4).map(|index| (index * 4 * KIB, 4 * KIB)).collect();
        reads.push((16 * KIB + jump, 4 * KIB));
        reads.push((16 * KIB + 3 * jump, 4 * KIB));
        assert_eq!(last(&reads), None, "jump {jump}");
    }
}

#[test]
fn scattered_reads_are_random_and_a_seek_is_not() {
    let places = [5_u64, 90, 13, 71, 2, 44, 60, 8];
    let reads: Vec<_> = places.iter().map(|place| (place << 20, 4 * KIB)).collect();
    assert_eq!(last(&reads), Some(Random));
    let mut reads: Vec<_> = (0..5).map(|index| (index * KIB, KIB)).collect();
    reads.extend((0..6).map(|index| ((1 << 30) + index * KIB, KIB)));
    assert_eq!(last(&reads), Some(Sequential));
}

/// Read whole files in an order; what is said of one of them that was never read, and of the first.
fn between(orders: &[Vec<u32>], files: u32, readers: u32) -> Option<AccessPattern> {
    let paths: Vec<Vec<u8>> = (0..files)
        .map(|n| format!("train/{n:05}.jpg").into_bytes())
        .collect();
    let mut observer = Observer::default();
    for path in &paths {
        observer.add(path, 100 * KIB);
    }
    for order in orders {
        for (position, &file) in order.iter().enumerate() {
            let read = ObservedRead {
                file: FileId(file),
                reader: ReaderId(position as u32 / 8 % readers),
                offset: 0,
                length: 100 * KIB,
            };
            observer.read(&read, |id| &paths[id.0 as usize]);
        }
    }
    observer.facts(FileId(files - 1)).pattern
}

/// A Fisher-Yates shuffle by a linear congruential generator.
fn permutation(files: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..files).collect();
    let mut state = seed;
    for index in (1..order.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(index, (state >> 33) as usize % (index + 1));
    }
    order
}

#[test]
fn small_files_in_a_new_order_each_epoch_are_shuffled_from_the_first_epoch_on() {
    let (first, second) = (permutation(500, 1), permutation(500, 2));
    assert_eq!(between(&[first[..200].to_vec()], 500, 1), Some(Shuffled));
    assert_eq!(between(&[first.clone(), second.clone()], 500, 1), Some(Shuffled));
    assert_eq!(between(&[first, second], 500, 4), Some(Shuffled));
}

#[test]
fn files_in_the_order_of_names_or_in_one_order_each_time_are_a_sequence() {
    let names: Vec<u32> = (0..500).collect();
    assert_eq!(between(std::slice::from_ref(&names), 500, 1), Some(Sequential));
    assert_eq!(between(&[names], 500, 4), Some(Sequential));
    let order = permutation(500, 3);
    assert_eq!(
        between(&[order.clone(), order.clone(), order], 500, 1),
        Some(Sequential)
    );
}

#[test]
fn files_drawn_at_random_are_no_epochs() {
    let mut draws = Vec::new();
    let mut state = 7_u64;
    for _ in 0..1500 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        draws.push((state >> 33) as u32 % 500);
    }
    assert_eq!(between(&[draws], 500, 1), Some(Random));
}

#[test]
fn a_small_set_with_an_index_before_each_epoch_is_shuffled() {
    let mut observer = Observer::default();
    let paths: Vec<Vec<u8>> = (0..24)
        .map(|n| format!("train/{n:03}.bin").into_bytes())
        .chain([b"index.json".to_vec()])
        .collect();
    paths.iter().for_each(|path| observer.add(path, KIB));
    for epoch in 0..4 {
        for file in std::iter::once(24).chain(permutation(24, epoch)) {
            let read = ObservedRead {
                file: FileId(file),
                reader: ReaderId(1),
                offset: 0,
                length: KIB,
            };
            observer.read(&read, |id| &paths[id.0 as usize]);
        }
    }
    assert_eq!(observer.facts(FileId(0)).pattern, Some(Shuffled));
    assert_eq!(observer.facts(FileId(24)).pattern, None);
}

#[test]
fn one_sample_looked_at_beforehand_changes_nothing() {
    let mut order = vec![0, 1, 0];
    order.extend(permutation(500, 9));
    assert_eq!(between(&[order, permutation(500, 10)], 500, 1), Some(Shuffled));
}

/// A mount that lists nothing learns of files when they are opened.
#[test]
fn files_that_become_known_one_by_one_are_judged_alike() {
    let mut order = vec![0, 1, 0];
    order.extend(permutation(300, 5));
    order.extend(permutation(300, 6));
    let mut draws = Vec::new();
    let mut state = 3_u64;
    for _ in 0..900 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        draws.push((state >> 33) as u32 % 300);
    }
    for (order, expected) in [(order, Shuffled), (draws, Random)] {
        let mut observer = Observer::default();
        let mut ids: Vec<Option<u32>> = vec![None; 300];
        let mut paths: Vec<Vec<u8>> = Vec::new();
        for name in order {
            let id = *ids[name as usize].get_or_insert_with(|| {
                paths.push(format!("train/{name:05}.jpg").into_bytes());
                observer.add(&paths[paths.len() - 1], KIB);
                paths.len() as u32 - 1
            });
            let read = ObservedRead {
                file: FileId(id),
                reader: ReaderId(1),
                offset: 0,
                length: KIB,
            };
            observer.read(&read, |id| &paths[id.0 as usize]);
        }
        assert_eq!(observer.facts(FileId(0)).pattern, Some(expected));
    }
}

#[test]
fn folders_do_not_disturb_one_another() {
    let mut observer = Observer::default();
    let paths: Vec<Vec<u8>> = (0..200)
        .map(|n| format!("{}/{n:03}.jpg", if n < 100 { "a" } else { "b" }).into_bytes())
        .collect();
    paths.iter().for_each(|path| observer.add(path, KIB));
    let mut order: Vec<u32> = (0..100).collect();
    order.extend(permutation(100, 4).iter().map(|n| n + 100));
    for file in order {
        let read = ObservedRead {
            file: FileId(file),
            reader: ReaderId(1),
            offset: 0,
            length: KIB,
        };
        observer.read(&read, |id| &paths[id.0 as usize]);
    }
    assert_eq!(observer.facts(FileId(50)).pattern, Some(Sequential));
    assert_eq!(observer.facts(FileId(150)).pattern, Some(Shuffled));
    assert_eq!(observer.folder_members(FileId(150)).len(), 100);
}

/// A job over files, told what each visit of a whole file shows.
struct Visits {
    observer: Observer,
    paths: Vec<Vec<u8>>,
}

impl Visits {
    fn new(paths: &[&str]) -> Visits {
        let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        let mut observer = Observer::default();
        paths.iter().for_each(|path| observer.add(path, 100 * KIB));
        Visits { observer, paths }
    }

    fn of_set(files: u32) -> Visits {
        let names: Vec<String> = (0..files).map(|n| format!("train/{n:05}.jpg")).collect();
        Visits::new(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn read(&mut self, file: u32, reader: u32) -> JobUse {
        let read = ObservedRead {
            file: FileId(file),
            reader: ReaderId(reader),
            offset: 0,
            length: 100 * KIB,
        };
        self.observer.read(&read, |id| &self.paths[id.0 as usize]);
        self.observer.job()
    }

    fn epochs(&mut self, order: impl IntoIterator<Item = u32>) -> Vec<Option<u64>> {
        let order = order.into_iter().enumerate();
        order
            .map(|(turn, file)| self.read(file, turn as u32 % 4).epoch)
            .collect()
    }
}

#[test]
fn an_epoch_begins_when_the_set_is_read_again() {
    for files in [1, 2, 5, 24, 500] {
        let mut visits = Visits::of_set(files);
        for epoch in 0..4 {
            let told = visits.epochs(permutation(files, epoch));
            let begins = told.iter().position(|told| *told == Some(epoch));
            let late = begins.unwrap_or_else(|| panic!("{files} files: epoch {epoch} never comes: {told:?}"));
            assert!(
                late <= 1.max(files as usize / 3),
                "{files} files: {late} late in {epoch}"
            );
            assert_eq!(told.last(), Some(&Some(epoch)), "{files} files");
        }
    }
}

#[test]
fn a_held_part_that_the_mount_does_not_see_hides_no_epoch() {
    let mut visits = Visits::of_set(400);
    assert_eq!(visits.epochs(permutation(400, 1)).last(), Some(&Some(0)));
    for epoch in 1..4 {
        // 60 % are held, the same ones each time, and opens are not seen
        let seen = permutation(400, epoch + 7)
            .into_iter()
            .filter(|file| file % 5 < 2);
        assert_eq!(visits.epochs(seen).last(), Some(&Some(epoch)));
    }
}

#[test]
fn opens_show_epochs_that_the_kernel_serves_alone() {
    let mut visits = Visits::of_set(50);
    visits.epochs(0..50);
    for file in 0..50 {
        visits.observer.open(FileId(file), ReaderId(1));
    }
    assert_eq!(visits.observer.job().epoch, Some(1));
    // an open and the read after it are one visit
    let mut visits = Visits::of_set(50);
    for file in 0..50 {
        visits.observer.open(FileId(file), ReaderId(1));
        visits.read(file, 1);
    }
    assert_eq!(visits.observer.job().epoch, Some(0));
}

#[test]
fn samples_looked_at_beforehand_and_an_index_begin_no_epoch() {
    let mut visits = Visits::new(&["index.json", "meta.yaml"]);
    visits.read(0, 1);
    let mut visits = Visits::of_set(100);
    let told = visits.epochs([0, 1, 0].into_iter().chain(permutation(100, 3)));
    assert_eq!(told.last(), Some(&Some(0)));
}

#[test]
fn files_drawn_at_random_have_no_epochs() {
    for files in [100, 500] {
        let mut state = 7_u64;
        let draws: Vec<u32> = (0..5 * files)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u32 % files
            })
            .collect();
        let told = Visits::of_set(files).epochs(draws);
        assert_eq!(told.last(), Some(&None), "{files} files");
        assert!(told.iter().all(|epoch| epoch.unwrap_or(0) == 0), "{files} files");
    }
}

#[test]
fn readers_that_each_go_over_the_set_have_no_epoch_together() {
    let mut visits = Visits::of_set(200);
    let (one, other) = (permutation(200, 1), permutation(200, 2));
    let told = visits.epochs(one.into_iter().zip(other).flat_map(|(one, other)| [one, other]));
    assert_eq!(told.last(), Some(&None));
    // side by side in one order they are one reader
    let mut visits = Visits::of_set(200);
    let told = visits.epochs((0..200).flat_map(|file| [file; 4]));
    assert_eq!(told.last(), Some(&Some(0)));
}

#[test]
fn a_job_begins_trains_validates_and_trains_again() {
    let train: Vec<String> = (0..40).map(|n| format!("images/{n:02}.jpg")).collect();
    let check: Vec<String> = (0..12).map(|n| format!("held_out/{n:02}.jpg")).collect();
    let mut names: Vec<&str> = vec!["config.json", "model.safetensors"];
    names.extend(train.iter().chain(&check).map(String::as_str));
    let mut visits = Visits::new(&names);
    assert_eq!(visits.observer.job(), JobUse::default());
    assert_eq!(visits.read(0, 1).phase, Some(Phase::Initialization));
    let begun = visits.read(1, 1);
    assert_eq!(
        (begun.phase, begun.model_bytes),
        (Some(Phase::Initialization), Some(100 * KIB))
    );
    for file in 2..42 {
        visits.read(file, 1);
    }
    // read once: it may be preparation as well
    let once = visits.observer.job();
    assert_eq!((once.work, once.phase, once.epoch), (None, None, Some(0)));
    for file in 42..54 {
        visits.read(file, 1);
    }
    for file in 2..42 {
        visits.read(file, 1);
    }
    let again = visits.observer.job();
    assert_eq!(
        (again.work, again.phase),
        (Some(Work::Training), Some(Phase::Training))
    );
    assert_eq!(
        (again.epoch, again.dataset_bytes),
        (Some(1), Some(40 * 100 * KIB))
    );
    for file in 42..54 {
        visits.read(file, 1);
    }
    assert_eq!(visits.observer.job().phase, Some(Phase::Validation));
    for file in 2..42 {
        visits.read(file, 1);
    }
    assert_eq!(visits.observer.job().phase, Some(Phase::Training));
    assert_eq!(visits.observer.job().epoch, Some(2));
}

#[test]
fn what_the_processes_tell_says_what_reading_samples_is_for() {
    for (work, phase) in [
        (Work::Training, Phase::Training),
        (Work::Evaluation, Phase::Evaluation),
        (Work::Preprocessing, Phase::Preprocessing),
    ] {
        let mut visits = Visits::of_set(20);
        visits.observer.set_work(Some(work));
        let told = (0..20).map(|file| visits.read(file, 1).phase).last();
        assert_eq!(told, Some(Some(phase)));
    }
    let mut visits = Visits::new(&["model.safetensors"]);
    visits.observer.set_work(Some(Work::Inference));
    assert_eq!(visits.read(0, 1).phase, Some(Phase::Inference));
}
