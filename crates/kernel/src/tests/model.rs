//! The reference model: the definitions of the crate's documentation and the clauses, written down as naively as
//! possible.
//!
//! It has no links, no stored flags, no counts and no heap. Every answer is computed from what was asked for so far,
//! by walking over everything. Names are numbers in the order of making, and nothing is ever removed.

use std::collections::BTreeSet;

use crate::tasks::Run;

/// What a kernel says is due, without the order.
pub type Due = BTreeSet<usize>;

#[derive(Clone)]
pub struct Scope {
    pub host: usize,
    pub open: bool,
    /// Only of task scopes: where the task was hung.
    pub hung_on: Option<usize>,
    pub shield: bool,
    pub cancelled: bool,
    pub expired: bool,
    pub deadline: f64,
    /// The deadlines of the scopes were set in the order of these.
    pub set: usize,
}

#[derive(Clone)]
pub struct Task {
    pub alive: bool,
    /// The task scope, and what was entered in it and not left.
    pub stack: Vec<usize>,
    pub run: Running,
    /// Somebody was told that this task is cancelled since it parked or since it was last free of cancellation.
    pub told: bool,
    /// The scopes that the requests were placed on; they count for another once that is closed.
    pub requests: Vec<usize>,
    pub phantom: bool,
    pub group: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Running {
    Ready,
    Step,
    Waits,
}

#[derive(Clone)]
pub struct Group {
    pub scope: usize,
    pub open: bool,
}

#[derive(Clone, Default)]
pub struct Model {
    pub scopes: Vec<Scope>,
    pub tasks: Vec<Task>,
    pub groups: Vec<Group>,
    sets: usize,
}

/// The same questions as those of the kernel's `Cause`.
#[derive(Debug, PartialEq)]
pub enum Cause {
    Scope(usize),
    Native(usize),
    Abandoned,
}

/// The same answers as those of the kernel's `Exit`.
#[derive(Debug, PartialEq)]
pub enum Exit {
    NotHost,
    NotOpen,
    Left { nested: bool, absorbs: bool },
}

/// Definitions.
impl Model {
    pub fn current(&self, task: usize) -> usize {
        *self.tasks[task].stack.last().unwrap()
    }

    fn is_task_scope(&self, scope: usize) -> bool {
        self.tasks[self.scopes[scope].host].stack.first() == Some(&scope)
    }

    /// The scope around an open one, if that is open.
    fn parent(&self, scope: usize) -> Option<usize> {
        if self.is_task_scope(scope) {
            let parent = self.scopes[scope].hung_on?;
            return self.scopes[parent].open.then_some(parent);
        }
        let stack = &self.tasks[self.scopes[scope].host].stack;
        let at = stack.iter().position(|open| *open == scope).unwrap();
        Some(stack[at - 1])
    }

    /// The scope that a task of a group was hung on was closed.
    pub fn abandoned(&self, scope: usize) -> bool {
        let in_group = self.tasks[self.scopes[scope].host].group.is_some();
        in_group && self.is_task_scope(scope) && self.parent(scope).is_none()
    }

    fn natives(&self, scope: usize) -> usize {
        let requests = &self.tasks[self.scopes[scope].host].requests;
        requests.iter().filter(|place| **place == scope).count()
    }

    /// D1.
    pub fn effective(&self, scope: usize) -> bool {
        let this = &self.scopes[scope];
        let requested = this.cancelled || self.abandoned(scope) || self.natives(scope) > 0;
        requested || self.outer_visible(scope)
    }

    pub fn outer_visible(&self, scope: usize) -> bool {
        let parent = self.parent(scope);
        !self.scopes[scope].shield && parent.is_some_and(|parent| self.effective(parent))
    }

    /// The scopes whose requests the task sees, from its current one outwards.
    fn visible(&self, task: usize) -> Vec<usize> {
        let mut visible = vec![self.current(task)];
        while let Some(&last) = visible.last()
            && !self.scopes[last].shield
            && let Some(parent) = self.parent(last)
        {
            visible.push(parent);
        }
        visible
    }

    /// D4 without the native requests.
    fn scope_cancelled(&self, task: usize) -> bool {
        self.visible(task).into_iter().any(|scope| {
            let others = self.scopes[scope].host != task && self.natives(scope) > 0;
            self.scopes[scope].cancelled || self.abandoned(scope) || others
        })
    }

    /// D4.
    pub fn cancelling(&self, task: usize) -> usize {
        if !self.tasks[task].alive {
            return 0;
        }
        self.tasks[task].requests.len() + usize::from(self.scope_cancelled(task))
    }

    pub fn cause(&self, task: usize) -> Option<Cause> {
        if !self.tasks[task].alive {
            return None;
        }
        self.visible(task).into_iter().find_map(|scope| {
            if self.scopes[scope].cancelled {
                Some(Cause::Scope(scope))
            } else if self.natives(scope) > 0 {
                Some(Cause::Native(self.scopes[scope].host))
            } else {
                self.abandoned(scope).then_some(Cause::Abandoned)
            }
        })
    }

    pub fn effective_deadline(&self, task: usize) -> f64 {
        if !self.tasks[task].alive {
            return f64::INFINITY;
        }
        if self.effective(self.current(task)) {
            return f64::NEG_INFINITY;
        }
        let visible = self.visible(task).into_iter();
        visible
            .map(|scope| self.scopes[scope].deadline)
            .fold(f64::INFINITY, f64::min)
    }

    fn armed(&self, scope: usize) -> bool {
        let scope = &self.scopes[scope];
        scope.open && !scope.cancelled && scope.deadline.is_finite()
    }

    /// The armed scopes, in the order of their deadlines and of setting these.
    fn by_deadline(&self) -> Vec<usize> {
        let all = 0..self.scopes.len();
        let mut armed: Vec<usize> = all.filter(|scope| self.armed(*scope)).collect();
        armed.sort_by(|a, b| {
            let (a, b) = (&self.scopes[*a], &self.scopes[*b]);
            a.deadline.total_cmp(&b.deadline).then(a.set.cmp(&b.set))
        });
        armed
    }

    pub fn next_deadline(&self) -> Option<f64> {
        let first = self.by_deadline().first().copied();
        first.map(|scope| self.scopes[scope].deadline)
    }

    pub fn run(&self, task: usize) -> Option<Run> {
        let entry = &self.tasks[task];
        entry.alive.then_some(match entry.run {
            Running::Ready => Run::Ready,
            Running::Step => Run::Running,
            Running::Waits if entry.told => Run::Notified,
            Running::Waits => Run::Parked,
        })
    }

    pub fn members(&self, group: usize) -> Vec<usize> {
        let all = 0..self.tasks.len();
        all.filter(|task| self.tasks[*task].alive && self.tasks[*task].group == Some(group))
            .collect()
    }

    /// D2: who waits, is cancelled and was not told; they are told now.
    fn settle(&mut self) -> Due {
        let mut due = Due::new();
        for task in 0..self.tasks.len() {
            if !self.tasks[task].alive || self.tasks[task].run != Running::Waits {
                continue;
            }
            let effective = self.effective(self.current(task));
            if effective && !self.tasks[task].told {
                due.insert(task);
            }
            self.tasks[task].told = effective;
        }
        due
    }
}

/// What happens.
impl Model {
    fn add_scope(&mut self, host: usize, hung_on: Option<usize>) -> usize {
        self.scopes.push(Scope {
            host,
            open: true,
            hung_on,
            shield: false,
            cancelled: false,
            expired: false,
            deadline: f64::INFINITY,
            set: 0,
        });
        self.scopes.len() - 1
    }

    fn add_task(&mut self, hung_on: Option<usize>, group: Option<usize>) -> usize {
        let task = self.tasks.len();
        let scope = self.add_scope(task, hung_on);
        self.tasks.push(Task {
            alive: true,
            stack: vec![scope],
            run: Running::Ready,
            told: false,
            requests: Vec::new(),
            phantom: false,
            group,
        });
        task
    }

    pub fn spawn_root(&mut self) -> usize {
        self.add_task(None, None)
    }

    pub fn spawn(&mut self, group: usize, under: Option<usize>) -> Option<usize> {
        if !self.groups[group].open {
            return None;
        }
        let under = under.unwrap_or(self.groups[group].scope);
        Some(self.add_task(Some(under), Some(group)))
    }

    pub fn open_group(&mut self, scope: usize) -> usize {
        self.groups.push(Group { scope, open: true });
        self.groups.len() - 1
    }

    pub fn close_group(&mut self, group: usize) -> bool {
        let closes = self.groups[group].open && self.members(group).is_empty();
        if closes {
            self.groups[group].open = false;
        }
        closes
    }

    pub fn adopt(&mut self, task: usize) -> Option<Due> {
        if !self.tasks[task].alive {
            return None;
        }
        let scope = self.tasks[task].stack[0];
        let group_scope = self.groups[self.tasks[task].group?].scope;
        let old = self.parent(scope)?;
        if self.effective(old) || !self.scopes[group_scope].open {
            return None;
        }
        self.scopes[scope].hung_on = Some(group_scope);
        Some(self.settle())
    }

    pub fn enter(&mut self, task: usize, shield: bool, cancelled: bool, deadline: f64, now: f64) {
        let scope = self.add_scope(task, None);
        self.tasks[task].stack.push(scope);
        self.scopes[scope].shield = shield;
        self.scopes[scope].cancelled = cancelled;
        self.store_deadline(scope, deadline, now);
    }

    /// Clause 1.12.
    fn store_deadline(&mut self, id: usize, deadline: f64, now: f64) {
        self.sets += 1;
        let scope = &mut self.scopes[id];
        scope.deadline = deadline;
        scope.set = self.sets;
        if deadline <= now && !scope.cancelled {
            scope.expired = true;
            scope.cancelled = true;
        }
    }

    pub fn set_deadline(&mut self, scope: usize, deadline: f64, now: f64) -> Option<Due> {
        if !self.scopes[scope].open {
            return None;
        }
        self.store_deadline(scope, deadline, now);
        Some(self.settle())
    }

    /// Who became due by each of the scopes that expire, in their order.
    pub fn expire(&mut self, now: f64) -> Vec<Due> {
        let mut expired = self.by_deadline();
        expired.retain(|scope| self.scopes[*scope].deadline <= now);
        let cancel = |scope: usize| {
            self.scopes[scope].expired = true;
            self.scopes[scope].cancelled = true;
            self.settle()
        };
        expired.into_iter().map(cancel).collect()
    }

    pub fn exit(&mut self, task: usize, scope: usize) -> (Exit, Due) {
        if !self.scopes[scope].open {
            return (Exit::NotOpen, Due::new());
        }
        if self.scopes[scope].host != task {
            return (Exit::NotHost, Due::new());
        }
        if self.is_task_scope(scope) {
            return (Exit::NotOpen, Due::new());
        }
        let nested = self.current(task) == scope;
        let cancelled = self.scopes[scope].cancelled;
        let absorbs = cancelled && self.natives(scope) == 0 && !self.outer_visible(scope);
        let stack = &mut self.tasks[task].stack;
        let at = stack.iter().position(|open| *open == scope).unwrap();
        let left = stack.split_off(at);
        for &scope in &left {
            self.scopes[scope].open = false;
        }
        self.move_requests(task);
        (Exit::Left { nested, absorbs }, self.settle())
    }

    /// Requests on scopes that are closed go to the nearest shielded scope that is left, or to the task scope (3.6).
    fn move_requests(&mut self, task: usize) {
        let place = self.place(task, self.current(task));
        let open: Vec<bool> = self.scopes.iter().map(|scope| scope.open).collect();
        for request in &mut self.tasks[task].requests {
            if !open[*request] {
                *request = place;
            }
        }
    }

    /// The nearest shielded scope at or above an open scope of the task, or the task scope.
    fn place(&self, task: usize, from: usize) -> usize {
        let stack = &self.tasks[task].stack;
        let at = stack.iter().position(|open| *open == from).unwrap_or(0);
        let mut above = stack[1..=at].iter().rev();
        let shielded = above.find(|scope| self.scopes[**scope].shield);
        shielded.copied().unwrap_or(stack[0])
    }

    pub fn finish(&mut self, task: usize) -> (bool, Due) {
        for scope in std::mem::take(&mut self.tasks[task].stack) {
            self.scopes[scope].open = false;
        }
        self.tasks[task].alive = false;
        let group = self.tasks[task].group;
        let empty = group.is_some_and(|group| self.members(group).is_empty());
        (empty, self.settle())
    }

    pub fn cancel(&mut self, scope: usize) -> Option<Due> {
        if !self.scopes[scope].open {
            return None;
        }
        self.scopes[scope].cancelled = true;
        Some(self.settle())
    }

    pub fn set_shield(&mut self, scope: usize, shield: bool) -> Option<Due> {
        if !self.scopes[scope].open {
            return None;
        }
        self.scopes[scope].shield = shield;
        Some(self.settle())
    }

    pub fn begin(&mut self, task: usize) -> bool {
        self.tasks[task].run = Running::Step;
        self.tasks[task].told = false;
        self.effective(self.current(task))
    }

    pub fn park(&mut self, task: usize) -> bool {
        self.tasks[task].run = Running::Waits;
        self.tasks[task].phantom = false;
        !self.settle().is_empty()
    }

    pub fn yield_now(&mut self, task: usize) {
        self.tasks[task].run = Running::Ready;
        self.tasks[task].phantom = false;
    }

    pub fn request(&mut self, task: usize, origin: Option<(usize, usize)>) -> Due {
        if self.tasks[task].alive {
            let task_scope = self.tasks[task].stack[0];
            let place = match origin {
                Some((from, scope)) if from == task => self.place(task, scope),
                _ => task_scope,
            };
            self.tasks[task].requests.push(place);
        }
        self.settle()
    }

    pub fn request_self(&mut self, task: usize) -> (bool, Due) {
        if self.tasks[task].phantom {
            self.tasks[task].phantom = false;
            return (false, Due::new());
        }
        (true, self.request(task, None))
    }

    pub fn withdraw(&mut self, task: usize) -> (bool, Due) {
        let entry = &mut self.tasks[task];
        if !entry.alive {
            return (false, Due::new());
        }
        if entry.requests.pop().is_some() {
            return (true, self.settle());
        }
        if entry.run == Running::Step && self.scope_cancelled(task) {
            self.tasks[task].phantom = true;
        }
        (false, Due::new())
    }
}
