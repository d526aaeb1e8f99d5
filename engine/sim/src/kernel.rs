//! The kernel's page cache as a reader meets it: which pages are resident, which are on their way, and which
//! messages a miss becomes. Absent: who answers the messages, what they cost, which pages should stay.

/// A page of the kernel [bytes].
pub const PAGE_BYTES: u64 = 4096;

/// A set of pages of all files: one bit each.
#[derive(Debug)]
struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    fn new(words: usize) -> PageSet {
        PageSet {
            words: vec![0; words],
        }
    }

    /// Calls `each(word, mask)` for the words that hold the bits `[from, to)`.
    fn for_words(from: u64, to: u64, mut each: impl FnMut(usize, u64) -> bool) {
        let mut bit = from;
        while bit < to {
            let end = (bit / 64 * 64 + 64).min(to);
            let mask = (u64::MAX >> (64 - (end - bit))) << (bit % 64);
            if !each((bit / 64) as usize, mask) {
                return;
            }
            bit = end;
        }
    }

    fn set(&mut self, from: u64, to: u64) {
        Self::for_words(from, to, |word, mask| {
            self.words[word] |= mask;
            true
        });
    }

    /// Clears the bits and counts those that were set.
    fn clear(&mut self, from: u64, to: u64) -> u64 {
        let mut cleared = 0;
        Self::for_words(from, to, |word, mask| {
            cleared += u64::from((self.words[word] & mask).count_ones());
            self.words[word] &= !mask;
            true
        });
        cleared
    }

    /// The first bit of `[from, to)` whose value is `wanted`, else `to`.
    fn first(&self, from: u64, to: u64, wanted: bool) -> u64 {
        let mut found = to;
        Self::for_words(from, to, |word, mask| {
            let value = if wanted {
                self.words[word]
            } else {
                !self.words[word]
            } & mask;
            if value != 0 {
                found = word as u64 * 64 + u64::from(value.trailing_zeros());
            }
            value == 0
        });
        found
    }
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
    first_bit: Vec<u64>,
    pages: Vec<u64>,
    resident: PageSet,
    in_flight: PageSet,
    fresh_prefetched: PageSet,
    fresh_missed: PageSet,
}

impl PageCache {
    /// Nothing resident; `sizes` are those of the files [bytes].
    pub fn new(sizes: &[u64]) -> PageCache {
        let mut first_bit = Vec::with_capacity(sizes.len());
        let mut words = 0;
        for size in sizes {
            first_bit.push(words * 64);
            words += size.div_ceil(PAGE_BYTES).div_ceil(64);
        }
        let set = || PageSet::new(words as usize);
        PageCache {
            first_bit,
            pages: sizes.iter().map(|size| size.div_ceil(PAGE_BYTES)).collect(),
            resident: set(),
            in_flight: set(),
            fresh_prefetched: set(),
            fresh_missed: set(),
        }
    }

    /// Pages of the file.
    pub fn pages(&self, file: u32) -> u64 {
        self.pages[file as usize]
    }

    fn bits(&self, file: u32, from: u64, to: u64) -> (u64, u64) {
        let base = self.first_bit[file as usize];
        (base + from, base + to.min(self.pages[file as usize]))
    }

    /// The first page of `[from, to)` that is not resident, else `to`.
    pub fn first_missing(&self, file: u32, from: u64, to: u64) -> u64 {
        let (a, b) = self.bits(file, from, to);
        self.resident.first(a, b, false) - a + from
    }

    /// Whether the page is on its way.
    pub fn is_in_flight(&self, file: u32, page: u64) -> bool {
        let (a, _) = self.bits(file, page, page + 1);
        self.in_flight.words[(a / 64) as usize] >> (a % 64) & 1 == 1
    }

    /// The next run in `[from, to)` that is neither resident nor on its way; empty at `to` if none.
    pub fn next_gap(&self, file: u32, from: u64, to: u64) -> (u64, u64) {
        let (mut a, b) = self.bits(file, from, to);
        let base = a - from;
        loop {
            let start = self.resident.first(a, b, false);
            let clear = self.in_flight.first(start, b, false);
            if clear == start {
                let end = self.resident.first(start, b, true);
                return (start - base, self.in_flight.first(start, end, true) - base);
            }
            a = clear;
        }
    }

    /// A message asks for these pages.
    pub fn start_flight(&mut self, file: u32, from: u64, to: u64) {
        let (a, b) = self.bits(file, from, to);
        self.in_flight.set(a, b);
    }

    /// A message was answered, well or not.
    pub fn end_flight(&mut self, file: u32, from: u64, to: u64) {
        let (a, b) = self.bits(file, from, to);
        self.in_flight.clear(a, b);
    }

    /// The pages are resident now.
    pub fn insert(&mut self, file: u32, from: u64, to: u64, origin: Origin) {
        let (a, b) = self.bits(file, from, to);
        self.resident.set(a, b);
        match origin {
            Origin::Held => {}
            Origin::Prefetched => self.fresh_prefetched.set(a, b),
            Origin::Missed => self.fresh_missed.set(a, b),
        }
    }

    /// The pages are gone; how many there were. Pages on their way are left alone: they are locked.
    pub fn remove(&mut self, file: u32, from: u64, to: u64) -> u64 {
        let (a, b) = self.bits(file, from, to);
        self.resident.clear(a, b)
    }

    /// A reader has its copy of the pages: what they were to it.
    pub fn consume(&mut self, file: u32, from: u64, to: u64) -> Found {
        let (a, b) = self.bits(file, from, to);
        Found {
            prefetched: self.fresh_prefetched.clear(a, b),
            missed: self.fresh_missed.clear(a, b),
        }
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
        assert_eq!(cache.remove(1, 60, 100), 10);
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
