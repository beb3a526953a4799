//! `Pages`: an array that grows without ever moving what it already holds.
//!
//! A plain `Vec` of a hundred million elements would, once in a while, stop a writer to copy all of them. Here the
//! elements sit in pages of a fixed length, chosen at construction; growing appends to the last page and allocates
//! another when it is full. Only the very first page grows by doubling, so that a tiny cache pays for what it
//! holds and a large one wastes at most one page.
//!
//! Promises: `grow_to` never copies more than one page of elements (plus, at each doubling, the list of pages: 24
//! bytes a page); an index once valid stays valid; reading is two dependent loads.
//!
//! Invariants: every page but the last is full; no page is longer than `1 << shift`; the length is the sum of all.

use std::ops::{Index, IndexMut};

/// A growable array in pages. Indices are dense, from zero.
#[derive(Debug, Clone)]
pub(crate) struct Pages<T> {
    pages: Vec<Vec<T>>,
    shift: u32,
}

impl<T: Copy + Default> Pages<T> {
    /// An empty array whose pages hold `1 << shift` elements. Allocates nothing.
    pub(crate) const fn new(shift: u32) -> Self {
        Self { pages: Vec::new(), shift }
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        match self.pages.split_last() {
            Some((last, full)) => (full.len() << self.shift) + last.len(),
            None => 0,
        }
    }

    /// The element at `i`, if the array reaches that far.
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        self.pages.get(i >> self.shift)?.get(i & self.mask())
    }

    /// Makes the array at least `n` long, filling with defaults. Costs what is added.
    pub(crate) fn grow_to(&mut self, n: usize) {
        let page_len = 1 << self.shift;
        let mut missing = n.saturating_sub(self.len());
        while missing > 0 {
            if self.pages.last().is_none_or(|page| page.len() == page_len) {
                let reserved = if self.pages.is_empty() { 0 } else { page_len };
                self.pages.push(Vec::with_capacity(reserved));
            }
            if let Some(page) = self.pages.last_mut() {
                let added = missing.min(page_len - page.len());
                page.resize(page.len() + added, T::default());
                missing -= added;
            }
        }
    }

    const fn mask(&self) -> usize {
        (1 << self.shift) - 1
    }
}

impl<T: Copy + Default> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, i: usize) -> &T {
        &self.pages[i >> self.shift][i & self.mask()]
    }
}

impl<T: Copy + Default> IndexMut<usize> for Pages<T> {
    fn index_mut(&mut self, i: usize) -> &mut T {
        let mask = self.mask();
        &mut self.pages[i >> self.shift][i & mask]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g28_an_empty_array_allocates_nothing() {
        let pages = Pages::<u64>::new(4);
        assert_eq!(pages.len(), 0);
        assert_eq!(pages.pages.capacity(), 0);
        assert!(pages.get(0).is_none());
    }

    #[test]
    fn growth_keeps_what_is_there_and_moves_no_full_page() {
        let mut pages = Pages::<u64>::new(3);
        let mut first = std::ptr::null();
        for n in 0..100 {
            pages.grow_to(n + 1);
            pages[n] = n as u64;
            assert_eq!(pages.len(), n + 1);
            if n == 8 {
                first = pages.pages[0].as_ptr();
            }
        }
        assert_eq!(first, pages.pages[0].as_ptr());
        assert!((0..100).all(|n| pages[n] == n as u64));
        assert!(pages.get(100).is_none());
    }

    #[test]
    fn growing_to_less_changes_nothing_and_to_more_fills_with_defaults() {
        let mut pages = Pages::<u8>::new(2);
        pages.grow_to(11);
        pages.grow_to(3);
        assert_eq!(pages.len(), 11);
        assert_eq!(pages.get(10), Some(&0));
        assert_eq!(pages.pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 3]);
    }
}
