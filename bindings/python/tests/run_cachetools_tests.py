"""Runs the public tests of ``cachetools``, unmodified, on ``pinyon.compat.cachetools``.

``python run_cachetools_tests.py [SDIST]`` fetches the source distribution with pip unless it is given. The tests run twice, each time in a process
of its own: on ``cachetools`` itself, which says how many there are, and on the drop-in under its name. All have to pass, and none may be missing.
Needs Python 3.11, as the tests do.
"""

import importlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

VERSION = "8.0.2"
NAMES = ("cachetools", "cachetools.keys", "cachetools.func")


def fetch(into):
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"]
    subprocess.run([*pip, "--dest", into, f"cachetools=={VERSION}"], check=True)
    return next(pathlib.Path(into).glob("cachetools-*.tar.gz"))


def unpack(sdist, into):
    with tarfile.open(sdist) as archive:
        archive.extractall(into)
    return next(path for path in pathlib.Path(into).glob("cachetools-*") if path.is_dir())


def run(source, ours):
    """Runs the tests in this process; prints how many passed and how many there are."""
    if ours:
        for name in NAMES:
            sys.modules[name] = importlib.import_module(f"pinyon.compat.{name}")
    else:
        sys.path.insert(0, str(source / "src"))
    sys.path.insert(0, str(source))
    suite = unittest.defaultTestLoader.discover(str(source / "tests"), top_level_dir=str(source))
    total = suite.countTestCases()
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    bad = {str(test) for test, _ in [*result.failures, *result.errors, *result.skipped]}
    print(total - len(bad), total)


def counts(source, ours):
    command = [sys.executable, __file__, "--in", str(source), "ours" if ours else "theirs"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    passed, total = done.stdout.split()[-2:]
    return int(passed), int(total)


def main(arguments):
    if arguments[:1] == ["--in"]:
        return run(pathlib.Path(arguments[1]), arguments[2] == "ours")
    with tempfile.TemporaryDirectory() as scratch:
        source = unpack(arguments[0] if arguments else fetch(scratch), scratch)
        expected = counts(source, ours=False)[1]
        passed, total = counts(source, ours=True)
    print(f"cachetools {VERSION}: {passed} passed of {expected}")
    return 0 if passed == total == expected else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
