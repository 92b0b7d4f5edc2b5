//! What was read of a worker's records of one kind, by place, each with the number of the write that it was read from.
//!
//! That number is asked first: if the record is written meanwhile, it is read once more than needed.

/// See the module. Of one process.
#[derive(Debug, Clone)]
pub(super) struct Read<T>(Vec<(u64, T)>);

impl<T> Default for Read<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Read<T> {
    /// Whether this write was read already. Of a record that was never written (0) there is nothing to be read.
    pub(super) fn has(&self, place: usize, version: u64) -> bool {
        version == 0 || self.0.get(place).is_some_and(|(read, _)| *read == version)
    }

    /// Keeps what was read and gives back what was read before.
    pub(super) fn put(&mut self, place: usize, version: u64, value: T) -> T {
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Default::default);
        }
        std::mem::replace(&mut self.0[place], (version, value)).1
    }

    /// All, by place.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }
}

/// That of all workers, by their places.
#[derive(Debug)]
pub(super) struct ByWorker<T>(Vec<((u64, u64), Read<T>)>);

impl<T> Default for ByWorker<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> ByWorker<T> {
    /// What was read of a worker's process. Another process than before begins with nothing.
    pub(super) fn of(&mut self, index: usize, process: (u64, u64)) -> &mut Read<T> {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Default::default);
        }
        let (known, read) = &mut self.0[index];
        if *known != process {
            (*known, *read) = (process, Read::default());
        }
        read
    }

    /// What was read of a worker, which is forgotten.
    pub(super) fn take(&mut self, index: usize) -> impl Iterator<Item = T> {
        let (_, Read(read)) = self.0.get_mut(index).map(std::mem::take).unwrap_or_default();
        read.into_iter().map(|(_, value)| value)
    }

    /// All of all workers.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|(_, read)| read.all())
    }
}
