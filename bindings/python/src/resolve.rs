//! Keys that only Python can compare.
//!
//! A key of a type with an `__eq__` of its own may be equal to one in the cache though nobody but that `__eq__` can say so, and it may do
//! anything: call the cache, let other threads run, raise. So it is never asked while the core is called. Instead the core
//! is asked for those in the cache that might be equal (they have the same hash and neither pair is known to be equal or unequal), Python
//! compares them, and the core is asked again, until it names none that has not been compared. No Python code runs between that answer
//! and the call that follows it, so what was found out still holds then (without a global lock: because the caller holds the cache's
//! lock for writers). A `dict` does the same.

use crate::key::{Key, Probe};
use crate::leads::Leads;
use crate::object::{Call, Object};
use crate::shelf::Shelf;
use pinyon::Equivalent;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::RefCell;
use std::hash::{Hash, Hasher};

/// So often other keys of the same hash may turn up while some are compared.
const ROUNDS: usize = 1000;

/// A probe that takes note of whom it cannot judge.
struct Judge<'p> {
    probe: &'p Probe,
    plain: bool,
    judged: &'p [(Object, bool)],
    unknown: RefCell<Vec<Object>>,
}

impl Hash for Judge<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.probe.hash(state);
    }
}

impl Equivalent<Key> for Judge<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        if self.probe.equivalent(key) {
            return true;
        }
        if self.probe.hash != key.hash() || self.plain && key.is_plain() {
            return false;
        }
        match self.judged.iter().find(|(other, _)| other.pointer() == key.pointer()) {
            Some((_, equal)) => *equal,
            None => {
                self.unknown.borrow_mut().push(key.object());
                false
            }
        }
    }
}

/// Calls `act` with a probe that the core can judge for itself: the key as it is stored, if a live entry has an equal one, else the key that was
/// given, of which it is then known that nothing equals it. `act` runs no Python code. `writes`: it changes the cache.
///
/// # Errors
///
/// What a comparison raises; `RuntimeError` if comparisons go on changing the cache. Then `act` was not called.
#[inline(always)]
pub(crate) fn resolved<R>(
    py: Python<'_>,
    shelf: &Shelf,
    probe: &Probe,
    writes: bool,
    act: impl FnOnce(&Probe) -> R,
) -> PyResult<R> {
    if !probe.is_plain() {
        return resolved_by_python(py, shelf, probe, writes, act);
    }
    shelf.plainly(probe, writes, act).or_else(|act| resolved_by_python(py, shelf, probe, writes, act))
}

#[cold]
fn resolved_by_python<R>(
    py: Python<'_>,
    shelf: &Shelf,
    probe: &Probe,
    writes: bool,
    act: impl FnOnce(&Probe) -> R,
) -> PyResult<R> {
    let look = |judge: &Judge<'_>| shelf.peek(judge).map(|(key, _)| key);
    settle(py, shelf, probe, writes, look, act)
}

/// As [`resolved`], for a call that changes the cache; the key may also be one that is being loaded.
///
/// # Errors
///
/// As of [`resolved`].
pub(crate) fn resolved_among<R>(
    py: Python<'_>,
    shelf: &Shelf,
    leads: &Leads,
    probe: &Probe,
    act: impl FnOnce(&Probe) -> R,
) -> PyResult<R> {
    if probe.is_plain() && !shelf.is_mixed() {
        return resolved(py, shelf, probe, true, act);
    }
    let look = |judge: &Judge<'_>| {
        shelf.peek(judge).map(|(key, _)| key).or_else(|| leads.find(judge.probe.hash, judge))
    };
    settle(py, shelf, probe, true, look, act)
}

fn settle<R>(
    py: Python<'_>,
    shelf: &Shelf,
    probe: &Probe,
    writes: bool,
    look: impl Fn(&Judge<'_>) -> Option<Key>,
    act: impl FnOnce(&Probe) -> R,
) -> PyResult<R> {
    let _call = Call::new(py);
    let mut judged = Vec::new();
    for _ in 0..ROUNDS {
        let unknown = {
            let _alone = writes.then(|| shelf.hold());
            match judge(probe, &judged, &look) {
                Judged::Found(key) => return Ok(act(key.probe())),
                Judged::Nothing => return Ok(act(probe)),
                Judged::Ask(unknown) => unknown,
            }
        };
        compare(py, probe, unknown, &mut judged)?;
    }
    Err(PyRuntimeError::new_err("the cache was changed again and again while its keys were compared"))
}

/// What is known of a key.
enum Judged {
    /// This one equals it.
    Found(Key),
    /// None does.
    Nothing,
    /// Python has to say if one of these does.
    Ask(Vec<Object>),
}

/// Looks once, with the verdicts there are.
fn judge(probe: &Probe, judged: &[(Object, bool)], look: impl Fn(&Judge<'_>) -> Option<Key>) -> Judged {
    let judge = Judge { probe, plain: probe.is_plain(), judged, unknown: RefCell::default() };
    match look(&judge) {
        Some(key) => Judged::Found(key),
        None => match judge.unknown.into_inner() {
            unknown if unknown.is_empty() => Judged::Nothing,
            unknown => Judged::Ask(unknown),
        },
    }
}

/// Has Python compare the key with others, and takes note of the verdicts.
pub(crate) fn compare(
    py: Python<'_>,
    probe: &Probe,
    unknown: Vec<Object>,
    judged: &mut Vec<(Object, bool)>,
) -> PyResult<()> {
    for object in unknown {
        // SAFETY: both are kept alive, one by its reference here and one by the caller.
        let equal = unsafe {
            ffi::PyObject_RichCompareBool(object.pointer().as_ptr(), probe.object.as_ptr(), ffi::Py_EQ)
        };
        if equal < 0 {
            return Err(PyErr::fetch(py));
        }
        judged.push((object, equal == 1));
    }
    Ok(())
}
