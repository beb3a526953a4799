"""``pinyon.lru_cache`` beyond what the interpreter's own tests ask: races, re-entry, errors, leaks, and a comparison with the original."""

import copy
import functools
import gc
import pickle
import random
import sys
import threading
import weakref

import pytest

from pinyon.compat.functools import cache, lru_cache


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


@pytest.mark.parametrize("maxsize", [0, 1, 7, 50, None])
def test_threads_find_no_fault(maxsize, switching):
    @lru_cache(maxsize)
    def double(n):
        return n * 2

    def hammer(number):
        dice = random.Random(number)
        for step in range(3000):
            n = dice.randrange(80)
            assert double(n) == n * 2
            if step % 700 == 699 and number == 0:
                double.cache_clear()

    in_threads(hammer)
    info = double.cache_info()
    assert info.currsize <= (80 if maxsize is None else maxsize)
    double.cache_clear()
    assert double(1) == 2 and double.cache_info()[:2] == (0, 1)


@pytest.mark.parametrize("maxsize", [0, 1, 3, None])
@pytest.mark.parametrize("typed", [False, True])
def test_does_what_functools_does(maxsize, typed):
    def function(*args, **kwargs):
        if args and args[0] == "fail":
            raise LookupError(args)
        return args, kwargs

    pair = [module(maxsize, typed)(function) for module in (functools.lru_cache, lru_cache)]
    dice = random.Random(7)
    values = [1, 1.0, True, "a", b"a", None, (1,), (1.0,), ("x", (1, 2)), frozenset({1}), "fail", []]
    for _ in range(3000):
        args = tuple(dice.choice(values) for _ in range(dice.choice([0, 1, 1, 1, 2, 3])))
        kwargs = {name: dice.choice(values[:-1]) for name in dice.sample("ab", dice.choice([0, 0, 0, 1, 2]))}
        outcomes = []
        for each in pair:
            try:
                outcomes.append(repr(each(*args, **kwargs)))
            except (LookupError, TypeError) as error:
                outcomes.append(repr(error))
        assert outcomes[0] == outcomes[1], (args, kwargs)
        assert pair[0].cache_info() == pair[1].cache_info()
    assert type(pair[0].cache_info()) is type(pair[1].cache_info())
    assert pair[0].cache_parameters() == pair[1].cache_parameters()


class Key:
    """Calls `meddle` when it is hashed or compared."""

    def __init__(self, number, meddle):
        self.number, self.meddle = number, meddle

    def __hash__(self):
        self.meddle()
        return self.number % 2

    def __eq__(self, other):
        self.meddle()
        return isinstance(other, Key) and self.number == other.number


def test_keys_whose_methods_call_the_function():
    @lru_cache(maxsize=3)
    def number(key):
        return getattr(key, "number", None)

    def meddle():
        number("other")
        number(dice.randrange(5))

    dice = random.Random(1)
    for n in [1, 3, 5, 1, 2, 4, 1, 3] * 3:
        assert number(Key(n, meddle)) == n
    assert number.cache_info().currsize <= 3
    assert number(Key(1, number.cache_clear)) == 1


def test_results_whose_end_calls_the_function():
    ends = []

    class Ending:
        def __init__(self, number):
            self.number = number

        def __del__(self):
            ends.append(self.number)
            make(self.number % 2)
            if self.number == 20:
                make.cache_clear()

    @lru_cache(maxsize=2)
    def make(number):
        return Ending(number) if number > 1 else None

    for number in range(2, 40):
        make(number)
    make.cache_clear()
    assert sorted(ends) == list(range(2, 40))


def test_errors_change_nothing():
    @lru_cache(maxsize=2)
    def same(x):
        if x == "fail":
            raise LookupError(x)
        return x

    def fail():
        raise ArithmeticError

    same(1)
    for arguments, error in [(("fail",), LookupError), (([],), TypeError), ((), TypeError)]:
        with pytest.raises(error):
            same(*arguments)
    assert same.cache_info().currsize == 1
    same.cache_clear()
    same(Key(0, lambda: None))
    key = Key(2, lambda: None)
    hash(key)
    key.meddle = fail
    with pytest.raises(ArithmeticError):
        same(key)
    assert same.cache_info().currsize == 1 and same(3) == 3


@lru_cache(maxsize=None)
def by_name(x):
    return x


def test_it_is_pickled_by_name_and_is_its_own_copy():
    assert pickle.loads(pickle.dumps(by_name)) is by_name
    assert copy.copy(by_name) is by_name and copy.deepcopy([by_name])[0] is by_name


def test_settings():
    for bad in ("x", 2.5, object()):
        with pytest.raises(TypeError):
            lru_cache(bad)
    assert lru_cache(-3)(len).cache_parameters() == {"maxsize": 0, "typed": False}
    assert lru_cache(len).cache_parameters() == {"maxsize": 128, "typed": False}
    assert lru_cache(maxsize=2, typed=True)(len).cache_parameters() == {"maxsize": 2, "typed": True}
    assert cache(len).cache_parameters() == {"maxsize": None, "typed": False}
    assert cache(len).__wrapped__ is len
    huge = lru_cache(10**30)(len)
    assert huge("ab") == 2 and huge.cache_parameters()["maxsize"] == 10**30


def test_references_return():
    argument, result = ("argument", object()), object()

    @lru_cache(maxsize=3)
    def give(*args, **kwargs):
        return result

    counted = [argument, argument[1], result]
    before = list(map(sys.getrefcount, counted))
    for number in range(500):
        give(argument, number % 5)
        give(x=argument, y=number % 3)
        give(*argument)
        give(argument[1])
    give.cache_clear()
    gc.collect()
    assert list(map(sys.getrefcount, counted)) == before


@pytest.mark.parametrize("through", ["result", "argument", "closure", "attribute"])
def test_cycles_are_collected(through):
    class Thing:
        pass

    thing = Thing()

    @lru_cache
    def take(*args):
        return (thing, take) if through == "closure" else args[-1:]

    thing.take = take
    take(thing) if through == "argument" else take(0, thing)
    if through == "attribute":
        take.thing = thing
    gone = weakref.ref(thing)
    del thing, take
    gc.collect()
    assert gone() is None
