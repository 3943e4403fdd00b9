//! The oracle notices every kind of damage: one field of a sound kernel is changed, and `check` has to name the
//! invariant that this breaks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::scopes::Scope;
use crate::{GroupId, Kernel, Origin, Run, ScopeId, ScopeSettings, TaskId};

const PLAIN: ScopeSettings = ScopeSettings {
    shield: false,
    cancelled: false,
    deadline: f64::INFINITY,
};

/// Two nested scopes in a host, the inner one shielded, with a deadline and a request; a group on the outer one with
/// three tasks.
struct Sound {
    kernel: Kernel,
    host: TaskId,
    outer: ScopeId,
    inner: ScopeId,
    group: GroupId,
    tasks: [TaskId; 3],
}

fn sound() -> Sound {
    let mut kernel = Kernel::new();
    let host = kernel.spawn_root();
    kernel.begin(host);
    let outer = kernel.enter(host, PLAIN, 0.0);
    let settings = ScopeSettings {
        shield: true,
        deadline: 1.0,
        ..PLAIN
    };
    let inner = kernel.enter(host, settings, 0.0);
    let origin = Origin {
        task: host,
        scope: inner,
    };
    assert_eq!(kernel.request(host, Some(origin)), []);
    let group = kernel.open_group(outer);
    let tasks = [(); 3].map(|()| kernel.spawn(group, None).unwrap());
    for task in tasks {
        kernel.begin(task);
        kernel.park(task);
    }
    kernel.check();
    Sound {
        kernel,
        host,
        outer,
        inner,
        group,
        tasks,
    }
}

impl Sound {
    fn scope(&mut self, id: ScopeId) -> &mut Scope {
        &mut self.kernel.scopes[id]
    }

    fn scope_of(&self, task: usize) -> ScopeId {
        self.kernel.tasks[self.tasks[task]].scope
    }
}

/// The invariant that `check` names after this damage.
#[track_caller]
fn breaks(invariant: &str, damage: impl FnOnce(&mut Sound)) {
    let mut sound = sound();
    damage(&mut sound);
    let found = catch_unwind(AssertUnwindSafe(|| sound.kernel.check()));
    let found = found.expect_err("the oracle notices it");
    let message = found
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| found.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    assert!(message.contains(invariant), "{invariant}: {message}");
}

#[test]
fn slabs() {
    breaks("the free list", |sound| {
        let task = sound.kernel.spawn_root();
        let _ = sound.kernel.finish(task);
        sound.kernel.tasks.lose_the_free_list();
    });
}

#[test]
fn links_between_scopes() {
    breaks("I1: the last", |sound| {
        sound.scope(sound.outer).last_child = None;
    });
    breaks("I1: links agree", |sound| {
        let second = sound.scope_of(1);
        sound.scope(second).previous = None;
    });
    breaks("links lead to an end", |sound| {
        let second = sound.scope_of(1);
        sound.scope(second).next = Some(second);
    });
    breaks("I1: a child knows its parent", |sound| {
        let (first, task_scope) = (sound.scope_of(0), sound.kernel.tasks[sound.host].scope);
        sound.scope(first).parent = Some(task_scope);
    });
    breaks("I1: a parent knows its child", |sound| {
        let (first, second) = (sound.scope_of(0), sound.scope_of(1));
        let inner = sound.inner;
        sound.scope(inner).next = Some(second);
        sound.scope(second).previous = Some(inner);
        sound.scope(first).next = None;
        sound.scope(first).previous = None;
    });
}

#[test]
fn whose_parent_a_scope_may_be() {
    breaks("I1: an entered scope has a parent", |sound| {
        let inner = sound.inner;
        sound.kernel.unlink(inner);
    });
    breaks("I1: a group's task is alone", |sound| {
        let first = sound.scope_of(0);
        sound.kernel.unlink(first);
    });
    breaks("I1: who has a parent is not abandoned", |sound| {
        let first = sound.scope_of(0);
        sound.scope(first).abandoned = true;
        sound.scope(first).effective = true;
    });
    breaks("I1: whose parent this may be", |sound| {
        let (first, inner) = (sound.scope_of(0), sound.inner);
        sound.kernel.unlink(inner);
        sound.kernel.link(inner, first);
    });
}

#[test]
fn values_and_requests() {
    breaks("I2", |sound| sound.scope(sound.outer).effective = true);
    breaks("I2", |sound| sound.scope(sound.inner).effective = false);
    breaks("I2", |sound| sound.scope(sound.outer).cancelled = true);
    breaks("I4: the requests are counted", |sound| {
        sound.scope(sound.inner).natives = 2;
    });
    breaks("I4: a request is placed", |sound| {
        let other = sound.scope_of(0);
        sound.kernel.tasks[sound.host].requests.push(other);
    });
}

#[test]
fn tasks() {
    breaks("I3: out to the task scope", |sound| {
        let other = sound.kernel.spawn_root();
        sound.kernel.tasks[sound.host].current = sound.kernel.tasks[other].scope;
    });
    breaks("I3: the task's open scopes are its chain", |sound| {
        sound.kernel.tasks[sound.host].current = sound.outer;
    });
    breaks("I5: no task is due", |sound| {
        sound.kernel.tasks[sound.host].run = Run::Parked;
    });
    breaks("I5: who was notified is cancelled", |sound| {
        sound.kernel.tasks[sound.tasks[0]].run = Run::Notified;
    });
    breaks("I8", |sound| {
        sound.kernel.tasks[sound.tasks[0]].phantom = true;
    });
}

#[test]
fn deadlines() {
    breaks("I6: armed and not in it", |sound| {
        sound.scope(sound.outer).deadline = 2.0;
    });
    breaks("I6: the deadline that was set", |sound| {
        sound.scope(sound.inner).deadline = 2.0;
    });
    breaks("I6: a cancelled scope is disarmed", |sound| {
        sound.scope(sound.inner).cancelled = true;
    });
    breaks("I6: the scope of a deadline is open", |sound| {
        let gone = sound.kernel.enter(sound.host, PLAIN, 0.0);
        sound.kernel.exit(sound.host, gone).unwrap();
        sound.kernel.deadlines.insert(gone, 1.0);
    });
    breaks("I6: the heap knows its entries' positions", |sound| {
        let inner = sound.inner;
        sound.kernel.deadlines.insert(inner, 2.0);
        sound.kernel.deadlines.insert(inner, 3.0);
    });
}

#[test]
fn groups() {
    breaks("I7: the tasks are counted", |sound| {
        sound.kernel.groups[sound.group].count = 2;
    });
    breaks("I7: the tasks are counted", |sound| {
        sound.kernel.tasks[sound.tasks[0]].group = None;
    });
    breaks("I7: a task is listed once", |sound| {
        sound.kernel.groups[sound.group].first = Some(sound.tasks[1]);
    });
    breaks("I7: the last is last", |sound| {
        sound.kernel.groups[sound.group].last = Some(sound.tasks[1]);
    });
    breaks("I7: links agree", |sound| {
        sound.kernel.tasks[sound.tasks[1]].previous = None;
    });
    breaks("links lead to an end", |sound| {
        sound.kernel.tasks[sound.tasks[2]].next = Some(sound.tasks[0]);
    });
    breaks("I7: the group of a task is not closed", |sound| {
        let group = sound.group;
        sound.kernel.groups.remove(group);
    });
    breaks("I7: the tasks are listed", |sound| {
        let root = sound.kernel.spawn_root();
        sound.kernel.tasks[sound.tasks[1]].next = Some(root);
    });
}
