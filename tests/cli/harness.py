"""Runs a built program and counts what holds.  A test file:

    from harness import Suite
    t = Suite()                            # the program is the first argument
    r = t.run("devices", "--json")         # r.code, r.out, r.err
    t.check("exit code", r.code == 0, r)   # a third argument is shown when it fails
    t.done()
"""

import os
import shutil
import subprocess
import sys
import tempfile
import types

SKIPPED = 77


class Suite:
    def __init__(self, program=None):
        self.program = program or sys.argv[1]
        self.passed = self.failed = 0
        self.folder = tempfile.mkdtemp(prefix="limn-test-")

    def run(self, *arguments, env=None, stdout=subprocess.PIPE, timeout=120, program=None,
            preexec=None):
        """Runs the program; env adds variables, or removes those that are None."""
        variables = dict(os.environ, NO_COLOR="1")
        for name, value in (env or {}).items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = str(value)
        command = [program or self.program, *map(str, arguments)]
        result = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, stdout=stdout,
                                stderr=subprocess.PIPE, timeout=timeout, preexec_fn=preexec)
        return types.SimpleNamespace(
            command=" ".join(command[1:]), code=result.returncode,
            out=(result.stdout or b"").decode("utf-8", "replace"),
            err=result.stderr.decode("utf-8", "replace"))

    def check(self, name, holds, shown=None):
        if holds:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {name}")
        if shown is not None:
            print(f"    {shown}")

    def fails(self, name, result, code, *words):
        """An error: its exit code, nothing on stdout, one line with the words, perhaps a hint."""
        lines = result.err.rstrip("\n").split("\n")
        self.check(f"{name}: exit code {code}", result.code == code, result)
        self.check(f"{name}: nothing on stdout", result.out == "", result)
        self.check(f"{name}: error line", lines[0].startswith("limn: error: ") and len(lines) <= 2,
                   result)
        for word in words:
            self.check(f"{name}: says '{word}'", word in result.err, result)

    def has_device(self):
        return self.run("devices").code == 0

    def skip(self, why):
        print(f"skipped: {why}")
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.exit(SKIPPED)

    def done(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)
