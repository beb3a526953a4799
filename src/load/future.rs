//! The face for tasks (feature `future`). No executor is named, nothing is spawned, no timer is set.
//!
//! A [`Load`] is the lead of a flight or a seat among those who wait, beside the caller's own future, which is polled only while
//! it leads. So a future that is dropped, at whatever moment, leaves nothing behind: the lead is given up, or the seat, and one
//! who waits is woken. Tasks and threads wait for one another's loads.
//!
//! # A leader that nobody polls any more
//!
//! A future may be neither dropped nor polled: one branch of a `select` that went on with another, one of a buffered stream
//! whose consumer waits for the same key. So the loader is not polled with its task's waker but with an [`Attendant`], which
//! wakes the task, and also the first of those who wait. If the leader does not run within 50 ms of that, one who waits
//! leads in its place. A thread that waits sleeps until then; a task has itself polled again and again, which is rare and
//! short: mostly the leader runs at once. It is one that is woken and not all, as a loader may wake its task often: if that one is
//! not polled any more either, the others wait for the next call of the key, or for a thread among them, which looks every second.

use super::flight::{Patience, Turn, for_all};
use super::flights::Loading;
use super::lead::Lead;
use super::leading::{Entered, Leading, Seat};
use super::refresh::Refresh;
use super::{LoadError, LoadOptions, Loaded};
use crate::cache::Cache;
use crate::sync::{self, Arc, Moment, Weak};
use equivalent::Equivalent;
use pin_project_lite::pin_project;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

/// Wakes the task of a leader, and tells its flight.
struct Attendant<K, V> {
    /// Weak: who keeps a waker is not to keep a value.
    loading: Weak<Loading<K, V>>,
    number: u64,
    task: Waker,
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Wake for Attendant<K, V> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Noted first: a leader that runs at once is not to be noted afterwards.
        let first = self.loading.upgrade().and_then(|loading| loading.flight.woken(self.number));
        let both = std::iter::once(Err(&self.task)).chain(first.map(Ok));
        for_all(both, |waker| waker.map_or_else(Waker::wake_by_ref, Waker::wake));
    }
}

/// What a leader polls its loader with.
struct Attended {
    /// Of the task that polled last.
    task: Waker,
    /// The attendant's.
    waker: Waker,
}

impl Attended {
    fn new<K, V>(lead: &Lead<K, V>, task: &Waker) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let attendant =
            Attendant { loading: Arc::downgrade(&lead.loading), number: lead.number, task: task.clone() };
        Attended { task: task.clone(), waker: Waker::from(Arc::new(attendant)) }
    }
}

pin_project! {
    /// A value being read, waited for or loaded.
    struct Load<'c, 'q, K, V, S, Q, E, F>
    where
        K: Eq,
        K: Hash,
        S: BuildHasher,
        Q: ?Sized,
    {
        cache: &'c Cache<K, V, S>,
        key: &'q Q,
        options: LoadOptions<E>,
        until: Moment,
        step: Step<'c, K, V, S>,
        #[pin]
        loader: F,
    }
}

/// How far it has come.
enum Step<'c, K: Eq + Hash, V, S: BuildHasher> {
    Asking,
    /// Nothing was there.
    Entering,
    Waiting(Seat<'c, K, V, S>),
    /// The load is a refresh, or is not.
    Leading(Leading<'c, K, V, S>, Attended, bool),
    Done,
}

impl<'c, K, V, S, Q, E, F> Load<'c, '_, K, V, S, Q, E, F>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    F: Future<Output = Result<Loaded<V>, E>>,
{
    /// One step; the result when there is one. `step` is what the step was, and becomes what it is.
    fn go(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<Result<V, LoadError<E>>>> {
        let this = self.project();
        let (cache, key) = (*this.cache, *this.key);
        // Taken out, so that a panic in user code gives up whatever was held.
        let next = match std::mem::replace(this.step, Step::Done) {
            Step::Asking => {
                let drawn = cache.draw(this.options.soft);
                match cache.get_or_due(key, drawn) {
                    None => Step::Entering,
                    Some((value, false)) => return Some(Poll::Ready(Ok(value))),
                    Some((old, true)) => match cache.begin_refresh(key, drawn) {
                        Refresh::Others => return Some(Poll::Ready(Ok(old))),
                        Refresh::Done(fresh) => return Some(Poll::Ready(Ok(fresh))),
                        Refresh::Mine(lead) => Self::leading(lead, cx, true),
                    },
                }
            }
            Step::Entering => match cache.enter(cache.hash(key), key) {
                Entered::Waiting(seat) => Step::Waiting(seat),
                Entered::Leading(lead) => match lead.or_found(|_| true) {
                    Ok(value) => return Some(Poll::Ready(Ok(value))),
                    Err(lead) => Self::leading(lead, cx, false),
                },
            },
            Step::Waiting(mut seat) => match seat.poll(cx.waker()) {
                Turn::Wait(_) if this.until.has_come(Moment::now()) => {
                    return Some(Poll::Ready(Err(LoadError::TimedOut)));
                }
                Turn::Wait(patience) => {
                    if matches!(patience, Patience::Woken(_)) {
                        cx.waker().wake_by_ref();
                    }
                    *this.step = Step::Waiting(seat);
                    return Some(Poll::Pending);
                }
                Turn::Value(value) => {
                    cache.count_shared();
                    return Some(Poll::Ready(Ok(Arc::unwrap_or_clone(value))));
                }
                Turn::Own => return Some(Poll::Ready(Err(LoadError::OwnKey))),
                Turn::Lead(baton) => match seat.lead(baton).or_found(|_| true) {
                    Ok(value) => return Some(Poll::Ready(Ok(value))),
                    Err(lead) => Self::leading(lead, cx, false),
                },
                Turn::Failed(error) => match cache.shared_error(this.options, &error) {
                    Some(error) => return Some(Poll::Ready(Err(LoadError::Failed(error)))),
                    None => Step::Entering,
                },
                Turn::Gone => {
                    sync::yield_now();
                    Step::Entering
                }
            },
            Step::Leading(lead, mut attended, refresh) => {
                let _ = lead.loading.flight.goes_on(lead.number);
                if !attended.task.will_wake(cx.waker()) {
                    attended = Attended::new(&lead, cx.waker());
                }
                let mut inner = Context::from_waker(&attended.waker);
                match lead.run(|| this.loader.poll(&mut inner)) {
                    Poll::Pending => {
                        *this.step = Step::Leading(lead, attended, refresh);
                        return Some(Poll::Pending);
                    }
                    Poll::Ready(loaded) => {
                        let loaded = lead.finish(loaded, this.options);
                        return Some(Poll::Ready(match refresh {
                            true => this.options.or_old(loaded, || cache.peek(key)),
                            false => loaded,
                        }));
                    }
                }
            }
            Step::Done => panic!("a future was polled after it had ended"),
        };
        *this.step = next;
        None
    }

    fn leading(lead: Leading<'c, K, V, S>, cx: &Context<'_>, refresh: bool) -> Step<'c, K, V, S> {
        let attended = Attended::new(&lead, cx.waker());
        Step::Leading(lead, attended, refresh)
    }
}

impl<K, V, S, Q, E, F> Future for Load<'_, '_, K, V, S, Q, E, F>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    F: Future<Output = Result<Loaded<V>, E>>,
{
    type Output = Result<V, LoadError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(poll) = self.as_mut().go(cx) {
                return poll;
            }
        }
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
{
    /// As [`get_or_load`](Self::get_or_load), for a task: the loader is a future, which is polled only if this call loads.
    ///
    /// Dropped before it is done, at any point, it leaves no trace, and one of those who wait loads in its place. Runs under any
    /// executor. Feature `future`.
    ///
    /// ```
    /// # fn main() -> Result<(), pinyon::BuildError> {
    /// # futures_lite::future::block_on(async {
    /// use pinyon::Cache;
    ///
    /// let cache: Cache<String, usize> = Cache::builder().capacity(100).build()?;
    /// assert_eq!(cache.get_or_load_async("four", async { 4 }).await, Ok(4));
    /// assert_eq!(cache.get_or_load_async("four", async { unreachable!("it is there") }).await, Ok(4));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::OwnKey`] if the loader of this very key asks for it.
    pub fn get_or_load_async<'a, Q, F>(
        &'a self,
        key: &'a Q,
        loader: F,
    ) -> impl Future<Output = Result<V, LoadError>> + use<'a, K, V, S, Q, F>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = V>,
    {
        self.load_async(key, LoadOptions::new(), async { Ok(Loaded::new(loader.await)) })
    }

    /// As [`try_get_or_load`](Self::try_get_or_load), for a task: see [`get_or_load_async`](Self::get_or_load_async).
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] with the loader's own error, and [`LoadError::OwnKey`].
    pub fn try_get_or_load_async<'a, Q, E, F>(
        &'a self,
        key: &'a Q,
        loader: F,
    ) -> impl Future<Output = Result<V, LoadError<E>>> + use<'a, K, V, S, Q, E, F>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<V, E>>,
    {
        self.load_async(key, LoadOptions::new(), async { loader.await.map(Loaded::new) })
    }

    /// As [`load`](Self::load), for a task: see [`get_or_load_async`](Self::get_or_load_async). The time to wait of the options
    /// counts from this call; as nothing here sets a timer, it is looked at only when the task is polled: to be woken in
    /// time, put the future under a timeout of the executor's.
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`], [`LoadError::OwnKey`] and [`LoadError::TimedOut`].
    pub fn load_async<'a, Q, E, F>(
        &'a self,
        key: &'a Q,
        options: LoadOptions<E>,
        loader: F,
    ) -> impl Future<Output = Result<V, LoadError<E>>> + use<'a, K, V, S, Q, E, F>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<Loaded<V>, E>>,
    {
        let until = options.timeout.map_or(Moment::NEVER, Moment::after);
        Load { cache: self, key, options, until, step: Step::Asking, loader }
    }
}
