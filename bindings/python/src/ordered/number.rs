//! Numbers of Python's that are compared and added without its help: an `int` of 64 bits or a `float`.
//!
//! Sizes are such numbers, and so are the times of most clocks. Comparisons of an `int` with a `float` are exact, as Python's are.

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};
use std::cmp::Ordering;

/// See the module's head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(super) const ZERO: Number = Number::Int(0);
    pub(super) const ONE: Number = Number::Int(1);

    /// The number that this object is, if it is one of the exact types and fits.
    #[inline]
    pub(super) fn exact(object: &Bound<'_, PyAny>) -> Option<Number> {
        if let Ok(float) = object.cast_exact::<PyFloat>() {
            return Some(Number::Float(float.value()));
        }
        object.cast_exact::<PyInt>().ok()?.extract().ok().map(Number::Int)
    }

    /// The number that this object stands for.
    ///
    /// # Errors
    ///
    /// What `float(object)` raises.
    pub(super) fn of(object: &Bound<'_, PyAny>) -> PyResult<Number> {
        if let Some(number) = Number::exact(object) {
            return Ok(number);
        }
        match object.cast::<PyInt>().ok().and_then(|int| int.extract().ok()) {
            Some(int) => Ok(Number::Int(int)),
            None => object.extract().map(Number::Float),
        }
    }

    pub(super) fn plus(self, other: Number) -> Number {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => {
                a.checked_add(b).map_or(Number::Float(a as f64 + b as f64), Number::Int)
            }
            (a, b) => Number::Float(a.as_float() + b.as_float()),
        }
    }

    pub(super) fn minus(self, other: Number) -> Number {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => {
                a.checked_sub(b).map_or(Number::Float(a as f64 - b as f64), Number::Int)
            }
            (a, b) => Number::Float(a.as_float() - b.as_float()),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    pub(super) fn into_object(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(match self {
            Number::Int(int) => int.into_pyobject(py)?.into_any(),
            Number::Float(float) => float.into_pyobject(py)?.into_any(),
        })
    }

    /// An order of all of them, for search trees: as numbers, with `nan` last.
    pub(super) fn total_cmp(&self, other: &Number) -> Ordering {
        let nan = |number: &Number| matches!(number, Number::Float(float) if float.is_nan());
        self.partial_cmp(other).unwrap_or_else(|| nan(self).cmp(&nan(other)))
    }
}

/// Exact: an `int` that no `float` equals is compared with the whole part.
fn compare(int: i64, float: f64) -> Option<Ordering> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        None
    } else if float >= END {
        Some(Ordering::Less)
    } else if float < -END {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        Some(int.cmp(&(whole as i64)).then(whole.partial_cmp(&float)?))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Int(a), Number::Float(b)) => compare(a, b),
            (Number::Float(a), Number::Int(b)) => compare(b, a).map(Ordering::reverse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Number::{self, Float, Int};

    #[test]
    fn ints_and_floats_compare_exactly() {
        assert!(Int(1) < Float(1.5) && Float(-1.5) < Int(-1) && Int(2) == Float(2.0));
        assert!(Int((1 << 53) + 1) > Float(9_007_199_254_740_992.0));
        assert!(Int(i64::MAX) < Float(f64::INFINITY) && Int(i64::MIN) > Float(f64::NEG_INFINITY));
        assert!(Int(0).partial_cmp(&Float(f64::NAN)).is_none());
        assert!(Number::total_cmp(&Int(0), &Float(f64::NAN)).is_lt());
    }
}
