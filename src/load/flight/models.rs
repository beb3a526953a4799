//! Leaders and those who wait, at every interleaving.

use super::*;
use crate::sync::checker::{self, spawn};
use crate::sync::{Parked, this_thread};

/// When the time of whoever is only late is over.
fn overdue() -> Moment {
    Moment::after(TIME_TO_RUN)
}

/// Polls until there is something to do, as a thread does.
fn wait(flight: &Flight<u32>) -> Turn<u32> {
    wait_at(flight, Moment::now())
}

fn wait_at(flight: &Flight<u32>, now: Moment) -> Turn<u32> {
    let parked = std::sync::Arc::new(Parked::new());
    let waker = Waker::from(parked.clone());
    let mut ticket = None;
    loop {
        match flight.poll(&mut ticket, Some(&waker), this_thread(), now).0 {
            // No time passes in a model.
            Turn::Wait(patience) if patience.end().has_come(now) => {}
            Turn::Wait(patience) => assert!(parked.wait(patience.end())),
            turn => return turn,
        }
    }
}

const FIRST: u64 = Flight::<u32>::FIRST.number;

#[test]
fn g18_one_who_waits_gets_the_value_and_is_woken() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let leading = flight.clone();
        let leader = spawn(move || leading.land(FIRST, Arc::new(7)));
        assert!(matches!(wait(&flight), Turn::Value(value) if *value == 7));
        leader.join().unwrap();
    });
}

/// Of two who wait for a leader that gives up, one leads and lands; both end, and only by being woken.
#[test]
fn g19_when_the_leader_gives_up_one_who_waits_leads_and_nobody_is_left() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let follow = |flight: Arc<Flight<u32>>| {
            move || match wait(&flight) {
                Turn::Lead(baton) => flight.land(baton.number, Arc::new(8)),
                Turn::Value(value) => assert_eq!(*value, 8),
                Turn::Gone => {}
                turn => panic!("{turn:?}"),
            }
        };
        let others = [spawn(follow(flight.clone())), spawn(follow(flight.clone()))];
        let told = flight.give_up(FIRST);
        let gone = told.gone;
        told.tell();
        others.into_iter().for_each(|other| other.join().unwrap());
        let last = flight.poll(&mut None, None, this_thread(), Moment::now()).0;
        assert!(matches!((gone, last), (true, Turn::Gone) | (false, Turn::Value(_))));
    });
}

/// The one who was woken to lead goes away at that moment: the next is woken.
#[test]
fn g19_one_who_leaves_passes_the_lead_on() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let (leading, leaving) = (flight.clone(), flight.clone());
        let mut first = None;
        assert!(matches!(
            flight.poll(&mut first, Some(Waker::noop()), this_thread(), Moment::now()).0,
            Turn::Wait(_)
        ));
        let leader = spawn(move || leading.give_up(FIRST).tell());
        let leaver = spawn(move || leaving.leave(first.expect("it waits")).tell());
        match wait(&flight) {
            Turn::Lead(baton) => flight.land(baton.number, Arc::new(8)),
            Turn::Gone => {}
            turn => panic!("{turn:?}"),
        }
        leader.join().unwrap();
        leaver.join().unwrap();
    });
}

/// Two threads poll a vacant flight: one of them leads (F1).
#[test]
fn g18_a_vacant_flight_is_led_by_one() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let mut ticket = None;
        assert!(matches!(
            flight.poll(&mut ticket, Some(Waker::noop()), this_thread(), Moment::now()).0,
            Turn::Wait(_)
        ));
        assert!(!flight.give_up(FIRST).gone);
        let ask = |flight: Arc<Flight<u32>>| {
            matches!(
                flight.poll(&mut None, Some(Waker::noop()), this_thread(), Moment::now()).0,
                Turn::Lead(_)
            )
        };
        let leads = Arc::new(crate::sync::atomic::AtomicBool::new(false));
        let (theirs, there) = (flight.clone(), leads.clone());
        let other = spawn(move || there.store(ask(theirs), crate::sync::atomic::Ordering::SeqCst));
        let here = ask(flight);
        other.join().unwrap();
        assert_ne!(here, leads.load(crate::sync::atomic::Ordering::SeqCst));
    });
}

/// A task that leads was woken and does not run, or does at last: one who waits leads in its place, and whoever lands later
/// changes nothing.
#[test]
fn g19_of_a_leader_that_comes_back_late_and_one_who_took_over_one_lands() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let (waking, leading) = (flight.clone(), flight.clone());
        let waker = spawn(move || wake_all(waking.woken(FIRST).into_iter()));
        let late = spawn(move || {
            let _ = leading.goes_on(FIRST);
            leading.land(FIRST, Arc::new(1));
        });
        let got = match wait_at(&flight, overdue()) {
            Turn::Value(value) => *value,
            Turn::Lead(baton) => {
                assert_eq!(baton.before, Before::Nothing, "it clears its own load away");
                flight.land(baton.number, Arc::new(2));
                2
            }
            turn => panic!("{turn:?}"),
        };
        waker.join().unwrap();
        late.join().unwrap();
        let last = flight.poll(&mut None, None, this_thread(), Moment::now()).0;
        assert!(matches!(last, Turn::Value(value) if *value == got), "F3");
    });
}

/// Two wait for a task; the first is woken to look after it and goes away: the second is woken in its place.
#[test]
fn g19_one_who_looks_after_a_leader_and_leaves_wakes_the_next() {
    checker::check(|| {
        let flight = Arc::new(Flight::new());
        let mut first = None;
        let turn = flight.poll(&mut first, Some(Waker::noop()), this_thread(), Moment::now()).0;
        assert!(matches!(turn, Turn::Wait(_)));
        let (waking, leaving) = (flight.clone(), flight.clone());
        let waker = spawn(move || wake_all(waking.woken(FIRST).into_iter()));
        let leaver = spawn(move || leaving.leave(first.expect("it waits")).tell());
        // Nobody lands, so only by being woken does this one come to lead.
        assert!(matches!(wait_at(&flight, overdue()), Turn::Lead(_)));
        waker.join().unwrap();
        leaver.join().unwrap();
    });
}

/// Two find a lease over; one takes over, and is told whose lease it was.
#[test]
fn g19_a_lease_that_is_over_is_taken_over_by_one() {
    checker::check(|| {
        let flight = Arc::new(Flight::<u32>::new());
        flight.lend(FIRST, 7, Moment::now());
        let ask =
            |flight: Arc<Flight<u32>>| match flight.poll(&mut None, None, this_thread(), Moment::now()).0 {
                Turn::Lead(baton) => {
                    assert_eq!(baton.before, Before::Lease(7));
                    true
                }
                turn => {
                    assert!(matches!(turn, Turn::Wait(Patience::Endless)), "{turn:?}");
                    false
                }
            };
        let leads = Arc::new(crate::sync::atomic::AtomicBool::new(false));
        let (theirs, there) = (flight.clone(), leads.clone());
        let other = spawn(move || there.store(ask(theirs), crate::sync::atomic::Ordering::SeqCst));
        let here = ask(flight);
        other.join().unwrap();
        assert_ne!(here, leads.load(crate::sync::atomic::Ordering::SeqCst));
    });
}
