//! The adapters, and the list of all of them.

mod foyer;
mod maps;
mod moka;
mod pinyon;
mod quick;
mod scc;
mod stretto;
mod tinyufo;

use crate::peer::{Key, Peer, Value};

/// The hasher that every peer is given whose API takes one.
pub type Fold = foldhash::fast::RandomState;

/// Something that is done with every peer.
pub trait Visit<K: Key, V: Value> {
    fn visit<P: Peer<K, V>>(&mut self, name: &'static str);
}

macro_rules! list {
    ($($name:literal: $peer:ty),* $(,)?) => {
        /// The names of all peers, in the order in which they are run.
        pub const NAMES: &[&str] = &[$($name),*];

        /// Shows every wanted peer to the visitor.
        pub fn each<K: Key, V: Value>(wanted: &dyn Fn(&str) -> bool, visitor: &mut impl Visit<K, V>) {
            $(if wanted($name) {
                visitor.visit::<$peer>($name);
            })*
        }
    };
}

list! {
    "pinyon": pinyon::Pinyon<K, V, Fold>,
    "pinyon-default": pinyon::Pinyon<K, V, ::pinyon::RandomState>,
    "pinyon-pinned": pinyon::Pinned<K, V>,
    "pinyon-with": pinyon::With<K, V>,
    "quick_cache": quick::Quick<K, V, Fold>,
    "quick_cache-default": quick::Quick<K, V, quick_cache::DefaultHashBuilder>,
    "papaya": maps::Papaya<K, V>,
    "papaya-pinned": maps::PapayaPinned<K, V>,
    "hashbrown": maps::Bare<K, V>,
    "dashmap": maps::Dash<K, V>,
    "scc": scc::Scc<K, V>,
    "moka": moka::Moka<K, V>,
    "mini-moka": moka::MiniMoka<K, V>,
    "foyer-s3fifo": foyer::Foyer<K, V, foyer::S3Fifo>,
    "foyer-lru": foyer::Foyer<K, V, foyer::Lru>,
    "tinyufo": tinyufo::Ufo<K, V>,
    "stretto": stretto::Stretto<K, V>,
}
