//! Which tasks a loop has: every one is known while it lives, one of a group is kept alive until it ends.

use kernel::{GroupId, TaskId};
use pyo3::intern;
use pyo3::prelude::*;

use crate::current;
use crate::ffi::WeakTask;
use crate::state::State;
use crate::task::Task;

/// A task of this loop: known while it lives, owned while it belongs to a group.
pub struct Member {
    pub task: WeakTask,
    pub owned: Option<Py<Task>>,
}

impl State {
    pub fn task<'py>(&self, py: Python<'py>, id: TaskId) -> Option<Bound<'py, Task>> {
        let weak = self.members.with(py, |members| {
            members
                .get(id.index())
                .and_then(|member| member.as_ref().map(|member| member.task))
        })?;
        let task = weak.upgrade(py)?;
        (task.get().id() == Some(id)).then_some(task)
    }

    /// Lists a new task; one of a group is kept alive until it ends.
    pub fn register(
        slf: &Bound<'_, Self>,
        id: TaskId,
        task: &Bound<'_, Task>,
        owned: bool,
    ) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if !this.registered.replace(py, true) {
            current::states(py)?.call_method1(intern!(py, "add"), (slf,))?;
        }
        let member = Member {
            task: WeakTask::new(task),
            owned: owned.then(|| task.clone().unbind()),
        };
        this.members.with(py, move |members| {
            let index = id.index();
            if members.len() <= index {
                members.resize_with(index + 1, || None);
            }
            members[index] = Some(member);
        });
        Ok(())
    }

    pub fn unregister(&self, py: Python<'_>, id: TaskId) {
        let member = self.members.with(py, |members| {
            members.get_mut(id.index()).and_then(Option::take)
        });
        drop(member);
    }

    pub fn live_tasks<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Task>> {
        let weak: Vec<WeakTask> = self.members.with(py, |members| {
            members.iter().flatten().map(|member| member.task).collect()
        });
        weak.iter().filter_map(|task| task.upgrade(py)).collect()
    }

    pub fn members_of<'py>(&self, py: Python<'py>, group: GroupId) -> Vec<Bound<'py, Task>> {
        let ids = self.kernel(py, |kernel| kernel.members(group));
        ids.into_iter().filter_map(|id| self.task(py, id)).collect()
    }
}
