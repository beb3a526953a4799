//! Iteration in pages: between two of them anything may happen to the cache.

use crate::cache::Cache;
use crate::key::Key;
use crate::object::{Call, Object, release, visit_object};
use pinyon::Cursor;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, PoisonError};

/// Entries of a page: so many are kept alive by an iterator that stands still.
const PAGE: usize = 64;

/// What an iteration gives out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Keys,
    Values,
    Items,
}

impl Kind {
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        match name {
            "keys" => Ok(Kind::Keys),
            "values" => Ok(Kind::Values),
            "items" => Ok(Kind::Items),
            _ => {
                Err(PyValueError::new_err(format!("kind must be 'keys', 'values' or 'items', not '{name}'")))
            }
        }
    }
}

#[derive(Debug)]
struct Place {
    /// The rest of the page, last first.
    page: Vec<(Key, Object)>,
    next: Option<Cursor>,
}

impl Place {
    fn next(&mut self, cache: &Cache) -> Option<(Key, Object)> {
        while self.page.is_empty() {
            let page = cache.shelf.core().page(self.next?, PAGE);
            *self = Place { page: page.entries, next: page.next };
            self.page.reverse();
        }
        self.page.pop()
    }
}

/// An iterator over a cache.
#[pyclass(module = "pinyon", frozen)]
#[derive(Debug)]
pub(crate) struct Entries {
    cache: Py<Cache>,
    kind: Kind,
    place: Mutex<Place>,
}

impl Entries {
    pub(crate) fn new(cache: &Bound<'_, Cache>, kind: Kind) -> Self {
        let place = Mutex::new(Place { page: Vec::new(), next: Some(Cursor::START) });
        Entries { cache: cache.clone().unbind(), kind, place }
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<(Key, Object)>> {
        let cache = self.cache.bind(py).get();
        cache.tick(py)?;
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(entry) = place.next(cache) {
            // What was live when the page was taken may have expired since.
            if !cache.shelf.is_fading() {
                return Ok(Some(entry));
            }
            if let Some(there) = cache.shelf.peek(entry.0.probe()) {
                return Ok(Some(there));
            }
        }
        Ok(None)
    }
}

#[pymethods]
impl Entries {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let _call = Call::new(py);
        let Some((key, value)) = self.next(py)? else { return Ok(None) };
        Ok(Some(match self.kind {
            Kind::Keys => key.object().into_bound(py),
            Kind::Values => value.into_bound(py),
            Kind::Items => (key.object().into_bound(py), value.into_bound(py)).into_pyobject(py)?.into_any(),
        }))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cache)?;
        match self.place.try_lock() {
            Ok(place) => place.page.iter().try_for_each(|(key, value)| {
                visit_object(&visit, key.pointer())?;
                visit_object(&visit, value.pointer())
            }),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self, py: Python<'_>) {
        let page = std::mem::take(&mut self.place.lock().unwrap_or_else(PoisonError::into_inner).page);
        drop(page);
        release(py);
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        Python::attach(|py| {
            drop(std::mem::take(&mut self.place.get_mut().unwrap_or_else(PoisonError::into_inner).page));
            release(py);
        });
    }
}
