//! Is there a legal order? What was done to one key by several threads, and three questions about it.
//!
//! [`History::order`]: is there an order of the operations, in agreement with their times, in which each gives what
//! it gave? (Wing and Gong 1993; the memory of what was tried: Lowe 2017.) Keys are independent, so each has a history of its own.
//!
//! [`History::returns`]: a value once overwritten or removed, by an operation that ended before a read began, is not read by it.
//! It needs no search, so it judges histories of any length, and does not depend on the model of the other question being right.
//!
//! [`History::fills`]: a value is not stored if its key was written since its load began, and is not given to one who asked after
//! such a write.
//!
//! # The model
//!
//! The state is a value or none. What leaves by itself is an operation too: evicted, expired, or cleared ([`Op::Left`]), in the order
//! in which the listener was told. It happened between the begin of the earliest operation that can have caused it and its telling.
//!
//! Every operation reads the time at one moment of its own, anywhere within its interval. So a value whose life may have ended by
//! an operation's end may be absent to it, and one whose life may have lasted at its begin may be there: what an operation
//! decides by the time is not one step with what it does to the table, and the promise (G06) is not that it were.

use pinyon::Cause;
use std::collections::{HashMap, HashSet};

/// Lists of events in one history, at most: the threads', and what the listener heard.
const LISTS: usize = 8;

/// What a writing operation says it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    Added,
    Replaced,
    Kept,
    Refused,
}

/// What the closure of a `compute` wanted at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Put(u64),
    Remove,
    Keep,
}

/// What was done to one key, and what came of it. No two writes write the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Any read, and what it saw.
    Get(Option<u64>),
    Insert(u64, Out),
    InsertIfAbsent(u64, Out),
    /// `saw`: what its condition accepted at last, which is what was replaced.
    ReplaceIf {
        saw: Option<u64>,
        new: u64,
        out: Out,
    },
    Remove(Option<u64>),
    /// What its condition accepted at last, if it says that it removed it.
    RemoveIf(Option<u64>),
    /// `saw`: what its closure saw at last.
    Compute {
        saw: Option<u64>,
        then: Then,
        out: Out,
    },
    /// Got the lease to load this value, because there was none.
    Lead(u64),
    /// Completed that lease: stored, overtaken (`Kept`), or too heavy.
    Fill(u64, Out),
    /// Asked for a lease and was given a value: one that is there, or one that another was loading.
    Loaded(u64),
    Clear,
    /// Told to the listener: the value left by itself.
    Left(u64, Cause),
}

/// The condition of every `replace_if` and `remove_if`.
pub fn wanted(value: u64) -> bool {
    !value.is_multiple_of(3)
}

impl Op {
    /// The value that it saw.
    fn saw(self) -> Option<u64> {
        match self {
            Op::Get(saw) | Op::Remove(saw) | Op::RemoveIf(saw) => saw,
            Op::ReplaceIf { saw, .. } | Op::Compute { saw, .. } => saw,
            _ => None,
        }
    }

    /// The value that it wrote, if it was not refused.
    pub fn wrote(self) -> Option<u64> {
        match self {
            Op::Insert(new, out)
            | Op::InsertIfAbsent(new, out)
            | Op::Fill(new, out)
            | Op::ReplaceIf { new, out, .. } => matches!(out, Out::Added | Out::Replaced).then_some(new),
            Op::Compute { then: Then::Put(new), out, .. } => (out != Out::Refused).then_some(new),
            _ => None,
        }
    }

    /// Is whatever was there before it gone after it?
    fn ends_all_before(self) -> bool {
        match self {
            Op::Insert(..) | Op::Remove(_) | Op::Clear => true,
            Op::InsertIfAbsent(_, out) | Op::Fill(_, out) | Op::ReplaceIf { out, .. } => out != Out::Kept,
            Op::RemoveIf(saw) => saw.is_some(),
            Op::Compute { then, .. } => then != Then::Keep,
            Op::Get(_) | Op::Lead(_) | Op::Loaded(_) | Op::Left(..) => false,
        }
    }
}

/// An operation and when it was: stamps of a common counter, and the time of the cache's ticker.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub begin: u64,
    pub end: u64,
    /// The time before it and after it.
    pub time: (u64, u64),
    /// How long the value that it wrote lives.
    pub life: Option<u64>,
    pub op: Op,
}

/// What the listener was told of one value.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub value: u64,
    pub cause: Cause,
    /// No operation that began earlier can have caused it.
    pub since: u64,
    pub at: u64,
    pub time: u64,
}

/// What was done to one key.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Of each thread, one after the other.
    pub threads: Vec<Vec<Event>>,
    /// What the listener was told, in that order; `None` if nobody listened (then nothing leaves by itself but
    /// by its lifetime).
    pub told: Option<Vec<Told>>,
}

/// The earliest and the latest end of each value's life.
type Lives = HashMap<u64, (u64, u64)>;

impl History {
    fn events(&self) -> impl Iterator<Item = &Event> {
        self.threads.iter().flatten()
    }

    fn told(&self) -> &[Told] {
        self.told.as_deref().unwrap_or_default()
    }

    /// The threads' lists, and the one of what left by itself.
    fn lists(&self) -> Vec<Vec<Event>> {
        let mut lists = self.threads.clone();
        let by_itself = |told: &&Told| matches!(told.cause, Cause::Evicted | Cause::Expired | Cause::Cleared);
        lists.push(self.told().iter().filter(by_itself).map(left).collect());
        assert!(lists.len() <= LISTS, "more threads than a history has room for");
        lists
    }

    fn lives(&self) -> Lives {
        let lives = self.events().filter_map(|event| {
            let ends = |time: u64| time.saturating_add(event.life.unwrap_or(u64::MAX));
            Some((event.op.wrote()?, (ends(event.time.0), ends(event.time.1))))
        });
        lives.collect()
    }

    /// Is there a legal order that begins with absence? What was placed is a number for each list, as each is in order. `Err`
    /// tells how far it went.
    pub fn order(&self) -> Result<(), String> {
        let lists = self.lists();
        let model = Model { lives: self.lives(), listened: self.told.is_some() };
        let mut tried: HashSet<([u32; LISTS], Option<u64>)> = HashSet::new();
        let mut stack = vec![([0; LISTS], None)];
        let mut furthest = [0; LISTS];
        while let Some((placed, state)) = stack.pop() {
            if !tried.insert((placed, state)) {
                continue;
            }
            let next = |list: usize| lists[list].get(placed[list] as usize);
            let waiting = || (0..lists.len()).filter_map(|list| Some((list, next(list)?)));
            // Whoever began after the first end among those that wait comes after that one.
            let Some(first_end) = waiting().map(|(_, event)| event.end).min() else { return Ok(()) };
            if placed.iter().sum::<u32>() > furthest.iter().sum() {
                furthest = placed;
            }
            for (list, event) in waiting().filter(|(_, event)| event.begin <= first_end) {
                if let Some(after) = model.apply(state, event) {
                    let mut placed = placed;
                    placed[list] += 1;
                    stack.push((placed, after));
                }
            }
        }
        let near = lists.iter().zip(furthest).map(|(events, at)| {
            let at = at as usize;
            &events[at.saturating_sub(2)..(at + 2).min(events.len())]
        });
        Err(format!("no order explains what each thread did here: {:#?}", near.collect::<Vec<_>>()))
    }

    /// Does a value come back that is gone, or before it was written, or from nowhere?
    pub fn returns(&self) -> Result<(), String> {
        let gone = self.gone();
        for event in self.events() {
            let Some(saw) = event.op.saw() else { continue };
            match gone.get(&saw) {
                None => return Err(format!("{event:?}: nobody wrote that")),
                Some(span) if span.written > event.end => {
                    return Err(format!("{event:?}: that is written at {} only", span.written));
                }
                Some(span) if span.gone < event.begin => {
                    return Err(format!("{event:?}: that is gone since {}", span.gone));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Is a value stored, or given to one who asked, though its key was written after its load began, and before it was stored,
    /// or asked for (G20)? Needs no search either.
    pub fn fills(&self) -> Result<(), String> {
        let of = |wanted: fn(Op) -> Option<u64>| -> HashMap<u64, &Event> {
            self.events().filter_map(|event| Some((wanted(event.op)?, event))).collect()
        };
        let leads = of(|op| if let Op::Lead(new) = op { Some(new) } else { None });
        let fills = of(|op| if let Op::Fill(new, _) = op { Some(new) } else { None });
        let writes = self.user_writes();
        let written = |after: u64, before: u64| writes.iter().any(|w| w.begin > after && w.end < before);
        for (new, fill) in &fills {
            let lead = leads.get(new).ok_or_else(|| format!("{fill:?}: without a lease"))?;
            if fill.op.wrote().is_some() && written(lead.end, fill.begin) {
                return Err(format!("{fill:?}: stored, though the key was written since {lead:?}"));
            }
        }
        let wrote = self.events().filter_map(|event| Some((event.op.wrote()?, event)));
        let inserts: HashMap<u64, &Event> = wrote.collect();
        for event in self.events() {
            let Op::Loaded(saw) = event.op else { continue };
            // What another was loading, or found in the cache when it was about to. (It may have left by itself since.)
            let Some(origin) = leads.get(&saw).or(inserts.get(&saw)) else {
                return Err(format!("{event:?}: nobody loaded or wrote that"));
            };
            if origin.begin > event.end || written(origin.end, event.begin) {
                return Err(format!("{event:?}: asked after a write, and got what is older: {origin:?}"));
            }
            let kept = |fill: &&&Event| fill.op.wrote().is_none() && fill.end < event.begin;
            if fills.get(&saw).filter(kept).is_some() {
                return Err(format!("{event:?}: that was loaded before, and not stored"));
            }
        }
        Ok(())
    }

    /// What certainly takes the stamp of a load.
    fn user_writes(&self) -> Vec<&Event> {
        let by_user = |event: &&Event| event.op.ends_all_before() && !matches!(event.op, Op::Fill(..));
        self.events().filter(by_user).collect()
    }

    /// When each value was written, and by when it was gone at the latest, as far as that needs no search.
    fn gone(&self) -> HashMap<u64, Span> {
        let mut enders: Vec<&Event> = self.events().filter(|event| event.op.ends_all_before()).collect();
        enders.sort_by_key(|event| event.begin);
        let mut first_end: Vec<u64> = enders.iter().map(|event| event.end).collect();
        for at in (1..first_end.len()).rev() {
            first_end[at - 1] = first_end[at - 1].min(first_end[at]);
        }
        let span = |event: &Event| {
            let later = enders.partition_point(|ender| ender.begin < event.end);
            Span { written: event.begin, gone: first_end.get(later).copied().unwrap_or(u64::MAX) }
        };
        let mut gone: HashMap<u64, Span> =
            self.events().filter_map(|event| Some((event.op.wrote()?, span(event)))).collect();
        let taken = self.events().filter(|event| event.op.ends_all_before());
        let taken = taken.filter_map(|event| Some((event.op.saw()?, event.end)));
        for (value, end) in taken.chain(self.told().iter().map(|told| (told.value, told.at))) {
            gone.entry(value).and_modify(|span| span.gone = span.gone.min(end));
        }
        gone
    }

    /// Was every value told of once that was written and is not there at the end?
    pub fn tells(&self, there: Option<u64>) -> Result<(), String> {
        let Some(told) = &self.told else { return Ok(()) };
        let mut left: Vec<u64> =
            told.iter().filter(|told| told.cause != Cause::Refused).map(|told| told.value).collect();
        left.extend(there);
        left.sort_unstable();
        let mut written: Vec<u64> = self.events().filter_map(|event| event.op.wrote()).collect();
        written.sort_unstable();
        if left == written { Ok(()) } else { Err(format!("written {written:?}, told of or there {left:?}")) }
    }
}

/// When a value was there, at most.
struct Span {
    written: u64,
    gone: u64,
}

fn left(told: &Told) -> Event {
    let op = Op::Left(told.value, told.cause);
    Event { begin: told.since, end: told.at, time: (told.time, told.time), life: None, op }
}

/// What the operations mean.
struct Model {
    lives: Lives,
    /// What leaves by itself is in the history.
    listened: bool,
}

impl Model {
    /// The state after the event, if it may happen in `state`.
    fn apply(&self, state: Option<u64>, event: &Event) -> Option<Option<u64>> {
        let sees = |saw| self.sees(state, saw, event);
        let sees_one = || state.is_some() && sees(state);
        let put = |new, out| if out == Out::Refused { None } else { Some(new) };
        match event.op {
            Op::Get(saw) => sees(saw).then_some(state),
            Op::Lead(_) => sees(None).then_some(state),
            Op::Fill(_, Out::Kept) => Some(state),
            Op::Fill(new, out) => (out == Out::Refused || sees(None)).then(|| put(new, out)),
            // Of what is shared by those who ask `fills` judges.
            Op::Loaded(_) => Some(state),
            Op::Insert(new, out) => {
                let may = match out {
                    Out::Added => sees(None),
                    Out::Replaced => sees_one(),
                    Out::Refused => true,
                    Out::Kept => false,
                };
                may.then(|| put(new, out))
            }
            Op::InsertIfAbsent(new, out) => match out {
                Out::Kept => sees_one().then_some(state),
                Out::Replaced => None,
                _ => sees(None).then(|| put(new, out)),
            },
            Op::ReplaceIf { out: Out::Kept, .. } | Op::RemoveIf(None) => {
                (sees(None) || (sees_one() && !state.is_some_and(wanted))).then_some(state)
            }
            Op::ReplaceIf { saw, new, out } => {
                (out != Out::Added && saw.is_some_and(wanted) && sees(saw)).then(|| put(new, out))
            }
            Op::RemoveIf(saw) => (saw.is_some_and(wanted) && sees(saw)).then_some(None),
            Op::Remove(saw) => sees(saw).then_some(None),
            Op::Compute { saw, then, out } => {
                let true_to = match (then, saw) {
                    (Then::Put(_), None) => matches!(out, Out::Added | Out::Refused),
                    (Then::Put(_), Some(_)) => matches!(out, Out::Replaced | Out::Refused),
                    _ => out == Out::Kept,
                };
                let after = match then {
                    Then::Put(new) => put(new, out),
                    Then::Remove => None,
                    Then::Keep => state,
                };
                (true_to && sees(saw)).then_some(after)
            }
            // With a listener, all that it takes has been told of on its own.
            Op::Clear => (state.is_none() || !self.listened).then_some(None),
            Op::Left(value, cause) => {
                let may = cause != Cause::Expired || self.may_be_over(value, event);
                (state == Some(value) && may).then_some(None)
            }
        }
    }

    /// May an operation see `saw` where there is `state`?
    fn sees(&self, state: Option<u64>, saw: Option<u64>, event: &Event) -> bool {
        match (state, saw) {
            (Some(there), Some(saw)) => there == saw && self.life(there).1 > event.time.0,
            (Some(there), None) => self.may_be_over(there, event),
            (None, saw) => saw.is_none(),
        }
    }

    fn may_be_over(&self, value: u64, event: &Event) -> bool {
        self.life(value).0 <= event.time.1
    }

    fn life(&self, value: u64) -> (u64, u64) {
        self.lives.get(&value).copied().unwrap_or((u64::MAX, u64::MAX))
    }
}
