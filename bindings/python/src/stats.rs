//! Statistics as Python sees them.

use pyo3::prelude::*;

macro_rules! stats {
    ($($(#[$doc:meta])* $field:ident)*) => {
        /// A reading of a cache's statistics.
        ///
        /// What is counted is counted since the cache was made. `hits` and `misses` are reads; `added`, `replaced`, `removed`, `cleared`,
        /// `evicted`, `expired` and `invalidated` are entries; `refused` are writes too heavy for the cache; `loads` are values that were loaded,
        /// `load_failures` loads that gave none, `stale_loads` those whose value came too late to be stored; `entries`, `weight` and `capacity`
        /// are as they are now.
        #[pyclass(module = "pinyon", name = "Stats", frozen, get_all, eq)]
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct Stats {
            $($(#[$doc])* $field: u64,)*
        }

        impl From<pinyon::Stats> for Stats {
            fn from(stats: pinyon::Stats) -> Self {
                Stats { $($field: stats.$field,)* }
            }
        }

        #[pymethods]
        impl Stats {
            /// The part of reads that were hits; `None` before the first read.
            #[getter]
            fn hit_ratio(&self) -> Option<f64> {
                let reads = self.hits + self.misses;
                (reads > 0).then(|| self.hits as f64 / reads as f64)
            }

            fn __repr__(&self) -> String {
                let fields = [$((stringify!($field), self.$field),)*].map(|(name, count)| format!("{name}={count}"));
                format!("Stats({})", fields.join(", "))
            }
        }
    };
}

stats! {
    hits misses added replaced removed cleared invalidated refused evicted evicted_weight expired expired_weight
    loads load_failures stale_loads entries weight capacity
}
