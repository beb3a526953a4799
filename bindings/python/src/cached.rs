//! The decorated function: makes a key of its arguments, and calls the function only if nothing is under it.
//!
//! A hit is found here. All else (who loads, who waits, what is renewed) is the affair of `pinyon/_decorators.py`, which gives this its `missing`.

use crate::cache::Cache;
use crate::member::Member;
use crate::ready::ready;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

/// Stands between the positional and the named arguments in a key.
static NAMED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A function whose results are in a cache. Made by `pinyon.cached`.
#[pyclass(module = "pinyon", frozen, dict, weakref)]
#[derive(Debug)]
pub(crate) struct Cached {
    #[pyo3(get)]
    cache: Py<Cache>,
    #[pyo3(get, name = "__wrapped__")]
    function: Py<PyAny>,
    /// `missing(cached, key, args, kwargs)`: the result of a call whose key is not there.
    missing: Py<PyAny>,
    /// Makes the key in place of what is here.
    maker: Option<Py<PyAny>>,
    /// `binder(cached, instance)`: the method of one instance.
    binder: Option<Py<PyAny>>,
    /// The first part of every key, in a cache that others use too.
    prefix: Option<Py<PyAny>>,
    /// The types of the arguments are part of the key.
    typed: bool,
    /// A weak reference to the instance whose method this is: calls begin with it, and it is no part of the key.
    instance: Option<Py<PyAny>>,
    /// A hit is awaited.
    awaited: bool,
    /// The type of what stands for an exception in the cache.
    failure: Option<Py<PyAny>>,
}

impl Cached {
    /// The key of a call, by the arguments that are part of it.
    #[inline]
    fn key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let plain = self.maker.is_none() && self.prefix.is_none() && !self.typed;
        if plain && kwargs.is_none_or(|kwargs| kwargs.is_empty()) {
            if args.len() == 1 {
                let only = args.get_item(0)?;
                if only.is_exact_instance_of::<PyInt>() || only.is_exact_instance_of::<PyString>() {
                    return Ok(only);
                }
            }
            return Ok(args.clone().into_any());
        }
        self.long_key(args, kwargs)
    }

    /// The arguments that are part of the key.
    #[inline]
    fn told<'py>(&self, args: &Bound<'py, PyTuple>) -> Bound<'py, PyTuple> {
        match &self.instance {
            Some(_) => args.get_slice(1, args.len()),
            None => args.clone(),
        }
    }

    #[inline(never)]
    fn long_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        if let Some(maker) = &self.maker {
            let key = maker.bind(py).call(args, kwargs)?;
            return match &self.prefix {
                Some(prefix) => Ok((prefix, key).into_pyobject(py)?.into_any()),
                None => Ok(key),
            };
        }
        let mut parts: Vec<Bound<'py, PyAny>> = Vec::with_capacity(args.len() + 2);
        parts.extend(self.prefix.as_ref().map(|prefix| prefix.bind(py).clone()));
        parts.extend(args.iter());
        let mut named: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> =
            kwargs.map(|kwargs| kwargs.iter().collect()).unwrap_or_default();
        if !named.is_empty() {
            let mark = NAMED.get_or_try_init(py, || {
                py.import("builtins")?.getattr("object")?.call0().map(Bound::unbind)
            })?;
            parts.push(mark.bind(py).clone());
            if named.len() > 1 {
                named.sort_by(|(a, _), (b, _)| a.compare(b).unwrap_or(std::cmp::Ordering::Equal));
            }
            parts.extend(named.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        }
        if self.typed {
            parts.extend(args.iter().map(|arg| arg.get_type().into_any()));
            parts.extend(named.iter().map(|(_, value)| value.get_type().into_any()));
        }
        Ok(PyTuple::new(py, parts)?.into_any())
    }
}

#[pymethods]
impl Cached {
    #[new]
    #[pyo3(signature = (cache, function, missing, *, key=None, prefix=None, typed=false, instance=None, awaited=false,
        failure=None, binder=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        cache: &Bound<'_, Cache>,
        function: Py<PyAny>,
        missing: Py<PyAny>,
        key: Option<Py<PyAny>>,
        prefix: Option<Py<PyAny>>,
        typed: bool,
        instance: Option<Py<PyAny>>,
        awaited: bool,
        failure: Option<Py<PyAny>>,
        binder: Option<Py<PyAny>>,
    ) -> Self {
        let cache = cache.clone().unbind();
        Cached { cache, function, missing, maker: key, prefix, typed, instance, awaited, failure, binder }
    }

    #[pyo3(signature = (*args, **kwargs))]
    pub(crate) fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, cached) = (slf.py(), slf.get());
        let key = cached.key(&cached.told(args), kwargs)?;
        if let Some(value) = cached.cache.get().present(&key)? {
            match &cached.failure {
                Some(failure) if value.bind(py).get_type().is(failure) => {
                    return cached.missing.bind(py).call_method1("open", (value.into_bound(py),));
                }
                _ if cached.awaited => return ready(py, value),
                _ => return Ok(value.into_bound(py)),
            }
        }
        cached.missing.bind(py).call1((slf, key, args, kwargs))
    }

    /// The key that a call with these arguments has.
    #[pyo3(signature = (*args, **kwargs))]
    pub(crate) fn cache_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.key(args, kwargs)
    }

    /// Forgets the result of a call with these arguments. True if there was one.
    #[pyo3(signature = (*args, **kwargs))]
    pub(crate) fn invalidate(
        &self,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.cache.get().delete(&self.key(args, kwargs)?)
    }

    /// Calls the function with these arguments, keeps its result in place of what was there, and returns it.
    #[pyo3(signature = (*args, **kwargs))]
    pub(crate) fn refresh<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, cached) = (slf.py(), slf.get());
        let key = cached.key(args, kwargs)?;
        let args = match &cached.instance {
            None => args.clone(),
            Some(instance) => {
                let mut all = vec![instance.bind(py).call0()?];
                all.extend(args.iter());
                PyTuple::new(py, all)?
            }
        };
        cached.missing.bind(py).call_method1("refresh", (slf, key, args, kwargs))
    }

    /// Hits, misses, maxsize and the number of results, of the cache: `functools.lru_cache`'s `cache_info`.
    fn cache_info<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().missing.bind(slf.py()).call_method1("info", (slf,))
    }

    /// Forgets all results (and what else is in a cache that others use too).
    fn cache_clear(&self, py: Python<'_>) -> PyResult<()> {
        self.cache.get().clear(py)
    }

    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        instance: Option<&Bound<'py, PyAny>>,
        _owner: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match (instance, &slf.get().binder) {
            (None, _) => Ok(slf.clone().into_any()),
            (Some(instance), Some(binder)) => binder.bind(slf.py()).call1((slf, instance)),
            (Some(instance), None) => Member::method(slf, instance),
        }
    }

    /// Pickled and copied as functions are: by name.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.getattr("__qualname__")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<cached {}>", self.function.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cache)?;
        visit.call(&self.function)?;
        visit.call(&self.missing)?;
        visit.call(&self.maker)?;
        visit.call(&self.prefix)?;
        visit.call(&self.instance)?;
        visit.call(&self.binder)?;
        visit.call(&self.failure)
    }
}
