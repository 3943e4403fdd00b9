//! Everything unsafe, behind safe functions: cells guarded by the interpreter lock, and the parts of CPython's
//! C interface that PyO3 does not wrap.
//!
//! The module is built with `gil_used = true`: whoever has a `Python<'_>` token is alone with the interpreter.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::future::Future;
use crate::state::State;
use crate::task::Task;

/// A field of a Python object that may be changed by whoever holds the interpreter lock.
pub struct Slot<T>(UnsafeCell<T>);

// SAFETY: every access but the collector's (which runs under the lock as well) takes a `Python<'_>` token, so
// two threads are never in it at the same time.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub const fn new(value: T) -> Self {
        Slot(UnsafeCell::new(value))
    }

    /// Puts a value in and gives the old one back, which the caller may drop: dropping can run Python code.
    #[inline]
    pub fn replace(&self, _py: Python<'_>, value: T) -> T {
        // SAFETY: the lock is held, and no reference into the cell outlives a method of this type.
        std::mem::replace(unsafe { &mut *self.0.get() }, value)
    }

    #[inline]
    pub fn set(&self, py: Python<'_>, value: T) {
        drop(self.replace(py, value));
    }

    #[inline]
    pub fn take(&self, py: Python<'_>) -> T
    where
        T: Default,
    {
        self.replace(py, T::default())
    }

    #[inline]
    pub fn get(&self, _py: Python<'_>) -> T
    where
        T: Copy,
    {
        // SAFETY: as in `replace`; a copy leaves no reference behind.
        unsafe { *self.0.get() }
    }

    /// Lends the value to a closure that cannot run Python code.
    ///
    /// The `Send` bound keeps `Python<'_>` and `Bound` out of the closure; it must not drop Python objects
    /// either, but hand them out.
    #[inline]
    pub fn with<R>(&self, _py: Python<'_>, f: impl FnOnce(&mut T) -> R + Send) -> R {
        // SAFETY: the lock is held, and the closure cannot get at the token that a second access needs.
        f(unsafe { &mut *self.0.get() })
    }

    /// For `__traverse__` and `Drop` only, which have no token: the collector holds the lock for them.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the collector and the deallocator run under the lock, between accesses of other code.
        f(unsafe { &*self.0.get() })
    }
}

/// A field that is written once.
pub struct Fixed<T>(UnsafeCell<Option<T>>);

// SAFETY: it is written under the lock, once, and only read after that.
unsafe impl<T: Send + Sync> Sync for Fixed<T> {}

impl<T> Fixed<T> {
    pub const fn new() -> Self {
        Fixed(UnsafeCell::new(None))
    }

    /// Gives the value back if there is one already.
    pub fn set(&self, _py: Python<'_>, value: T) -> Result<(), T> {
        // SAFETY: the lock is held; while the cell is empty nobody has a reference into it.
        let cell = unsafe { &mut *self.0.get() };
        if cell.is_some() {
            return Err(value);
        }
        *cell = Some(value);
        Ok(())
    }

    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: callers hold the lock (only Python objects have such fields), and a value never changes.
        unsafe { &*self.0.get() }.as_ref()
    }
}

impl Slot<()> {
    /// A token inside a closure of `Slot::with`, for work that only takes or compares references.
    #[inline]
    pub fn with_token<R>(f: impl FnOnce(Python<'_>) -> R) -> R {
        // SAFETY: closures of `Slot::with` run under the lock; what is done with the token runs no Python code.
        f(unsafe { Python::assume_attached() })
    }

    /// Another reference to an object that is lent by `Slot::with`, whose closure has no token.
    #[inline]
    pub fn share<T>(object: &Py<T>) -> Py<T> {
        // SAFETY: an object is lent only under the lock; taking a reference runs no Python code.
        object.clone_ref(unsafe { Python::assume_attached() })
    }
}

impl<T> Slot<Option<Py<T>>> {
    /// A new reference to the object in the slot.
    #[inline]
    pub fn cloned<'py>(&self, py: Python<'py>) -> Option<Bound<'py, T>> {
        // SAFETY: as in `replace`; taking a reference count runs no Python code.
        unsafe { &*self.0.get() }
            .as_ref()
            .map(|object| object.bind(py).clone())
    }

    #[inline]
    pub fn is_some(&self, _py: Python<'_>) -> bool {
        // SAFETY: as in `replace`.
        unsafe { &*self.0.get() }.is_some()
    }

    /// Whether the slot holds exactly this object.
    #[inline]
    pub fn holds(&self, _py: Python<'_>, object: &Bound<'_, T>) -> bool {
        // SAFETY: as in `replace`.
        unsafe { &*self.0.get() }
            .as_ref()
            .is_some_and(|held| held.as_ptr() == object.as_ptr())
    }
}

/// False in zeroed memory: says that an object's fields have been written.
///
/// Before Python 3.13 an object with a `__dict__` is known to the collector before PyO3 writes the Rust fields,
/// and making that dict can start a collection. `__traverse__` of such classes asks this first.
pub struct Made(bool);

impl Made {
    pub const YES: Made = Made(true);

    pub fn is_set(&self) -> bool {
        self.0
    }
}

/// What became of a coroutine that was resumed.
pub enum Resumed<'py> {
    Yielded(Bound<'py, PyAny>),
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
}

/// Resumes a coroutine with None.
#[inline]
pub fn send_none<'py>(coroutine: &Bound<'py, PyAny>) -> Resumed<'py> {
    let py = coroutine.py();
    let mut result: *mut ffi::PyObject = std::ptr::null_mut();
    // SAFETY: both objects are alive, and the result is a new reference unless an error is set.
    unsafe {
        match ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &mut result) {
            ffi::PySendResult::PYGEN_RETURN => Resumed::Returned(Bound::from_owned_ptr(py, result)),
            ffi::PySendResult::PYGEN_NEXT => Resumed::Yielded(Bound::from_owned_ptr(py, result)),
            ffi::PySendResult::PYGEN_ERROR => Resumed::Raised(PyErr::fetch(py)),
        }
    }
}

/// Throws an exception into a coroutine.
pub fn throw<'py>(coroutine: &Bound<'py, PyAny>, exception: &Bound<'py, PyAny>) -> Resumed<'py> {
    let py = coroutine.py();
    match coroutine.call_method1(pyo3::intern!(py, "throw"), (exception,)) {
        Ok(value) => Resumed::Yielded(value),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            match error.value(py).getattr(pyo3::intern!(py, "value")) {
                Ok(value) => Resumed::Returned(value),
                Err(error) => Resumed::Raised(error),
            }
        }
        Err(error) => Resumed::Raised(error),
    }
}

#[inline]
pub fn is_coroutine(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: only the type of a live object is compared.
    unsafe { ffi::Py_TYPE(object.as_ptr()) == &raw mut ffi::PyCoro_Type }
}

pub fn is_context(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: only the type of a live object is compared.
    unsafe { ffi::PyContext_CheckExact(object.as_ptr()) != 0 }
}

/// A copy of the current context.
#[inline]
pub fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or NULL with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent()) }
}

/// Runs `f` in a context.
#[inline]
pub fn in_context<R>(context: &Bound<'_, PyAny>, f: impl FnOnce() -> R) -> PyResult<R> {
    // SAFETY: the object is checked to be a context by the function itself; enter and exit are paired.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(context.py()));
    }
    let result = f();
    // SAFETY: it was entered above, and what ran in between left it as it was.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(context.py()));
    }
    Ok(result)
}

thread_local! {
    /// The loop whose code this thread is running; whoever sets it keeps it alive until it is reset.
    static RUNNING: Cell<*mut ffi::PyObject> = const { Cell::new(std::ptr::null_mut()) };
}

/// Runs `f` with a state as this thread's running one.
pub fn with_running<R>(state: &Bound<'_, State>, f: impl FnOnce() -> R) -> R {
    struct Restore(*mut ffi::PyObject);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }
    let _restore = Restore(RUNNING.replace(state.as_ptr()));
    f()
}

/// The state whose code this thread is running, if any.
#[inline]
pub fn running(py: Python<'_>) -> Option<Bound<'_, State>> {
    let state = RUNNING.get();
    if state.is_null() {
        return None;
    }
    // SAFETY: `with_running` keeps the object alive while the pointer is set, and it is a State.
    Some(unsafe { Bound::from_borrowed_ptr(py, state).cast_into_unchecked() })
}

/// A task that a state knows but does not own.
#[derive(Clone, Copy)]
pub struct WeakTask(NonNull<ffi::PyObject>);

// SAFETY: it is only looked at under the lock.
unsafe impl Send for WeakTask {}

impl WeakTask {
    pub fn new(task: &Bound<'_, Task>) -> Self {
        WeakTask(NonNull::new(task.as_ptr()).expect("an object is not NULL"))
    }

    /// A reference to the task, unless it is being deallocated.
    ///
    /// A task takes itself off its state's list when it is dropped, so the pointer never dangles.
    pub fn upgrade<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Task>> {
        // SAFETY: the memory is valid until the registration is dropped; a count of zero means that the
        // deallocator has begun, and the object must not be brought back.
        unsafe {
            if ffi::Py_REFCNT(self.0.as_ptr()) == 0 {
                return None;
            }
            Some(Bound::from_borrowed_ptr(py, self.0.as_ptr()).cast_into_unchecked())
        }
    }
}

/// The exception that is being handled, that is, `sys.exception()`.
pub fn set_context_if_none(error: &PyErr, context: &Bound<'_, PyAny>) {
    let py = context.py();
    let value = error.value(py);
    if value.as_ptr() == context.as_ptr() {
        return;
    }
    // SAFETY: both are exceptions; the reference to the context is stolen.
    unsafe {
        let old = ffi::PyException_GetContext(value.as_ptr());
        if old.is_null() {
            ffi::Py_INCREF(context.as_ptr());
            ffi::PyException_SetContext(value.as_ptr(), context.as_ptr());
        } else {
            ffi::Py_DECREF(old);
        }
    }
}

/// Makes StopIteration carry a value, whatever the value is.
pub fn stop_iteration(value: Bound<'_, PyAny>) -> PyErr {
    let py = value.py();
    match py.get_type::<PyStopIteration>().call1((value,)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// Lets the finaliser of futures and tasks run before they are deallocated, also for those in no cycle.
///
/// PyO3 has no slot for it, and `Drop` is too late: in a cycle the fields are already cleared by then.
pub fn install_finalizers(py: Python<'_>) {
    patch_type(&py.get_type::<Future>());
    patch_type(&py.get_type::<Task>());
}

type Destructor = unsafe extern "C" fn(*mut ffi::PyObject);

/// PyO3's deallocators of Future and Task.
static ORIGINAL: [std::sync::OnceLock<Destructor>; 2] =
    [std::sync::OnceLock::new(), std::sync::OnceLock::new()];
/// The types Future and Task, to be told from their Python subclasses.
static EXACT: [AtomicPtr<ffi::PyTypeObject>; 2] = [
    AtomicPtr::new(std::ptr::null_mut()),
    AtomicPtr::new(std::ptr::null_mut()),
];

fn patch_type(class: &Bound<'_, PyType>) {
    let is_task = class.is(class.py().get_type::<Task>());
    // SAFETY: the types are this module's own heap types, patched once, before there is an instance.
    unsafe {
        let raw = class.as_type_ptr();
        (*raw).tp_finalize = Some(finalize);
        EXACT[usize::from(is_task)].store(raw, Ordering::Relaxed);
        if let Some(original) = (*raw).tp_dealloc {
            let _ = ORIGINAL[usize::from(is_task)].set(original);
        }
        (*raw).tp_dealloc = Some(if is_task {
            dealloc_task
        } else {
            dealloc_future
        });
        ffi::PyType_Modified(raw);
    }
}

unsafe extern "C" fn dealloc_future(object: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter with a dying instance of Future.
    unsafe { dealloc(object, 0) }
}

unsafe extern "C" fn dealloc_task(object: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter with a dying instance of Task.
    unsafe { dealloc(object, 1) }
}

unsafe fn dealloc(object: *mut ffi::PyObject, index: usize) {
    // SAFETY: as the interpreter's own deallocators do it. For an instance of a Python subclass the
    // interpreter has called the finaliser already, and calling it again does nothing.
    unsafe {
        let class = ffi::Py_TYPE(object);
        if class == EXACT[index].load(Ordering::Relaxed)
            && wants_finalizer(object)
            && ffi::PyObject_CallFinalizerFromDealloc(object) < 0
        {
            return;
        }
        if let Some(original) = ORIGINAL[index].get() {
            original(object);
        }
    }
}

/// Most futures and tasks are done and have nothing to say: for them the finaliser is not even called.
unsafe fn wants_finalizer(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the object is an instance of Future, and the lock is held.
    unsafe {
        let py = Python::assume_attached();
        // A borrow without a reference: the count is zero already and must not reach zero again.
        let object = Borrowed::from_ptr(py, object);
        object.cast_unchecked::<Future>().get().wants_finalizer(py)
    }
}

unsafe extern "C" fn finalize(object: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter under the lock, with an exception possibly set, which is kept.
    unsafe {
        let py = Python::assume_attached();
        let pending = PyErr::take(py);
        let object = Bound::from_borrowed_ptr(py, object);
        crate::extra::finalize(object.cast_unchecked::<Future>());
        drop(object);
        if let Some(pending) = pending {
            pending.restore(py);
        }
    }
}

/// CLOCK_MONOTONIC in seconds.
#[cfg(target_os = "linux")]
pub fn clock_monotonic() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on every Linux, and `time` is ours to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// What `threading.get_ident()` gives for this thread.
pub fn thread_id() -> u64 {
    // SAFETY: it only reads the thread's own number.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// Runs `f` with no exception set, and puts back the one that was.
pub fn keeping_error(py: Python<'_>, f: impl FnOnce()) {
    let pending = PyErr::take(py);
    f();
    if let Some(pending) = pending {
        pending.restore(py);
    }
}

/// The traceback of an exception, if it has been raised.
pub fn traceback<'py>(exception: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: a new reference or NULL; the object is an exception.
    unsafe {
        Bound::from_owned_ptr_or_opt(
            exception.py(),
            ffi::PyException_GetTraceback(exception.as_ptr()),
        )
    }
}

/// Sets or removes the traceback of an exception.
pub fn set_traceback(exception: &Bound<'_, PyAny>, traceback: Option<Bound<'_, PyAny>>) {
    let traceback = traceback.unwrap_or_else(|| exception.py().None().into_bound(exception.py()));
    // SAFETY: the object is an exception, the other a traceback or None.
    unsafe { ffi::PyException_SetTraceback(exception.as_ptr(), traceback.as_ptr()) };
}

/// Takes an object out of the collector's sight, if it is in it.
///
/// What nobody but a root refers to cannot be garbage, and looking at it is the largest cost of many new tasks.
pub fn untrack(object: &Bound<'_, PyAny>) {
    // SAFETY: a live object; being tracked implies that its type takes part in collection.
    unsafe {
        if ffi::PyObject_GC_IsTracked(object.as_ptr()) != 0 {
            ffi::PyObject_GC_UnTrack(object.as_ptr().cast());
        }
    }
}

/// Shows an object to the collector again; needed before it may be dropped.
pub fn track(object: &Bound<'_, PyAny>) {
    // SAFETY: only called for objects that `untrack` took out, whose fields are all written.
    unsafe {
        if ffi::PyObject_GC_IsTracked(object.as_ptr()) == 0 {
            ffi::PyObject_GC_Track(object.as_ptr().cast());
        }
    }
}

/// Shows an object that is being dropped to the collector again.
pub fn track_raw(object: &Py<PyAny>) {
    // SAFETY: called under the lock, with an object that its owner still holds.
    track(object.bind(unsafe { Python::assume_attached() }));
}

/// The exception object of an error, with its traceback.
///
/// Before Python 3.12 PyO3 keeps the traceback of a caught error beside the exception.
pub fn exception<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyAny> {
    error.clone_ref(py).into_value(py).into_bound(py).into_any()
}
