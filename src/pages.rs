//! `Pages`: an array that grows without ever moving what it already holds.
//!
//! A plain `Vec` of a hundred million elements would, once in a while, stop a writer to copy all of them. Here the
//! elements sit in pages of a fixed length; growing appends to the last page and allocates
//! another when it is full. Only the very first page grows by doubling, so that a tiny cache pays for what it
//! holds and a large one wastes at most one page.
//!
//! Promises: `grow_to` never copies more than one page of elements (plus, at each doubling, the list of pages: 24
//! bytes a page); an index once valid stays valid; reading is two dependent loads.
//!
//! Invariants: every page but the last is full; no page is longer than `1 << SHIFT`; the length is the sum of all.

use std::ops::{Index, IndexMut};

/// A growable array in pages of `1 << SHIFT` elements. Indices are dense, from zero.
#[derive(Debug, Clone)]
pub(crate) struct Pages<T, const SHIFT: u32> {
    pages: Vec<Vec<T>>,
}

impl<T: Copy + Default, const SHIFT: u32> Pages<T, SHIFT> {
    const MASK: usize = (1 << SHIFT) - 1;

    /// An empty array. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        match self.pages.split_last() {
            Some((last, full)) => (full.len() << SHIFT) + last.len(),
            None => 0,
        }
    }

    /// The element at `i`, if the array reaches that far.
    #[cfg(test)]
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        self.pages.get(i >> SHIFT)?.get(i & Self::MASK)
    }

    /// Makes the array at least `n` long, filling with defaults. Costs what is added.
    pub(crate) fn grow_to(&mut self, n: usize) {
        let page_len = 1 << SHIFT;
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
}

impl<T: Copy + Default, const SHIFT: u32> Index<usize> for Pages<T, SHIFT> {
    type Output = T;

    #[inline]
    fn index(&self, i: usize) -> &T {
        &self.pages[i >> SHIFT][i & Self::MASK]
    }
}

impl<T: Copy + Default, const SHIFT: u32> IndexMut<usize> for Pages<T, SHIFT> {
    #[inline]
    fn index_mut(&mut self, i: usize) -> &mut T {
        &mut self.pages[i >> SHIFT][i & Self::MASK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g28_an_empty_array_allocates_nothing() {
        let pages = Pages::<u64, 4>::new();
        assert_eq!(pages.len(), 0);
        assert_eq!(pages.pages.capacity(), 0);
        assert!(pages.get(0).is_none());
    }

    #[test]
    fn growth_keeps_what_is_there_and_moves_no_full_page() {
        let mut pages = Pages::<u64, 3>::new();
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
        let mut pages = Pages::<u8, 2>::new();
        // From the middle of a page.
        pages.grow_to(2);
        pages.grow_to(11);
        pages.grow_to(3);
        assert_eq!(pages.len(), 11);
        assert_eq!(pages.get(10), Some(&0));
        assert_eq!(pages.pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 3]);
    }
}
