#!/usr/bin/env python3
"""The sanitizers see planted faults, suppressions and all, and nothing in a sound program."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
sys.dont_write_bytecode = True
from harness import Suite


def main():
    t = Suite()
    r = t.run("none")
    t.check("a sound program", r.code == 0 and "Sanitizer" not in r.err, r)
    for fault, words in [("leak", ["LeakSanitizer", "4321 byte", "planted_leak"]),
                         ("overflow", ["heap-buffer-overflow", "planted_overflow"]),
                         ("arithmetic", ["signed integer overflow"])]:
        r = t.run(fault)
        t.check(f"planted {fault}: exit code", r.code != 0, r)
        t.check(f"planted {fault}: report", all(word in r.err for word in words), r)
    t.done()


main()
