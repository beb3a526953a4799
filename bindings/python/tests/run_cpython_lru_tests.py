"""Runs the interpreter's own tests of ``functools.lru_cache`` and ``functools.cache``, unmodified, on Pinyon's.

``python run_cpython_lru_tests.py`` needs the package ``test`` of the interpreter that runs it, and ``pinyon``. The tests take the module that they
test from ``import_fresh_module``: what that gives for the C implementation has Pinyon's two functions in it.
"""

import importlib
import sys
import unittest

import pinyon.compat.functools as ours


def import_with_ours():
    """Imports ``test.test_functools`` with our functions in the module that its C test cases test."""
    try:
        helper = importlib.import_module("test.support.import_helper")
    except ImportError:  # before 3.10
        helper = importlib.import_module("test.support")
    original = helper.import_fresh_module

    def import_fresh_module(name, *args, **kwargs):
        module = original(name, *args, **kwargs)
        if name == "functools" and "_functools" not in kwargs.get("blocked", ()):
            module.lru_cache, module.cache = ours.lru_cache, ours.cache
        return module

    helper.import_fresh_module = import_fresh_module
    try:
        return importlib.import_module("test.test_functools")
    finally:
        helper.import_fresh_module = original


def main():
    module = import_with_ours()
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    suite.addTests(loader.loadTestsFromTestCase(module.TestLRUC))
    # The interpreter has this one as a mixin only.
    case = type("TestCacheC", (module.TestCache, unittest.TestCase), {"module": module.c_functools})
    suite.addTests(loader.loadTestsFromTestCase(case))
    assert module.c_functools.lru_cache is ours.lru_cache
    total = suite.countTestCases()
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    passed = total - len(result.failures) - len(result.errors) - len(result.skipped)
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {version}: {passed} passed of {total}, {len(result.skipped)} skipped")
    return 0 if result.wasSuccessful() and total and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main())
