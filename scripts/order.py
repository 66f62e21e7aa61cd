"""Makes the linker's list of scripts/order: SYMBOLS of nm, then what callgrind counted, that of a mere start first."""

import re
import sys

# Names of several functions stand for all of them: the list must hold for the next build, whose hashes differ. The system brings so
# many bytes around whatever runs (fault-around); a name that would bring more of what nobody runs stays where it is.
AROUND = 32 * 1024

HEAD = """\
/* Made by scripts/order: the functions that a server runs, so that they lie next to each other in the program. */
SECTIONS
{
"""


def pattern(symbol):
    """What the symbol is called in each build: without the hashes of rustc's mangling (the older one, and that of the standard library)."""
    without = re.sub(r"17h[0-9a-f]{16}E.*$", "17h*", symbol)
    return re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", without) if without.startswith("_R") else without


def sizes(path):
    with open(path) as lines:
        columns = (line.split() for line in lines)
        return {name: int(size, 16) for _, size, kind, name in (row for row in columns if len(row) == 4) if kind in "tTwW"}


def ran(path, known):
    with open(path) as lines:
        named = (re.match(r"c?fn=\(\d+\) ([^\s']+)", line) for line in lines)
        return {match.group(1) for match in named if match} & known.keys()


def chosen(functions, known, total):
    touched = {}
    for name in functions:
        touched[pattern(name)] = touched.get(pattern(name), 0) + known[name]
    return {name for name, size in touched.items() if total[name] - size <= AROUND}


def main():
    symbols, *counts = sys.argv[1:]
    known = sizes(symbols)
    total = {}
    for name, size in known.items():
        total[pattern(name)] = total.get(pattern(name), 0) + size
    start = ran(counts[0], known)
    serve = start.union(*(ran(path, known) for path in counts[1:]))
    first = chosen(start, known, total)
    parts = {"start": first, "serve": chosen(serve, known, total) - first}
    print(HEAD, end="")
    for part, names in parts.items():
        print(f"  .text.{part} :\n  {{\n    *(")
        print("\n".join(f"      .text.{name}" for name in sorted(names)))
        print("    )\n  }")
        print(f"{part}: {len(names)} names, {sum(total[name] for name in names) / 1e6:.1f} MB", file=sys.stderr)
    print("}\nINSERT BEFORE .text;")


main()
