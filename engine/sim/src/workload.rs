//! A recorded job in the form that the replay walks: each reader's accesses in a row. Absent: how it was recorded.

use mlopt_core::{FileFacts, Version};

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Opens the file.
    Open,
    /// Reads bytes.
    Read,
    /// Asks for attributes.
    Stat,
    /// Lists a directory.
    List,
}

impl Op {
    /// The op of the number that the access columns carry.
    pub fn from_number(number: u8) -> Op {
        match number {
            0 => Op::Open,
            1 => Op::Read,
            2 => Op::Stat,
            _ => Op::List,
        }
    }
}

/// One access of one reader.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Which file.
    pub file: u32,
    /// What is done.
    pub op: Op,
    /// First byte [bytes].
    pub offset: u64,
    /// Bytes that the call returned [bytes].
    pub length: u64,
    /// CPU that the reader burns before [ns].
    pub cpu_ns: u64,
    /// True waiting before [ns].
    pub wait_ns: u64,
    /// Epoch, from 0; never decreasing within a reader.
    pub epoch: u32,
    /// Batch in the consumer's order, -1 outside batches.
    pub batch: i32,
}

/// The columns of an access table, sorted by start time; all of one length.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Reader, dense.
    pub worker: &'a [u32],
    /// Number of the op.
    pub op: &'a [u8],
    /// File, dense.
    pub file: &'a [u32],
    /// First byte.
    pub offset: &'a [i64],
    /// Bytes returned.
    pub length: &'a [i64],
    /// CPU before [ns].
    pub cpu_ns: &'a [i64],
    /// Waiting before [ns].
    pub wait_ns: &'a [i64],
    /// Epoch.
    pub epoch: &'a [i32],
    /// Batch.
    pub batch: &'a [i32],
}

impl Columns<'_> {
    fn check(&self, files: usize) -> Result<(), String> {
        let rows = self.worker.len();
        let lengths = [
            self.op.len(),
            self.file.len(),
            self.offset.len(),
            self.length.len(),
            self.cpu_ns.len(),
            self.wait_ns.len(),
            self.epoch.len(),
            self.batch.len(),
        ];
        if let Some(other) = lengths.iter().find(|length| **length != rows) {
            return Err(format!(
                "access columns differ in length: {rows} and {other} rows"
            ));
        }
        if let Some(file) = self.file.iter().find(|file| **file as usize >= files) {
            return Err(format!(
                "an access names file {file}, but there are {files} files"
            ));
        }
        if self.worker.iter().any(|worker| *worker as usize > rows) {
            return Err("workers are not numbered densely".to_string());
        }
        Ok(())
    }
}

/// What takes the readers' batches.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// CPU for each batch [ns].
    pub cpu_ns: Vec<u64>,
    /// True waiting for each batch [ns].
    pub wait_ns: Vec<u64>,
    /// Batches that each reader may be ahead.
    pub prefetch_batches: u32,
}

/// A whole job.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The files.
    pub files: Vec<FileFacts>,
    /// All accesses, those of one reader in a row.
    pub accesses: Vec<Access>,
    /// Where each reader's row begins; one more at the end.
    pub first: Vec<u32>,
    /// Positions in `accesses` in recorded order, for oracles that know the future.
    pub recorded_order: Vec<u32>,
    /// Interpreter lock of each reader, -1 for none.
    pub lock: Vec<i32>,
    /// None when the readers are the whole job.
    pub consumer: Option<Consumer>,
    /// CPU of the job behind each epoch [ns].
    pub epoch_tail_cpu_ns: Vec<u64>,
    /// Epochs.
    pub epochs: u32,
    /// Epoch of each batch.
    pub batch_epoch: Vec<u32>,
}

impl Workload {
    /// Sort the columns by reader; a reader's epochs and sizes are made consistent on the way.
    ///
    /// # Errors
    /// When columns differ in length or name a file that is not there.
    pub fn new(
        files: Vec<FileFacts>,
        columns: &Columns<'_>,
        lock: Vec<i32>,
        consumer: Option<Consumer>,
        epoch_tail_cpu_ns: Vec<u64>,
    ) -> Result<Workload, String> {
        columns.check(files.len())?;
        let readers = lock
            .len()
            .max(columns.worker.iter().max().map_or(0, |last| *last as usize + 1));
        let mut first = vec![0_u32; readers + 1];
        for worker in columns.worker {
            first[*worker as usize + 1] += 1;
        }
        for reader in 0..readers {
            first[reader + 1] += first[reader];
        }
        let mut order = vec![0_u32; columns.worker.len()];
        let mut recorded_order = Vec::with_capacity(columns.worker.len());
        let mut next = first.clone();
        for (position, worker) in columns.worker.iter().enumerate() {
            let slot = &mut next[*worker as usize];
            order[*slot as usize] = position as u32;
            recorded_order.push(*slot);
            *slot += 1;
        }
        let mut accesses: Vec<Access> = order
            .iter()
            .map(|position| access(columns, *position as usize, &files))
            .collect();
        let epochs = settle_epochs(&mut accesses, &first).max(epoch_tail_cpu_ns.len() as u32);
        let consumer = consumer.filter(|consumer| !consumer.cpu_ns.is_empty());
        let batches = consumer.as_ref().map_or(0, |consumer| consumer.cpu_ns.len());
        let mut lock = lock;
        lock.resize(readers, -1);
        let mut workload = Workload {
            files,
            accesses,
            first,
            recorded_order,
            lock,
            consumer,
            epoch_tail_cpu_ns,
            epochs,
            batch_epoch: Vec::new(),
        };
        workload.settle_batches(batches);
        Ok(workload)
    }

    /// Readers.
    pub fn readers(&self) -> usize {
        self.first.len() - 1
    }

    /// A batch belongs to the epoch of its last access; batches of nobody are taken with the one before.
    fn settle_batches(&mut self, batches: usize) {
        let mut epoch_of: Vec<Option<u32>> = vec![None; batches];
        for access in &mut self.accesses {
            match usize::try_from(access.batch)
                .ok()
                .filter(|batch| *batch < batches)
            {
                Some(batch) => epoch_of[batch] = epoch_of[batch].max(Some(access.epoch)),
                None => access.batch = -1,
            }
        }
        let mut last = 0;
        self.batch_epoch = epoch_of
            .into_iter()
            .map(|epoch| {
                last = epoch.unwrap_or(last).max(last);
                last
            })
            .collect();
    }
}

fn access(columns: &Columns<'_>, at: usize, files: &[FileFacts]) -> Access {
    let size = files[columns.file[at] as usize].size;
    let offset = (columns.offset[at].max(0) as u64).min(size);
    Access {
        file: columns.file[at],
        op: Op::from_number(columns.op[at]),
        offset,
        length: (columns.length[at].max(0) as u64).min(size - offset),
        cpu_ns: columns.cpu_ns[at].max(0) as u64,
        wait_ns: columns.wait_ns[at].max(0) as u64,
        epoch: columns.epoch[at].max(0) as u32,
        batch: columns.batch[at],
    }
}

/// A straggler of an earlier epoch belongs to the one its reader is in; returns the number of epochs.
fn settle_epochs(accesses: &mut [Access], first: &[u32]) -> u32 {
    let mut epochs = 0;
    for row in first.windows(2) {
        let mut epoch = 0;
        for access in &mut accesses[row[0] as usize..row[1] as usize] {
            epoch = epoch.max(access.epoch);
            access.epoch = epoch;
            epochs = epochs.max(epoch + 1);
        }
    }
    epochs
}

/// Facts of a file as the mount would learn them from its listing.
pub fn file_facts(path: Vec<u8>, size: u64, mtime_ns: i64) -> FileFacts {
    FileFacts {
        path,
        size,
        mtime_ns,
        version: Version(size ^ mtime_ns as u64),
        format: None,
    }
}
