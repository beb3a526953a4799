"""The examples in docstrings, also in those of the native half."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import pinyon


def modules():
    yield pinyon
    for found in pkgutil.walk_packages(pinyon.__path__, "pinyon."):
        yield importlib.import_module(found.name)


def documented():
    """Each docstring there is: of modules, of classes and functions, of what is in classes; native or not."""
    seen = set()
    for module in modules():
        yield module.__name__, module.__doc__, module
        for name, thing in vars(module).items():
            home = getattr(thing, "__module__", None) or ""
            if not (inspect.isclass(thing) or callable(thing)) or not home.startswith("pinyon") or id(thing) in seen:
                continue
            seen.add(id(thing))
            yield f"{module.__name__}.{name}", thing.__doc__, module
            if inspect.isclass(thing):
                for inner, method in vars(thing).items():
                    method = getattr(method, "__func__", method)
                    yield f"{module.__name__}.{name}.{inner}", getattr(method, "__doc__", None), module


def examples():
    parser = doctest.DocTestParser()
    for name, text, module in documented():
        if isinstance(text, str) and ">>>" in text:
            yield parser.get_doctest(text, dict(vars(module)), name, None, 0)


@pytest.mark.parametrize("test", list(examples()), ids=lambda test: test.name)
def test_the_example_is_true(test):
    said = []
    failed, ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert ran and not failed, "".join(said)


def test_there_are_examples():
    names = [test.name for test in examples()]
    assert any(name.endswith("Cache") for name in names) and any(name.endswith("cached") for name in names)


def test_what_is_public_is_documented():
    for name in pinyon.__all__:
        thing = getattr(pinyon, name)
        assert isinstance(thing, str) or thing.__doc__, name
        if inspect.isclass(thing):
            for inner, method in vars(thing).items():
                if callable(method) and not inner.startswith("_"):
                    assert method.__doc__, f"{name}.{inner}"
