"""``pinyon.compat.cachetools`` beyond what the public tests of ``cachetools`` ask: races, re-entry, errors, leaks, and a comparison with the original."""

import copy
import datetime
import gc
import math
import pickle
import random
import sys
import threading

import pytest

from pinyon.compat.cachetools import (
    Cache,
    FIFOCache,
    LFUCache,
    LRUCache,
    RRCache,
    TLRUCache,
    TTLCache,
    cached,
    cachedmethod,
    func,
)

MAKERS = {
    "Cache": lambda maxsize, **more: Cache(maxsize, **more),
    "FIFOCache": lambda maxsize, **more: FIFOCache(maxsize, **more),
    "LRUCache": lambda maxsize, **more: LRUCache(maxsize, **more),
    "LFUCache": lambda maxsize, **more: LFUCache(maxsize, **more),
    "RRCache": lambda maxsize, **more: RRCache(maxsize, **more),
    "RRCache-max": lambda maxsize, **more: RRCache(maxsize, choice=lambda keys: keys[len(keys) - 1], **more),
    "TTLCache": lambda maxsize, **more: TTLCache(maxsize, 0.002, **more),
    "TTLCache-datetime": lambda maxsize, **more: TTLCache(
        maxsize, datetime.timedelta(milliseconds=2), datetime.datetime.now, **more
    ),
    "TLRUCache": lambda maxsize, **more: TLRUCache(maxsize, lambda key, value, now: now + key % 7 / 2000, **more),
    "TLRUCache-datetime": lambda maxsize, **more: TLRUCache(
        maxsize,
        lambda key, value, now: now + datetime.timedelta(milliseconds=key % 7),
        datetime.datetime.now,
        **more,
    ),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.fixture
def switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_threads(run, count=4):
    errors = []

    def guarded(number):
        try:
            run(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def check(cache):
    """The structure is sound: what is listed can be found, sizes sum up, and all of it can be taken out."""
    held = cache._entries()[0]
    assert sum(size for _, _, size, _ in held) <= cache.maxsize
    left = sorted(key for key, _, _, _ in held if key in cache)
    assert len(cache._entries()[1]) == len(cache._entries()[0])
    taken = []
    while True:
        try:
            taken.append(cache.popitem()[0])
        except KeyError:
            break
    assert len(set(taken)) == len(taken) and set(taken) <= set(left)
    assert len(cache) == 0 and cache.currsize == 0 and list(cache) == []
    cache[1] = 1
    assert len(cache) <= 1


@pytest.mark.parametrize("sized", [False, True])
def test_threads_find_no_fault(make, sized, switching):
    maxsize = 50
    cache = make(maxsize, getsizeof=lambda value: value % 5) if sized else make(maxsize)

    def hammer(number):
        dice = random.Random(number)
        for _ in range(1500):
            key, act = dice.randrange(200), dice.randrange(12)
            if act < 4:
                cache[key] = key
            elif act < 7:
                assert cache.get(key) in (None, key)
            elif act == 7:
                assert cache.pop(key, key) == key
            elif act == 8:
                assert cache.setdefault(key, key) == key
            elif act == 9:
                try:
                    cache.popitem()
                except KeyError:
                    assert True
            elif act == 10:
                assert all(key == value for key, value in list(cache.items())[:20])
                assert key not in cache or len(cache) >= 0
            else:
                try:
                    del cache[key]
                except KeyError:
                    pass
            assert cache.currsize <= maxsize

    in_threads(hammer)
    check(cache)


class Tracked(LRUCache):
    """Has methods of its own, so that eviction goes through them."""

    def __init__(self, maxsize):
        super().__init__(maxsize)
        self.gone = []

    def __delitem__(self, key):
        super().__delitem__(key)
        self.gone.append(key)


def test_threads_and_a_class_with_its_own_delitem(switching):
    cache = Tracked(20)

    def hammer(number):
        dice = random.Random(number)
        for _ in range(3000):
            key = dice.randrange(100)
            cache[key] = key
            cache.get(dice.randrange(100))

    in_threads(hammer)
    assert len(cache) == 20
    assert len(cache.gone) >= 80
    check(cache)


def test_one_thread_of_many_stores_by_setdefault(switching):
    cache = LRUCache(10)
    results = [set() for _ in range(200)]

    def race(number):
        for key in range(200):
            results[key].add(cache.setdefault(key % 5, object()) is not None)

    in_threads(race)
    assert len(cache) == 5


@pytest.mark.parametrize("name", ["fifo_cache", "lfu_cache", "lru_cache", "rr_cache", "ttl_cache"])
def test_threads_and_func(name, switching):
    calls = []

    @getattr(func, name)(maxsize=16)
    def double(n):
        calls.append(n)
        return n * 2

    def hammer(number):
        dice = random.Random(number)
        for _ in range(800):
            n = dice.randrange(40)
            assert double(n) == n * 2

    in_threads(hammer)
    info = double.cache_info()
    assert info.hits + info.misses == 3200 and info.misses == len(calls) and info.currsize <= 16


def test_a_call_within_the_same_call_does_not_hang():
    @func.lru_cache
    def again(n, depth=[0]):
        depth[0] += 1
        return again(n) if depth[0] < 3 else depth[0]

    assert again(1) == 3


class Meddling:
    """A key whose methods call the cache."""

    def __init__(self, number, cache):
        self.number, self.cache = number, cache

    def meddle(self):
        self.cache.get(("other", self.number))
        self.cache[("other", self.number % 3)] = self.number
        len(self.cache)

    def __hash__(self):
        self.meddle()
        return self.number % 3

    def __eq__(self, other):
        self.meddle()
        return isinstance(other, Meddling) and self.number == other.number


@pytest.mark.parametrize("kind", [Cache, FIFOCache, LRUCache, LFUCache, RRCache])
def test_keys_whose_methods_call_the_cache(kind):
    cache = kind(8)
    for number in [0, 3, 6, 9, 3, 0, 1, 4, 1, 6]:
        cache[Meddling(number, cache)] = number
        assert cache.get(Meddling(number, cache)) in (None, number)
        cache.pop(Meddling(number + 3, cache), None)
    assert len(cache) <= 8 == cache.maxsize
    while cache:
        cache.popitem()
    assert cache.currsize == 0


@pytest.mark.parametrize("kind", [Cache, FIFOCache, LRUCache, LFUCache, RRCache])
def test_values_whose_end_calls_the_cache(kind):
    cache = kind(3)
    ends = []

    class Ending:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            ends.append(self.number)
            cache.get(0)
            if len(ends) < 40:
                cache[("end", self.number % 2)] = None

    for number in range(50):
        cache[number] = Ending(number)
        assert len(cache) <= 3
    cache.clear()
    assert sorted(ends) == list(range(50))


class Failing(Exception):
    pass


def test_errors_of_user_code_change_nothing(make):
    cache = make(3)
    cache[1] = 1

    class Bad:
        fails = "eq"

        def __hash__(self):
            if self.fails == "hash":
                raise Failing
            return hash(1)

        def __eq__(self, other):
            raise Failing

    bad = Bad()
    for fails in ("eq", "hash"):
        bad.fails = fails
        if fails == "eq" and 1 not in cache:
            cache[1] = 1
        for call in (cache.get, cache.pop, cache.__contains__, cache.setdefault, cache.__delitem__):
            cache[1] = 1
            with pytest.raises((Failing, TypeError)):
                call(bad)
                if fails == "eq":
                    raise Failing  # It expired before it was compared.
    cache.pop(1, None)
    cache[2] = 2
    check(cache)

    def getsizeof(value):
        if value == 13:
            raise Failing
        return 1

    cache = make(3, getsizeof=getsizeof)
    with pytest.raises(Failing):
        cache[1] = 13
    assert len(cache) == 0 and cache.currsize == 0
    for unhashable in ([], {}):
        with pytest.raises(TypeError):
            cache[unhashable] = 1
    check(cache)


def test_errors_of_clocks_and_lifetimes_change_nothing():
    def fail(*_):
        raise Failing

    time = [0]
    cache = TTLCache(3, 10, lambda: time[0] if time[0] >= 0 else fail())
    cache[1] = 1
    time[0] = -1
    for call in (lambda: cache[1], lambda: cache.get(1), lambda: len(cache), lambda: cache.__setitem__(2, 2)):
        with pytest.raises(Failing):
            call()
    time[0] = 5
    assert dict(cache) == {1: 1}
    check(cache)
    cache = TLRUCache(3, fail)
    with pytest.raises(Failing):
        cache[1] = 1
    assert len(cache) == 0


def test_moments_that_call_the_cache():
    class Moment:
        def __init__(self, at):
            self.at = at

        def __lt__(self, other):
            if not busy:
                busy.append(self)
                cache.get(1)
                cache[7] = 1
                if self.at % 3 == 0:
                    cache.pop(2, None)
                busy.clear()
            return self.at < other.at

    busy, time = [], [0]
    cache = TLRUCache(5, lambda key, value, now: Moment(now.at + value), lambda: Moment(time[0]))
    for number in range(40):
        time[0] += 1
        cache[number % 6] = number % 4
        assert len(cache) <= 5
    time[0] += 10
    busy.append("no more")
    assert len(cache) == 0 and list(cache) == []


def test_deadlines_of_objects_expire_in_order():
    start = datetime.datetime(2020, 1, 1)
    time = [start]
    cache = TLRUCache(100, lambda key, value, now: now + datetime.timedelta(days=value), lambda: time[0])
    days = list(range(1, 50))
    random.Random(1).shuffle(days)
    for key, day in enumerate(days):
        cache[key] = day
        cache[key] = day
    for day in range(1, 50):
        assert [value for _, value in cache.expire(start + datetime.timedelta(days=day))] == [day]
    assert cache.expire() == [] and len(cache) == 0


def test_a_timer_that_is_entered_stands_still_in_its_thread():
    time = [0]
    cache = TTLCache(3, 2, lambda: time[0])
    cache[1] = 1
    with cache.timer as now, cache.timer:
        time[0] = 5
        assert now == 0 == cache.timer() and cache[1] == 1
        seen = []
        in_threads(lambda number: seen.append((cache.timer(), 1 in cache)), 1)
        assert seen == [(5, False)]
    assert cache.timer() == 5 and 1 not in cache


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
@pytest.mark.parametrize("kind", [Cache, FIFOCache, LRUCache, LFUCache, RRCache])
def test_copies_leave_in_the_same_order(kind, copied):
    cache = kind(10, min, getsizeof=math.floor) if kind is RRCache else kind(10, getsizeof=math.floor)
    dice = random.Random(3)
    for _ in range(100):
        key = dice.randrange(20)
        cache[key] = dice.choice([0.5, 1, 2.5, 3])
        cache.get(dice.randrange(20))
    other = copied(cache)
    assert type(other) is kind and other == cache and list(other) == list(cache)
    assert (other.maxsize, other.currsize) == (cache.maxsize, cache.currsize)
    assert [other.popitem() for _ in range(len(other))] == [cache.popitem() for _ in range(len(cache))]


class Hands:
    """A clock that stands still, and goes with copies and pickles."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_copies_expire_in_the_same_order(copied):
    clock = Hands()
    cache = TTLCache(10, 5, clock)
    cache.update(a=1, b=2, c=3)
    clock.now = 2
    cache["a"] = 4
    other = copied(cache)
    # A copy that goes deep has a clock of its own.
    clock.now = 5
    assert other.expire(5) == [("b", 2), ("c", 3)] and list(other._entries()[0]) == [("a", 4, 1, 7)]
    assert other.expire(7) == [("a", 4)] and cache.expire() == [("b", 2), ("c", 3)]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_copies_of_sizes_whose_sum_depends_on_the_order(copied):
    cache = LRUCache(0.3, getsizeof=abs)
    for key, value in [(4, 0.05), (0, 0.2), (4, 0.1)]:
        cache[key] = value
    other = copied(cache)
    assert list(other.items()) == list(cache.items()) and other.currsize == cache.currsize
    other[4] = 0.05
    cache[4] = 0.05
    assert list(other.items()) == list(cache.items()) and other.currsize == cache.currsize


def originals():
    """The original's classes and these."""
    import pinyon.compat.cachetools as ours

    return pytest.importorskip("cachetools", minversion="8.0.2"), ours


class Ticking:
    """A clock that goes on whenever it is read."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.mark.parametrize("act", ["get", "pop", "setdefault"])
@pytest.mark.parametrize("name", ["TTLCache", "TLRUCache"])
def test_the_clock_stands_still_for_a_call_of_several_steps(name, act):
    outcomes = []
    for module in originals():

        class Own(getattr(module, name)):
            def __getitem__(self, key):
                return super().__getitem__(key)

        outcomes.append([])
        for delay in range(6):
            clock = Ticking()
            cache = Own(5, {"TTLCache": 5, "TLRUCache": lambda key, value, now: now + 5}[name], timer=clock)
            cache[1] = "value"
            clock.now += delay
            outcomes[-1].append((getattr(cache, act)(1, "default"), clock.now, cache.timer()))
    assert outcomes[0] == outcomes[1]
    assert {result for result, _, _ in outcomes[0]} == {"value", "default"}


@pytest.mark.parametrize("name", ["TTLCache", "TLRUCache"])
def test_the_clock_stands_still_while_a_write_makes_room(name):
    outcomes = []
    for module in originals():
        times = []

        class Own(getattr(module, name)):
            def popitem(self):
                times.append(self.timer())
                return super().popitem()

            def __delitem__(self, key):
                times.append(self.timer())
                super().__delitem__(key)

            def expire(self, time=None):
                times.append((time, self.timer()))
                return super().expire(time)

        clock = Ticking()
        cache = Own(2, {"TTLCache": 90, "TLRUCache": lambda key, value, now: now + 90}[name], timer=clock)
        for key in range(4):
            cache[key] = key
        times.append(len(cache))
        times.append(cache.popitem())
        outcomes.append((times, clock.now))
    assert outcomes[0] == outcomes[1]


def test_an_error_lets_the_clock_go_on():
    class Own(TTLCache):
        def __getitem__(self, key):
            raise Failing(key)

    clock = Ticking()
    cache = Own(5, 50, timer=clock)
    cache[1] = 1
    with pytest.raises(Failing):
        cache.get(1)
    assert cache.timer() < cache.timer()


@pytest.mark.parametrize("name", ["LFUCache", "LRUCache"])
def test_what_missing_stores_is_used_by_the_read(name):
    outcomes = []
    for module in originals():

        class Own(getattr(module, name)):
            def __missing__(self, key):
                if key == 9:
                    return "not stored"
                self[key] = key
                self[7] = 7
                return key

        cache = Own(3)
        steps = [cache[key] for key in (1, 2, 3, 1, 9, 4)]
        outcomes.append((steps, sorted(cache), [cache.popitem() for _ in range(len(cache))]))
    assert outcomes[0] == outcomes[1]


def test_a_use_is_counted_when_missing_has_stored():
    class Own(LFUCache):
        def __missing__(self, key):
            self[key] = key
            return key

    cache = Own(2)
    cache[1]
    cache[2] = 2
    cache[3] = 3
    assert sorted(cache) == [1, 3]


def test_a_write_that_has_expired_lets_others_expire_first():
    for module in originals():
        time, told = [0], []

        class Own(module.TLRUCache):
            def expire(self, time=None):
                told.append(time)
                return super().expire(time)

        cache = module.TLRUCache(5, lambda key, value, now: value, timer=lambda: time[0])
        own = Own(5, lambda key, value, now: value, timer=lambda: time[0])
        for each in (cache, own):
            time[0] = 0
            each[1] = 5
            time[0] = 10
            each[2] = 3
        assert cache.expire() == [] and told == [0, 10], module.__name__


@pytest.mark.parametrize("copied", [lambda cache: cache, copy.copy])
def test_random_replacement_chooses_as_cachetools_does(copied):
    left = []
    for module in originals():
        random.seed(3)
        cache = module.RRCache(4)
        for key in range(20):
            cache[key] = key
        if copied is not copy.copy:
            assert sorted(cache) == [8, 10, 18, 19]
        cache = copied(cache)
        for key in range(20, 60):
            cache[key] = key
        left.append(sorted(cache))
    assert left[0] == left[1]


def test_a_function_for_sizes_may_be_false():
    class Sizes:
        def __bool__(self):
            return False

        def __call__(self, value):
            return value

    cache = LRUCache(5, getsizeof=Sizes())
    cache[1] = 3
    assert cache.currsize == 3


def test_references_return(make):
    key, value = 1, object()
    cache = make(5)
    before = sys.getrefcount(value)
    for number in range(300):
        cache[key * number % 17] = value
        cache.get(number % 17)
        cache.setdefault(number % 13, value)
        cache.pop(number % 11, None)
        list(cache.items()), repr(cache), copy.copy(cache)
    del cache
    gc.collect()
    assert sys.getrefcount(value) == before


def test_cycles_are_collected(make):
    ends = []

    class Value:
        def __del__(self):
            ends.append(1)

    cache = make(5)
    value = Value()
    value.cache = cache
    cache[6] = value
    value.walk = iter(cache)
    del cache, value
    gc.collect()
    assert ends == [1]


def test_a_cache_that_holds_itself_has_a_repr():
    cache = LRUCache(2)
    cache[1] = cache
    assert "..." in repr(cache)


def test_cachedmethod_from_many_threads(switching):
    class Holder:
        def __init__(self):
            self.cache = LRUCache(8)

        @cachedmethod(lambda self: self.cache, info=True)
        def double(self, n):
            return n * 2

    holder = Holder()

    def hammer(number):
        for n in range(500):
            assert holder.double(n % 20) == n % 20 * 2

    in_threads(hammer)
    info = holder.double.cache_info()
    assert info.hits + info.misses == 2000 and info.currsize <= 8


def test_cached_passes_errors_through():
    @cached(LRUCache(2))
    def fail(n):
        raise Failing(n)

    for _ in range(2):
        with pytest.raises(Failing) as caught:
            fail(1)
        assert caught.value.__context__ is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["Cache", "FIFOCache", "LRUCache", "LFUCache", "RRCache", "TTLCache", "TLRUCache"])
def test_does_what_cachetools_does(name, seed):
    """The same random calls on both: the same results, errors, order and sizes after each."""
    original = pytest.importorskip("cachetools", minversion="8.0.2")
    dice = random.Random(f"{name} {seed}")
    time = [0]
    more = {"getsizeof": lambda value: value} if seed % 2 else {}
    settings = {
        "RRCache": {"choice": min},
        "TTLCache": {"ttl": 7, "timer": lambda: time[0]},
        "TLRUCache": {"ttu": lambda key, value, now: now + key + value, "timer": lambda: time[0]},
    }.get(name, {})
    import pinyon.compat.cachetools as ours

    pair = [getattr(module, name)(maxsize=12, **settings, **more) for module in (original, ours)]

    def outcome(cache, act, key, value):
        try:
            return (
                lambda: cache.__setitem__(key, value),
                lambda: cache[key],
                lambda: cache.get(key),
                lambda: cache.pop(key, None),
                lambda: cache.setdefault(key, value),
                lambda: cache.popitem(),
                lambda: cache.__delitem__(key),
                lambda: key in cache,
                lambda: list(cache.items()),
                lambda: sorted(cache.expire()) if hasattr(cache, "expire") else None,
            )[act]()
        except (KeyError, ValueError) as error:
            return repr(error)

    for _ in range(600):
        act = dice.choice([0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9])
        key, value = dice.randrange(20), dice.choice([0, 1, 2, 3, 4, 13])
        time[0] += dice.choice([0, 0, 1])
        theirs, mine = (outcome(cache, act, key, value) for cache in pair)
        assert theirs == mine, (act, key, value)
        assert list(pair[0]) == list(pair[1])
        assert pair[0].currsize == pair[1].currsize and len(pair[0]) == len(pair[1])
        assert repr(pair[0]) == repr(pair[1])
    assert [pair[0].popitem() for _ in range(len(pair[0]))] == [pair[1].popitem() for _ in range(len(pair[1]))]
