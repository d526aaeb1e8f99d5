//! The kernel's page cache as a reader meets it: which pages are resident, which are on their way, and which
//! messages a miss becomes. Absent: who answers the messages, what they cost, which pages should stay.

/// A page of the kernel [bytes].
pub const PAGE_BYTES: u64 = 4096;

/// What is known of 64 pages, a bit each: side by side, because a read asks for all of it and the files of an epoch
/// come in random order, so that each array apart would be a cache miss of its own.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    resident: u64,
    in_flight: u64,
    fresh_prefetched: u64,
    fresh_missed: u64,
}

/// The words that hold the bits `[from, to)`: their places and masks.
fn words(from: u64, to: u64) -> impl Iterator<Item = (usize, u64)> {
    let mut bit = from;
    std::iter::from_fn(move || {
        if bit >= to {
            return None;
        }
        let end = (bit / 64 * 64 + 64).min(to);
        let mask = (u64::MAX >> (64 - (end - bit))) << (bit % 64);
        let place = (bit / 64) as usize;
        bit = end;
        Some((place, mask))
    })
}

/// How pages came to be resident, as far as the books of hits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// They were held: by a cache policy or by the page cache.
    Held,
    /// A prefetch brought them and nobody read them yet.
    Prefetched,
    /// A read waited for the source to bring them.
    Missed,
}

/// What a read found, page by page; the classes add up to the pages read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Pages a prefetch had brought.
    pub prefetched: u64,
    /// Pages that came from the source because of this read or of its read-ahead.
    pub missed: u64,
}

/// The pages of all files.
#[derive(Debug)]
pub struct PageCache {
    files: Vec<File>,
    words: Vec<Word>,
}

#[derive(Debug)]
struct File {
    first_bit: u64,
    size: u64,
}

impl PageCache {
    /// Nothing resident; `sizes` are those of the files [bytes].
    pub fn new(sizes: &[u64]) -> PageCache {
        let mut files = Vec::with_capacity(sizes.len());
        let mut words = 0;
        for &size in sizes {
            files.push(File {
                first_bit: words * 64,
                size,
            });
            words += size.div_ceil(PAGE_BYTES).div_ceil(64);
        }
        PageCache {
            files,
            words: vec![Word::default(); words as usize],
        }
    }

    /// Size of the file [bytes].
    pub fn size(&self, file: u32) -> u64 {
        self.files[file as usize].size
    }

    /// Pages of the file.
    pub fn pages(&self, file: u32) -> u64 {
        self.size(file).div_ceil(PAGE_BYTES)
    }

    /// The first bit of `[from, to)` that is set in what `of` takes from a word, else `to`.
    fn first(&self, from: u64, to: u64, of: impl Fn(&Word) -> u64) -> u64 {
        for (place, mask) in words(from, to) {
            let value = of(&self.words[place]) & mask;
            if value != 0 {
                return place as u64 * 64 + u64::from(value.trailing_zeros());
            }
        }
        to
    }

    fn change(&mut self, from: u64, to: u64, mut each: impl FnMut(&mut Word, u64)) {
        for (place, mask) in words(from, to) {
            each(&mut self.words[place], mask);
        }
    }

    fn bits(&self, file: u32, from: u64, to: u64) -> (u64, u64) {
        let base = self.files[file as usize].first_bit;
        (base + from, base + to.min(self.pages(file)))
    }

    /// The first page of `[from, to)` that is not resident, else `to`.
    pub fn first_missing(&self, file: u32, from: u64, to: u64) -> u64 {
        let (a, b) = self.bits(file, from, to);
        self.first(a, b, |word| !word.resident) - a + from
    }

    /// Whether the page is on its way.
    pub fn is_in_flight(&self, file: u32, page: u64) -> bool {
        let (a, _) = self.bits(file, page, page + 1);
        self.words[(a / 64) as usize].in_flight >> (a % 64) & 1 == 1
    }

    /// The next run in `[from, to)` that is neither resident nor on its way; empty at `to` if none.
    pub fn next_gap(&self, file: u32, from: u64, to: u64) -> (u64, u64) {
        let (a, b) = self.bits(file, from, to);
        let base = a - from;
        let start = self.first(a, b, |word| !(word.resident | word.in_flight));
        let end = self.first(start, b, |word| word.resident | word.in_flight);
        (start - base, end - base)
    }

    /// A message asks for these pages.
    pub fn start_flight(&mut self, file: u32, from: u64, to: u64) {
        let (a, b) = self.bits(file, from, to);
        self.change(a, b, |word, mask| word.in_flight |= mask);
    }

    /// A message was answered, well or not.
    pub fn end_flight(&mut self, file: u32, from: u64, to: u64) {
        let (a, b) = self.bits(file, from, to);
        self.change(a, b, |word, mask| word.in_flight &= !mask);
    }

    /// The pages are resident now.
    pub fn insert(&mut self, file: u32, from: u64, to: u64, origin: Origin) {
        let (a, b) = self.bits(file, from, to);
        self.change(a, b, |word, mask| {
            word.resident |= mask;
            match origin {
                Origin::Held => {}
                Origin::Prefetched => word.fresh_prefetched |= mask,
                Origin::Missed => word.fresh_missed |= mask,
            }
        });
    }

    /// The pages are gone. Pages on their way are left alone: they are locked.
    pub fn remove(&mut self, file: u32, from: u64, to: u64) {
        let (a, b) = self.bits(file, from, to);
        self.change(a, b, |word, mask| word.resident &= !mask);
    }

    /// A reader has its copy of the pages: what they were to it.
    pub fn consume(&mut self, file: u32, from: u64, to: u64) -> Found {
        let (a, b) = self.bits(file, from, to);
        let mut found = Found::default();
        self.change(a, b, |word, mask| {
            found.prefetched += u64::from((word.fresh_prefetched & mask).count_ones());
            found.missed += u64::from((word.fresh_missed & mask).count_ones());
            word.fresh_prefetched &= !mask;
            word.fresh_missed &= !mask;
        });
        found
    }
}

/// The read-ahead of one open file, after Linux's `ondemand_readahead`.
#[derive(Debug, Clone, Copy)]
pub struct ReadAhead {
    start: u64,
    size: u64,
    ahead: u64,
    previous: u64,
}

impl ReadAhead {
    /// Just opened.
    pub fn opened() -> ReadAhead {
        ReadAhead {
            start: 0,
            size: 0,
            ahead: 0,
            previous: u64::MAX,
        }
    }

    /// The page whose touch starts the next window, if one is set.
    pub fn marker(&self) -> Option<u64> {
        (self.ahead > 0).then(|| self.start + self.size - self.ahead)
    }

    /// A reader has read up to this page.
    pub fn has_read(&mut self, last: u64) {
        self.previous = last;
    }

    /// A page is missing and `wanted` pages are left of the request: the window to ask for, `[from, to)`.
    pub fn on_miss(&mut self, page: u64, wanted: u64, most: u64) -> (u64, u64) {
        let sequential = page == 0 || page.wrapping_sub(self.previous) <= 1;
        if !sequential && wanted <= most {
            // a lone small read: exactly what was asked for, the state stays
            return (page, page + wanted);
        }
        self.start = page;
        self.size = first_window(wanted, most);
        self.ahead = if self.size > wanted {
            self.size - wanted
        } else {
            self.size
        };
        if self.ahead == self.size {
            // the marker would be hit at once: the next window is merged into this one
            let more = next_window(self.size, most);
            (self.size, self.ahead) = if self.size + more <= most {
                (self.size + more, more)
            } else {
                (most, most / 2)
            };
        }
        (page, page + self.size)
    }

    /// The marker was touched: the next window, `[from, to)`.
    pub fn on_marker(&mut self, most: u64) -> (u64, u64) {
        self.start += self.size;
        self.size = next_window(self.size, most);
        self.ahead = self.size;
        (self.start, self.start + self.size)
    }
}

/// Linux's `get_init_ra_size`.
fn first_window(wanted: u64, most: u64) -> u64 {
    let rounded = wanted.next_power_of_two();
    if rounded <= most / 32 {
        rounded * 4
    } else if rounded <= most / 4 {
        rounded * 2
    } else {
        most
    }
}

/// Linux's `get_next_ra_size`.
fn next_window(size: u64, most: u64) -> u64 {
    if size < most / 16 {
        4 * size
    } else if size <= most / 2 {
        2 * size
    } else {
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_resident_pages_and_pages_on_their_way() {
        // 100 pages: 0-9 resident, 20-29 on their way, 40-69 resident
        let mut cache = PageCache::new(&[10, 100 * PAGE_BYTES]);
        cache.insert(1, 0, 10, Origin::Held);
        cache.start_flight(1, 20, 30);
        cache.insert(1, 40, 70, Origin::Held);
        assert_eq!(cache.next_gap(1, 0, 100), (10, 20));
        assert_eq!(cache.next_gap(1, 20, 100), (30, 40));
        assert_eq!(cache.next_gap(1, 40, 100), (70, 100));
        assert_eq!(cache.next_gap(1, 0, 5), (5, 5));
        assert_eq!(cache.first_missing(1, 45, 100), 70);
        assert_eq!(cache.first_missing(0, 0, 1), 0);
        cache.remove(1, 60, 100);
        assert_eq!(cache.first_missing(1, 45, 100), 60);
    }

    #[test]
    fn pages_are_new_to_the_first_reader_only() {
        let mut cache = PageCache::new(&[30 * PAGE_BYTES]);
        cache.insert(0, 0, 10, Origin::Missed);
        cache.insert(0, 10, 30, Origin::Prefetched);
        let found = cache.consume(0, 5, 15);
        assert_eq!((found.missed, found.prefetched), (5, 5));
        assert_eq!(cache.consume(0, 5, 15), Found::default());
    }

    #[test]
    fn a_small_file_is_one_message_and_a_large_one_doubles_its_windows() {
        // 110,000 bytes read at once, 1 MiB windows: 27 pages wanted, 64 asked for (clipped to the file)
        assert_eq!(ReadAhead::opened().on_miss(0, 27, 256), (0, 64));
        // 16 KiB reads in a 128 KiB window: 16, 32, 32 pages
        let mut state = ReadAhead::opened();
        assert_eq!(state.on_miss(0, 4, 32), (0, 8));
        assert_eq!(state.marker(), Some(4));
        assert_eq!(state.on_marker(32), (8, 24));
        assert_eq!(state.on_marker(32), (24, 56));
        // a read somewhere else asks for itself alone
        state.has_read(55);
        assert_eq!(state.on_miss(1000, 2, 32), (1000, 1002));
    }
}
