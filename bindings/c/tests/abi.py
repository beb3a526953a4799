#!/usr/bin/env python3
"""Compares the ABI that include/pinyon.h declares with its committed description, bindings/c/abi.txt.

    bindings/c/tests/abi.py           fails if anything that was described is gone or another: the ABI only grows
    bindings/c/tests/abi.py --write   describes what there is now

The description has each constant with its value, each function with its types, and of each struct the place and the size
of every field, as the C compiler of this machine (64 bits) lays them out.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEADER = ROOT / "include" / "pinyon.h"
DESCRIPTION = ROOT / "bindings" / "c" / "abi.txt"


def declarations():
    """Constants, functions, callbacks, and structs with their fields, as the header has them."""
    text = re.sub(r"/\*.*?\*/", " ", HEADER.read_text(), flags=re.S)
    constants = re.findall(r"^#define (PINYON_\w+) \S", text, flags=re.M)
    flat = re.sub(r"\s+", " ", re.sub(r"^#.*$|^(extern \"C\" \{|\} *)$", " ", text, flags=re.M))
    structs = {name: re.findall(r"(\w+);", body) for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", flat)}
    callbacks = re.findall(r"typedef ([^;{}]*?\(\*pinyon_\w+\)\([^;]*?\));", flat)
    without = re.sub(r"typedef [^;{}]*?(\{.*?\} \w+)?;", " ", flat)
    functions = re.findall(r"([\w \*]+?pinyon_\w+\([^;]*?\));", without)
    return constants, [f.strip() for f in functions], callbacks, structs


def describe():
    constants, functions, callbacks, structs = declarations()
    lines = [f'    printf("constant {name} = %lld\\n", (long long)({name}));' for name in constants]
    for name, fields in structs.items():
        lines.append(f'    printf("struct {name}: %zu bytes\\n", sizeof({name}));')
        for field in fields:
            place = f"offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
            lines.append(f'    printf("field {name}.{field}: at %zu, %zu bytes\\n", {place});')
    source = "#include <pinyon.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\n    return 0;\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        program, file = Path(folder) / "layout", Path(folder) / "layout.c"
        file.write_text(source)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=c99", f"-I{ROOT}/include", str(file), "-o", str(program)], check=True)
        laid_out = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
    return laid_out + [f"callback {one}" for one in callbacks] + [f"function {one}" for one in functions]


def main():
    now = describe()
    counts = {kind: sum(line.startswith(kind) for line in now) for kind in ("constant", "struct", "callback", "function")}
    assert all(counts.values()), f"the header was not understood: {counts}"
    if sys.argv[1:] == ["--write"]:
        DESCRIPTION.write_text("\n".join(now) + "\n")
        return
    # A struct may grow at its end, so its size alone may change, upwards.
    then, there, bad = DESCRIPTION.read_text().splitlines(), set(now), []
    sizes = {m[1]: int(m[2]) for m in (re.match(r"struct (\w+): (\d+)", line) for line in now) if m}
    for line in then:
        struct = re.match(r"struct (\w+): (\d+)", line)
        if line not in there and not (struct and sizes.get(struct[1], 0) > int(struct[2])):
            bad.append(line)
    new = [line for line in now if line not in set(then)]
    if bad or new:
        for line in bad:
            print(f"gone or another: {line}")
        for line in new:
            print(f"not described:   {line}")
        print("what was published must stay; after adding to it: bindings/c/tests/abi.py --write")
        sys.exit(1)
    print("the ABI is as described: " + ", ".join(f"{count} {kind}s" for kind, count in counts.items()))


main()
