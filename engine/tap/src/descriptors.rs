//! Owns: open file descriptions, descriptor tables and working directories, shared as clone's flags say.
//! Absent: names of calls. What was not seen being opened (pipes, sockets) is not in a table.

/// One open file description: what dup and fork share.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The file's number.
    pub file: u32,
    /// Unique in the run, never used again.
    pub handle: u32,
    /// Where the next read() starts, None when unknown (append).
    pub position: Option<i64>,
    references: u32,
}

/// A slot of the descriptions; valid as long as the holder has a reference.
pub type DescriptionId = u32;
/// A descriptor table; tasks share one after CLONE_FILES.
pub type TableId = u32;

#[derive(Clone, Copy)]
struct Descriptor {
    description: DescriptionId,
    close_on_exec: bool,
}

#[derive(Default)]
struct Table {
    slots: Vec<Option<Descriptor>>,
    references: u32,
}

/// All tables and descriptions of a run.
#[derive(Default)]
pub struct Descriptors {
    descriptions: Vec<Description>,
    free_descriptions: Vec<DescriptionId>,
    tables: Vec<Table>,
    free_tables: Vec<TableId>,
    next_handle: u32,
}

/// Descriptors above this are a misread line rather than a job's (the kernel's own ceiling for one process).
const HIGHEST_DESCRIPTOR: i64 = 1 << 20;

impl Descriptors {
    /// A new empty table with one holder.
    pub fn new_table(&mut self) -> TableId {
        if let Some(id) = self.free_tables.pop() {
            self.tables[id as usize].references = 1;
            return id;
        }
        self.tables.push(Table {
            slots: Vec::new(),
            references: 1,
        });
        (self.tables.len() - 1) as TableId
    }

    /// One more task shares the table (CLONE_FILES).
    pub fn share_table(&mut self, table: TableId) -> TableId {
        self.tables[table as usize].references += 1;
        table
    }

    /// A copy of the table that shares the descriptions (fork).
    pub fn copy_table(&mut self, table: TableId) -> TableId {
        let copy = self.new_table();
        let slots = self.tables[table as usize].slots.clone();
        for slot in slots.iter().flatten() {
            self.hold(slot.description);
        }
        self.tables[copy as usize].slots = slots;
        copy
    }

    /// A task let go of its table.
    pub fn drop_table(&mut self, table: TableId) {
        let entry = &mut self.tables[table as usize];
        entry.references -= 1;
        if entry.references > 0 {
            return;
        }
        for slot in std::mem::take(&mut entry.slots).into_iter().flatten() {
            self.release(slot.description);
        }
        self.free_tables.push(table);
    }

    /// After exec: the table is the task's own, and close-on-exec descriptors are gone.
    pub fn exec(&mut self, table: TableId) -> TableId {
        let own = if self.tables[table as usize].references > 1 {
            let copy = self.copy_table(table);
            self.drop_table(table);
            copy
        } else {
            table
        };
        let mut gone = Vec::new();
        for slot in &mut self.tables[own as usize].slots {
            if slot.is_some_and(|d| d.close_on_exec) {
                gone.extend(slot.take());
            }
        }
        for descriptor in gone {
            self.release(descriptor.description);
        }
        own
    }

    /// A descriptor now names a new description of `file`; returns it.
    pub fn open(
        &mut self,
        table: TableId,
        fd: i64,
        file: u32,
        position: Option<i64>,
        close_on_exec: bool,
    ) -> DescriptionId {
        self.next_handle += 1;
        let fresh = Description {
            file,
            handle: self.next_handle,
            position,
            references: 1,
        };
        let id = if let Some(id) = self.free_descriptions.pop() {
            self.descriptions[id as usize] = fresh;
            id
        } else {
            self.descriptions.push(fresh);
            (self.descriptions.len() - 1) as DescriptionId
        };
        self.put(
            table,
            fd,
            Some(Descriptor {
                description: id,
                close_on_exec,
            }),
        );
        id
    }

    /// What a descriptor names, None when it is no file that was seen being opened.
    pub fn get(&self, table: TableId, fd: i64) -> Option<DescriptionId> {
        let slot = self.tables[table as usize].slots.get(usize::try_from(fd).ok()?)?;
        slot.map(|d| d.description)
    }

    /// `to` becomes another name for what `from` names, closing what it named before.
    pub fn duplicate(&mut self, table: TableId, from: i64, to: i64, close_on_exec: bool) {
        if from == to {
            return;
        }
        let descriptor = self.get(table, from).map(|description| {
            self.hold(description);
            Descriptor {
                description,
                close_on_exec,
            }
        });
        self.put(table, to, descriptor);
    }

    /// A descriptor was closed, or now names something that is no file.
    pub fn close(&mut self, table: TableId, fd: i64) {
        self.put(table, fd, None);
    }

    /// close_range: closes, or marks close-on-exec, all descriptors in first..=last.
    pub fn close_range(&mut self, table: TableId, first: i64, last: i64, only_mark: bool) {
        let length = self.tables[table as usize].slots.len() as i64;
        for fd in first.max(0)..=last.min(length - 1) {
            if only_mark {
                self.set_close_on_exec(table, fd, true);
            } else {
                self.put(table, fd, None);
            }
        }
    }

    /// fcntl(F_SETFD).
    pub fn set_close_on_exec(&mut self, table: TableId, fd: i64, value: bool) {
        let slots = &mut self.tables[table as usize].slots;
        if let Some(Some(descriptor)) = usize::try_from(fd).ok().and_then(|i| slots.get_mut(i)) {
            descriptor.close_on_exec = value;
        }
    }

    /// One more holder keeps the slot from being used again.
    pub fn hold(&mut self, id: DescriptionId) {
        self.descriptions[id as usize].references += 1;
    }

    /// A holder is done.
    pub fn release(&mut self, id: DescriptionId) {
        let entry = &mut self.descriptions[id as usize];
        entry.references -= 1;
        if entry.references == 0 {
            self.free_descriptions.push(id);
        }
    }

    /// A held description.
    pub fn description(&self, id: DescriptionId) -> &Description {
        &self.descriptions[id as usize]
    }

    /// A held description, to move its position.
    pub fn description_mut(&mut self, id: DescriptionId) -> &mut Description {
        &mut self.descriptions[id as usize]
    }

    /// How many descriptions are open now.
    pub fn open_count(&self) -> usize {
        self.descriptions.len() - self.free_descriptions.len()
    }

    fn put(&mut self, table: TableId, fd: i64, descriptor: Option<Descriptor>) {
        if !(0..HIGHEST_DESCRIPTOR).contains(&fd) {
            if let Some(lost) = descriptor {
                self.release(lost.description);
            }
            return;
        }
        let slots = &mut self.tables[table as usize].slots;
        let at = fd as usize;
        if at >= slots.len() {
            if descriptor.is_none() {
                return;
            }
            slots.resize(at + 1, None);
        }
        if let Some(old) = std::mem::replace(&mut slots[at], descriptor) {
            self.release(old.description);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_outlives_the_descriptor_that_opened_it() {
        let mut d = Descriptors::default();
        let parent = d.new_table();
        let opened = d.open(parent, 3, 7, Some(0), true);
        let handle = d.description(opened).handle;
        let child = d.copy_table(parent);
        d.close(parent, 3);
        assert_eq!(d.get(parent, 3), None);
        assert_eq!(d.description(d.get(child, 3).unwrap()).handle, handle);
        let child = d.exec(child);
        assert_eq!(d.get(child, 3), None, "close-on-exec");
        assert_eq!(d.open_count(), 0);
    }

    #[test]
    fn dup_onto_an_open_descriptor_closes_what_it_named() {
        let mut d = Descriptors::default();
        let table = d.new_table();
        d.open(table, 3, 1, Some(0), false);
        d.open(table, 4, 2, Some(0), false);
        d.duplicate(table, 3, 4, false);
        assert_eq!(d.open_count(), 1);
        assert_eq!(d.description(d.get(table, 4).unwrap()).file, 1);
        d.duplicate(table, 9, 3, false);
        assert_eq!(d.get(table, 3), None, "a pipe put over a file hides the file");
    }

    #[test]
    fn exec_leaves_a_shared_table_to_the_others() {
        let mut d = Descriptors::default();
        let table = d.new_table();
        d.open(table, 3, 1, Some(0), true);
        let other = d.share_table(table);
        let own = d.exec(other);
        assert_ne!(own, table);
        assert!(d.get(own, 3).is_none());
        assert!(d.get(table, 3).is_some());
    }
}
