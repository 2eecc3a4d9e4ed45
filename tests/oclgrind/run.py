#!/usr/bin/env python3
"""Runs a program in Oclgrind, the OpenCL simulator: any race, stray access or use of a
value that was never written is a failure.
Oclgrind's own exit status says nothing, its log does.

Usage: run.py OCLGRIND PROGRAM [ARGUMENT...]
       run.py --planted OCLGRIND-KERNEL FOLDER     each FOLDER/NAME.sim must be found at fault, or
                                                   clean where NAME begins with "clean";
                                                   "mistaken" ones are Oclgrind's own errors
"""

import os
import pathlib
import subprocess
import sys
import tempfile

# Without -cl-opt-disable 21.10 misreads some of what its optimiser makes (a sum in a loop stays 0).
# With several threads its check of unwritten values reports written ones.
CHECKS = ["--data-races", "--uninitialized", "--num-threads", "1", "--max-errors", "20"]
OPTIONS = ["--build-options", "-cl-opt-disable"]


def logged(command, folder, **more):
    """Exit status of a command and what Oclgrind wrote to its log."""
    log = pathlib.Path(folder) / "log.txt"
    log.unlink(missing_ok=True)
    result = subprocess.run([command[0], *CHECKS, "--log", str(log), *command[1:]], **more)
    return result.returncode, log.read_text(errors="replace") if log.exists() else ""


def planted(oclgrind_kernel, sims, folder):
    passed = failed = 0
    names = sorted(pathlib.Path(sims).glob("*.sim"))
    for sim in names:
        code, log = logged([oclgrind_kernel, *OPTIONS, sim.name], folder, cwd=sims)
        clean = code == 0 and not log
        if sim.stem.startswith("mistaken"):
            print(f"{sim.name}: {'no longer' if clean else 'still'} reported without reason")
            continue
        if clean != sim.stem.startswith("clean"):
            print(f"FAILED: {sim.name}: exit status {code}, log: {log or 'empty'}")
            failed += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "--planted":
            return planted(sys.argv[2], sys.argv[3], folder)
        # The simulator has a compiler of its own; its binaries are no use to anyone else.
        command = [sys.argv[1], *OPTIONS, *sys.argv[2:]]
        code, log = logged(command, folder,
                           env=dict(os.environ, LIMN_CACHE_DIR="", LIMN_DEVICE="oclgrind",
                                    LIMN_TEST_SIMULATOR="1"))
    if log:
        print(f"Oclgrind found faults:\n{log}")
    return code if code else bool(log)


if __name__ == "__main__":
    sys.exit(main())
