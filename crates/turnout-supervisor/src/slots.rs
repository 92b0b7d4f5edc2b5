//! What all processes of a server may know of each worker: one record each in a file that exists in memory only.
//!
//! Read and written with pread and pwrite rather than mapped: no shared `&mut`, no unsafe; a record is looked at when a worker
//! is full and once a second, never for each request. A field is written by one process: the supervisor clears, the worker fills.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

/// A cache line, so that two workers never write the same one.
const RECORD: usize = 64;
const SERVING: usize = 0;
const FULL: usize = 8;
const BEAT: usize = 16;

/// The records of all workers.
#[derive(Debug)]
pub struct Slots {
    file: OwnedFd,
    count: usize,
}

/// A worker's own record, and a look at the others.
#[derive(Debug, Clone)]
pub struct Slot {
    slots: Arc<Slots>,
    index: usize,
}

impl Slots {
    /// Zeroed records for so many workers.
    pub fn create(count: usize) -> io::Result<Self> {
        let file = memfd_create("turnout-slots", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, (count * RECORD) as u64)?;
        Ok(Self { file, count })
    }

    /// The records somebody else created.
    pub fn open(file: OwnedFd, count: usize) -> Self {
        Self { file, count }
    }

    /// Forgets a worker that is gone.
    pub fn clear(&self, index: usize) -> io::Result<()> {
        pwrite(&self.file, &[0; RECORD], (index * RECORD) as u64)?;
        Ok(())
    }

    /// When a thread of that worker last had its GIL, in milliseconds of its own clock; 0: not yet. Only whether it changes means something.
    pub fn beat(&self, index: usize) -> io::Result<u64> {
        let mut record = [0; RECORD];
        pread(&self.file, &mut record, (index * RECORD) as u64)?;
        Ok(field(&record, BEAT))
    }

    /// The worker's own.
    pub fn slot(self: &Arc<Self>, index: usize) -> Slot {
        Slot { slots: Arc::clone(self), index }
    }

    fn put(&self, index: usize, field: usize, value: u64) -> io::Result<()> {
        pwrite(&self.file, &value.to_ne_bytes(), (index * RECORD + field) as u64)?;
        Ok(())
    }
}

impl AsFd for Slots {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Slot {
    /// Whether this worker accepts connections.
    pub fn set_serving(&self, serving: bool) -> io::Result<()> {
        self.slots.put(self.index, SERVING, u64::from(serving))
    }

    /// Whether this worker is at its in-flight limit.
    pub fn set_full(&self, full: bool) -> io::Result<()> {
        self.slots.put(self.index, FULL, u64::from(full))
    }

    /// Notes that a thread just had the GIL, at this moment of a clock in milliseconds.
    pub fn beat(&self, millis: u64) -> io::Result<()> {
        // 0 means "not yet".
        self.slots.put(self.index, BEAT, millis.max(1))
    }

    /// Whether any other worker that accepts is below its limit. A worker that cannot know says no and serves on.
    pub fn any_neighbour_has_room(&self) -> bool {
        let mut records = vec![0; self.slots.count * RECORD];
        match pread(&self.slots.file, records.as_mut_slice(), 0) {
            Ok(read) if read == records.len() => records
                .chunks_exact(RECORD)
                .enumerate()
                .any(|(index, record)| index != self.index && field(record, SERVING) == 1 && field(record, FULL) == 0),
            _ => false,
        }
    }
}

fn field(record: &[u8], at: usize) -> u64 {
    record[at..at + 8].try_into().map_or(0, u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_has_room_only_while_it_serves_and_is_not_full() {
        let slots = Arc::new(Slots::create(3).expect("memfd"));
        let [one, two, three] = [slots.slot(0), slots.slot(1), slots.slot(2)];
        assert!(!one.any_neighbour_has_room(), "nobody serves yet");
        one.set_serving(true).expect("written");
        assert!(!one.any_neighbour_has_room(), "oneself does not count");
        two.set_serving(true).expect("written");
        assert!(one.any_neighbour_has_room() && three.any_neighbour_has_room());
        two.set_full(true).expect("written");
        assert!(!one.any_neighbour_has_room());
        two.set_full(false).expect("written");
        slots.clear(1).expect("written");
        assert!(!one.any_neighbour_has_room(), "the supervisor forgot it");
    }

    #[test]
    fn a_beat_is_seen_by_the_supervisor() {
        let slots = Arc::new(Slots::create(2).expect("memfd"));
        assert_eq!(slots.beat(1).expect("read"), 0);
        slots.slot(1).beat(7).expect("written");
        assert_eq!(slots.beat(1).expect("read"), 7);
        assert_eq!(slots.beat(0).expect("read"), 0);
    }
}
