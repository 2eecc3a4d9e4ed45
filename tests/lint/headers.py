#!/usr/bin/env python3
"""Each public header compiles alone, as C17 and as C++, without a warning.

Usage: headers.py INCLUDE-FOLDER C-COMPILER [C++-COMPILER]
"""

import pathlib
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]


def compiles(command, include, text):
    result = subprocess.run(command + WARNINGS + [f"-I{include}", "-"], input=text, text=True,
                            capture_output=True)
    return result.returncode == 0, result.stderr


def main():
    include = pathlib.Path(sys.argv[1])
    languages = [("C17", [sys.argv[2], "-x", "c", "-std=c17"])]
    if len(sys.argv) > 3:
        languages.append(("C++", [sys.argv[3], "-x", "c++", "-std=c++11"]))
    headers = sorted(include.glob("limn/*.h"))
    failed = 0 if headers else 1
    for language, command in languages:
        if compiles(command, include, "#include <limn/no_such_header.h>\n")[0]:
            print(f"{language}: a missing header goes unnoticed")
            failed += 1
        for header in headers:
            good, errors = compiles(command, include, f"#include <limn/{header.name}>\n"
                                                      f"#include <limn/{header.name}>\n")
            if not good:
                print(f"{header.name} as {language}:\n{errors}")
                failed += 1
    print(f"{len(headers) * len(languages) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
