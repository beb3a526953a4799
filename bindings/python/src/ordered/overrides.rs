//! Which methods of a class are its own, and not the native ones.
//!
//! The classes of `cachetools` are made to be derived from: `popitem` deletes by `__delitem__`, `get` reads by `__getitem__`, and so on, so that
//! who overrides one of them is called. Where nobody does, the whole is one native step. What is overridden is found out when an instance is made.

use super::store::{Store, Used};
use super::timed::Timed;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Methods(u16);

const NAMES: [&str; 9] = [
    "popitem",
    "__getitem__",
    "__contains__",
    "__delitem__",
    "__setitem__",
    "__missing__",
    "__iter__",
    "expire",
    "pop",
];

impl Methods {
    pub(super) const POPITEM: Methods = Methods(1);
    pub(super) const GETITEM: Methods = Methods(1 << 1);
    pub(super) const CONTAINS: Methods = Methods(1 << 2);
    pub(super) const DELITEM: Methods = Methods(1 << 3);
    pub(super) const SETITEM: Methods = Methods(1 << 4);
    pub(super) const MISSING: Methods = Methods(1 << 5);
    pub(super) const ITER: Methods = Methods(1 << 6);
    pub(super) const EXPIRE: Methods = Methods(1 << 7);

    pub(super) const fn and(self, other: Methods) -> Methods {
        Methods(self.0 | other.0)
    }

    /// Whether one of the others is in the set.
    #[inline(always)]
    pub(super) fn any(self, others: Methods) -> bool {
        self.0 & others.0 != 0
    }

    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that the class has from elsewhere than from here.
    pub(super) fn of(class: &Bound<'_, PyType>) -> PyResult<Methods> {
        let py = class.py();
        let natives = natives(py)?;
        let mut own = 0;
        for (at, name) in NAMES.iter().enumerate() {
            let Some(method) = class.getattr_opt(*name)? else { continue };
            if !natives[at].iter().any(|native| method.is(native)) {
                own |= 1 << at;
            }
        }
        Ok(Methods(own))
    }
}

/// The native methods, by the places of their names.
fn natives(py: Python<'_>) -> PyResult<&'static Vec<Vec<Py<PyAny>>>> {
    static NATIVES: PyOnceLock<Vec<Vec<Py<PyAny>>>> = PyOnceLock::new();
    NATIVES.get_or_try_init(py, || {
        let classes = [py.get_type::<Store>(), py.get_type::<Used>(), py.get_type::<Timed>()];
        let of = |name: &&str| {
            classes
                .iter()
                .filter_map(|class| class.getattr_opt(*name).transpose())
                .map(|method| method.map(Bound::unbind))
                .collect()
        };
        NAMES.iter().map(of).collect()
    })
}
