//! Telling Python what left the cache (G26).
//!
//! The core calls its listener while it is being called, so nothing but the event is noted there. When the core has returned, the function is
//! called for each event in turn, by one thread at a time and never from within itself, so that what happened to a key is told in order. An
//! exception of the function goes to `sys.unraisablehook`, as one of a `__del__` does: whoever happened to be writing has nothing to do with
//! it. But Ctrl-C is meant for the program: when all is told it is raised again in this thread, by the interpreter, at the next bytecode.

use crate::key::Key;
use crate::object::{Object, release};
use pinyon::Cause;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::ffi::c_long;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<(Key, Object, Cause)>,
    /// The process whose thread is telling; 0: nobody is. In the child of a fork the thread that was is not there.
    telling: u32,
}

/// The events of one cache and who wants to hear of them.
#[derive(Debug)]
pub(crate) struct Events {
    function: Py<PyAny>,
    queue: Arc<Mutex<Queue>>,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the interpreter raise `KeyboardInterrupt` in this thread. No signal handler runs once more for it.
fn interrupt(py: Python<'_>) -> PyResult<()> {
    let here: u64 = py.import("_thread")?.getattr("get_ident")?.call0()?.extract()?;
    // SAFETY: O2 of `object`: the thread is attached. The exception is a class that lives as long as the interpreter.
    unsafe { ffi::PyThreadState_SetAsyncExc(here as c_long, ffi::PyExc_KeyboardInterrupt) };
    Ok(())
}

impl Events {
    pub(crate) fn new(function: Py<PyAny>) -> Self {
        Events { function, queue: Arc::default() }
    }

    pub(crate) fn function(&self) -> &Py<PyAny> {
        &self.function
    }

    /// What the core calls.
    pub(crate) fn listener(&self) -> impl Fn(&Key, &Object, Cause) + Send + Sync + 'static {
        let queue = self.queue.clone();
        move |key, value, cause| lock(&queue).events.push_back((key.clone(), value.clone(), cause))
    }

    /// Tells what there is to tell, unless somebody does already.
    pub(crate) fn tell(&self, py: Python<'_>) {
        let (mut mine, mut interrupted) = (false, false);
        while let Some((key, value, cause)) = self.next(&mut mine) {
            let told = self.function.call1(py, (key.object().bind(py), value.bind(py), cause.to_string()));
            match told {
                Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => interrupted = true,
                Err(error) => error.write_unraisable(py, Some(self.function.bind(py))),
                Ok(_) => {}
            }
            drop((key, value));
            release(py);
        }
        if interrupted && let Err(error) = interrupt(py) {
            error.write_unraisable(py, Some(self.function.bind(py)));
        }
    }

    /// The next event, if telling is this caller's or nobody's business.
    fn next(&self, mine: &mut bool) -> Option<(Key, Object, Cause)> {
        let mut queue = lock(&self.queue);
        if queue.telling == std::process::id() && !*mine {
            return None;
        }
        let next = queue.events.pop_front();
        *mine = next.is_some();
        queue.telling = if *mine { std::process::id() } else { 0 };
        next
    }

    /// Nobody will hear of what was not told yet.
    pub(crate) fn forget(&self) {
        drop(std::mem::take(&mut lock(&self.queue).events));
    }
}
