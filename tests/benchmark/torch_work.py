"""PyTorch's side: a process that makes one piece of work and times it whenever it is asked.

The work is a JSON text in the first argument.  Once it is made and warm, one line is written; for
each line read from stdin it is timed, and the result written as JSON.
"""

import ctypes
import gc
import json
import os
import re
import statistics
import sys
import time

import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import nets  # noqa: E402

CONV = r"^(?:stride=(\d+) ?)?(?:pad=(\d+) ?)?f32\[([\d,]+)\] f32\[([\d,]+)\]$"
GRID, CHANCE = 7, 0.5  # RISE


def measure(call, seconds, least):
    """Median time of a call, mean processor time."""
    samples, start, processor = [], time.perf_counter(), time.process_time()
    while len(samples) < least or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        samples.append(time.perf_counter() - before)
    return {"seconds": statistics.median(samples),
            "cpu_seconds": (time.process_time() - processor) / len(samples)}


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


def layout_of(job):
    return torch.channels_last if job["layout"] == "channels-last" else torch.contiguous_format


def build(job, training):
    torch.manual_seed(0)
    net = nets.build(job["arch"], 3).train(training)
    return net.to(memory_format=layout_of(job))


def images(job, count):
    size = job.get("size", 224)
    return torch.randn(count, 3, size, size).contiguous(memory_format=layout_of(job))


class Conv:
    """Layers forward, and backward to input and filters."""

    def __init__(self, job):
        self.calls = {}
        for case in job["cases"]:
            stride, pad, x_shape, w_shape = re.match(CONV, case).groups()
            n, h, w, c = map(int, x_shape.split(","))
            x = torch.randn(n, c, h, w).contiguous(memory_format=layout_of(job))
            weight = torch.randn(*map(int, w_shape.split(",")))
            weight = weight.contiguous(memory_format=layout_of(job))
            x.requires_grad_(), weight.requires_grad_()
            how = {"stride": int(stride or 1), "padding": int(pad or 0)}
            y = F.conv2d(x, weight, **how)
            dy = torch.randn_like(y)
            self.calls[case] = {
                "forward": lambda x=x, weight=weight, how=how: self.forward(x, weight, how),
                "backward": lambda y=y, x=x, weight=weight, dy=dy: torch.autograd.grad(
                    y, (x, weight), dy, retain_graph=True)}

    @staticmethod
    def forward(x, weight, how):
        with torch.inference_mode():
            F.conv2d(x, weight, **how)

    def run(self, seconds, samples):
        found = {}
        for case, ways in self.calls.items():
            for way, call in ways.items():
                call()
                found[f"{way} {case}"] = measure(call, seconds, samples)
        return found


def supcon(z, labels, temperature):
    """Khosla et al. 2020, L_out, as its authors' code computes it: one similarity matrix."""
    logits = z @ z.T / temperature
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(z))
    same = (labels[:, None] == labels[None, :]).float() * others
    log_prob = logits - (logits.exp() * others).sum(1, keepdim=True).log()
    return -((same * log_prob).sum(1) / same.sum(1)).mean()


class Step:
    """Inference, or a training step: forward, loss, backward, update."""

    def __init__(self, job):
        self.job, self.inference = job, job.get("inference", False)
        self.net = build(job, not self.inference)
        if job.get("loss") == "supcon":
            self.net.fc = torch.nn.Identity()
        else:
            self.net.head = torch.nn.Identity()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9,
                                         weight_decay=1e-4)
        self.data = self.make(2)
        self.step(update=False)
        self.optimizer.zero_grad(set_to_none=True)
        self.held = settle()
        self.data = self.make(job["batch"])

    def make(self, count):
        views = self.job.get("views", 1)
        return images(self.job, count * views), (torch.arange(count) % 10).repeat(views)

    def step(self, update=True):
        x, labels = self.data
        if self.inference:
            with torch.inference_mode():
                self.net(x)
            return
        self.optimizer.zero_grad(set_to_none=True)
        if self.job["loss"] == "supcon":
            loss = supcon(self.net.embed(x), labels, 0.1)
        else:
            loss = F.cross_entropy(self.net(x), labels)
        loss.backward()
        if update:
            self.optimizer.step()

    def run(self, seconds, samples):
        self.step()
        found = measure(self.step, seconds, samples)
        return {**found, "bytes": memory("VmHWM:") - self.held}


class Rise:
    """Petsiuk et al. 2018: masked copies of an image, a batch at a time."""

    def __init__(self, job):
        self.job = job
        self.net = build(job, False)
        self.explain(2, 2)
        self.held = settle()

    def masks(self, count, size):
        cell = -(-size // GRID)
        grid = (torch.rand(count, 1, GRID, GRID) < CHANCE).float()
        large = F.interpolate(grid, size=((GRID + 1) * cell,) * 2, mode="bilinear")
        shifts = torch.randint(0, cell, (count, 2)).tolist()
        return torch.stack([m[:, i:i + size, j:j + size] for m, (i, j) in zip(large, shifts)])

    def explain(self, masks, batch):
        with torch.inference_mode():
            image = images(self.job, 1)
            size = image.shape[-1]
            total = torch.zeros(size, size)
            for first in range(0, masks, batch):
                m = self.masks(min(batch, masks - first), size)
                x = (image * m).contiguous(memory_format=layout_of(self.job))
                score = self.net(x).softmax(1)[:, 0]
                total += (score @ m.flatten(1)).view(size, size)
            return total / masks / CHANCE

    def run(self, *_):
        """Once, whatever time it takes."""
        masks = self.job["masks"]
        found = measure(lambda: self.explain(masks, self.job["batch"]), 0, 1)
        for key in found:
            found[key] /= masks
        return {**found, "bytes": memory("VmHWM:") - self.held}


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    work = {"conv": Conv, "step": Step, "rise": Rise}[job["kind"]](job)
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, samples = line.split()
        print(json.dumps(work.run(float(seconds), int(samples))), flush=True)


main()
