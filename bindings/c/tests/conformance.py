#!/usr/bin/env python3
"""Writes the files of tests/conformance as one header, which conformance.c includes, and bindings/cpp/tests/conformance.cpp.

    conformance.py steps.h [STEPS]

A file becomes a function, a step the call of a function of its name, with what must come of it: the same text for C99 and
C++20. What they write in different ways are macros of theirs: B (bytes), ARRAY (its elements and their number), FIELD, and
OPTIONS, ENTRY and LEASE (structs).
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]

def literal(data):
    def one(byte):
        return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"

    return '"' + "".join(map(one, data)) + '"'


def octets(written):
    if isinstance(written, str):
        data = written.encode()
    elif "hex" in written:
        data = bytes.fromhex(written["hex"])
    else:
        data = written["repeat"].encode()
        return f"repeated({literal(data)}, {len(data)}, {written['times']})"
    return f"B({literal(data)}, {len(data)})" if data else "B(NULL, 0)"


def number(written):
    return "PINYON_NEVER" if written == "never" else f"UINT64_C({int(written)})"


def signed(written):
    whole = int(written)
    return f"(-INT64_C({-whole - 1}) - 1)" if whole < 0 else f"INT64_C({whole})"


def perhaps(step):
    return f"some({octets(step['gives'])})" if "gives" in step else "none"


def array(type, parts):
    return f"ARRAY({type}, {', '.join(parts)}), {len(parts)}" if parts else "NULL, 0"


def take(fields, *names):
    """The fields of these names, which must be all there are."""
    unknown = set(fields) - set(names)
    if unknown:
        raise SystemExit(f"{json.dumps(fields)}: {sorted(unknown)} is not in the format")
    return fields


def entry(step):
    if "options" not in step:
        return "NULL"
    given = take(step["options"], "ttl_ms", "idle_ms", "weight", "weightless", "tags")
    parts = [f".{name} = {number(given[name])}" for name in ("ttl_ms", "idle_ms", "weight") if name in given]
    if "tags" in given:
        parts.append(f".tags = ARRAY(pinyon_bytes, {', '.join(map(octets, given['tags']))}), .tag_count = {len(given['tags'])}")
    if given.get("weightless"):
        parts.append(".flags = PINYON_WEIGHTLESS")
    return f"ENTRY({', '.join(parts)})"


def lease(step):
    parts = [f".{name} = {number(step[name])}" for name in ("lasting_ms", "refresh_after_ms") if name in step]
    return f"LEASE({', '.join(parts)})" if parts else "NULL"


def checked(type, step):
    def one(name, wanted):
        bounds = (wanted.get("least", 0), wanted.get("most", "never")) if isinstance(wanted, dict) else (wanted, wanted)
        return f"FIELD({type}, {name}, {number(bounds[0])}, {number(bounds[1])})"

    return array("field", [one(*each) for each in step.get("gives", {}).items()])


def many(step):
    values = [f"some({octets(value)})" if value is not None else "none" for value in step["gives"]]
    return array("maybe", values).rsplit(", ", 1)[0]


def codes(step):
    return array("int32_t", [f"PINYON_{one}" for one in step["gives"]]).rsplit(", ", 1)[0]


def place(step, name, there):
    """Where a token or ticket goes; NULL where there must be none."""
    if step.get(name) is not None:
        return f"&name_{step[name]}"
    return "&unnamed" if there else "NULL"


def pairs(written):
    return [f"{{{octets(key)}, {octets(value)}}}" for key, value in written]


def call(step, code):
    """The call of one step."""
    op = step["op"]
    key = octets(step["key"]) if "key" in step else None
    bits = f"name_{step['with']}" if "with" in step else None
    if op in ("set", "add", "replace", "set_in_place", "adopt", "add_adopted", "replace_adopted"):
        take(step, "op", "key", "value", "options", "returns")
        return f"{op}({key}, {octets(step['value'])}, {entry(step)}, {code})"
    if op in ("compare_and_swap", "compare_and_swap_adopted"):
        take(step, "op", "key", "expected", "value", "options", "returns")
        return f"{op}({key}, {octets(step['expected'])}, {octets(step['value'])}, {entry(step)}, {code})"
    if op == "counter_add":
        take(step, "op", "key", "delta", "initial", "options", "returns", "gives")
        sums = signed(step["delta"]), signed(step["initial"]), signed(step.get("gives", 0))
        return f"{op}({key}, {sums[0]}, {sums[1]}, {entry(step)}, {code}, {sums[2]})"
    if op in ("get", "visit", "take"):
        take(step, "op", "key", "returns", "gives")
        return f"{op}({key}, {code}, {perhaps(step)})"
    if op == "get_copy":
        take(step, "op", "key", "capacity", "returns", "gives", "size")
        return f"{op}({key}, {step['capacity']}, {code}, {perhaps(step)}, {step.get('size', 0)})"
    if op == "get_into":
        take(step, "op", "key", "capacity", "returns", "gives")
        return f"{op}({key}, {step['capacity']}, {code}, {perhaps(step)})"
    if op in ("contains", "remove", "touch"):
        take(step, "op", "key", "returns")
        return f"{'remove_key' if op == 'remove' else op}({key}, {code})"
    if op == "expire_after":
        take(step, "op", "key", "ttl_ms", "returns")
        return f"{op}({key}, {number(step['ttl_ms'])}, {code})"
    if op == "metadata":
        take(step, "op", "key", "returns", "gives")
        return f"{op}({key}, {code}, {checked('pinyon_metadata', step)})"
    if op == "stats":
        take(step, "op", "gives", "returns")
        return f"{op}({code}, {checked('pinyon_stats', step)})"
    if op == "count":
        take(step, "op", "gives")
        return f"{op}({step['gives']})"
    if op in ("clear", "invalidate_all"):
        take(step, "op", "returns")
        return f"{op}({code})"
    if op == "invalidate_tag":
        take(step, "op", "tag", "returns")
        return f"{op}({octets(step['tag'])}, {code})"
    if op == "get_many":
        take(step, "op", "keys", "returns", "gives")
        return f"{op}({array('pinyon_bytes', [octets(key) for key in step['keys']])}, {code}, {many(step)})"
    if op in ("set_many", "set_many_adopted"):
        take(step, "op", "pairs", "options", "returns", "gives")
        return f"{op}({array('pinyon_pair', pairs(step['pairs']))}, {entry(step)}, {code}, {codes(step)})"
    if op == "remove_many":
        take(step, "op", "keys", "returns", "gives")
        return f"{op}({array('pinyon_bytes', [octets(key) for key in step['keys']])}, {code}, {codes(step)})"
    if op == "acquire":
        take(step, "op", "key", "lasting_ms", "refresh_after_ms", "returns", "gives", "token", "ticket")
        token, ticket = place(step, "token", code == "PINYON_LEAD"), place(step, "ticket", code == "PINYON_WAIT")
        return f"{op}({key}, {lease(step)}, {code}, {perhaps(step)}, {token}, {ticket})"
    if op == "wait":
        take(step, "op", "with", "timeout_ms", "returns", "gives", "token")
        token = place(step, "token", code == "PINYON_LEAD")
        return f"wait_for({bits}, {number(step['timeout_ms'])}, {code}, {perhaps(step)}, {token})"
    if op in ("complete", "complete_adopted"):
        take(step, "op", "with", "value", "options", "returns")
        return f"{op}({bits}, {octets(step['value'])}, {entry(step)}, {code})"
    if op in ("abandon", "leave"):
        take(step, "op", "with", "returns")
        return f"{op}({bits}, {code})"
    if op == "items":
        take(step, "op", "page", "returns", "gives")
        return f"{op}({step['page']}, {code}, {array('pinyon_pair', pairs(step['gives']))})"
    if op == "removals":
        take(step, "op", "returns", "gives")
        parts = [f"{{{octets(key)}, {octets(value)}, PINYON_{cause}}}" for key, value, cause in step["gives"]]
        return f"{op}({code}, {array('left', parts)})"
    if op == "set_capacity":
        take(step, "op", "capacity", "returns")
        return f"{op}({number(step['capacity'])}, {code})"
    if op == "shrink":
        take(step, "op", "weight", "returns", "gives")
        return f"{op}({number(step['weight'])}, {code}, {number(step['gives'])})"
    if op == "maintain":
        take(step, "op", "budget", "returns")
        return f"{op}({step['budget']}, {code})"
    raise SystemExit(f"{json.dumps(step)}: no such operation")


def statement(step):
    if "op" in step:
        return call(step, f"PINYON_{step.get('returns', 'OK')}") + ";"
    take(step, "advance_ms", "advance_ns", "sleep_ms")
    if "sleep_ms" in step:
        return f"sleep_ms({step['sleep_ms']});"
    return f"now += UINT64_C({step.get('advance_ms', 0) * 1_000_000 + step.get('advance_ns', 0)});"


def cache_options(given):
    take(given, "capacity", "unit", "policy", "shards", "ttl_ms", "idle_ms", "refresh_after_ms", "removal_queue", "track_age")
    parts = [f".capacity = {given['capacity']}"]
    parts += [f".{name} = PINYON_{given[name].upper()}" for name in ("unit", "policy") if name in given]
    parts += [f".shards = {given['shards']}"] if "shards" in given else []
    parts += [".flags = PINYON_TRACK_AGE"] if given.get("track_age") else []
    numbers = ("ttl_ms", "idle_ms", "refresh_after_ms", "removal_queue")
    parts += [f".{name} = {given[name]}" for name in numbers if name in given]
    return f"OPTIONS({', '.join(parts)})"


def function(path):
    file = json.loads(path.read_text(encoding="utf-8"))
    take(file, "name", "about", "cache", "steps")
    names = sorted({step[kind] for step in file["steps"] for kind in ("token", "ticket") if step.get(kind)})
    body = [f"begin({json.dumps(path.name)}, {cache_options(file['cache'])});"]
    for at, step in enumerate(file["steps"], 1):
        body += [f"at({at});", statement(step)]
    body.append("end();")
    if any("&unnamed" in line for line in body):
        names.append("")
    declared = [f"uint64_t {'name_' + name if name else 'unnamed'} = 0;" for name in names]
    name = "run_" + re.sub(r"\W", "_", file["name"])
    return name, f"\nstatic void {name}(void) {{\n" + "".join(f"    {line}\n" for line in declared + body) + "}\n"


def main(header, steps=ROOT / "tests/conformance"):
    files = sorted(pathlib.Path(steps).glob("*.json"))
    if not files:
        sys.exit(f"{steps}: there is no file of steps")
    functions = [function(path) for path in files]
    calls = "".join(f"    {name}();\n" for name, _ in functions)
    text = "/* Made by bindings/c/tests/conformance.py: do not edit. */\n" + "".join(body for _, body in functions)
    pathlib.Path(header).write_text(f"{text}\nstatic void run_all(void) {{\n{calls}}}\n", encoding="utf-8")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
