//! Page-aligned memory for every byte that goes between the source and the kernel. Absent: who owns which bytes.
//!
//! Buffers come from mmap(2): a malloc'ed one starts 16 bytes into a page, and kernel copies into such run at 2.5
//! instead of 11 GB/s. A short free list saves the page faults of the next fetch.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use parking_lot::Mutex;

/// What O_DIRECT asks of addresses, offsets and lengths [bytes].
pub const PAGE: usize = 4096;
/// Memory kept ready for the next fetches; small against the 64 MiB that a daemon may take beside its budget [bytes].
const SPARE_BYTES: usize = 16 << 20;

/// `length` bytes, starting on a page, with room up to the next page boundary.
#[derive(Debug)]
pub struct AlignedBuffer {
    start: NonNull<u8>,
    capacity: usize,
    length: usize,
}

// SAFETY: the buffer owns its mapping alone; references to it follow the usual borrow rules.
unsafe impl Send for AlignedBuffer {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for AlignedBuffer {}

static SPARE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

impl AlignedBuffer {
    /// Map a buffer; its content is unspecified.
    ///
    /// # Errors
    /// ENOMEM when the system has no memory left.
    pub fn new(length: usize) -> io::Result<AlignedBuffer> {
        let capacity = length.max(1).next_multiple_of(PAGE);
        if let Some(start) = take_spare(capacity) {
            return Ok(AlignedBuffer {
                start,
                capacity,
                length,
            });
        }
        // SAFETY: an anonymous private mapping touches no other memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                capacity,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(AlignedBuffer {
            start,
            capacity,
            length,
        })
    }

    /// All whole pages of the buffer: an O_DIRECT read of a file's tail asks for the rest of its page too.
    pub fn whole_pages(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has `capacity` bytes and is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.capacity) }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has at least `length` bytes, anonymous memory is always initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        let mut spare = SPARE.lock();
        let kept: usize = spare.iter().map(|(_, capacity)| capacity).sum();
        if kept + self.capacity <= SPARE_BYTES {
            spare.push((self.start.as_ptr() as usize, self.capacity));
            return;
        }
        drop(spare);
        // SAFETY: the mapping is ours and nobody refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.capacity) };
    }
}

fn take_spare(capacity: usize) -> Option<NonNull<u8>> {
    let mut spare = SPARE.lock();
    let index = spare.iter().rposition(|(_, size)| *size == capacity)?;
    NonNull::new(spare.swap_remove(index).0 as *mut u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_on_a_page_and_keep_their_length() {
        for length in [0, 1, PAGE, PAGE + 1, 1 << 20] {
            let mut buffer = AlignedBuffer::new(length).unwrap();
            assert_eq!(buffer.as_ptr() as usize % PAGE, 0);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.whole_pages().len() % PAGE, 0);
            buffer.fill(7);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
    }
}
