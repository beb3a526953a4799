//! What the judge of histories accepts, and what it refuses.

use crate::checker::{Event, History, Op, Out, Then, Told};
use pinyon::Cause;

fn event(begin: u64, end: u64, op: Op) -> Event {
    Event { begin, end, time: (0, 0), life: None, op }
}

fn insert(begin: u64, end: u64, new: u64, out: Out) -> Event {
    event(begin, end, Op::Insert(new, out))
}

fn get(begin: u64, end: u64, saw: Option<u64>) -> Event {
    event(begin, end, Op::Get(saw))
}

fn compute(begin: u64, end: u64, saw: Option<u64>, then: Then, out: Out) -> Event {
    event(begin, end, Op::Compute { saw, then, out })
}

/// Each event by a thread of its own.
fn history(events: impl IntoIterator<Item = Event>) -> History {
    History { threads: events.into_iter().map(|event| vec![event]).collect(), told: None }
}

fn told(since: u64, at: u64, value: u64, cause: Cause) -> Told {
    Told { value, cause, since, at, time: 0 }
}

fn with_told(events: impl IntoIterator<Item = Event>, told: impl Into<Vec<Told>>) -> History {
    History { told: Some(told.into()), ..history(events) }
}

/// A value that lives for ten, written at the time 5.
fn mortal() -> Event {
    Event { time: (5, 6), life: Some(10), ..insert(0, 1, 1, Out::Added) }
}

fn at(time: (u64, u64), event: Event) -> Event {
    Event { time, ..event }
}

#[test]
fn g10_the_judge_accepts_what_has_an_order() {
    use Out::{Added, Kept, Replaced};
    let overlapping = [
        insert(0, 9, 1, Added),
        get(1, 2, None),
        get(3, 4, Some(1)),
        event(5, 20, Op::ReplaceIf { saw: Some(1), new: 2, out: Replaced }),
        get(6, 7, Some(2)),
        event(8, 22, Op::Remove(Some(4))),
        compute(10, 12, Some(2), Then::Put(4), Replaced),
    ];
    assert_eq!(history(overlapping).order(), Ok(()));
    assert_eq!(history(overlapping).returns(), Ok(()));
    let after = [
        insert(0, 1, 3, Added),
        event(2, 3, Op::InsertIfAbsent(5, Kept)),
        event(4, 5, Op::ReplaceIf { saw: None, new: 6, out: Kept }),
        event(6, 7, Op::RemoveIf(None)),
        event(8, 9, Op::Clear),
        compute(10, 11, None, Then::Remove, Kept),
        get(12, 13, None),
    ];
    assert_eq!(history(after).order(), Ok(()));
    assert_eq!(History::default().order(), Ok(()));
}

#[test]
fn g10_g16_the_judge_refuses_what_has_no_order() {
    use Out::{Added, Kept, Replaced};
    let first = insert(0, 1, 1, Added);
    let bad = [
        // A miss of what is there.
        vec![first, get(2, 3, None)],
        // An old value after the new one was seen.
        vec![first, insert(2, 9, 2, Replaced), get(3, 4, Some(2)), get(5, 6, Some(1))],
        // A value that nobody wrote.
        vec![first, get(2, 3, Some(7))],
        // Two computations from one value.
        vec![
            first,
            compute(2, 5, Some(1), Then::Put(2), Replaced),
            compute(3, 6, Some(1), Then::Put(4), Replaced),
        ],
        // Two removals of one value.
        vec![first, event(2, 5, Op::Remove(Some(1))), event(3, 6, Op::Remove(Some(1)))],
        // A replacement that says it did not happen although it must.
        vec![first, event(2, 3, Op::ReplaceIf { saw: None, new: 2, out: Kept })],
        // One that did although it must not.
        vec![insert(0, 1, 3, Added), event(2, 3, Op::ReplaceIf { saw: Some(3), new: 2, out: Replaced })],
        // A removal that accepted one value and took another.
        vec![first, insert(2, 4, 2, Replaced), event(3, 6, Op::RemoveIf(Some(1))), get(7, 8, None)],
        // An insertion that says that it added what it replaced; and one that is kept out by nothing.
        vec![first, insert(2, 3, 2, Added)],
        vec![event(0, 1, Op::InsertIfAbsent(2, Kept))],
        // An overwrite as removal and insertion: a false miss between.
        vec![first, insert(2, 9, 2, Replaced), get(3, 4, None), get(10, 11, Some(2))],
        // A clear that leaves something.
        vec![first, event(2, 3, Op::Clear), get(4, 5, Some(1))],
    ];
    for events in bad {
        assert!(history(events.iter().copied()).order().is_err(), "{events:?}");
    }
}

#[test]
fn g10_g26_the_judge_knows_what_leaves_by_itself() {
    use Out::{Added, Replaced};
    let first = insert(0, 1, 1, Added);
    let evicted = |since, at| told(since, at, 1, Cause::Evicted);
    let missed = get(4, 5, None);
    assert_eq!(with_told([first, missed], [evicted(2, 9)]).order(), Ok(()));
    // Told of, but later than anything that can have caused it began; and not told of at all.
    assert!(with_told([first, missed], [evicted(6, 9)]).order().is_err());
    assert!(with_told([first, missed], []).order().is_err());
    // Told of, and still there; told of twice; told of in another order than it happened.
    assert!(with_told([first, get(4, 5, Some(1))], [evicted(2, 3)]).order().is_err());
    assert!(with_told([first], [evicted(2, 3), evicted(2, 4)]).order().is_err());
    let again = [first, insert(2, 3, 2, Added)];
    let other = told(0, 8, 2, Cause::Evicted);
    assert_eq!(with_told(again, [evicted(0, 7), other]).order(), Ok(()));
    assert!(with_told(again, [other, evicted(0, 9)]).order().is_err());
    // A clear takes what it takes by telling of it.
    let cleared = [first, event(2, 3, Op::Clear)];
    assert!(with_told(cleared, []).order().is_err());
    assert_eq!(with_told(cleared, [told(2, 3, 1, Cause::Cleared)]).order(), Ok(()));
    // Every value is told of once.
    let replaced = with_told([first, insert(2, 3, 2, Replaced)], [told(2, 3, 1, Cause::Replaced)]);
    assert_eq!(replaced.tells(Some(2)), Ok(()));
    assert!(replaced.tells(None).is_err());
    assert!(with_told([first], []).tells(None).is_err());
    assert!(with_told([first], [evicted(2, 3)]).tells(Some(1)).is_err());
}

#[test]
fn g06_g10_the_judge_knows_lifetimes() {
    let saw = |time, saw| history([mortal(), at(time, get(2, 3, saw))]).order();
    assert_eq!(saw((14, 14), Some(1)), Ok(()));
    assert_eq!(saw((15, 15), Some(1)), Ok(()), "it may have been written at 6");
    assert!(saw((16, 16), Some(1)).is_err());
    assert_eq!(saw((7, 99), Some(1)), Ok(()), "it may have read the time at its begin");
    assert!(saw((14, 14), None).is_err());
    assert_eq!(saw((15, 15), None), Ok(()));
    assert_eq!(saw((7, 15), None), Ok(()));
    let write = |time, out| history([mortal(), at(time, insert(2, 3, 2, out))]).order();
    assert!(write((14, 14), Out::Added).is_err());
    assert!(write((16, 16), Out::Replaced).is_err());
    assert_eq!(write((16, 16), Out::Added), Ok(()));
    let told = |time, cause| with_told([mortal()], [Told { time, ..told(2, 3, 1, cause) }]).order();
    assert!(told(14, Cause::Expired).is_err());
    assert_eq!(told(15, Cause::Expired), Ok(()));
    assert_eq!(told(14, Cause::Evicted), Ok(()));
}

#[test]
fn g10_the_judge_of_returns_refuses_what_is_gone() {
    use Out::{Added, Replaced};
    let first = insert(0, 1, 1, Added);
    let gone = [
        insert(2, 3, 2, Replaced),
        event(2, 3, Op::Remove(Some(1))),
        event(2, 3, Op::RemoveIf(Some(1))),
        event(2, 3, Op::ReplaceIf { saw: Some(1), new: 2, out: Replaced }),
        compute(2, 3, Some(1), Then::Put(2), Replaced),
        compute(2, 3, Some(1), Then::Remove, Out::Kept),
        event(2, 3, Op::Clear),
        insert(2, 3, 2, Out::Refused),
    ];
    for taken in gone {
        assert!(history([first, taken, get(4, 5, Some(1))]).returns().is_err(), "{taken:?}");
        assert_eq!(history([first, taken, get(2, 5, Some(1))]).returns(), Ok(()), "{taken:?}");
    }
    let kept = compute(2, 3, Some(1), Then::Keep, Out::Kept);
    assert_eq!(history([first, kept, get(4, 5, Some(1))]).returns(), Ok(()));
    let evicted = |at| with_told([first, get(4, 5, Some(1))], [told(0, at, 1, Cause::Evicted)]).returns();
    assert!(evicted(3).is_err());
    assert_eq!(evicted(6), Ok(()));
    assert!(history([first, get(2, 3, Some(9))]).returns().is_err(), "from nowhere");
    assert!(history([insert(4, 5, 1, Added), get(2, 3, Some(1))]).returns().is_err(), "from the future");
}

fn load(lead: (u64, u64), fill: (u64, u64), new: u64, out: Out) -> Vec<Event> {
    vec![event(lead.0, lead.1, Op::Lead(new)), event(fill.0, fill.1, Op::Fill(new, out))]
}

/// Loads, and what is done beside them.
fn loading(loads: impl IntoIterator<Item = Vec<Event>>, events: impl IntoIterator<Item = Event>) -> History {
    let mut history = history(events);
    history.threads.extend(loads);
    history
}

fn loaded(begin: u64, end: u64, saw: u64) -> Event {
    event(begin, end, Op::Loaded(saw))
}

#[test]
fn g20_the_judge_accepts_what_loads_may_come_to() {
    use Out::{Added, Kept, Refused};
    let good = [
        // Stored, and read while it was loaded and after.
        loading([load((0, 1), (6, 7), 1, Added)], [loaded(2, 8, 1), loaded(9, 10, 1), get(11, 12, Some(1))]),
        // Overtaken by a removal that came after one who waits.
        loading(
            [load((0, 1), (6, 7), 1, Kept)],
            [loaded(2, 8, 1), event(3, 4, Op::Remove(None)), get(9, 10, None)],
        ),
        // A write that overlaps with the storing may come after it.
        loading([load((0, 1), (6, 9), 1, Added)], [event(5, 8, Op::Remove(Some(1)))]),
        loading([load((0, 1), (6, 7), 1, Refused)], [loaded(2, 8, 1), get(9, 10, None)]),
        // Found by one who was about to load, evicted, and shared with one who came after that.
        with_told(
            [insert(0, 1, 1, Added), loaded(2, 9, 1), loaded(7, 8, 1)],
            [told(0, 5, 1, Cause::Evicted)],
        ),
        // Another load, after a removal.
        loading(
            [load((0, 1), (8, 9), 1, Kept), load((4, 5), (6, 7), 2, Added)],
            [event(2, 3, Op::Remove(None))],
        ),
    ];
    for history in good {
        assert_eq!(
            (history.order(), history.returns(), history.fills()),
            (Ok(()), Ok(()), Ok(())),
            "{history:?}"
        );
    }
}

#[test]
fn g20_the_judge_refuses_what_is_stale() {
    use Out::{Added, Kept};
    let bad = [
        // Stored, though a removal came between.
        loading([load((0, 1), (4, 5), 1, Added)], [event(2, 3, Op::Remove(None))]),
        // Given to one who asked after the removal.
        loading([load((0, 1), (6, 7), 1, Kept)], [event(2, 3, Op::Remove(None)), loaded(4, 8, 1)]),
        // Given when it was over and not stored, or stored and gone.
        loading([load((0, 1), (2, 3), 1, Kept)], [loaded(4, 5, 1)]),
        loading([load((0, 1), (2, 3), 1, Added)], [event(4, 5, Op::Remove(Some(1))), loaded(6, 7, 1)]),
        // Found by one who was about to load, and given to one who asked after a write; before it was there; from nowhere.
        history([insert(0, 1, 2, Added), event(2, 3, Op::Remove(Some(2))), loaded(4, 5, 2)]),
        history([loaded(0, 1, 2), insert(2, 3, 2, Added)]),
        history([insert(0, 1, 2, Added), loaded(2, 3, 4)]),
        // Stored without a lease.
        history([event(0, 1, Op::Fill(1, Added))]),
    ];
    for history in bad {
        assert!(history.fills().is_err(), "{history:?}");
    }
    // A lease where a value is.
    assert!(loading([load((2, 3), (4, 5), 1, Kept)], [insert(0, 1, 2, Added)]).order().is_err());
}
