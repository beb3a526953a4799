//! The border itself: no panic crosses it, and what comes in is looked at before it is used (G31).
//!
//! Every function that returns a code runs its body in [`call`]; what others do cannot panic. The text of an error is kept
//! for the thread that caused it.

use super::codes::{PINYON_ERR_ARGUMENT, PINYON_ERR_INTERNAL, PINYON_ERR_MEMORY, PINYON_ERR_NULL};
use crate::sync::thread_local_cell;
use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::fmt::{self, Write};
use std::mem::{MaybeUninit, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of an error's text that are kept.
const TEXT: usize = 240;

/// The last error of a thread. No destructor, so that a thread may end after the library was unloaded.
struct Last {
    size: usize,
    text: [u8; TEXT],
}

impl Write for Last {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = TEXT - self.size;
        let mut fits = more.len().min(room);
        while !more.is_char_boundary(fits) {
            fits -= 1;
        }
        self.text[self.size..self.size + fits].copy_from_slice(&more.as_bytes()[..fits]);
        self.size += fits;
        Ok(())
    }
}

thread_local_cell! {
    static LAST: RefCell<Last> = RefCell::new(Last { size: 0, text: [0; TEXT] });
}

/// An error: its code, and its text without the name of the function.
pub(super) struct Failure {
    code: i32,
    what: &'static str,
    text: &'static str,
}

impl Failure {
    pub(super) fn of(code: i32, what: &'static str, text: &'static str) -> Self {
        Failure { code, what, text }
    }

    /// Whose text was kept already.
    pub(super) fn told(code: i32) -> Self {
        Failure::of(code, "", "")
    }

    pub(super) fn unknown_option(what: &'static str) -> Self {
        let text = "sets an option that this version of the library does not know: link a newer one, or leave it zero";
        Failure::argument(what, text)
    }

    pub(super) fn argument(what: &'static str, text: &'static str) -> Self {
        Failure::of(PINYON_ERR_ARGUMENT, what, text)
    }
}

impl From<super::block::OutOfMemory> for Failure {
    fn from(_: super::block::OutOfMemory) -> Self {
        Failure::of(PINYON_ERR_MEMORY, "the value", "is larger than the memory that the system gives")
    }
}

/// A code, or an error whose text is to be kept.
pub(super) type Outcome = Result<i32, Failure>;

/// Runs the body of a function.
#[inline]
pub(super) fn call(function: &'static str, body: impl FnOnce() -> Outcome) -> i32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(code)) => code,
        Ok(Err(Failure { code, what, text })) => {
            if !text.is_empty() {
                remember(format_args!("{function}: {what} {text}"));
            }
            code
        }
        Err(panic) => {
            let text =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            remember(format_args!("{function}: {}", text.unwrap_or("a defect without a word")));
            // Its drop is code as well.
            _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
            PINYON_ERR_INTERNAL
        }
    }
}

/// Keeps the text of an error for this thread.
#[cold]
pub(super) fn remember(text: fmt::Arguments<'_>) {
    // A thread that is ending has no place for it any more.
    _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.size = 0;
            _ = last.write_fmt(text);
        }
    });
}

/// Copies the text of the last error, with a zero at its end, as far as there is room; the size of the whole.
///
/// # Safety
///
/// The buffer has room for `capacity` bytes.
pub(super) unsafe fn recall(buffer: *mut c_char, capacity: usize) -> usize {
    let copied = LAST.try_with(|last| {
        let Ok(last) = last.try_borrow() else { return 0 };
        if !buffer.is_null() && capacity > 0 {
            let fits = last.size.min(capacity - 1);
            // SAFETY: the caller's word.
            unsafe {
                buffer.cast::<u8>().copy_from_nonoverlapping(last.text.as_ptr(), fits);
                buffer.add(fits).write(0);
            }
        }
        last.size
    });
    copied.unwrap_or(0)
}

/// The bytes of an argument. Of no bytes the pointer may be anything.
///
/// # Safety
///
/// So many bytes are there, and stay as they are during the call.
pub(super) unsafe fn bytes<'a>(
    what: &'static str,
    data: *const c_void,
    size: usize,
) -> Result<&'a [u8], Failure> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::of(
            PINYON_ERR_NULL,
            what,
            "is NULL and its size is not 0: give its bytes, or the size 0",
        ));
    }
    if isize::try_from(size).is_err() {
        return Err(Failure::argument(
            what,
            "has a size of more than half the address space: is it negative?",
        ));
    }
    // SAFETY: the caller's word.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}

fn span<T>(what: &'static str, data: *const T, count: usize) -> Result<(), Failure> {
    check(what, data)?;
    if count.checked_mul(size_of::<T>()).is_none_or(|size| isize::try_from(size).is_err()) {
        return Err(Failure::argument(
            what,
            "has more elements than the address space holds: is the count negative?",
        ));
    }
    Ok(())
}

/// An array of an argument. Of no elements the pointer may be anything.
///
/// # Safety
///
/// As [`bytes`], for so many elements.
pub(super) unsafe fn elements<'a, T>(
    what: &'static str,
    data: *const T,
    count: usize,
) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    span(what, data, count)?;
    // SAFETY: the caller's word.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// As [`elements`], of places to be written.
///
/// # Safety
///
/// As [`elements`], and nobody else looks at them.
pub(super) unsafe fn places<'a, T>(
    what: &'static str,
    data: *mut T,
    count: usize,
) -> Result<&'a mut [MaybeUninit<T>], Failure> {
    if count == 0 {
        return Ok(&mut []);
    }
    span(what, data, count)?;
    // SAFETY: the caller's word; what is there need not be initialised.
    Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), count) })
}

pub(super) fn check<T>(what: &'static str, pointer: *const T) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::of(PINYON_ERR_NULL, what, "is NULL: give a pointer"));
    }
    if !pointer.is_aligned() {
        return Err(Failure::argument(
            what,
            "does not lie where a value of its type can: is it the right pointer?",
        ));
    }
    Ok(())
}

/// Where a result goes that the caller must take.
///
/// # Safety
///
/// The pointer is NULL, misaligned, or good for a write.
pub(super) unsafe fn out<T>(what: &'static str, place: *mut T, value: T) -> Result<(), Failure> {
    check(what, place)?;
    // SAFETY: the caller's word.
    unsafe { place.write(value) };
    Ok(())
}

/// Where a result goes that the caller may not want.
pub(super) struct Wish<T>(*mut T);

impl<T> Wish<T> {
    /// # Safety
    ///
    /// The pointer is NULL, misaligned, or good for writes until the call returns.
    #[inline]
    pub(super) unsafe fn of(what: &'static str, place: *mut T, nothing: T) -> Result<Self, Failure> {
        if !place.is_null() {
            check(what, place)?;
        }
        let wish = Wish(place);
        wish.tell(nothing);
        Ok(wish)
    }

    #[inline]
    pub(super) fn tell(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: `of`.
            unsafe { self.0.write(value) }
        }
    }
}

/// A struct that begins with its own size, all of whose fields may be zero.
///
/// # Safety
///
/// `#[repr(C)]`, its first field is `struct_size: usize`, every field may be all zeros.
pub(super) unsafe trait Growing: Copy {}

/// The options that the caller's library knew, zeros for those it did not; and whether it sets some that this one
/// does not know.
///
/// # Safety
///
/// The pointer is NULL, misaligned, or the struct has as many bytes as it says.
pub(super) unsafe fn known<T: Growing>(
    what: &'static str,
    given: *const T,
) -> Result<Option<(T, bool)>, Failure> {
    if given.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's word.
    let size = unsafe { struct_size(what, given)? };
    let known = size.min(size_of::<T>());
    let mut own = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller's word, and the trait's.
    unsafe {
        own.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(given.cast(), known);
        let unknown = std::slice::from_raw_parts(given.cast::<u8>().add(known), size - known);
        Ok(Some((own.assume_init(), unknown.iter().any(|&byte| byte != 0))))
    }
}

/// As [`known`], if it knows all.
///
/// # Safety
///
/// As [`known`].
pub(super) unsafe fn options<T: Growing>(what: &'static str, given: *const T) -> Result<Option<T>, Failure> {
    // SAFETY: the caller's word.
    match unsafe { known(what, given)? } {
        None => Ok(None),
        Some((own, false)) => Ok(Some(own)),
        Some((_, true)) => Err(Failure::unknown_option(what)),
    }
}

/// What a struct says its size is.
///
/// # Safety
///
/// The pointer is NULL, misaligned, or the struct has as many bytes as it says.
unsafe fn struct_size<T: Growing>(what: &'static str, given: *const T) -> Result<usize, Failure> {
    check(what, given)?;
    // SAFETY: the caller's word; the size comes first.
    let size = unsafe { given.cast::<usize>().read() };
    if !(size_of::<usize>()..=1 << 16).contains(&size) {
        return Err(Failure::argument(what, "has no size: set struct_size to sizeof of the struct"));
    }
    Ok(size)
}

/// A struct to be filled as far as the caller's library knew it.
pub(super) struct Blank<T> {
    place: *mut T,
    size: usize,
}

impl<T: Growing> Blank<T> {
    /// Fills it with zeros.
    ///
    /// # Safety
    ///
    /// As [`known`], and good for writes until the call returns.
    pub(super) unsafe fn of(what: &'static str, place: *mut T) -> Result<Self, Failure> {
        // SAFETY: the caller's word.
        let blank = Blank { place, size: unsafe { struct_size(what, place)? } };
        // SAFETY: `of`; the size stays.
        unsafe { place.cast::<u8>().add(HEAD).write_bytes(0, blank.size - HEAD) };
        Ok(blank)
    }

    pub(super) fn fill(&self, all: &T) {
        let known = self.size.min(size_of::<T>());
        let from = std::ptr::from_ref(all).cast::<u8>();
        // SAFETY: `of`; the size stays.
        unsafe { self.place.cast::<u8>().add(HEAD).copy_from_nonoverlapping(from.add(HEAD), known - HEAD) };
    }
}

/// The size of a struct's size, which comes first.
const HEAD: usize = size_of::<usize>();

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn last() -> String {
        let mut text = [0; TEXT + 1];
        // SAFETY: it is as long as it says.
        let size = unsafe { recall(text.as_mut_ptr(), text.len()) };
        text[..size].iter().map(|&byte| char::from(byte as u8)).collect()
    }

    /// A panic whose payload panics when it is dropped.
    struct Grenade;

    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn g31_a_panic_is_a_code_and_its_words_are_kept() {
        assert_eq!(call("a", || panic!("plain")), PINYON_ERR_INTERNAL);
        assert_eq!(last(), "a: plain");
        assert_eq!(call("b", || panic!("with {}", 7)), PINYON_ERR_INTERNAL);
        assert_eq!(last(), "b: with 7");
        assert_eq!(call("c", || std::panic::panic_any(Grenade)), PINYON_ERR_INTERNAL);
        assert_eq!(last(), "c: a defect without a word");
        assert_eq!(call("d", || Ok(3)), 3);
        assert_eq!(last(), "c: a defect without a word", "what goes well leaves no text");
        assert_eq!(call("e", || Err(Failure::argument("size", "is odd"))), PINYON_ERR_ARGUMENT);
        assert_eq!(last(), "e: size is odd");
    }

    #[test]
    fn a_text_is_cut_off_where_there_is_no_room() {
        remember(format_args!("{}", "\u{e9}".repeat(TEXT)));
        let mut text = [1; 4];
        // SAFETY: they are as long as they say.
        let sizes = unsafe {
            [recall(text.as_mut_ptr(), 4), recall(text.as_mut_ptr(), 0), recall(std::ptr::null_mut(), 9)]
        };
        assert_eq!(sizes, [TEXT; 3]);
        assert_eq!(text[3], 0, "a zero at the end");
    }
}
