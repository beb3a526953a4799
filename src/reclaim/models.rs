//! The protocol alone, on things that know when they are freed while someone looks at them. The reclaimer by hand
//! must pass what does not ask how it is done.

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::checker;
use crate::sync::{Arc, Mutex, Track};

/// Two places, each of which links one of the things.
#[derive(Default)]
struct World {
    places: [AtomicUsize; 2],
    things: [Track; 4],
    /// As a shard's garbage: sealed by anyone, freed by anyone.
    garbage: Mutex<Vec<(Tag, usize)>>,
}

impl World {
    #[allow(clippy::arc_with_non_send_sync, reason = "the checker's cells are for the checker's threads")]
    fn new() -> Arc<Self> {
        let world = World::default();
        world.places[1].store(2, Ordering::Relaxed);
        Arc::new(world)
    }

    fn thing(&self, place: usize) -> usize {
        self.places[place].load(Ordering::Acquire)
    }

    fn address(&self, thing: usize) -> usize {
        std::ptr::from_ref(&self.things[thing]).addr()
    }

    fn look(&self, place: usize) {
        let _pin = Pin::new();
        self.things[self.thing(place)].read();
    }

    /// Links another thing, and frees what may be freed.
    fn replace(&self, place: usize, thing: usize) {
        self.replace_and_ask(place, thing, horizon);
    }

    fn replace_and_ask(&self, place: usize, thing: usize, ask: impl FnOnce() -> Horizon) {
        let old = self.thing(place);
        self.places[place].store(thing, Ordering::Release);
        let (tag, horizon) = (seal(), ask());
        let mut garbage = self.garbage.lock();
        garbage.push((tag, old));
        garbage.retain(|&(tag, thing)| {
            let free = horizon.allows(tag, self.address(thing));
            if free {
                self.things[thing].write();
            }
            !free
        });
    }
}

fn model(run: impl Fn(&Arc<World>) + Sync + Send + Clone + 'static) {
    checker::check(move || run(&World::new()));
}

fn with(world: &Arc<World>, run: impl FnOnce(&World) + 'static) -> checker::JoinHandle<()> {
    let world = world.clone();
    checker::spawn(move || run(&world))
}

#[test]
fn a_reader_that_comes_back() {
    model(|world| {
        let collector = with(world, |world| world.replace(0, 1));
        world.look(0);
        world.look(0);
        collector.join().unwrap();
    });
}

#[test]
fn a_hazard_word_outlives_its_pin_and_a_later_one() {
    model(|world| {
        let collector = with(world, |world| {
            world.replace(0, 1);
            world.replace(1, 3);
        });
        let pin = Pin::new();
        let thing = world.thing(0);
        let hazard = pin.protect(world.address(thing)).expect("a free word");
        drop(pin);
        world.look(1);
        world.things[thing].read();
        drop(hazard);
        collector.join().unwrap();
    });
}

#[test]
fn what_one_collector_has_seen_serves_another_without_a_barrier() {
    model(|world| {
        let one = with(world, |world| world.replace(0, 1));
        let other = with(world, |world| world.replace_and_ask(1, 3, latest));
        let pin = Pin::new();
        let thing = world.thing(1);
        let hazard = pin.protect(world.address(thing)).expect("a free word");
        world.things[world.thing(0)].read();
        drop(pin);
        world.things[thing].read();
        drop(hazard);
        one.join().unwrap();
        other.join().unwrap();
    });
}

/// Of a reader that has no hazard word: only the number tells the one that frees of its end.
#[test]
fn what_one_collector_has_seen_of_a_pin_serves_another_too() {
    model(|world| {
        let reader = with(world, |world| world.look(1));
        world.places[1].store(3, Ordering::Release);
        let tag = seal();
        let collector = with(world, |_| drop(horizon()));
        if latest().allows(tag, world.address(2)) {
            world.things[2].write();
        }
        reader.join().unwrap();
        collector.join().unwrap();
    });
}

/// Neither collector ever registers, so the one with no other reader in sight skips the barrier.
#[test]
fn two_collectors_cross_while_a_reader_registers() {
    model(|world| {
        let one = with(world, |world| world.replace(0, 1));
        let other = with(world, |world| world.replace(1, 3));
        let pin = Pin::new();
        world.things[world.thing(0)].read();
        world.things[world.thing(1)].read();
        drop(pin);
        one.join().unwrap();
        other.join().unwrap();
    });
}

/// A thread ends, and another takes its place in the registry over.
#[cfg(not(eager))]
#[test]
fn a_place_in_the_registry_changes_hands() {
    model(|world| {
        let one = with(world, |world| {
            world.look(0);
            Reader::local().give_back_if_unused();
        });
        let other = with(world, |world| world.look(0));
        world.replace(0, 1);
        one.join().unwrap();
        other.join().unwrap();
    });
}

/// With nobody else registered a collector makes no barrier, and none is needed: a reader that registers
/// meanwhile makes a fence of its own. One that has registered before makes it free nothing here.
#[cfg(not(eager))]
#[test]
fn a_lone_collector_needs_no_barrier() {
    sync::BARRIERS.set(sync::Barriers::Nothing);
    model(|world| {
        let reader = with(world, |world| {
            world.look(0);
            world.look(0);
        });
        world.replace(0, 1);
        reader.join().unwrap();
    });
}

/// Where the system has no heavy barrier, each reader makes a fence when it enters.
#[cfg(not(eager))]
#[test]
fn readers_make_their_own_fences_where_nobody_else_can() {
    sync::BARRIERS.set(sync::Barriers::Unknown);
    model(|world| {
        let collector = with(world, |world| world.replace(0, 1));
        world.look(0);
        world.look(0);
        collector.join().unwrap();
    });
}
