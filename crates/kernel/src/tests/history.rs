//! A history: one operation after the other, on a kernel and on the model at once, which have to agree.

use super::model::{self, Model, Running};
use crate::{
    Cause, Due, Exit, ExitError, Finished, GroupId, Kernel, Origin, ScopeId, ScopeSettings, TaskId,
};

/// An operation; numbers are names in the order of making.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    SpawnRoot,
    Spawn {
        group: usize,
        under: Option<usize>,
    },
    Adopt(usize),
    Finish(usize),
    Begin(usize),
    Park(usize),
    Yield(usize),
    Enter {
        task: usize,
        shield: bool,
        cancelled: bool,
        deadline: f64,
    },
    Exit {
        task: usize,
        scope: usize,
    },
    Cancel(usize),
    Shield {
        scope: usize,
        value: bool,
    },
    Deadline {
        scope: usize,
        value: f64,
    },
    /// Time goes on to this.
    Expire(f64),
    OpenGroup(usize),
    CloseGroup(usize),
    Request {
        task: usize,
        /// The task and the scope that a timer was made in.
        origin: Option<(usize, usize)>,
    },
    RequestSelf(usize),
    Withdraw(usize),
}

#[derive(Clone, Default)]
pub struct History {
    pub kernel: Kernel,
    pub model: Model,
    tasks: Vec<TaskId>,
    scopes: Vec<ScopeId>,
    groups: Vec<GroupId>,
    now: f64,
}

impl History {
    /// A history that began like this.
    pub fn after(beginning: &[Op]) -> Self {
        let mut history = History::default();
        for &op in beginning {
            assert!(history.apply(op), "{op:?} may not happen here");
        }
        history
    }

    /// Whether the operation may happen now, by the rules that the kernel's documentation gives to its caller.
    fn may_happen(&self, op: Op) -> bool {
        let task = |task: usize, allowed: &[Running]| {
            let task = self.model.tasks.get(task);
            task.is_some_and(|task| task.alive && allowed.contains(&task.run))
        };
        let known_scope = |scope: usize| scope < self.scopes.len();
        let known_group = |group: usize| group < self.groups.len();
        let known_task = |task: usize| task < self.tasks.len();
        const NOT_WAITING: [Running; 2] = [Running::Ready, Running::Step];
        const NOT_RUNNING: [Running; 2] = [Running::Ready, Running::Waits];
        const ANY: [Running; 3] = [Running::Ready, Running::Step, Running::Waits];
        match op {
            Op::SpawnRoot | Op::Expire(_) => true,
            Op::Spawn { group, under } => known_group(group) && under.is_none_or(known_scope),
            Op::Finish(id) => task(id, &ANY),
            Op::Begin(id) => task(id, &NOT_RUNNING),
            Op::Park(id) | Op::Yield(id) | Op::RequestSelf(id) => task(id, &[Running::Step]),
            Op::Enter { task: id, .. } => task(id, &NOT_WAITING),
            Op::Exit { task: id, scope } => task(id, &NOT_WAITING) && known_scope(scope),
            Op::Cancel(scope)
            | Op::Shield { scope, .. }
            | Op::Deadline { scope, .. }
            | Op::OpenGroup(scope) => known_scope(scope),
            Op::CloseGroup(group) => known_group(group),
            Op::Request { task, origin } => {
                let known = |(task, scope)| known_task(task) && known_scope(scope);
                known_task(task) && origin.is_none_or(known)
            }
            Op::Adopt(task) | Op::Withdraw(task) => known_task(task),
        }
    }

    /// Lets an operation happen if it may, and compares every answer and everything that can be asked afterwards.
    pub fn apply(&mut self, op: Op) -> bool {
        if !self.may_happen(op) {
            return false;
        }
        self.happen(op);
        self.kernel.check();
        self.compare();
        true
    }

    fn happen(&mut self, op: Op) {
        let (kernel, model) = (&mut self.kernel, &mut self.model);
        let now = self.now;
        match op {
            Op::SpawnRoot => {
                model.spawn_root();
                let task = kernel.spawn_root();
                self.made_task(task);
            }
            Op::Spawn { group, under } => {
                let expected = model.spawn(group, under);
                let under = under.map(|scope| self.scopes[scope]);
                let task = kernel.spawn(self.groups[group], under);
                assert_eq!(task.is_some(), expected.is_some());
                if let Some(task) = task {
                    self.made_task(task);
                }
            }
            Op::Adopt(task) => {
                let expected = model.adopt(task);
                let due = kernel.adopt(self.tasks[task]);
                assert_eq!(due.map(|due| self.due(due)), expected);
            }
            Op::Finish(task) => {
                let (group_empty, expected) = model.finish(task);
                let group = model.tasks[task].group.map(|group| self.groups[group]);
                let finished = kernel.finish(self.tasks[task]);
                assert_eq!(self.due(finished.due.clone()), expected);
                let expected = Finished {
                    group,
                    group_empty,
                    due: finished.due.clone(),
                };
                assert_eq!(finished, expected);
            }
            Op::Begin(task) => assert_eq!(kernel.begin(self.tasks[task]), model.begin(task)),
            Op::Park(task) => assert_eq!(kernel.park(self.tasks[task]), model.park(task)),
            Op::Yield(task) => {
                model.yield_now(task);
                kernel.yield_now(self.tasks[task]);
            }
            Op::Enter {
                task,
                shield,
                cancelled,
                deadline,
            } => {
                model.enter(task, shield, cancelled, deadline, now);
                let settings = ScopeSettings {
                    shield,
                    cancelled,
                    deadline,
                };
                let scope = kernel.enter(self.tasks[task], settings, now);
                self.scopes.push(scope);
            }
            Op::Exit { task, scope } => {
                let (expected, due) = model.exit(task, scope);
                let exit = kernel.exit(self.tasks[task], self.scopes[scope]);
                self.compare_exit(scope, exit, expected, due);
            }
            Op::Cancel(scope) => {
                let expected = model.cancel(scope);
                let due = kernel.cancel(self.scopes[scope]);
                assert_eq!(due.map(|due| self.due(due)), expected);
            }
            Op::Shield { scope, value } => {
                let expected = model.set_shield(scope, value);
                let due = kernel.set_shield(self.scopes[scope], value);
                assert_eq!(due.map(|due| self.due(due)), expected);
            }
            Op::Deadline { scope, value } => {
                let expected = model.set_deadline(scope, value, now);
                let due = kernel.set_deadline(self.scopes[scope], value, now);
                assert_eq!(due.map(|due| self.due(due)), expected);
            }
            Op::Expire(to) => {
                self.now = now.max(to);
                let expected = model.expire(self.now);
                let mut due = kernel.expire(self.now);
                for expected in expected {
                    let rest = due.split_off(expected.len());
                    assert_eq!(self.due(due), expected);
                    due = rest;
                }
                assert_eq!(due, []);
            }
            Op::OpenGroup(scope) => {
                model.open_group(scope);
                self.groups.push(kernel.open_group(self.scopes[scope]));
            }
            Op::CloseGroup(group) => {
                let expected = model.close_group(group);
                assert_eq!(kernel.close_group(self.groups[group]), expected);
            }
            Op::Request { task, origin } => {
                let expected = model.request(task, origin);
                let origin = origin.map(|(task, scope)| Origin {
                    task: self.tasks[task],
                    scope: self.scopes[scope],
                });
                let task = self.tasks[task];
                let before = kernel.is_task_cancelled(task);
                let reached = kernel.is_reached(task, origin);
                let due = kernel.request(task, origin);
                assert_eq!(kernel.is_task_cancelled(task), before || reached);
                assert_eq!(self.due(due), expected);
            }
            Op::RequestSelf(task) => {
                let expected = model.request_self(task);
                let (placed, due) = kernel.request_self(self.tasks[task]);
                assert_eq!((placed, self.due(due)), expected);
            }
            Op::Withdraw(task) => {
                let expected = model.withdraw(task);
                let (withdrawn, due) = kernel.withdraw(self.tasks[task]);
                assert_eq!((withdrawn, self.due(due)), expected);
            }
        }
    }

    fn made_task(&mut self, task: TaskId) {
        self.tasks.push(task);
        self.scopes.push(self.kernel.task_scope(task).unwrap());
    }

    /// Who is due, by name; each comes once.
    fn due(&self, due: Due) -> model::Due {
        let name = |task| self.tasks.iter().rposition(|known| *known == task).unwrap();
        let names: model::Due = due.iter().map(|task| name(*task)).collect();
        assert_eq!(names.len(), due.len(), "a task is due once");
        names
    }

    fn compare_exit(
        &self,
        scope: usize,
        exit: Result<Exit, ExitError>,
        expected: model::Exit,
        expected_due: model::Due,
    ) {
        let scope = &self.model.scopes[scope];
        let left = |nested: bool, exit: Exit| {
            assert_eq!(exit.cancelled, scope.cancelled);
            assert_eq!(exit.expired, scope.expired);
            assert_eq!(exit.shield, scope.shield);
            let absorbs = exit.absorbs;
            (model::Exit::Left { nested, absorbs }, self.due(exit.due))
        };
        let found = match exit {
            Ok(exit) => left(true, exit),
            Err(ExitError::Misnested(exit)) => left(false, exit),
            Err(ExitError::NotHost) => (model::Exit::NotHost, model::Due::new()),
            Err(ExitError::NotOpen) => (model::Exit::NotOpen, model::Due::new()),
        };
        assert_eq!(found, (expected, expected_due));
    }

    /// Everything that a kernel can be asked.
    fn compare(&self) {
        for scope in 0..self.scopes.len() {
            self.compare_scope(scope);
        }
        for task in 0..self.tasks.len() {
            self.compare_task(task);
        }
        for group in 0..self.groups.len() {
            let key = self.groups[group];
            let members = self.model.members(group);
            assert_eq!(self.kernel.group_count(key), members.len());
            let members: Vec<TaskId> = members.iter().map(|task| self.tasks[*task]).collect();
            assert_eq!(self.kernel.members(key), members);
        }
        let tasks = self.model.tasks.iter().filter(|task| task.alive);
        assert_eq!(self.kernel.task_count(), tasks.count());
        let scopes = self.model.scopes.iter().filter(|scope| scope.open);
        assert_eq!(self.kernel.scope_count(), scopes.count());
        assert_eq!(self.kernel.next_deadline(), self.model.next_deadline());
    }

    fn compare_scope(&self, id: usize) {
        let (kernel, key) = (&self.kernel, self.scopes[id]);
        let scope = &self.model.scopes[id];
        let open = |value| scope.open.then_some(value);
        assert_eq!(kernel.is_open(key), scope.open);
        assert_eq!(kernel.is_cancelled(key), open(scope.cancelled));
        assert_eq!(kernel.is_expired(key), open(scope.expired));
        assert_eq!(kernel.shield(key), open(scope.shield));
        let effective = scope.open.then(|| self.model.effective(id));
        assert_eq!(kernel.is_effective(key), effective);
        let outer = scope.open.then(|| self.model.outer_visible(id));
        assert_eq!(kernel.is_outer_visible(key), outer);
        let deadline = scope.open.then_some(scope.deadline);
        assert_eq!(kernel.deadline(key), deadline);
    }

    fn compare_task(&self, id: usize) {
        let (kernel, key) = (&self.kernel, self.tasks[id]);
        let (model, task) = (&self.model, &self.model.tasks[id]);
        assert_eq!(kernel.is_alive(key), task.alive);
        assert_eq!(kernel.run(key), model.run(id));
        let current = task.alive.then(|| model.current(id));
        let key_of = |scope: usize| self.scopes[scope];
        assert_eq!(kernel.current_scope(key), current.map(key_of));
        let task_scope = task.stack.first().copied();
        assert_eq!(kernel.task_scope(key), task_scope.map(key_of));
        assert_eq!(kernel.has_open_scopes(key), task.stack.len() > 1);
        let cancelled = current.is_some_and(|scope| model.effective(scope));
        assert_eq!(kernel.is_task_cancelled(key), cancelled);
        let requests = if task.alive { task.requests.len() } else { 0 };
        assert_eq!(kernel.request_count(key), requests);
        assert_eq!(kernel.cancelling(key), model.cancelling(id));
        let cause = kernel.cause(key).map(|cause| match cause {
            Cause::Scope(key) => {
                let scope = self.scopes.iter().rposition(|known| *known == key);
                model::Cause::Scope(scope.unwrap())
            }
            Cause::Native(key) => {
                let task = self.tasks.iter().rposition(|known| *known == key);
                model::Cause::Native(task.unwrap())
            }
            Cause::Abandoned => model::Cause::Abandoned,
        });
        assert_eq!(cause, model.cause(id));
        let deadline = kernel.effective_deadline(key);
        assert_eq!(deadline, model.effective_deadline(id));
        let group = task.group.filter(|_| task.alive);
        let group = group.map(|group| self.groups[group]);
        assert_eq!(kernel.group_of(key), group);
    }
}
