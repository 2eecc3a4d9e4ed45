"""Running limn on reference cases and comparing what it writes with what PyTorch found.

Bars: logits 1e-4 of the largest; maps 1e-3 of an image's largest; input gradients cosine >= 0.998
and norm within 1 % (a ReLU's kink makes single elements jump in single precision); losses 3e-4;
trained tensors 1e-3 of a tensor's largest.
"""
import csv
import json
import math
import os
import pathlib
import subprocess

import arrays

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data'
SKIPPED = 77


class Failure(Exception):
    """A difference beyond its bar, or a run that should have succeeded."""


def limn(program, *arguments, timeout=600):
    """Standard output of a run that must exit 0."""
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise Failure(f'{" ".join(command)}\nexit {done.returncode}\n{done.stderr}')
    return done.stdout


def shared_data():
    """The folder of shared data, or None: $LIMN_SHARED, else ../shared beside the source tree."""
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    folder = pathlib.Path(os.environ.get('LIMN_SHARED', root.parent / 'shared')) / 'data'
    return folder if folder.is_dir() else None


def largest(values):
    return max(map(abs, values))


def largest_difference(found, wanted):
    """NaN counts as infinite."""
    worst = 0.0
    for a, b in zip(found, wanted):
        difference = abs(a - b)
        if not difference <= worst:
            worst = difference if difference == difference else math.inf
    return worst


def same_shape(what, found, wanted):
    if found.shape != wanted.shape:
        raise Failure(f'{what}: shape {found.shape}, should be {wanted.shape}')


def within(what, value, bar):
    print(f'{what}: {value:.3g} (bar {bar:.3g})')
    if not value <= bar:
        raise Failure(f'{what}: {value:.3g} is over the bar of {bar:.3g}')


def compare_logits(what, found, wanted):
    same_shape(what, found, wanted)
    within(what, largest_difference(found.values, wanted.values) / largest(wanted.values), 1e-4)


def compare_maps(what, found, wanted):
    """Each image by itself, so that a faint map is not judged by a strong one."""
    same_shape(what, found, wanted)
    within(what, max(largest_difference(found.row(i), wanted.row(i)) / largest(wanted.row(i))
                     for i in range(len(wanted))), 1e-3)


def compare_gradients(what, found, wanted):
    same_shape(what, found, wanted)
    cosine, norm = 1.0, 0.0
    for i in range(len(wanted)):
        a, b = found.row(i), wanted.row(i)
        ab, aa, bb = (sum(x * y for x, y in zip(*pair)) for pair in ((a, b), (a, a), (b, b)))
        if not (aa > 0 and math.isfinite(aa)):
            raise Failure(f'{what}: gradient of image {i} has the squared norm {aa}')
        cosine = min(cosine, ab / math.sqrt(aa * bb))
        norm = max(norm, abs(math.sqrt(aa / bb) - 1))
    within(f'{what}, one minus cosine', 1 - cosine, 0.002)
    within(f'{what}, norm', norm, 0.01)


def log_column(path, column):
    with open(path, newline='', encoding='utf-8') as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def compare_run(name, folder, init):
    """A finished run's losses and tensors with NAME.trained.safetensors."""
    wanted, metadata = arrays.read_safetensors(DATA / f'{name}.trained.safetensors')
    losses, layout = json.loads(metadata['losses']), json.loads(metadata['layout'])
    untouched = json.loads(metadata['run'])['untouched']
    found_losses = log_column(folder / 'log.csv', 'loss')
    if len(found_losses) != len(losses):
        raise Failure(f'{name}: log.csv has {len(found_losses)} rows, should have {len(losses)}')
    within(f'{name} loss', largest_difference(found_losses, losses), 3e-4)
    found, _ = arrays.read_safetensors(folder / 'model.safetensors')
    start, _ = arrays.read_safetensors(init)
    missing, extra = set(start) - set(found), set(found) - set(start)
    if missing or extra:
        raise Failure(f'{name}: model.safetensors lacks {sorted(missing)}, '
                      f'has in excess {sorted(extra)}')
    worst, worst_name = 0.0, ''
    for tensor, initial in start.items():
        same_shape(f'{name} {tensor}', found[tensor], initial)
        if tensor.startswith(untouched):
            if found[tensor].values != initial.values:
                raise Failure(f'{name}: {tensor} changed although the loss does not reach it')
            continue
        stride, scale = layout[tensor]
        share = largest_difference(found[tensor].values[::stride],
                                   [q * scale for q in wanted[tensor].values]) / (32767 * scale)
        if share >= worst:
            worst, worst_name = share, tensor
    within(f'{name} trained tensors, worst {worst_name}', worst, 1e-3)
