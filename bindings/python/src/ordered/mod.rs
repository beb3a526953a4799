//! Small caches with exact orders, beside the concurrent core: what the drop-ins of `pinyon.compat` stand on.
//!
//! * [`guarded`]: who may look at a structure, and when; [`table`]: entries found by their keys; [`search`]: found when only Python can
//!   compare them;
//! * [`list`], [`frequency`] and [`order`]: in which order entries leave; [`number`] and [`deadlines`]: when they are due to;
//! * [`shelf`]: these put together: what fits, what goes, what has expired;
//! * [`memo`]: a function with a table, for `functools.lru_cache`; [`store`], [`timed`], [`timer`] and [`overrides`]: mappings, for the classes of
//!   `cachetools`; [`walk`]: their iterators; [`tally`]: their counters.
//!
//! # The contract with the interpreter
//!
//! As for the rest of the module: a *step* is what is done between [`guarded::Guarded::hold`] and the end of its guard. No Python code runs in a step:
//! keys are hashed, values weighed, the clock read and unusual keys compared before it, and objects are let go of after it. So a step is all
//! or nothing for other threads, for `__eq__`, `__hash__` and `__del__` that call back, and for exceptions.

mod deadlines;
mod frequency;
mod guarded;
mod list;
mod memo;
mod number;
mod order;
mod overrides;
mod search;
mod shelf;
mod store;
mod table;
mod tally;
mod timed;
mod timer;
mod walk;

use pyo3::prelude::*;

/// Adds the classes to the module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<memo::Memo>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<store::Used>()?;
    module.add_class::<timed::Timed>()?;
    module.add_class::<timer::Timer>()?;
    module.add_class::<walk::Walk>()?;
    module.add_class::<tally::Tally>()
}
