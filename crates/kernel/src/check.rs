//! The oracle: every invariant of the crate's documentation, recomputed from its definition.
//!
//! It counts and searches where the kernel keeps a count or a link, and the stored flag `effective` is compared
//! here and used nowhere.

use std::collections::{HashMap, HashSet};

use crate::Kernel;
use crate::groups::GroupId;
use crate::scopes::{Scope, ScopeId};
use crate::slab::{Key, Slab};
use crate::tasks::{Run, TaskId};

/// What belongs to what, gathered in one pass over everything, so that a check is linear.
#[derive(Default)]
struct Gathered {
    /// In whose child list a scope stands.
    listed_under: HashMap<ScopeId, ScopeId>,
    /// The open scopes of each task, its task scope included.
    scopes: HashMap<TaskId, HashSet<ScopeId>>,
    members: HashMap<GroupId, HashSet<TaskId>>,
}

impl Kernel {
    /// Panics on the first invariant that does not hold.
    pub fn check(&self) {
        self.check_slabs();
        let gathered = self.gather();
        for (id, scope) in self.scopes.iter() {
            self.check_links(id, scope, &gathered);
            self.check_value(id, scope);
            self.check_requests(id, scope);
        }
        for (task, entry) in self.tasks.iter() {
            let group = entry.group.is_none_or(|id| self.groups.get(id).is_some());
            assert!(group, "I7: the group of a task is not closed");
            self.check_open_scopes(task, &gathered);
            self.check_run(task);
        }
        for (group, _) in self.groups.iter() {
            self.check_members(group, &gathered);
        }
        self.check_deadlines();
    }

    fn gather(&self) -> Gathered {
        let mut gathered = Gathered::default();
        for (id, scope) in self.scopes.iter() {
            gathered.scopes.entry(scope.host).or_default().insert(id);
            for child in self.children(id) {
                gathered.listed_under.insert(child, id);
            }
        }
        for (id, task) in self.tasks.iter() {
            if let Some(group) = task.group {
                gathered.members.entry(group).or_default().insert(id);
            }
        }
        gathered
    }

    fn check_slabs(&self) {
        check_slab(&self.scopes);
        check_slab(&self.tasks);
        check_slab(&self.groups);
    }

    /// I1.
    fn check_links(&self, id: ScopeId, scope: &Scope, gathered: &Gathered) {
        let children = self.children(id);
        let distinct: HashSet<_> = children.iter().collect();
        assert_eq!(children.len(), distinct.len(), "I1: a child comes once");
        for &child in &children {
            let parent = self.scopes[child].parent;
            assert_eq!(parent, Some(id), "I1: a child knows its parent");
        }
        let is_task_scope = self.tasks[scope.host].scope == id;
        let Some(parent) = scope.parent else {
            let has_group = self.tasks[scope.host].group.is_some();
            assert!(is_task_scope, "I1: an entered scope has a parent");
            assert!(scope.abandoned || !has_group, "I1: a group's task is alone");
            return;
        };
        assert_eq!(
            gathered.listed_under.get(&id),
            Some(&parent),
            "I1: a parent knows its child"
        );
        assert!(!scope.abandoned, "I1: who has a parent is not abandoned");
        let same_task = self.scopes[parent].host == scope.host;
        assert_ne!(same_task, is_task_scope, "I1: whose parent this may be");
        self.outwards(id);
    }

    /// I2.
    fn check_value(&self, id: ScopeId, scope: &Scope) {
        let effective = self.effective_by_definition(id);
        assert_eq!(scope.effective, effective, "I2: the stored flag equals D1");
    }

    /// D1, read outwards: the nearest requested scope decides, unless a shield comes before it.
    fn effective_by_definition(&self, id: ScopeId) -> bool {
        for at in self.outwards(id) {
            let scope = &self.scopes[at];
            let natives = self.requests_on(at);
            if scope.cancelled || scope.abandoned || natives > 0 {
                return true;
            }
            if scope.shield {
                return false;
            }
        }
        false
    }

    /// I3.
    fn check_open_scopes(&self, task: TaskId, gathered: &Gathered) {
        let entry = &self.tasks[task];
        let mut chain = HashSet::new();
        for at in self.outwards(entry.current) {
            chain.insert(at);
            if at == entry.scope {
                break;
            }
        }
        assert!(chain.contains(&entry.scope), "I3: out to the task scope");
        let open = gathered.scopes.get(&task);
        assert_eq!(
            Some(&chain),
            open,
            "I3: the task's open scopes are its chain"
        );
    }

    /// I4.
    fn check_requests(&self, id: ScopeId, scope: &Scope) {
        let natives = scope.natives as usize;
        assert_eq!(
            natives,
            self.requests_on(id),
            "I4: the requests are counted"
        );
        for &place in &self.tasks[scope.host].requests {
            let place = self.scopes.get(place);
            assert!(
                place.is_some_and(|place| place.host == scope.host),
                "I4: a request is placed on an open scope of its task"
            );
        }
    }

    /// I5 and I8.
    fn check_run(&self, task: TaskId) {
        let entry = &self.tasks[task];
        let effective = self.effective_by_definition(entry.current);
        match entry.run {
            Run::Parked => assert!(!effective, "I5: no task is due"),
            Run::Notified => assert!(effective, "I5: who was notified is cancelled"),
            Run::Ready | Run::Running => {}
        }
        assert!(
            !entry.phantom || entry.run == Run::Running,
            "I8: only a running task remembers a phantom"
        );
    }

    /// I6.
    fn check_deadlines(&self) {
        let entries = self.deadlines.checked_entries();
        for &(id, when) in &entries {
            let scope = self.scopes.get(id);
            let scope = scope.expect("I6: the scope of a deadline is open");
            assert!(!scope.cancelled, "I6: a cancelled scope is disarmed");
            assert!(scope.deadline == when, "I6: the deadline that was set");
        }
        let scopes: HashSet<ScopeId> = entries.iter().map(|(id, _)| *id).collect();
        assert_eq!(scopes.len(), entries.len(), "I6: one entry for a scope");
        for (id, scope) in self.scopes.iter() {
            let armed = scope.deadline.is_finite() && !scope.cancelled;
            assert!(!armed || scopes.contains(&id), "I6: armed and not in it");
        }
    }

    /// I7.
    fn check_members(&self, id: GroupId, gathered: &Gathered) {
        let group = &self.groups[id];
        let members = gathered.members.get(&id).cloned().unwrap_or_default();
        let listed = list(group.first, self.tasks.len(), |task| self.tasks[task].next);
        assert_eq!(group.count, members.len(), "I7: the tasks are counted");
        assert_eq!(listed.len(), group.count, "I7: a task is listed once");
        assert_eq!(
            members,
            listed.iter().copied().collect(),
            "I7: the tasks are listed"
        );
        assert_eq!(group.last, listed.last().copied(), "I7: the last is last");
        let mut previous = None;
        for &task in &listed {
            assert_eq!(self.tasks[task].previous, previous, "I7: links agree");
            previous = Some(task);
        }
    }

    /// The scopes from this one to the outermost; panics if there is no outermost (I1).
    fn outwards(&self, id: ScopeId) -> Vec<ScopeId> {
        list(Some(id), self.scopes.len(), |at| self.scopes[at].parent)
    }

    /// The child list of a scope, once the links in it agree (I1).
    fn children(&self, id: ScopeId) -> Vec<ScopeId> {
        let scope = &self.scopes[id];
        let next = |child: ScopeId| self.scopes[child].next;
        let children = list(scope.first_child, self.scopes.len(), next);
        assert_eq!(scope.last_child, children.last().copied(), "I1: the last");
        let mut previous = None;
        for &child in &children {
            assert_eq!(self.scopes[child].previous, previous, "I1: links agree");
            previous = Some(child);
        }
        children
    }

    fn requests_on(&self, id: ScopeId) -> usize {
        let requests = &self.tasks[self.scopes[id].host].requests;
        requests.iter().filter(|place| **place == id).count()
    }
}

/// A linked list as a vector; panics if it is longer than what it links.
fn list<T>(
    first: Option<Key<T>>,
    longest: usize,
    next: impl Fn(Key<T>) -> Option<Key<T>>,
) -> Vec<Key<T>> {
    let listed: Vec<_> = std::iter::successors(first, |at| next(*at))
        .take(longest + 1)
        .collect();
    assert!(listed.len() <= longest, "I1, I7: links lead to an end");
    listed
}

/// The slab's own invariant: what is not occupied is in the free list, once.
pub(crate) fn check_slab<T>(slab: &Slab<T>) {
    let free = slab.free_list();
    let occupied: HashSet<usize> = slab.iter().map(|(key, _)| key.index()).collect();
    assert_eq!(slab.len(), occupied.len(), "the slab counts its entries");
    let (places, used_up) = slab.places();
    let known = occupied.len() + free.len() + used_up;
    assert_eq!(
        places, known,
        "the free list runs through the vacant places"
    );
}
