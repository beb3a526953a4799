"""The C ABI from Python with cffi in ABI mode: the header is all it needs, no compiler.

    c_abi_cffi.py LIBRARY [HEADER [STEPS]]

Runs the files of tests/conformance.
"""

import pathlib
import re
import sys

import conformance

try:
    import cffi
except ImportError:
    sys.exit("cffi is missing: python3 -m pip install cffi")

ROOT = pathlib.Path(__file__).resolve().parents[3]


def declarations(header):
    """The header without its preprocessor, but for the constants that cffi can read."""
    text = re.sub(r"#ifdef __cplusplus.*?#endif.*?\n", "", header.read_text(encoding="utf-8"), flags=re.S)
    constant = re.compile(r"#define \w+ -?\d+$")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#") or constant.match(line))


class Abi:
    """What `conformance.Cache` needs, done with cffi."""

    def __init__(self, library, header):
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations(header))
        self.lib, self.null = self.ffi.dlopen(library), self.ffi.NULL

    def array(self, type, count):
        return self.ffi.new(f"{type}[]", count)

    def size(self, type):
        return self.ffi.sizeof(type)

    def view(self, data):
        return self.ffi.from_buffer(data)

    def read(self, pointer, size):
        return self.ffi.buffer(pointer, size)[:] if size else b""

    def write(self, pointer, data):
        self.ffi.memmove(pointer, data, len(data))

    def address(self, struct, field):
        return self.ffi.addressof(struct, field)

    def callback(self, type, function):
        return self.ffi.callback(type, function)

    def number(self, name):
        return getattr(self.lib, f"PINYON_{name}")


def main(library, header=ROOT / "include/pinyon.h", steps=ROOT / "tests/conformance"):
    abi = Abi(library, pathlib.Path(header))
    try:
        ran = conformance.run(steps, lambda options, now: conformance.Cache(abi, options, now))
    except conformance.Mismatch as error:
        sys.exit(str(error))
    print(f"cffi: {ran} steps")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
