#!/usr/bin/env python3
"""limn beside PyTorch on one machine: the same work, the same number of threads, in turn.

    against_pytorch.py LIMN [--only WORD,...] [--quick] [--repetitions 7] [--seconds 3]
                       [--masks 2000] [--json FILE] [--markdown FILE]

LIMN is the built program.  Both programs run one after the other in every repetition, so that what
else the machine does falls on both; what counts is the ratio within a repetition.  Printed are its
median, lowest and highest.  A ratio above 1: limn is faster.  On a busy machine the ratio of the
processor times, all threads of the process, says more; it flatters limn, since PyTorch's threads
wait for each other by spinning.

PyTorch runs with NCHW and with channels-last tensors, whichever is faster; RISE also with batches of
8, 32 or 64 masks.  Three short tries of every way, in turn, come first and are not counted (RISE: 256
masks each); their medians choose.  RISE is compared with the fastest way alone, whose every
repetition has all the masks; elsewhere a way that is within a tenth of the fastest stays, and is
compared if its median over the repetitions is the best.  What is compared is a new process.

Each line of the table goes to stderr as soon as it is known, the whole table to stdout at the end.
With 7 repetitions and 2000 masks all of it takes about an hour on two cores.

Memory is the peak resident set during the work less what the process held when the model was made,
the program compiled (PyTorch: a step of two images made and its gradients dropped) and freed memory
given back to the system.
"""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import first_files
import rows

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUTS = ("NCHW", "channels-last")
RISE_BATCHES = (8, 32, 64)
TRIES = 3
TRY_MASKS = 256  # of a try of RISE: whole batches
CLOSE = 1.1  # times the fastest's seconds: further off is not worth comparing
MEMORY_BAR = 1.0


# ---- the two programs -----------------------------------------------------------------------------

class Torch:
    """A process that holds one piece of work."""

    def __init__(self, options, name, work):
        self.name, job = name, {**work, "threads": options.threads}
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "torch_work.py"), json.dumps(job)], text=True,
            env=dict(os.environ, OMP_NUM_THREADS=str(options.threads)), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"PyTorch failed at {self.name}")
        return line

    def run(self, seconds, samples):
        """Its parts, as limn's side of the same work has them."""
        self.process.stdin.write(f"{seconds} {samples}\n")
        self.process.stdin.flush()
        found = json.loads(self.read())
        return found if "seconds" not in found else {"": found}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def environment(options):
    return dict(os.environ, POCL_MAX_PTHREAD_COUNT=str(options.threads))


def run_limn(options, seconds, *arguments, samples=None):
    result = subprocess.run([options.limn, "bench", "--json", "--seconds", str(seconds or 0.001),
                             "--samples", str(samples or options.samples), "--device", "cpu", *arguments],
                            env=environment(options), stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


def timed(command, options):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=dict(environment(options), OMP_NUM_THREADS=str(options.threads)),
                   stdout=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": seconds, "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime
            - before.ru_stime}


@contextlib.contextmanager
def alone(options):
    """Waits for others that measure on this machine, where a lock was agreed on."""
    if not options.lock:
        yield
        return
    with open(options.lock, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- limn's side of each kind: one dict of parts, {"seconds", "cpu_seconds", "bytes"} each ----------

def limn_conv(options, row):
    found = run_limn(options, options.seconds / 10, "conv2d", "--cases", ";".join(row["cases"]))
    return {f"{r['direction']} {r['case']}": {
        "seconds": r["seconds"], "cpu_seconds": r["cpu_seconds"], "gflops": r["gflops"]}
            for r in found["ops"]}


def limn_step(options, row):
    more = ["--inference"] if row.get("inference") else [
        "--loss", row["loss"], "--views", str(row.get("views", 1))]
    found = run_limn(options, options.seconds, "--arch", row["arch"], "--batch", str(row["batch"]),
                     "--size", str(row["size"]), *more)["step"]
    return {"": {"seconds": found["seconds"], "cpu_seconds": found["cpu_seconds"],
                 "bytes": found["resident_peak"] - found["resident_before"]}}


def limn_rise(options, row):
    found = run_limn(options, 0, "--arch", row["arch"], "--method", "rise", "--masks",
                     str(options.masks), samples=1)["explain"]
    return {"": {"seconds": found["seconds"] / options.masks,
                 "cpu_seconds": found["cpu_seconds"] / options.masks,
                 "bytes": found["resident_peak"] - found["resident_before"]}}


LIMN = {"conv": limn_conv, "step": limn_step, "rise": limn_rise}


def variants(row, masks):
    """PyTorch's ways to do it: its work by name."""
    if row["kind"] != "rise":
        return {layout: {**row, "layout": layout} for layout in LAYOUTS}
    return {f"{layout}, {batch}": {**row, "layout": layout, "batch": batch, "masks": masks}
            for layout in LAYOUTS for batch in RISE_BATCHES}


# ---- comparing ------------------------------------------------------------------------------------

def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def try_out(options, row):
    """Several short runs of every way, in turn: the median seconds of its parts, by name."""
    with alone(options):
        torches = [Torch(options, name, work) for name, work
                   in variants(row, min(options.masks, TRY_MASKS)).items()]
    tries = {torch.name: [] for torch in torches}
    for _ in range(TRIES):
        with alone(options):
            for torch in torches:
                tries[torch.name].append(torch.run(options.seconds / 30, 1))
    for torch in torches:
        torch.close()
    return {name: {part: middle([run[part] for run in runs], "seconds") for part in runs[0]}
            for name, runs in tries.items()}


def worth_comparing(options, row):
    """Of PyTorch's ways the fastest; those close to the fastest at some part where they are few."""
    ways, found = variants(row, options.masks), try_out(options, row)
    fastest = {part: min(parts[part] for parts in found.values())
               for part in next(iter(found.values()))}
    close = 1 if row["kind"] == "rise" else CLOSE
    return {name: ways[name] for name, parts in found.items()
            if any(parts[part] <= close * fastest[part] for part in parts)}


def compare_alternately(options, row):
    ways = worth_comparing(options, row)
    with alone(options):
        torches = [Torch(options, name, work) for name, work in ways.items()]
    ours, theirs = [], {name: [] for name in ways}
    for number in range(options.repetitions):
        with alone(options):
            ours.append(LIMN[row["kind"]](options, row))
            for torch in torches:
                theirs[torch.name].append(torch.run(
                    options.seconds / (10 if row["kind"] == "conv" else 1), options.samples))
        note(f"  {row['name']}: {number + 1} of {options.repetitions}")
    for torch in torches:
        torch.close()
    return [judge(row, part, [run[part] for run in ours],
                  {name: [run[part] for run in runs] for name, runs in theirs.items()})
            for part in ours[0]]


def judge(row, part, ours, theirs):
    """One line of the table: limn's runs and those of PyTorch's best way."""
    best = min(theirs, key=lambda name: middle(theirs[name], "seconds"))
    ratios = [t["seconds"] / o["seconds"] for o, t in zip(ours, theirs[best])]
    direction = part.split(" ")[0]
    line = {"name": row["name"], "part": part, "bar": row["bars"][direction], "kind": rows.SPEED,
            "ratio": statistics.median(ratios), "ratios": ratios, "pytorch_way": best,
            "limn_ms": 1e3 * middle(ours, "seconds"),
            "pytorch_ms": 1e3 * middle(theirs[best], "seconds"), "limn": ours, "pytorch": theirs}
    line["met"] = line["ratio"] >= line["bar"]
    if "cpu_seconds" in ours[0]:
        line["cpu_ratio"] = statistics.median(
            t["cpu_seconds"] / o["cpu_seconds"] for o, t in zip(ours, theirs[best]))
    if "bytes" in ours[0]:
        # Of a process's first run only: later ones find the memory of the first still held.
        line["limn_bytes"] = middle(ours, "bytes")
        line["pytorch_bytes"] = theirs[best][0]["bytes"]
        line["memory_met"] = line["limn_bytes"] <= MEMORY_BAR * line["pytorch_bytes"]
    return line


def compare_start(options, row):
    """From the start of each program to a heatmap on disk."""
    with tempfile.TemporaryDirectory() as folder:
        limn_weights, torch_weights, picture = first_files.make(folder, row["arch"])
        out = os.path.join(folder, "out")
        commands = {
            "limn": [options.limn, "explain", limn_weights, picture, "--method", "gradcam", "--png",
                     "-q", "--device", "cpu", "-o", out],
            "pytorch": [sys.executable, os.path.join(HERE, "first_heatmap.py"), row["arch"],
                        torch_weights, picture, out, str(options.threads)]}
        found = {who: [] for who in commands}
        for number in range(options.repetitions + 1):  # the first fills the caches
            with alone(options):
                for who, command in commands.items():
                    shutil.rmtree(out, ignore_errors=True)
                    run = timed(command, options)
                    if number:
                        found[who].append(run)
    ratios = [o["seconds"] / t["seconds"] for o, t in zip(found["limn"], found["pytorch"])]
    ratio = statistics.median(ratios)
    cpu_ratio = statistics.median(o["cpu_seconds"] / t["cpu_seconds"]
                                  for o, t in zip(found["limn"], found["pytorch"]))
    return [{"name": row["name"], "part": "", "bar": row["bars"][""], "kind": rows.SHARE,
             "ratio": ratio, "ratios": ratios, "cpu_ratio": cpu_ratio,
             "met": ratio < row["bars"][""],
             "limn_ms": 1e3 * middle(found["limn"], "seconds"), "pytorch_way": "NCHW",
             "pytorch_ms": 1e3 * middle(found["pytorch"], "seconds"), **found}]


def compare_supcon(options, row):
    """limn alone: PyTorch would need several matrices of 16 GiB.  Memory beside the count."""
    lines, first = [], None
    for count in row["counts"][:1 if options.quick else None]:
        with alone(options):
            found = run_limn(options, 0, "supcon", "--cases", f"f32[{count},128] i32[{count}]",
                             samples=1)["ops"]
        size = found[0]["bytes"]
        first = first or (count, size)
        growth = size / first[1] / (count / first[0])
        for run in found:
            lines.append({"name": row["name"], "part": f"{run['direction']} {count}",
                          "bar": row["bars"][""], "kind": rows.LINEAR, "ratio": growth,
                          "ratios": [growth], "met": growth <= row["bars"][""],
                          "limn_ms": 1e3 * run["seconds"], "device_bytes": size})
    return lines


COMPARE = {"start": compare_start, "supcon": compare_supcon}


# ---- the table ------------------------------------------------------------------------------------

def note(text):
    print(text, file=sys.stderr, flush=True)


HEADER = ("work", "bar", "limn ms", "PyTorch ms", "its layout", "ratio (lowest to highest)",
          "by processor time", "memory MiB", "bar met")


def verdict(line):
    speed = "yes" if line["met"] else f"no, {100 * (line['ratio'] / line['bar'] - 1):+.0f} %"
    if "memory_met" not in line:
        return speed
    more = 100 * (line["limn_bytes"] / line["pytorch_bytes"] - 1)
    return f"{speed}; memory {'yes' if line['memory_met'] else f'no, {more:+.0f} %'}"


def cells(line):
    memory = ""
    if "limn_bytes" in line:
        memory = f"{line['limn_bytes'] / 2**20:.0f} and {line['pytorch_bytes'] / 2**20:.0f}"
    elif "device_bytes" in line:
        memory = f"{line['device_bytes'] / 2**20:.0f}"
    return (f"{line['name']} {line['part']}".strip(),
            {rows.SPEED: ">= {}", rows.SHARE: "< {}", rows.LINEAR: "bytes per row <= {}"}[
                line["kind"]].format(line["bar"]),
            f"{line['limn_ms']:.2f}", f"{line['pytorch_ms']:.2f}" if "pytorch_ms" in line else "",
            line.get("pytorch_way", ""),
            f"{line['ratio']:.2f} ({min(line['ratios']):.2f} to {max(line['ratios']):.2f})",
            f"{line['cpu_ratio']:.2f}" if "cpu_ratio" in line else "", memory, verdict(line))


def table_line(row):
    return "| " + " | ".join(row) + " |\n"


def markdown(lines):
    return "".join(map(table_line, (HEADER, ["---"] * len(HEADER), *map(cells, lines))))


def machine(options):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     platform.machine())
    torch = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return (f"{model}, {options.threads} threads; PyTorch {torch}, fp32; {options.repetitions} "
            f"repetitions, {time.strftime('%Y-%m-%d')}\n")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("limn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, help="7")
    parser.add_argument("--seconds", type=float, help="of one measurement, a tenth of it for a "
                        "layer: 3")
    parser.add_argument("--masks", type=int, help="of RISE: 2000")
    parser.add_argument("--quick", action="store_true",
                        help="3 repetitions of 1 sample or 1 second, 64 masks: to see where things "
                        "stand")
    parser.add_argument("--only", help="only rows whose name or kind (conv, step, rise, start, "
                        "supcon) holds one of these words, commas between")
    parser.add_argument("--lock", metavar="FILE", help="lock it while measuring")
    parser.add_argument("--json", metavar="FILE", help="write every run there")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    options.limn = os.path.abspath(options.limn)
    for name, usual, quick in (("repetitions", 7, 3), ("seconds", 3, 1), ("masks", 2000, 64)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)
    options.samples = 1 if options.quick else 3
    return options


def wanted(options, row):
    words = options.only.split(",") if options.only else [""]
    return any(word in row["name"] or word == row["kind"] for word in words)


def main():
    options = read_options()
    lines = []
    chosen = [row for row in rows.ROWS if wanted(options, row)]
    if not chosen:
        raise SystemExit(f"no row holds {options.only}")
    about = machine(options)
    for row in chosen:
        found = COMPARE.get(row["kind"], compare_alternately)(options, row)
        note("".join(table_line(cells(line)) for line in found).rstrip())
        lines += found
        text = about + "\n" + markdown(lines)
        for path, content in ((options.json, json.dumps(lines, indent=1)),
                              (options.markdown, text)):
            if path:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
    print(text, end="")


main()
