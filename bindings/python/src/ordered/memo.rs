//! A function that keeps its latest results: `functools.lru_cache`, native.
//!
//! A hit is one step: find, move to the end, take. A miss counts, calls the function outside of any step, and looks again: a call of the same
//! key may have come to an end meanwhile. The class in `pinyon/compat/functools.py` that derives from this one has the attributes and the names.

use super::guarded::Guarded;
use super::list::List;
use super::search::{Tabled, step};
use super::table::Table;
use crate::key::Probe;
use crate::member::method;
use crate::object::{Call, Object, release, visit_object};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

/// Stands between the positional and the named arguments in a key.
static NAMED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// How many results are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    All,
    Latest(usize),
}

/// What is kept, and counted.
#[derive(Debug, Default)]
struct Kept {
    table: Table,
    /// The least recently used is first. Not kept if nothing is ever evicted.
    order: List,
    hits: u64,
    misses: u64,
}

impl Tabled for Kept {
    #[inline(always)]
    fn table(&self) -> &Table {
        &self.table
    }
}

/// See the module's head.
#[pyclass(module = "pinyon._core", subclass, frozen)]
#[derive(Debug)]
pub(crate) struct Memo {
    function: Py<PyAny>,
    limit: Limit,
    typed: bool,
    /// Makes what `cache_info` returns.
    info: Py<PyAny>,
    kept: Guarded<Kept>,
}

impl Memo {
    #[inline(always)]
    fn key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.typed || kwargs.is_some_and(|kwargs| !kwargs.is_empty()) {
            return self.long_key(args, kwargs);
        }
        if args.len() == 1 {
            let only = args.get_item(0)?;
            if only.is_exact_instance_of::<PyInt>() || only.is_exact_instance_of::<PyString>() {
                return Ok(only);
            }
        }
        Ok(args.clone().into_any())
    }

    #[cold]
    fn long_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        let mut parts: Vec<Bound<'py, PyAny>> = args.iter().collect();
        let named: Vec<_> = kwargs.map(|kwargs| kwargs.iter().collect()).unwrap_or_default();
        if !named.is_empty() {
            let mark = NAMED.get_or_try_init(py, || {
                py.import("builtins")?.getattr("object")?.call0().map(Bound::unbind)
            })?;
            parts.push(mark.bind(py).clone());
            parts.extend(named.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        }
        if self.typed {
            parts.extend(args.iter().map(|arg| arg.get_type().into_any()));
            parts.extend(named.iter().map(|(_, value)| value.get_type().into_any()));
        }
        Ok(PyTuple::new(py, parts)?.into_any())
    }

    #[inline(always)]
    fn hit(&self, py: Python<'_>, probe: &Probe) -> PyResult<Option<Object>> {
        step(py, &self.kept, probe, |kept, found| {
            let slot = found?;
            if self.limit != Limit::All {
                kept.order.move_to_end(slot);
            }
            kept.hits += 1;
            Some(kept.table.entry(slot).value.clone())
        })
    }

    fn keep(&self, py: Python<'_>, probe: &Probe, result: &Bound<'_, PyAny>) -> PyResult<()> {
        step(py, &self.kept, probe, |kept, found| match (self.limit, found) {
            (Limit::All, Some(slot)) => kept.table.entry_mut(slot).value = result.into(),
            (Limit::All, None) => drop(kept.table.insert(probe, result.into())),
            // A call of the same key was done first. Its result stays, and this one's is returned.
            (Limit::Latest(_), Some(_)) => {}
            (Limit::Latest(most), None) => {
                if kept.table.len() >= most
                    && let Some(oldest) = kept.order.first()
                {
                    kept.order.remove(oldest);
                    drop(kept.table.remove(oldest));
                }
                let slot = kept.table.insert(probe, result.into());
                kept.order.push(slot);
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn miss<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        probe: &Probe,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        self.kept.hold(py).misses += 1;
        let result = self.function.bind(py).call(args, kwargs)?;
        let _call = Call::new(py);
        self.keep(py, probe, &result)?;
        Ok(result)
    }
}

#[pymethods]
impl Memo {
    #[new]
    fn new(function: Py<PyAny>, maxsize: Option<usize>, typed: bool, info: Py<PyAny>) -> Self {
        let limit = maxsize.map_or(Limit::All, Limit::Latest);
        Memo { function, limit, typed, info, kept: Guarded::new(Kept::default()) }
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, memo) = (slf.py(), slf.get());
        if memo.limit == Limit::Latest(0) {
            memo.kept.hold(py).misses += 1;
            return memo.function.bind(py).call(args, kwargs);
        }
        let key = memo.key(args, kwargs)?;
        let probe = Probe::new(&key)?;
        match memo.hit(py, &probe)? {
            Some(value) => Ok(value.into_bound(py)),
            None => memo.miss(&key, &probe, args, kwargs),
        }
    }

    /// Hits, misses, the limit and the number of results that are kept.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let maxsize = match self.limit {
            Limit::All => None,
            Limit::Latest(most) => Some(most),
        };
        let counts = {
            let kept = self.kept.hold(py);
            (kept.hits, kept.misses, maxsize, kept.table.len())
        };
        self.info.bind(py).call1(counts)
    }

    /// Forgets all results, and the counts with them.
    fn cache_clear(&self, py: Python<'_>) {
        let _call = Call::new(py);
        drop(std::mem::take(&mut *self.kept.hold(py)));
    }

    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        instance: Option<&Bound<'py, PyAny>>,
        _owner: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match instance {
            None => Ok(slf.clone().into_any()),
            Some(instance) => method(slf.as_any(), instance),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.info)?;
        let Some(kept) = self.kept.try_hold() else { return Ok(()) };
        for entry in kept.table.entries() {
            visit_object(&visit, entry.key.pointer())?;
            visit_object(&visit, entry.value.pointer())?;
        }
        Ok(())
    }

    fn __clear__(&self, py: Python<'_>) {
        self.cache_clear(py);
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        // What is let go of here may run Python code, so it must not be within this drop's own fields.
        Python::attach(|py| {
            drop(std::mem::take(self.kept.get_mut()));
            release(py);
        });
    }
}
