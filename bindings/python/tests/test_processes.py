"""Other processes and other interpreters: forks, `multiprocessing`, pickles, sub-interpreters."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys

import pytest

import pinyon
from pinyon import Cache
from support import LIMIT, python


def use(cache):
    """Uses a cache in another process."""
    assert cache["a"] == 1 and len(cache) >= 1
    for number in range(1000):
        cache[number] = number
    assert cache.get_or_load("loaded", str) == "loaded"
    cache.clear()
    cache["a"] = os.getpid()
    return dict(cache.items())


def put(queue, cache):
    queue.put((use(cache), cache.settings))


@pinyon.cached(maxsize=100)
def square(number):
    return (number * number, os.getpid())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_g26_g28_a_child_hears_of_what_leaves_though_another_thread_was_being_told():
    program = """
import os, threading, warnings
import pinyon
warnings.simplefilter("ignore")
inside, go, told = threading.Event(), threading.Event(), []

def on_evict(key, value, cause):
    if key == "slow":
        inside.set()
        go.wait()
    told.append((key, cause))

cache = pinyon.Cache(10, on_evict=on_evict)
cache["slow"], cache["a"] = 1, 1
thread = threading.Thread(target=cache.delete, args=("slow",))
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    del cache["a"]
    os._exit(0 if told == [("a", "removed")] else 1)
status = os.waitpid(child, 0)[1]
go.set()
thread.join()
assert status == 0
"""
    assert python(program) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_g28_a_forked_child_has_a_sound_cache_of_its_own():
    program = """
import os, sys, threading, warnings
import pinyon
warnings.simplefilter("ignore")
cache, done = pinyon.Cache(100), threading.Event()

def work():
    number = 0
    while not done.is_set():
        number += 1
        cache[number % 300] = number
        cache.get(number % 200)
        cache.get_or_load(-number % 50 - 1, lambda key: key)

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for turn in range(20):
    child = os.fork()
    if child == 0:
        cache["a"] = "child"
        for number in range(1000):
            cache[number] = number
            cache.get_or_load(-number % 50 - 1, lambda key: key)
        good = len(cache) <= 100 and all(key == "a" or isinstance(key, int) for key in cache)
        cache.clear()
        os._exit(0 if good and len(cache) == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get("a") is None
done.set()
for thread in threads:
    thread.join(60)
print(len(cache) <= 100)
"""
    assert python(program) == "True\n"


@pytest.mark.parametrize("method", [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()])
def test_g28_multiprocessing(method):
    # In a process of its own: forks of one that has many threads are another test's affair.
    program = f"""
import multiprocessing, os, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import test_processes
from pinyon import Cache

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    cache = Cache(50, ttl=1000)
    cache["a"] = 1
    queue = context.SimpleQueue()
    child = context.Process(target=test_processes.put, args=(queue, cache))
    child.start()
    entries, settings = queue.get()
    child.join(60)
    assert child.exitcode == 0 and entries == {{"a": child.pid}} and settings == cache.settings
    assert dict(cache.items()) == {{"a": 1}}
    test_processes.square(3)
    with context.Pool(2) as pool:
        found = pool.map(test_processes.use, [cache] * 4)
        assert all(entries["a"] != os.getpid() for entries in found)
        assert pool.apply(Cache.get, (cache, "a")) == 1
    print("ended well")
"""
    assert python(program) == "ended well\n"


def test_a_pickle_is_read_by_another_process():
    cache = Cache(maxbytes=100_000, ttl=1000, policy="clock")
    cache["a"] = [1, 2, 3]
    cache.set(("b", 2), "x", ttl=float("inf"))
    program = (
        "import pickle, sys; cache = pickle.load(sys.stdin.buffer); "
        "print(cache, sorted(cache.items(), key=repr), cache.settings, cache.ttl(('b', 2)), 900 < cache.ttl('a') <= 1000)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(cache), capture_output=True, timeout=LIMIT, check=True)
    assert done.stdout.decode().strip() == (
        f"<Cache maxbytes=100000: 2 entries, {cache.stats().weight} bytes> {sorted(cache.items(), key=repr)} {cache.settings} None True"
    )


def test_what_cannot_be_pickled_is_said_by_pickle():
    cache = Cache(10, timer=lambda: 5.0)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(cache)
    cache = Cache(10)
    cache["a"] = lambda: 5
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(cache)
    assert len(cache) == 1


def test_a_sub_interpreter_refuses_clearly():
    program = """
import pinyon, sys
try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        print("none here")
        raise SystemExit
try:
    number = interpreters.create("legacy")
except TypeError:
    number = interpreters.create()
import os
there = os.dup(1)
code = '''
import os
try:
    import pinyon
    answer = "it was imported"
except ImportError as error:
    answer = "refused: " + str(error)
os.write(%d, answer.encode())
''' % there
try:
    failed = interpreters.run_string(number, code)
except AttributeError:
    failed = interpreters.exec(number, code)
cache = pinyon.Cache(5)
cache["a"] = 1
print("", cache["a"])
"""
    said = python(program)
    assert said == "none here\n" or said.startswith("refused: ") and "interpreter" in said and said.endswith(" 1\n"), said


def test_it_ends_well_when_caches_are_alive():
    program = """
import pinyon, threading

class Thing:
    def __del__(self):
        cache.get("a")

cache = pinyon.Cache(10, on_evict=lambda *told: None)
cache["self"] = cache
cache["thing"] = Thing()

@pinyon.cached
def function(number):
    return Thing()

function(1)
threading.Thread(target=lambda: pinyon.Cache(5).get_or_load("a", lambda key: threading.Event().wait(60)), daemon=True).start()
"""
    assert python(program) == ""
