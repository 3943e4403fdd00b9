//! Task groups: which tasks belong to one, and when the last of them has ended.
//!
//! A group's scope is an ordinary entered scope of its host; the tasks' scopes hang on it (clause 5.2), or on
//! another until they have started (clause 5.11).
//! A group lives until it is closed, whatever becomes of its scope and its host (clause 5.13).
//!
//! A group counts its tasks (I7) and links them in the order of their spawning; each knows its place, so that
//! none is searched for when it ends.
//! Not here: errors and outcomes, which are Python's (clause 5.7).

use crate::scopes::ScopeId;
use crate::slab::Key;
use crate::tasks::TaskId;
use crate::{Due, Kernel};

pub type GroupId = Key<Group>;

#[derive(Clone)]
pub struct Group {
    pub(crate) scope: ScopeId,
    pub(crate) count: usize,
    pub(crate) first: Option<TaskId>,
    pub(crate) last: Option<TaskId>,
}

/// What ended with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub group: Option<GroupId>,
    /// The task was the last of its group.
    pub group_empty: bool,
    /// The tasks of a group that it left open.
    pub due: Due,
}

impl Kernel {
    /// Opens a group on a scope, usually one that has just been entered. O(1) amortised.
    pub fn open_group(&mut self, scope: ScopeId) -> GroupId {
        let group = self.groups.insert(Group {
            scope,
            count: 0,
            first: None,
            last: None,
        });
        self.verify();
        group
    }

    /// Closes a group; false (and nothing changed) while it has tasks, or if it is closed already. O(1).
    pub fn close_group(&mut self, group: GroupId) -> bool {
        if self.groups.get(group).is_none_or(|group| group.count > 0) {
            return false;
        }
        self.groups.remove(group);
        self.verify();
        true
    }

    /// Makes a task of a group, under the group's scope or under another (clause 5.11). `None` if it is closed.
    ///
    /// A task whose scope would hang on one that is closed is abandoned, that is, cancelled from the start.
    /// O(1) amortised.
    pub fn spawn(&mut self, group: GroupId, under: Option<ScopeId>) -> Option<TaskId> {
        let parent = under.unwrap_or(self.groups.get(group)?.scope);
        let parent = self.scopes.get(parent).map(|_| parent);
        let task = self.new_task(parent, Some(group));
        if parent.is_none() {
            let scope = self.tasks[task].scope;
            self.scopes[scope].abandoned = true;
            self.scopes[scope].effective = true;
        }
        let entry = &mut self.groups[group];
        entry.count += 1;
        let last = entry.last.replace(task);
        match last {
            Some(last) => self.tasks[last].next = Some(task),
            None => self.groups[group].first = Some(task),
        }
        self.tasks[task].previous = last;
        self.verify();
        Some(task)
    }

    /// Hangs a started task on its group's scope (clause 5.11).
    ///
    /// `None` if the scope that it was started under is effectively cancelled, or one of the two is closed: it
    /// stays there and dies there.
    /// A walk through the task's own scopes and groups if the group's scope is cancelled, else O(1).
    #[must_use = "those who are due have to be told"]
    pub fn adopt(&mut self, task: TaskId) -> Option<Due> {
        let entry = self.tasks.get(task)?;
        let (id, group) = (entry.scope, entry.group?);
        let parent = self.groups[group].scope;
        let old = self.scopes[id].parent?;
        if self.scopes[old].effective || self.scopes.get(parent).is_none() {
            return None;
        }
        let mut due = Due::new();
        self.unlink(id);
        self.link(id, parent);
        self.refresh(id, &mut due);
        self.verify();
        Some(due)
    }

    /// The group of a task that has not ended. O(1).
    pub fn group_of(&self, task: TaskId) -> Option<GroupId> {
        self.tasks.get(task)?.group
    }

    /// How many tasks of the group have not ended; none of a closed group. O(1).
    pub fn group_count(&self, group: GroupId) -> usize {
        self.groups.get(group).map_or(0, |group| group.count)
    }

    /// The tasks of a group that have not ended, oldest first. O(n) for n of them.
    pub fn members(&self, group: GroupId) -> Vec<TaskId> {
        let mut members = Vec::new();
        let mut at = self.groups.get(group).and_then(|group| group.first);
        while let Some(task) = at {
            members.push(task);
            at = self.tasks[task].next;
        }
        members
    }

    /// A task ended: its scopes are closed and it leaves its group (clauses 1.11, 1.13).
    ///
    /// Tasks that run in scopes that it left open are abandoned and, where they wait, due (clause 5.13).
    /// O(1) for a task that left its scopes, however many tasks its group has.
    #[must_use = "those who are due have to be told"]
    pub fn finish(&mut self, task: TaskId) -> Finished {
        let scope = self.tasks[task].scope;
        let mut due = Due::new();
        self.close_down_to(task, scope, &mut due);
        let entry = self.tasks.remove(task).expect("a task ends once");
        let mut finished = Finished {
            group: entry.group,
            group_empty: false,
            due,
        };
        if let Some(id) = entry.group {
            match entry.previous {
                Some(previous) => self.tasks[previous].next = entry.next,
                None => self.groups[id].first = entry.next,
            }
            match entry.next {
                Some(next) => self.tasks[next].previous = entry.previous,
                None => self.groups[id].last = entry.previous,
            }
            let group = &mut self.groups[id];
            group.count -= 1;
            finished.group_empty = group.count == 0;
        }
        self.verify();
        finished
    }
}
