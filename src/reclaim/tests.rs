//! What one thread sees of the registry. The tests run beside others, whose readers come and go: a reader elsewhere can
//! hold more back, never less.

use super::*;
use std::sync::mpsc::channel;

/// Asks until the readers of other tests have gone on.
fn at_last(what: &str, mut yes: impl FnMut() -> bool) {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !yes() {
        assert!(std::time::Instant::now() < patience, "never: {what}");
        sync::yield_now();
    }
}

/// An epoch below every one that a reader of these tests enters with.
fn before_all() -> u64 {
    let Tag(before) = seal();
    seal();
    before
}

#[test]
fn a_pin_holds_back_what_is_sealed_after_it_began_until_the_last_of_it_goes() {
    assert!(!is_inside());
    let pin = Pin::new();
    let tag = seal();
    let copy = pin.clone();
    assert!(is_inside() && !horizon().passed(tag));
    drop(pin);
    assert!(is_inside() && !horizon().passed(tag), "its copy is there");
    drop(copy);
    assert!(!is_inside());
    at_last("nobody can see the batch", || horizon().passed(tag));
}

#[test]
fn a_pin_of_another_thread_holds_back_as_well() {
    let ((inside, is_in), (leave, left)) = (channel(), channel::<()>());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _pin = Pin::new();
            inside.send(()).expect("the test is there");
            left.recv().expect_err("nothing is sent");
        });
        is_in.recv().expect("the reader is there");
        let tag = seal();
        assert!(!is_inside() && !horizon().passed(tag));
        let later = Pin::new();
        let old = horizon();
        assert!(!old.passed(tag) && !old.seems_old(), "the reader has not moved");
        drop(later);
        drop(leave);
        at_last("the reader has left", || horizon().passed(tag));
    });
}

#[test]
fn a_horizon_speaks_of_what_was_sealed_before_it_was_taken() {
    let before = horizon();
    let tag = seal();
    assert!(!before.passed(tag) && before.limit() <= tag.0);
    at_last("another one passes it", || horizon().passed(tag));
    assert!(!before.passed(tag), "it does not change");
    assert!(before.passed(Tag::PAST), "what nobody can have seen waits for nobody");
    assert_eq!(Horizon { oldest: 7, hazards: Vec::new() }.limit(), 7);
    let clear = Horizon::clear();
    assert!(clear.passed(seal()) && clear.allows(seal(), 8));
}

#[test]
fn a_thread_keeps_as_many_things_as_it_has_words_whether_it_is_pinned_or_not() {
    // Addresses that nothing has.
    let address = |n: usize| usize::MAX - n;
    let all = || (0..HAZARDS + 1).filter(|&n| !horizon().allows(Tag::PAST, address(n))).collect::<Vec<_>>();
    let pin = Pin::new();
    let mut held = Vec::new();
    for n in 0..HAZARDS {
        assert_eq!(pin.words_left(), HAZARDS - n);
        held.push(pin.protect(address(n)).expect("a free word"));
    }
    assert!(pin.words_left() == 0 && pin.protect(address(HAZARDS)).is_none());
    drop(pin);
    assert!(!is_inside(), "a hazard word is no pin");
    assert_eq!(all(), (0..HAZARDS).collect::<Vec<_>>());
    drop(held.remove(2));
    assert_eq!(all(), (0..HAZARDS).filter(|&n| n != 2).collect::<Vec<_>>());
    let pin = Pin::new();
    assert_eq!(pin.words_left(), 1);
    held.push(pin.protect(address(HAZARDS)).expect("the word that was given back"));
    assert_eq!(pin.words_left(), 0);
    assert_eq!(all(), (0..HAZARDS + 1).filter(|&n| n != 2).collect::<Vec<_>>());
    drop(held);
    assert_eq!((pin.words_left(), all().len()), (HAZARDS, 0));
}

#[test]
fn what_a_hazard_word_keeps_is_not_freed_though_its_batch_has_passed() {
    let pin = Pin::new();
    let hazard = pin.protect(usize::MAX - 100).expect("a free word");
    drop(pin);
    let tag = seal();
    at_last("the batch has passed", || horizon().passed(tag));
    let horizon = horizon();
    assert!(!horizon.allows(tag, usize::MAX - 100), "this thing is kept");
    assert!(!horizon.allows(seal(), usize::MAX - 101), "a later batch has not passed");
    drop(hazard);
}

#[test]
fn a_horizon_seems_old_when_the_readers_that_set_its_limit_have_gone_on() {
    let with = |oldest| Horizon { oldest, hazards: Vec::new() };
    let before = before_all();
    let pin = Pin::new();
    let own = deref(Reader::local()).epoch.load(Ordering::Relaxed);
    assert!(own > before);
    assert!(!with(own).seems_old(), "this very reader has set it");
    assert!(!with(own + 1000).seems_old());
    at_last("all that are inside came later", || with(before).seems_old());
    assert!(!with(IDLE).seems_old(), "another would be refused its barrier, too");
    drop(pin);
    at_last("nobody is inside, or came later", || with(own).seems_old());
}

#[test]
fn living_threads_have_numbers_of_their_own_and_the_numbers_of_dead_ones_are_given_out_again() {
    const TOGETHER: usize = 8;
    let meet = std::sync::Barrier::new(TOGETHER);
    let round = || {
        std::thread::scope(|scope| {
            let number = || {
                let number = Pin::new().thread_number();
                // All are there until all have one.
                meet.wait();
                number
            };
            let threads: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(number)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        })
    };
    let mut most = 0;
    for _ in 0..50 {
        let mut numbers = round();
        most = most.max(*numbers.iter().max().expect("there are some"));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), TOGETHER);
    }
    // The threads of other tests have numbers, too.
    assert!(most < 40 * TOGETHER, "{most} after {} threads", 50 * TOGETHER);
    assert!(most < DOMAIN.count.load(Ordering::Relaxed));
}

#[test]
fn a_thread_that_ends_inside_of_a_pin_or_with_a_hazard_word_keeps_its_place_until_both_are_gone() {
    static READER: std::sync::OnceLock<Reader> = std::sync::OnceLock::new();
    let reader = READER.get_or_init(|| Reader::new(0));
    let is_owned = |reader: &Reader| reader.owned.load(Ordering::Relaxed) == 1;
    // As many pins as the bits of its word say: neither is taken for the other.
    let pin = Pin { reader };
    reader.enter();
    let hazard = pin.protect(usize::MAX - 200).expect("a free word");
    reader.retire_thread();
    assert!(is_owned(reader), "a pin and a hazard word are left");
    drop(pin);
    assert!(is_owned(reader), "a hazard word is left");
    drop(hazard);
    assert!(!is_owned(reader) && reader.transient.load(owner::Ordering::Relaxed) == 0);
    reader.owned.store(1, Ordering::Relaxed);
    reader.enter();
    reader.retire_thread();
    assert!(is_owned(reader), "a pin is left");
    reader.leave();
    assert!(!is_owned(reader));
}
