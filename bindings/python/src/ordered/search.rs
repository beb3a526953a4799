//! Finds a key in a guarded table, also one that only Python can compare, and acts on what was found in the same step.
//!
//! As [`resolve`](crate::resolve) does for the core: entries that might be equal are compared by Python between two steps, until a step meets
//! none that has not been compared.

use super::guarded::{Guarded, Held};
use super::table::{Slot, Table};
use crate::key::Probe;
use crate::object::{Call, Object};
use crate::resolve::compare;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// So often other keys of the same hash may turn up while some are compared.
const ROUNDS: usize = 1000;

/// What has a table of entries.
pub(super) trait Tabled {
    fn table(&self) -> &Table;
}

/// Calls `act` in the step that found the key, or found that it is not there.
///
/// # Errors
///
/// What a comparison raises; `RuntimeError` if comparisons go on changing the table. Then `act` was not called.
#[inline(always)]
pub(super) fn step<T: Tabled, R>(
    py: Python<'_>,
    inner: &Guarded<T>,
    probe: &Probe,
    act: impl FnOnce(&mut T, Option<Slot>) -> R,
) -> PyResult<R> {
    if probe.is_plain() {
        let mut held = inner.hold(py);
        if !held.table().is_mixed() {
            let found = held.table().find(probe.hash, |key| key.probe() == probe);
            return Ok(act(&mut held, found));
        }
    }
    step_by_python(py, inner, probe, act)
}

#[cold]
#[inline(never)]
fn step_by_python<T: Tabled, R>(
    py: Python<'_>,
    inner: &Guarded<T>,
    probe: &Probe,
    act: impl FnOnce(&mut T, Option<Slot>) -> R,
) -> PyResult<R> {
    let _call = Call::new(py);
    let mut judged = Vec::new();
    for _ in 0..ROUNDS {
        let mut held = inner.hold(py);
        match look(&held, probe, &judged) {
            Ok(found) => return Ok(act(&mut held, found)),
            Err(unknown) => {
                drop(held);
                compare(py, probe, unknown, &mut judged)?;
            }
        }
    }
    Err(PyRuntimeError::new_err("the cache was changed again and again while its keys were compared"))
}

/// Where the key is, or those with which Python has to compare it first.
fn look<T: Tabled>(
    held: &Held<'_, T>,
    probe: &Probe,
    judged: &[(Object, bool)],
) -> Result<Option<Slot>, Vec<Object>> {
    let mut unknown = Vec::new();
    let plain = probe.is_plain();
    let found = held.table().find(probe.hash, |key| {
        if key.probe() == probe {
            return true;
        }
        if plain && key.is_plain() {
            return false;
        }
        match judged.iter().find(|(other, _)| other.pointer() == key.pointer()) {
            Some((_, equal)) => *equal,
            None => {
                unknown.push(key.object());
                false
            }
        }
    });
    match found {
        None if !unknown.is_empty() => Err(unknown),
        found => Ok(found),
    }
}
