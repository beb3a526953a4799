//! `Block`: the bytes of a key and of a value in one allocation, counted.
//!
//! ```text
//!   [ value, aligned to 16 ][ head ][ key ]        Small, Large
//!                           [ head ][ key ]        Adopted: the value is memory of the caller's
//!                           ^ the pointer of the block
//! ```
//!
//! A [`Key`] sees the key of its block and a [`Value`] the value; the two of one entry share a block, unless the value was
//! loaded, when the key came first. Who holds a `Value` holds its bytes, whatever becomes of the entry.
//!
//! A small head takes 4 bytes, which is what keeps 16 bytes of key and 100 of value within a chunk of 128. Its count has 16
//! bits: the clone that finds it half full is a copy, with a count of its own.
//!
//! # Invariants
//!
//! * **B1** The two low bits of a pointer say which head it points to: each is 4-aligned, and written before the block is made.
//! * **B2** The count is the number of `Block`s with this pointer, and the last of them frees it: so a block's memory, and an
//!   adopted value, stand as long as the block.
//! * **B3** The bytes of key and value are initialised and never change, but for a block that is not shared yet ([`Block::bytes_mut`]).

use super::entry::pinyon_bytes;
use crate::block_bytes;
use crate::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::ptr::NonNull;
use std::slice;

const SMALL: usize = 0;
const LARGE: usize = 1;
const ADOPTED: usize = 2;
const KINDS: usize = 0b11;

/// Of a block, and so of a value in it: what malloc gives on 64 bits.
const ALIGNMENT: usize = 16;
/// A clone that finds so many copies the block: others that clone at this moment still have room to count.
const CROWDED: u16 = 1 << 15;
/// So many are a leak, which must not become a count of zero.
const TOO_MANY: usize = usize::MAX / 2;

/// Bytes of a line of memory.
const LINE: usize = 64;

/// Key and value of at most 255 bytes each.
#[repr(C, align(4))]
struct Small {
    count: AtomicU16,
    key: u8,
    value: u8,
}

#[repr(C)]
struct Large {
    count: AtomicUsize,
    key: usize,
    value: usize,
}

#[repr(C)]
struct Adopted {
    count: AtomicUsize,
    key: usize,
    foreign: Foreign,
}

/// A value in memory of the caller's, which is told once when nobody holds it any more.
pub(super) struct Foreign {
    pub(super) data: *mut c_void,
    pub(super) size: usize,
    pub(super) free: Option<unsafe extern "C" fn(data: *mut c_void, size: usize, user: *mut c_void)>,
    pub(super) user: *mut c_void,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the caller gave the three together, for this call, which is made once.
            unsafe { free(self.data, self.size, self.user) }
        }
    }
}

enum Head<'b> {
    Small(&'b Small),
    Large(&'b Large),
    Adopted(&'b Adopted),
}

/// The system has no memory for a block.
#[derive(Debug)]
pub(super) struct OutOfMemory;

/// See the module's head.
pub(super) struct Block(NonNull<u8>);

// SAFETY: bytes that do not change (B3) and an atomic count. Of what it adopts the caller says that it may be freed on any thread.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// The bytes of a value that lies in the block.
#[derive(Clone, Copy)]
enum Content<'v> {
    Copied(&'v [u8]),
    Zeros(usize),
}

impl Content<'_> {
    fn size(self) -> usize {
        match self {
            Content::Copied(bytes) => bytes.len(),
            Content::Zeros(size) => size,
        }
    }
}

/// Where a head is, after a value of this size; and the whole, with a key of that size.
fn layout<H>(value: usize, key: usize) -> Result<(usize, Layout), OutOfMemory> {
    let at = value.checked_next_multiple_of(align_of::<H>()).ok_or(OutOfMemory)?;
    let total = at.checked_add(size_of::<H>()).and_then(|sum| sum.checked_add(key)).ok_or(OutOfMemory)?;
    Ok((at, Layout::from_size_align(total, ALIGNMENT).map_err(|_| OutOfMemory)?))
}

impl Block {
    /// A block with copies of both.
    pub(super) fn new(key: &[u8], value: &[u8]) -> Result<Self, OutOfMemory> {
        Self::with(key, Content::Copied(value))
    }

    /// A block with a value of zeros, to be written in place.
    pub(super) fn zeroed(key: &[u8], value: usize) -> Result<Self, OutOfMemory> {
        Self::with(key, Content::Zeros(value))
    }

    fn with(key: &[u8], content: Content<'_>) -> Result<Self, OutOfMemory> {
        match (u8::try_from(key.len()), u8::try_from(content.size())) {
            (Ok(key_size), Ok(value)) => {
                Self::allocate(content, Small { count: AtomicU16::new(1), key: key_size, value }, SMALL, key)
            }
            _ => {
                let (count, value) = (AtomicUsize::new(1), content.size());
                Self::allocate(content, Large { count, key: key.len(), value }, LARGE, key)
            }
        }
    }

    /// A block whose value is memory of the caller's. Without memory for it, the value is freed all the same.
    pub(super) fn adopt(key: &[u8], foreign: Foreign) -> Result<Self, OutOfMemory> {
        let head = Adopted { count: AtomicUsize::new(1), key: key.len(), foreign };
        Self::allocate(Content::Zeros(0), head, ADOPTED, key)
    }

    #[allow(clippy::disallowed_methods, reason = "home of what C may keep")]
    fn allocate<H>(content: Content<'_>, head: H, kind: usize, key: &[u8]) -> Result<Self, OutOfMemory> {
        let (at, layout) = layout::<H>(content.size(), key.len())?;
        // SAFETY: a head has a size, so the layout has.
        let base = unsafe {
            match content {
                Content::Copied(_) => alloc(layout),
                Content::Zeros(_) => alloc_zeroed(layout),
            }
        };
        let base = NonNull::new(base).ok_or(OutOfMemory)?;
        // SAFETY: all inside of the allocation, which is new, so it is nobody else's; `at` is aligned for the head.
        let pointer = unsafe {
            if let Content::Copied(bytes) = content {
                base.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            }
            let pointer = base.add(at);
            pointer.cast::<H>().write(head);
            pointer.add(size_of::<H>()).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            pointer
        };
        Ok(Block(pointer.map_addr(|address| address | kind)))
    }

    #[inline]
    fn kind(&self) -> usize {
        self.0.addr().get() & KINDS
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        // By the kind rather than masked, so that each kind's offset is a constant.
        self.0.as_ptr().wrapping_sub(match self.kind() {
            SMALL => SMALL,
            LARGE => LARGE,
            _ => ADOPTED,
        })
    }

    #[inline]
    fn head(&self) -> Head<'_> {
        // SAFETY: B1, B2.
        unsafe {
            match self.kind() {
                SMALL => Head::Small(&*self.start().cast()),
                LARGE => Head::Large(&*self.start().cast()),
                _ => Head::Adopted(&*self.start().cast()),
            }
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        let (head, key) = match self.head() {
            Head::Small(head) => (size_of::<Small>(), head.key.into()),
            Head::Large(head) => (size_of::<Large>(), head.key),
            Head::Adopted(head) => (size_of::<Adopted>(), head.key),
        };
        // SAFETY: the key follows the head (B2, B3).
        unsafe { slice::from_raw_parts(self.start().add(head), key) }
    }

    /// Where the value is, and its size. An adopted one of no bytes may be anywhere.
    #[inline]
    fn view(&self) -> (*const u8, usize) {
        let before =
            |size: usize, align| self.start().wrapping_sub(size.next_multiple_of(align)).cast_const();
        match self.head() {
            Head::Small(head) => (before(head.value.into(), align_of::<Small>()), head.value.into()),
            Head::Large(head) => (before(head.value, align_of::<Large>()), head.value),
            Head::Adopted(head) => (head.foreign.data.cast_const().cast(), head.foreign.size),
        }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        let (value, size) = self.view();
        if size == 0 {
            return &[];
        }
        // SAFETY: the value lies before the head, or is the caller's, who keeps it unchanged until it is told (B2, B3).
        unsafe { slice::from_raw_parts(value, size) }
    }

    /// The bytes of a value that nobody else sees yet.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        debug_assert!(!matches!(self.head(), Head::Adopted(_)) && self.is_unique());
        let (value, size) = self.view();
        // SAFETY: as `value`; the only block of this pointer is borrowed (B2).
        unsafe { slice::from_raw_parts_mut(value.cast_mut(), size) }
    }

    fn is_unique(&self) -> bool {
        match self.head() {
            Head::Small(head) => head.count.load(Ordering::Acquire) == 1,
            Head::Large(Large { count, .. }) | Head::Adopted(Adopted { count, .. }) => {
                count.load(Ordering::Acquire) == 1
            }
        }
    }

    /// What it takes on the heap, adopted memory included.
    fn heap_bytes(&self) -> usize {
        let (layout, adopted) = self.layout();
        block_bytes(layout.size()).saturating_add(adopted)
    }

    /// Of its allocation; and the size of what is adopted.
    fn layout(&self) -> (Layout, usize) {
        let (key, (_, value)) = (self.key().len(), self.view());
        let (layout, adopted) = match self.head() {
            Head::Small(_) => (layout::<Small>(value, key), 0),
            Head::Large(_) => (layout::<Large>(value, key), 0),
            Head::Adopted(_) => (layout::<Adopted>(0, key), value),
        };
        let Ok((_, layout)) = layout else { unreachable!("it was allocated by this layout") };
        (layout, adopted)
    }

    /// The pointer, which stands for this block until [`from_raw`](Self::from_raw) makes one of it again.
    fn into_raw(self) -> *mut c_void {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer.cast()
    }

    /// # Safety
    ///
    /// From [`into_raw`](Self::into_raw), once.
    unsafe fn from_raw(pointer: NonNull<c_void>) -> Self {
        Block(pointer.cast())
    }

    /// The key and the value of one entry.
    pub(super) fn into_pair(self) -> (Key, Value) {
        (Key(self.clone()), Value(self))
    }
}

impl Clone for Block {
    #[inline]
    fn clone(&self) -> Self {
        match self.head() {
            Head::Small(head) => {
                if head.count.fetch_add(1, Ordering::Relaxed) >= CROWDED {
                    head.count.fetch_sub(1, Ordering::Relaxed);
                    return copy(self);
                }
            }
            Head::Large(Large { count, .. }) | Head::Adopted(Adopted { count, .. }) => {
                if count.fetch_add(1, Ordering::Relaxed) >= TOO_MANY {
                    std::process::abort();
                }
            }
        }
        Block(self.0)
    }
}

#[cold]
fn copy(block: &Block) -> Block {
    Block::new(block.key(), block.value()).unwrap_or_else(|OutOfMemory| std::process::abort())
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        let last = match self.head() {
            Head::Small(head) => head.count.fetch_sub(1, Ordering::AcqRel) == 1,
            Head::Large(Large { count, .. }) | Head::Adopted(Adopted { count, .. }) => {
                count.fetch_sub(1, Ordering::AcqRel) == 1
            }
        };
        if last {
            self.free();
        }
    }
}

impl Block {
    #[allow(clippy::disallowed_methods, reason = "home of what C may keep")]
    fn free(&mut self) {
        let ((layout, _), (value, _)) = (self.layout(), self.view());
        let (base, foreign) = match self.head() {
            Head::Small(_) | Head::Large(_) => (value.cast_mut(), None),
            // SAFETY: the last of this pointer (B2) takes it out of the head, once.
            Head::Adopted(head) => (self.start(), Some(unsafe { std::ptr::read(&head.foreign) })),
        };
        // SAFETY: as it was allocated, by the last of this pointer (B2); of what is in it, nothing but `foreign` is to be dropped.
        unsafe { dealloc(base, layout) }
        // Code of the caller's, last: it may do anything.
        drop(foreign);
    }
}

/// The bytes by which a key is looked up.
#[derive(Eq)]
#[repr(transparent)]
pub(super) struct KeyBytes([u8]);

impl PartialEq for KeyBytes {
    /// Most keys are short: those are compared without a call, by their ends, which overlap.
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        fn ends_are_same<const N: usize>(one: &[u8], other: &[u8]) -> bool {
            one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
        }
        let (one, other) = (&self.0, &other.0);
        one.len() == other.len()
            && match one.len() {
                8..=16 => ends_are_same::<8>(one, other),
                17..=32 => ends_are_same::<16>(one, other),
                _ => one == other,
            }
    }
}

impl Hash for KeyBytes {
    /// Nothing is hashed beside it, so it does without the length that a slice writes before itself.
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl KeyBytes {
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> &Self {
        // SAFETY: the same layout.
        unsafe { &*(std::ptr::from_ref(bytes) as *const KeyBytes) }
    }
}

impl ToOwned for KeyBytes {
    type Owned = Key;

    fn to_owned(&self) -> Key {
        Key(Block::new(&self.0, &[]).unwrap_or_else(|OutOfMemory| std::process::abort()))
    }
}

/// The key of a block.
#[derive(Clone)]
pub(super) struct Key(Block);

/// The value of a block.
#[derive(Clone)]
pub(super) struct Value(Block);

impl Key {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.key()
    }

    /// What keeps the key for C, to be given back by [`from_raw`](Self::from_raw).
    pub(super) fn into_raw(self) -> *mut c_void {
        self.0.into_raw()
    }

    /// # Safety
    ///
    /// From [`into_raw`](Self::into_raw), once.
    pub(super) unsafe fn from_raw(pointer: NonNull<c_void>) -> Self {
        // SAFETY: the caller's word.
        Key(unsafe { Block::from_raw(pointer) })
    }
}

impl std::borrow::Borrow<KeyBytes> for Key {
    /// Who compares a key mostly wants the value next, which lies before the head: where, is known only when the head is here.
    #[inline]
    fn borrow(&self) -> &KeyBytes {
        crate::sync::prefetch(self.0.start().wrapping_sub(LINE).cast_const());
        KeyBytes::of(self.bytes())
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        KeyBytes::of(self.bytes()) == KeyBytes::of(other.bytes())
    }
}

impl Eq for Key {}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyBytes::of(self.bytes()).hash(state);
    }
}

impl Value {
    /// A value without a key, for an entry whose key came first.
    pub(super) fn of(block: Block) -> Self {
        Value(block)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.value()
    }

    /// Where the bytes are, and how many, for C.
    #[inline]
    pub(super) fn view(&self) -> pinyon_bytes {
        let (data, size) = self.0.view();
        pinyon_bytes { data: data.cast(), size }
    }

    /// The pair of an entry, of a value whose block has the key as well.
    pub(super) fn into_pair(self) -> (Key, Value) {
        self.0.into_pair()
    }

    /// A handle for C, to be given back by [`from_handle`](Self::from_handle).
    pub(super) fn into_handle(self) -> *mut c_void {
        self.0.into_raw()
    }

    /// # Safety
    ///
    /// From [`into_handle`](Self::into_handle), once.
    pub(super) unsafe fn from_handle(handle: NonNull<c_void>) -> Self {
        // SAFETY: the caller's word.
        Value(unsafe { Block::from_raw(handle) })
    }
}

/// The bytes that a pair takes on the heap.
pub(super) fn pair_bytes(key: &Key, value: &Value) -> u64 {
    let own = value.0.heap_bytes() as u64;
    if key.0.0 == value.0.0 { own } else { own.saturating_add(key.0.heap_bytes() as u64) }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
