//! A decorated function as the method of an instance that has no cache of its own.
//!
//! A call passes the instance along by Python's own means (`types.MethodType`), and so must all else that takes the arguments of a call. Python's method
//! asks the function that it binds for what it has not itself, so that is one that knows the instance.

use crate::cached::Cached;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

/// A function as the method of an instance.
pub(crate) fn method<'py>(
    function: &Bound<'py, PyAny>,
    instance: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    static METHOD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    METHOD.import(function.py(), "types", "MethodType")?.call1((function, instance))
}

// No doc comment: it would hide that of the function.
#[pyclass(module = "pinyon", frozen)]
#[derive(Debug)]
pub(crate) struct Member {
    cached: Py<Cached>,
    instance: Py<PyAny>,
}

impl Member {
    /// The method of an instance.
    pub(crate) fn method<'py>(
        cached: &Bound<'py, Cached>,
        instance: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let member = Member { cached: cached.clone().unbind(), instance: instance.clone().unbind() };
        method(Bound::new(cached.py(), member)?.as_any(), instance)
    }

    /// The arguments of a call: the instance comes first.
    fn all<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
        let instance = std::iter::once(self.instance.bind(args.py()).clone());
        PyTuple::new(args.py(), instance.chain(args.iter()).collect::<Vec<_>>())
    }
}

#[pymethods]
impl Member {
    /// Whoever calls a method passes the instance.
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Cached::__call__(self.cached.bind(args.py()), args, kwargs)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.cached.get().cache_key(&self.all(args)?, kwargs)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn invalidate(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<bool> {
        self.cached.get().invalidate(&self.all(args)?, kwargs)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn refresh<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Cached::refresh(self.cached.bind(args.py()), &self.all(args)?, kwargs)
    }

    /// That of the function.
    #[getter]
    fn __doc__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.cached.bind(py).getattr("__doc__")
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.cached.bind(name.py()).getattr(name)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Member>().is_ok_and(|other| {
            let other = other.get();
            self.cached.is(&other.cached) && self.instance.is(&other.instance)
        })
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.cached.bind(py).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.cached.bind(py).repr()?.to_string())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cached)?;
        visit.call(&self.instance)
    }
}
