//! Interleaved operations of leases on one thread, each compared with a naive account of flights.
//!
//! Everything has room, and nothing expires but leases: of those that last no time each is over at once.

use pinyon::{
    Acquired, Cache, Completed, LeaseOptions, LoadError, LoadOptions, Loaded, Ticket, Token, Waited,
};
use std::collections::HashMap;
use std::time::Duration;

/// Fewer tokens and tickets than make a call clear those that are over.
pub const MOST: usize = 60;

const KEYS: u8 = 3;

/// Numbers are of a key, or of a token or ticket that was given out, counted around.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// `short`: the lease lasts no time.
    Acquire {
        key: u8,
        short: bool,
    },
    Complete(u8),
    Abandon(u8),
    Wait(u8),
    Leave(u8),
    /// A call that loads, and waits no time.
    Load {
        key: u8,
        fails: bool,
    },
    Insert(u8),
    Remove(u8),
    Clear,
    Maintain,
}

impl Op {
    /// What two bytes mean.
    #[allow(dead_code)]
    pub fn of([kind, number]: [u8; 2]) -> Op {
        match kind % 16 {
            0..3 => Op::Acquire { key: number, short: kind & 128 != 0 },
            3..6 => Op::Complete(number),
            6 | 7 => Op::Abandon(number),
            8..11 => Op::Wait(number),
            11 => Op::Leave(number),
            12 => Op::Load { key: number, fails: kind & 128 != 0 },
            13 => Op::Insert(number),
            14 => Op::Remove(number),
            _ if kind & 128 != 0 => Op::Clear,
            _ => Op::Maintain,
        }
    }
}

/// What became of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Led by this token's holder.
    Led(u64),
    Done(u64),
    Gone,
}

#[derive(Debug)]
struct Flight {
    key: u8,
    fate: Fate,
    /// Nothing was written, and no newer load of the key begun.
    stands: bool,
}

/// Indices of flights stay, and so do those of tickets.
#[derive(Default)]
struct Model {
    values: HashMap<u8, u64>,
    flights: Vec<Flight>,
    /// By token: the flight, and whether the lease is over. What ended is taken out.
    leads: HashMap<u64, (usize, bool)>,
    /// By ticket: the flight, whether the ticket is over, and whether leases of its holder are.
    places: HashMap<u64, (usize, bool)>,
    tokens: Vec<Token>,
    tickets: Vec<Ticket>,
    next: u64,
    loads: u64,
    failures: u64,
    stale: u64,
}

/// What one who finds nothing is to be given.
enum Turn {
    Hit(u64),
    /// The lead of this flight; whether it is a new one does not matter.
    Lead(usize),
    Wait(usize),
}

impl Model {
    fn write(&mut self, key: u8) {
        self.flights.iter_mut().filter(|flight| flight.key == key).for_each(|flight| flight.stands = false);
    }

    /// The newest flight of a key that is under way.
    fn newest(&self, key: u8) -> Option<usize> {
        self.flights.iter().rposition(|flight| flight.key == key && matches!(flight.fate, Fate::Led(_)))
    }

    fn is_over(&self, flight: usize) -> bool {
        matches!(self.flights[flight].fate, Fate::Led(token) if self.leads[&token].1)
    }

    /// Is there a newer one of its key?
    fn is_superseded(&self, flight: usize) -> bool {
        self.flights[flight + 1..].iter().any(|newer| newer.key == self.flights[flight].key)
    }

    /// One who finds no value asks.
    fn ask(&mut self, key: u8) -> Turn {
        let good = self.newest(key).filter(|&flight| self.flights[flight].stands);
        let flight = match good {
            Some(flight) if !self.is_over(flight) => return Turn::Wait(flight),
            Some(flight) => flight,
            None => {
                self.flights.push(Flight { key, fate: Fate::Gone, stands: false });
                self.flights.len() - 1
            }
        };
        self.take_over(flight)
    }

    /// One leads, and finds that there is a value, or does not.
    fn take_over(&mut self, flight: usize) -> Turn {
        if let Fate::Led(token) = self.flights[flight].fate {
            self.leads.remove(&token).expect("it leads");
            self.failures += 1;
        }
        let key = self.flights[flight].key;
        self.write(key);
        match self.values.get(&key) {
            Some(&value) => {
                self.flights[flight].fate = Fate::Done(value);
                Turn::Hit(value)
            }
            None => {
                self.flights[flight].stands = true;
                Turn::Lead(flight)
            }
        }
    }

    fn lend(&mut self, flight: usize, token: Token, short: bool) {
        self.flights[flight].fate = Fate::Led(token.to_bits());
        assert!(self.leads.insert(token.to_bits(), (flight, short)).is_none(), "a token was given out twice");
        self.tokens.push(token);
    }

    fn end(&mut self, flight: usize, token: u64, fate: Fate) {
        if self.flights[flight].fate == Fate::Led(token) {
            self.flights[flight].fate = fate;
        }
        self.flights[flight].stands = false;
    }

    fn fail(&mut self, flight: usize, token: u64) {
        self.end(flight, token, Fate::Gone);
        self.failures += 1;
    }

    fn value(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn lasting(short: bool) -> LeaseOptions {
    LeaseOptions::new().lasting(if short { Duration::ZERO } else { Duration::from_secs(3600) })
}

/// Does all of it to a cache and to the model; they must tell the same.
pub fn run(ops: impl IntoIterator<Item = Op>) {
    let cache: Cache<u8, u64> =
        Cache::builder().capacity(1000).shards(1).build().expect("a good description");
    let mut model = Model::default();
    for op in ops.into_iter().take(MOST) {
        step(&cache, &mut model, op);
        for key in 0..KEYS {
            assert_eq!(cache.peek(&key), model.values.get(&key).copied(), "after {op:?}");
        }
        let stats = cache.stats();
        let told = (stats.loads, stats.load_failures, stats.stale_loads, stats.waiting);
        assert_eq!(told, (model.loads, model.failures, model.stale, 0), "after {op:?}");
    }
    cache.validate();
    for token in model.leads.keys() {
        assert!(cache.abandon(Token::from_bits(*token)), "a lease that was out is not");
    }
    cache.validate();
}

fn step(cache: &Cache<u8, u64>, model: &mut Model, op: Op) {
    match op {
        Op::Acquire { key, short } => acquire(cache, model, key % KEYS, short),
        Op::Complete(at) => {
            let Some(&token) = around(&model.tokens, at) else { return };
            let value = model.value();
            let expected = match model.leads.remove(&token.to_bits()) {
                None => Completed::Lapsed(value),
                Some((flight, _)) => {
                    model.loads += 1;
                    let stands = model.flights[flight].stands;
                    if stands {
                        model.values.insert(model.flights[flight].key, value);
                    } else {
                        model.stale += 1;
                    }
                    model.end(flight, token.to_bits(), Fate::Done(value));
                    if stands { Completed::Stored } else { Completed::Overtaken(value) }
                }
            };
            assert_eq!(cache.complete(token, value), expected);
        }
        Op::Abandon(at) => {
            let Some(&token) = around(&model.tokens, at) else { return };
            let lead = model.leads.remove(&token.to_bits());
            if let Some((flight, _)) = lead {
                model.fail(flight, token.to_bits());
            }
            assert_eq!(cache.abandon(token), lead.is_some());
        }
        Op::Wait(at) => {
            let Some(&ticket) = around(&model.tickets, at) else { return };
            wait(cache, model, ticket);
        }
        Op::Leave(at) => {
            let Some(&ticket) = around(&model.tickets, at) else { return };
            assert_eq!(cache.leave(ticket), model.places.remove(&ticket.to_bits()).is_some());
        }
        Op::Load { key, fails } => load(cache, model, key % KEYS, fails),
        Op::Insert(key) => {
            let (key, value) = (key % KEYS, model.value());
            model.write(key);
            model.values.insert(key, value);
            assert!(cache.insert(key, value).is_stored());
        }
        Op::Remove(key) => {
            model.write(key % KEYS);
            assert_eq!(cache.remove(&(key % KEYS)), model.values.remove(&(key % KEYS)));
        }
        Op::Clear => {
            (0..KEYS).for_each(|key| model.write(key));
            model.values.clear();
            cache.clear();
        }
        Op::Maintain => {
            let over: Vec<_> =
                model.leads.iter().filter(|lead| lead.1.1).map(|(token, lead)| (*token, lead.0)).collect();
            for (token, flight) in over {
                model.leads.remove(&token);
                model.fail(flight, token);
            }
            model.places.retain(|_, place| !place.1);
            cache.maintain(1000);
        }
    }
}

fn around<T>(given: &[T], at: u8) -> Option<&T> {
    given.get(usize::from(at) % given.len().max(1))
}

fn acquire(cache: &Cache<u8, u64>, model: &mut Model, key: u8, short: bool) {
    let got = cache.acquire(&key, lasting(short));
    if let Some(&value) = model.values.get(&key) {
        assert_eq!(got, Acquired::Hit(value));
        return;
    }
    match (model.ask(key), got) {
        (Turn::Hit(value), got) => assert_eq!(got, Acquired::Hit(value)),
        (Turn::Lead(flight), Acquired::Lead(token)) => model.lend(flight, token, short),
        (Turn::Wait(flight), Acquired::Wait(ticket)) => {
            model.places.insert(ticket.to_bits(), (flight, short));
            model.tickets.push(ticket);
        }
        (_, got) => panic!("{got:?}, of the flights {:?}", model.flights),
    }
}

fn wait(cache: &Cache<u8, u64>, model: &mut Model, ticket: Ticket) {
    let got = cache.wait(ticket, Some(Duration::ZERO));
    let Some(&(flight, short)) = model.places.get(&ticket.to_bits()) else {
        assert_eq!(got, Waited::Unknown);
        return;
    };
    let turn = match model.flights[flight].fate {
        Fate::Done(value) => Turn::Hit(value),
        Fate::Gone => model.ask(model.flights[flight].key),
        Fate::Led(_) if model.is_over(flight) && model.is_superseded(flight) => {
            model.flights[flight].fate = Fate::Gone;
            model.ask(model.flights[flight].key)
        }
        Fate::Led(_) if model.is_over(flight) => model.take_over(flight),
        Fate::Led(_) => Turn::Wait(flight),
    };
    match (turn, got) {
        (Turn::Hit(value), got) => {
            assert_eq!(got, Waited::Value(value));
            model.places.remove(&ticket.to_bits());
        }
        (Turn::Lead(flight), Waited::Lead(token)) => {
            model.lend(flight, token, short);
            model.places.remove(&ticket.to_bits());
        }
        (Turn::Wait(flight), Waited::TimedOut) => {
            model.places.insert(ticket.to_bits(), (flight, short));
        }
        (_, got) => panic!("{got:?}, of the flights {:?}", model.flights),
    }
}

fn load(cache: &Cache<u8, u64>, model: &mut Model, key: u8, fails: bool) {
    let value = model.value();
    let options = LoadOptions::new().timeout(Duration::ZERO);
    let got = cache.load(&key, options, |_| if fails { Err("down") } else { Ok(Loaded::new(value)) });
    if let Some(&there) = model.values.get(&key) {
        assert_eq!(got, Ok(there));
        return;
    }
    let expected = match model.ask(key) {
        Turn::Hit(there) => Ok(there),
        Turn::Wait(_) => Err(LoadError::TimedOut),
        Turn::Lead(flight) => {
            model.flights[flight].stands = false;
            if fails {
                model.flights[flight].fate = Fate::Gone;
                model.failures += 1;
                Err(LoadError::Failed("down"))
            } else {
                model.flights[flight].fate = Fate::Done(value);
                model.loads += 1;
                model.values.insert(key, value);
                Ok(value)
            }
        }
    };
    assert_eq!(got, expected);
}
