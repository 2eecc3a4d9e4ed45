#!/usr/bin/env python3
"""Runs a program in Oclgrind, the OpenCL simulator: any race or stray access is a failure.
Oclgrind's own exit status says nothing, its log does.

Its check for values that were never written is not used: in 21.10 it crashes on vector code and
reports kernel arguments and written memory.  The op tests fill outputs and scratch with NaN instead, which shows in results.

Usage: run.py OCLGRIND PROGRAM [ARGUMENT...]
       run.py --planted OCLGRIND-KERNEL FOLDER     each FOLDER/NAME.sim must be found at fault, or
                                                   clean where NAME begins with "clean"
"""

import os
import pathlib
import subprocess
import sys
import tempfile

# Without -cl-opt-disable 21.10 misreads some of what its optimiser makes (a sum in a loop stays 0).
CHECKS = ["--data-races", "--max-errors", "20"]
OPTIONS = ["--build-options", "-cl-opt-disable"]


def logged(command, folder, **more):
    """Exit status of a command and what Oclgrind wrote to its log."""
    log = pathlib.Path(folder) / "log.txt"
    log.unlink(missing_ok=True)
    result = subprocess.run([command[0], *CHECKS, "--log", str(log), *command[1:]], **more)
    return result.returncode, log.read_text(errors="replace") if log.exists() else ""


def planted(oclgrind_kernel, sims, folder):
    failed = 0
    names = sorted(pathlib.Path(sims).glob("*.sim"))
    for sim in names:
        code, log = logged([oclgrind_kernel, sim.name], folder, cwd=sims)
        clean = code == 0 and not log
        if clean != sim.stem.startswith("clean"):
            print(f"FAILED: {sim.name}: exit status {code}, log: {log or 'empty'}")
            failed += 1
    print(f"{len(names) - failed} passed, {failed} failed")
    return failed > 0 or not names


def main():
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "--planted":
            return planted(sys.argv[2], sys.argv[3], folder)
        # The simulator has a compiler of its own; its binaries are no use to anyone else.
        code, log = logged([sys.argv[1], *OPTIONS, *sys.argv[2:]], folder,
                           env=dict(os.environ, LIMN_CACHE_DIR="", LIMN_DEVICE="oclgrind",
                                    LIMN_TEST_SIMULATOR="1"))
    if log:
        print(f"Oclgrind found faults:\n{log}")
    return code if code else bool(log)


if __name__ == "__main__":
    sys.exit(main())
