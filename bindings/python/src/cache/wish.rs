//! What one write says beside its pair, and what the core is told of it.

use super::Cache;
use crate::settings::{LIFETIME, Limit, OVERHEAD};
use crate::sizes::size;
use crate::time::optional;
use pinyon::{InsertOptions, block_bytes};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyString};

/// What the core needs for the tags of an entry, beside a pointer to each.
const GROUP: usize = 56;

/// What one write may say beside its pair, as Python gives it.
pub(crate) struct Wish<'w, 'py> {
    pub(crate) ttl: Option<&'w Bound<'py, PyAny>>,
    pub(crate) tti: Option<&'w Bound<'py, PyAny>>,
    pub(crate) weight: Option<&'w Bound<'py, PyAny>>,
    pub(crate) tags: Option<&'w Bound<'py, PyAny>>,
}

impl Wish<'_, '_> {
    pub(crate) const NOTHING: Self = Wish { ttl: None, tti: None, weight: None, tags: None };

    #[inline(always)]
    fn is_nothing(&self) -> bool {
        self.ttl.is_none() && self.tti.is_none() && self.weight.is_none() && self.tags.is_none()
    }
}

/// What `replace` is to find.
pub(super) enum Expected<'py> {
    Anything,
    This(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Expected<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Expected::This(given.to_owned()))
    }
}

/// The names of tags: a `str` or `bytes`, or an iterable of them.
pub(super) fn tag_names(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<u8>>> {
    // A tag of bytes is another one than that of the same text.
    fn name(given: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
        if let Ok(text) = given.cast::<PyString>() {
            return Ok(Some([b"s", text.to_cow()?.as_bytes()].concat()));
        }
        Ok(given.cast::<PyBytes>().ok().map(|bytes| [b"b", bytes.as_bytes()].concat()))
    }
    let wrong = |given: &Bound<'_, PyAny>| match given.get_type().name() {
        Ok(kind) => {
            PyTypeError::new_err(format!("tags must be str or bytes, or an iterable of them, not {kind}"))
        }
        Err(error) => error,
    };
    match name(given)? {
        Some(only) => Ok(vec![only]),
        None => {
            let names = given.try_iter().map_err(|_| wrong(given))?;
            names.map(|each| each.and_then(|each| name(&each)?.ok_or_else(|| wrong(&each)))).collect()
        }
    }
}

/// The same tags, for several writes: the first would use up an iterator.
pub(super) fn lasting_tags<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match given.cast::<PyIterator>() {
        Ok(names) => {
            let names = names.try_iter()?.collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(given.py(), names)?.into_any())
        }
        Err(_) => Ok(given.clone()),
    }
}

impl Cache {
    /// What the core needs for an entry that has so many tags. A weight that is given is not added to for lifetimes and tags.
    fn overhead(&self, given: bool, tags: usize) -> u64 {
        let times = if self.shelf.is_timed() && !given { LIFETIME } else { 0 };
        let group = if tags > 0 && !given { GROUP + block_bytes(tags.saturating_mul(8)) } else { 0 };
        (OVERHEAD + times).saturating_add(group as u64)
    }

    /// What a pair with so many tags weighs, for the core; `None` where entries are counted.
    pub(super) fn weight(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyAny>>,
        tags: usize,
    ) -> PyResult<Option<u64>> {
        let number = |given: &Bound<'_, PyAny>, what: &str| match given.extract::<u64>() {
            Ok(weight) => Ok(weight),
            Err(_) => Err(PyValueError::new_err(format!(
                "{what} must be an int of 0 or more, not {}",
                given.repr()?
            ))),
        };
        let weigher = self.settings.weigher.as_ref();
        match (self.limit(), given, weigher) {
            (Limit::Entries(_), None, _) => Ok(None),
            (Limit::Entries(_), Some(_), _) => Err(PyTypeError::new_err(
                "weight= needs a cache with maxweight= or maxbytes=; one with maxsize= counts entries",
            )),
            (limit, given, weigher) => {
                let weight = match (given, weigher) {
                    (Some(given), _) => number(given, "weight")?,
                    (None, Some(weigher)) => {
                        number(&weigher.bind(key.py()).call1((key, value))?, "what the weigher returns")?
                    }
                    (None, None) if matches!(limit, Limit::Bytes(_)) => {
                        size(key)?.saturating_add(size(value)?)
                    }
                    (None, None) => 1,
                };
                let counted = matches!(limit, Limit::Bytes(_));
                let overhead = if counted { self.overhead(given.is_some(), tags) } else { 0 };
                Ok(Some(weight.saturating_add(overhead)))
            }
        }
    }

    /// What the core is to know of a write.
    #[inline(always)]
    pub(crate) fn options(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        wish: &Wish<'_, '_>,
    ) -> PyResult<InsertOptions> {
        match wish.is_nothing() && self.shelf.is_counted() {
            true => Ok(InsertOptions::new()),
            false => self.own_options(key, value, wish),
        }
    }

    #[inline(never)]
    fn own_options(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        wish: &Wish<'_, '_>,
    ) -> PyResult<InsertOptions> {
        let mut options = InsertOptions::new();
        if wish.ttl.is_some() || wish.tti.is_some() {
            self.shelf.expect_lifetimes();
        }
        if let Some(ttl) = optional("ttl", wish.ttl)? {
            options = options.ttl(ttl);
        }
        if let Some(tti) = optional("tti", wish.tti)? {
            options = options.tti(tti);
        }
        let tags = wish.tags.map_or_else(|| Ok(Vec::new()), tag_names)?;
        let weight = self.weight(key, value, wish.weight, tags.len())?;
        if !tags.is_empty() {
            options = options.tags(tags);
        }
        if let Some(weight) = weight {
            options = options.weight(weight);
        }
        Ok(options)
    }

    /// What the weigher said, of what the core was told.
    pub(super) fn own_weight(&self, weight: u64) -> Option<u64> {
        match self.limit() {
            Limit::Entries(_) => None,
            Limit::Bytes(_) => Some(weight.saturating_sub(OVERHEAD)),
            Limit::Weight(_) => Some(weight),
        }
    }
}
