#!/usr/bin/env python3
"""limn beside PyTorch on one machine: the same work, the same number of threads, in turn.

    against_pytorch.py LIMN [--threads 2] [--repetitions 5] [--seconds 5] [--only WORD] [--json FILE]

LIMN is the built program.  Every repetition runs both programs one after the other, so that what
else the machine does falls on both; what counts is the ratio within a repetition.  Printed are the
median of the ratios, the lowest and the highest.  A ratio above 1: limn is faster.  On a busy
machine the ratio of the processor times, all threads of the process, says more.

Memory is the peak resident set during the steps less what the process held when the model was made,
the program compiled (PyTorch: a step of two images made and its gradients dropped) and freed memory
given back to the system.
"""

import argparse
import ctypes
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = [  # name, architecture, batch, inference
    ("cifar-resnet18 training, batch 64", "cifar-resnet18", 64, False),
    ("cifar-resnet18 inference, batch 128", "cifar-resnet18", 128, True),
]
SAMPLES = 3  # of a repetition, at least
CONV = r"^(?:stride=(\d+) ?)?(?:pad=(\d+) ?)?f32\[([\d,]+)\] f32\[([\d,]+)\]$"


# ---- PyTorch, in a process of its own -------------------------------------------------------------

def measure(call, seconds):
    """Median time of a call, at least SAMPLES until the time is up; mean processor time."""
    call()
    samples, start, processor = [], time.perf_counter(), time.process_time()
    while len(samples) < SAMPLES or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        samples.append(time.perf_counter() - before)
    return statistics.median(samples), (time.process_time() - processor) / len(samples)


def memory(key):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))


def settle():
    """Gives freed memory back, starts the peak anew, says what is held."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return memory("VmRSS:")


def torch_step(arch, batch, inference, seconds):
    import torch
    sys.path.insert(0, os.path.join(HERE, "..", "reference"))
    import nets
    torch.manual_seed(0)
    net = nets.build(arch, 3)
    net.train(not inference)
    loss_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step(images, labels, update=True):
        if inference:
            with torch.inference_mode():
                net(images)
            return
        optimizer.zero_grad(set_to_none=True)
        loss_of(net(images), labels).backward()
        if update:
            optimizer.step()

    def data(count):
        return torch.randn(count, 3, 32, 32), torch.arange(count) % 10

    step(*data(2), update=False)
    optimizer.zero_grad(set_to_none=True)
    held = settle()
    images, labels = data(batch)
    found, processor = measure(lambda: step(images, labels), seconds)
    return {"seconds": found, "cpu_seconds": processor, "held": held, "peak": memory("VmHWM:")}


def torch_conv(cases, seconds):
    import torch
    found = {}
    for case in cases:
        stride, pad, x_shape, w_shape = re.match(CONV, case).groups()
        n, h, w, c = map(int, x_shape.split(","))
        x = torch.randn(n, c, h, w, requires_grad=True)
        weight = torch.randn(*map(int, w_shape.split(",")), requires_grad=True)

        def forward(x=x, weight=weight, stride=int(stride or 1), pad=int(pad or 0)):
            return torch.nn.functional.conv2d(x, weight, stride=stride, padding=pad)

        y = forward()
        dy = torch.randn_like(y)
        found[case] = {
            "forward": measure(forward, seconds)[0],
            "backward": measure(lambda y=y, x=x, weight=weight, dy=dy: torch.autograd.grad(
                y, (x, weight), dy, retain_graph=True), seconds)[0]}
    return found


def child(job):
    import torch
    torch.set_num_threads(job["threads"])
    result = torch_conv(job["cases"], job["seconds"]) if "cases" in job else torch_step(
        job["arch"], job["batch"], job["inference"], job["seconds"])
    print(json.dumps(result))


# ---- both -----------------------------------------------------------------------------------------

def run_torch(options, **job):
    job.update(threads=options.threads)
    result = subprocess.run([sys.executable, os.path.abspath(__file__), "--child", json.dumps(job)],
                            env=dict(os.environ, OMP_NUM_THREADS=str(options.threads)),
                            stdout=subprocess.PIPE, check=True, timeout=3600)
    return json.loads(result.stdout)


def run_limn(options, seconds, *arguments):
    environment = dict(os.environ, POCL_MAX_PTHREAD_COUNT=str(options.threads))
    result = subprocess.run([options.limn, "bench", "--json", "--seconds", str(seconds), "--samples",
                             str(SAMPLES), "--device", "cpu", *arguments], env=environment, stdout=subprocess.PIPE,
                            check=True, timeout=3600)
    return json.loads(result.stdout)


def spread(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def compare_step(options, name, arch, batch, inference):
    rows = []
    for number in range(options.repetitions):
        more = ["--inference"] if inference else []
        ours = run_limn(options, options.seconds, "--arch", arch, "--batch", str(batch),
                        *more)["step"]
        theirs = run_torch(options, arch=arch, batch=batch, inference=inference,
                           seconds=options.seconds)
        rows.append({"limn": batch / ours["seconds"], "pytorch": batch / theirs["seconds"],
                     "limn_cpu": ours["cpu_seconds"], "pytorch_cpu": theirs["cpu_seconds"],
                     "limn_bytes": ours["resident_peak"] - ours["resident_before"],
                     "pytorch_bytes": theirs["peak"] - theirs["held"]})
        print(f"  {number + 1}: {rows[-1]['limn']:.1f} and {rows[-1]['pytorch']:.1f} images/s",
              file=sys.stderr, flush=True)
    ratios = [row["limn"] / row["pytorch"] for row in rows]
    cpu_ratios = [row["pytorch_cpu"] / row["limn_cpu"] for row in rows]
    print(f"{name}: ratio {spread(ratios)}, by processor time {spread(cpu_ratios)}")
    for who in ("limn", "pytorch"):
        print(f"    {who:8} {spread([row[who] for row in rows], 1)} images/s, "
              f"{spread([row[who + '_cpu'] for row in rows])} s of processor time a step, "
              f"{spread([row[who + '_bytes'] / 2**20 for row in rows], 0)} MiB")
    return {"name": name, "ratio": statistics.median(ratios), "runs": rows}


def compare_conv(options):
    runs = []
    for _ in range(options.repetitions):
        ours = [row for row in run_limn(options, options.seconds / 20, "conv2d")["ops"]
                if re.match(CONV, row["case"])]
        cases = list(dict.fromkeys(row["case"] for row in ours))
        theirs = run_torch(options, cases=cases, seconds=options.seconds / 20)
        runs.append({(row["case"], row["direction"]):
                     (row["seconds"], theirs[row["case"]][row["direction"]]) for row in ours})
    found = []
    for key in runs[0]:
        ratios = [run[key][1] / run[key][0] for run in runs]
        limn, pytorch = (statistics.median(run[key][i] for run in runs) for i in (0, 1))
        print(f"conv2d {key[1]:8} ratio {spread(ratios):24} limn {1e3 * limn:8.2f} ms, "
              f"PyTorch {1e3 * pytorch:8.2f} ms  {key[0]}", flush=True)
        found.append({"name": f"conv2d {key[1]} {key[0]}", "ratio": statistics.median(ratios),
                      "runs": [{"limn": run[key][0], "pytorch": run[key][1]} for run in runs]})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("limn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of one measurement")
    parser.add_argument("--only", help="only work whose name holds this: training, conv2d, ...")
    parser.add_argument("--json", metavar="FILE", help="write every run there")
    options = parser.parse_args()
    found = []
    for work in WORK:
        if not options.only or options.only in work[0]:
            found.append(compare_step(options, *work))
    if not options.only or options.only in "conv2d":
        found += compare_conv(options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--child":
        child(json.loads(sys.argv[2]))
    else:
        main()
