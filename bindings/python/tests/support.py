"""What several tests use."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import sysconfig
import threading
import time
from typing import Callable, Iterator

import pytest

#: Seconds: more than anything here takes on the slowest machine, and not for ever.
LIMIT = 60.0

#: Does the interpreter run its threads at the same time?
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and not getattr(sys, "_is_gil_enabled", lambda: True)()

#: For tests of what is let go of at once: without a global lock some of what left waits until no reader can be looking at it.
at_once = pytest.mark.skipif(FREE_THREADED, reason="what leaves is let go of a little later")


class Clock:
    """A `timer=` that moves only when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Thing:
    """A value that can be referred to weakly."""

    def __init__(self, name: object = None) -> None:
        self.name = name


class Noted:
    """An `on_evict=` that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple] = []

    def __call__(self, key: object, value: object, cause: str) -> None:
        self.told.append((key, value, cause))

    def causes(self) -> list[str]:
        return [cause for _, _, cause in self.told]


def run_threads(*functions: Callable[[], object]) -> None:
    """Runs functions in threads which begin together, and raises what the first to fail raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(functions))

    def run(function: Callable[[], object]) -> None:
        try:
            start.wait(LIMIT)
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


def eventually(condition: Callable[[], object]) -> None:
    """Waits until something is so."""
    until = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.001)


@contextlib.contextmanager
def switching(seconds: float = 1e-5) -> Iterator[None]:
    """Threads take turns so often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def python(code: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
    """What a program prints; it must end well, and soon."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code, *arguments], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, f"it ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
