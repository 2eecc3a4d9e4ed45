#!/usr/bin/env python3
"""Each kernel file compiles alone as OpenCL C 1.2 without fp64, with no device, and the probe of each
kind of matrix units to its instruction, where clang knows the devices that have them.

Usage: kernels.py SOURCE-ROOT [CLANG]          exit status 77 (skipped) without clang
"""

import pathlib
import subprocess
import sys

GOOD = "kernel void a(global float *p)\n{\n    p[get_global_id(0)] = vload_half(0, (global half *)p);\n}\n"
BAD = [
    "kernel void a(global float *p)\n{\n    p[0] = nowhere;\n}\n",
    "kernel void a(global double *p)\n{\n    p[0] = 1;\n}\n",
    "kernel void a(global float *p)\n{\n    float unused = p[0];\n}\n",
]

# What MATRIX is in cl/common/matrix.h, a processor that has these units, its target, and their
# instruction.  Intel's are known to no clang.
UNITS = [
    (1, "sm_80", "nvptx64-unknown-nvcl", "mma.sync.aligned.m16n8k16"),
    (2, "gfx908", "amdgcn-amd-amdhsa", "v_mfma_f32_16x16x16f16"),
    (2, "gfx942", "amdgcn-amd-amdhsa", "v_mfma_f32_16x16x16_f16"),
    (3, "gfx1100", "amdgcn-amd-amdhsa", "v_wmma_f32_16x16x16_f16"),
    (4, "gfx1200", "amdgcn-amd-amdhsa", "v_wmma_f32_16x16x16_f16"),
]
# NVIDIA's compiler knows asm, which is no word of OpenCL C.
ONLY = {"nvptx64-unknown-nvcl": ["-Dasm=__asm__", "-Xclang", "-target-feature", "-Xclang", "+ptx70"]}


def translated(clang, processor, target, text, *more):
    """Assembly, or None, and what the compiler said."""
    command = [clang, "-x", "cl", "-cl-std=CL1.2", "-target", target, "-Xclang", "-target-cpu",
               "-Xclang", processor, *ONLY.get(target, []), "-nogpulib", "-O2", "-S", "-o", "-",
               "-Xclang", "-finclude-default-header", *more, "-"]
    result = subprocess.run(command, input=text, text=True, capture_output=True)
    return (result.stdout if result.returncode == 0 else None), result.stderr


def units(clang, text):
    """How many processors get their own kind of units and no other, and how many do not."""
    passed = failed = 0
    for kind, processor, target, instruction in UNITS:
        if translated(clang, processor, target, GOOD)[0] is None:
            print(f"skipped: matrix units of {processor}, which {clang} does not know")
            continue
        faults = []
        for tried in sorted({row[0] for row in UNITS}):
            assembly, said = translated(clang, processor, target, text, f"-DMATRIX={tried}")
            if tried == kind and "no WMMA of RDNA3" in said:
                print(f"skipped: matrix units of {processor}, for which {clang} is too old")
            elif tried == kind and instruction not in (assembly or ""):
                faults.append(f"no {instruction}: {said}")
            elif tried != kind and (assembly or "#error" not in said):
                faults.append(f"{tried} is not refused: {said}")
        passed += not faults
        failed += bool(faults)
        for fault in faults:
            print(f"matrix units of {processor}: {fault}")
    return passed, failed


def compiles(clang, text):
    command = [clang, "-x", "cl", "-cl-std=CL1.2", "-target", "spir64-unknown-unknown",
               "-fsyntax-only", "-Xclang", "-finclude-default-header", "-Xclang",
               "-cl-ext=-cl_khr_fp64", "-Wall", "-Wextra", "-Wno-unused-parameter",
               "-Wno-sign-compare", "-Werror", "-"]
    result = subprocess.run(command, input=text, text=True, capture_output=True)
    return result.returncode == 0, result.stderr


def main():
    root = pathlib.Path(sys.argv[1])
    if len(sys.argv) < 3:
        print("skipped: needs clang")
        return 77
    sys.path.insert(0, str(root / "tools" / "build"))
    sys.dont_write_bytecode = True
    from embed_kernels import expand

    clang, failed, passed = sys.argv[2], 0, 0
    good, errors = compiles(clang, GOOD)
    if not good:
        print(f"a sound kernel is refused:\n{errors}")
        failed += 1
    for text in BAD:
        if compiles(clang, text)[0]:
            print(f"a broken kernel goes unnoticed:\n{text}")
            failed += 1
    folder = (root / "cl").resolve()
    for path in sorted(folder.rglob("*.cl")):
        good, errors = compiles(clang, "\n".join(expand(folder, path, [])) + "\n")
        passed += good
        failed += not good
        if not good:
            print(f"{path.relative_to(folder)}:\n{errors}")
    probe = "\n".join(expand(folder, folder / "conv2d" / "matrix_probe.cl", [])) + "\n"
    more = units(clang, probe)
    passed += more[0]
    failed += more[1]
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
