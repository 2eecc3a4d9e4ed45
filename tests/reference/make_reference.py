"""Computes what limn should find on the image sets of tests/data, in PyTorch's double precision.

Every value is computed in single precision as well; the largest difference between the two is
printed as a share of the test's bar, so that no case is kept that rounding alone could fail.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / 'data'
sys.path.insert(0, str(HERE.parent / 'cli'))
import measures  # noqa: E402
import models  # noqa: E402
import nets  # noqa: E402

SETS = {1: 'images-28x28x1.safetensors', 3: 'images-32x32x3.safetensors'}
# name: architecture, channels, loss, images, batch, smoothing, most values kept of one tensor.
# The second has a partial batch, so small that a biased running variance shows.
RUNS = {
    'cnn-small-ce': ('cnn-small', 1, 'ce', 48, 16, 0.0, None),
    'cnn-small-ce-smooth': ('cnn-small', 1, 'ce', 5, 4, 0.1, 257),
    'cnn-small-supcon': ('cnn-small', 1, 'supcon', 48, 16, 0.0, None),
    'cifar-resnet20-ce': ('cifar-resnet20', 3, 'ce', 24, 8, 0.0, 257),
    'cifar-resnet20-supcon': ('cifar-resnet20', 3, 'supcon', 24, 8, 0.0, 257),
}


def images_of(channels, dtype):
    with safe_open(DATA / SETS[channels], 'np') as file:
        x = measures.normalised(file.get_tensor('images'), models.MEAN[channels],
                                models.STD[channels], dtype)
        return x, torch.from_numpy(file.get_tensor('labels')).long()


def network(arch, channels, dtype):
    tensors = {name: torch.from_numpy(np.frombuffer(tensor.values, np.float32).copy())
               .reshape(tensor.shape) for name, tensor in models.weights(arch, channels).items()}
    return nets.load(arch, channels, tensors, dtype)


def per_image(found, wanted):
    axes = tuple(range(1, wanted.ndim))
    return (np.abs(found - wanted).max(axes) / np.abs(wanted).max(axes)).max()


def relative_norm(found, wanted):
    """Largest of the cosine's share of 0.002 and the norm's share of 1 %."""
    a, b = (v.reshape(len(v), -1) for v in (found, wanted))
    na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(1) / na / nb
    return max(((1 - cosine) / 0.002).max(), (np.abs(na / nb - 1) / 0.01).max())


def maps_of(arch, channels, dtype):
    """What is kept of one architecture: arrays by name, maps in the order of the images."""
    x, _ = images_of(channels, dtype)
    net = network(arch, channels, dtype)
    small = arch == 'cnn-small'
    x = x[:8] if small else x[:4]
    out = {'logits': measures.logits(net, x)}
    if small or arch in ('cifar-resnet20', 'cifar-resnet18', 'resnet50'):
        few = x if small else x[:2]
        last = 'layer3' if small or arch == 'cifar-resnet20' else 'layer4'
        out['gradient'] = measures.input_gradient(net, few)
        out[f'gradcam.{last}'] = measures.gradcam(net, few, last, 'predicted', True)
        if arch == 'cifar-resnet20':
            out['gradcam.layer2.1.signed'] = measures.gradcam(net, few, 'layer2.1', 'predicted',
                                                              False)
    if small:
        for layer in ('layer2', 'layer3'):
            out[f'gradcam.{layer}.signed'] = measures.gradcam(net, x, layer, 'predicted', False)
        out['gradcam.layer2'] = measures.gradcam(net, x, 'layer2', 'predicted', True)
        out['gradcam.layer3.class3.signed'] = measures.gradcam(net, x, 'layer3', 3, False)
        out['occlusion.4.2'] = measures.occlusion(net, x, 4, 2)
        out['occlusion.5.3'] = measures.occlusion(net, x, 5, 3)
        out['occlusion.5.3.class3'] = measures.occlusion(net, x[:2], 5, 3, 3)
        if (x.shape[2] - 5) % 3:
            out['occlusion-cut.5.3'] = measures.captum_occlusion(net, x, 5, 3)
    return {name: value.double().numpy() for name, value in out.items()}


def check_against_captum():
    """Our occlusion and Captum's (summed in single precision) agree where no rest is left."""
    for channels, window, stride in ((1, 4, 2), (3, 4, 2), (3, 5, 3)):
        x, _ = images_of(channels, torch.float64)
        net = network('cnn-small', channels, torch.float64)
        ours = measures.occlusion(net, x[:3], window, stride)
        theirs = measures.captum_occlusion(net, x[:3], window, stride)
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        print(f'occlusion {window}/{stride}, {channels} channels, against Captum: {difference:.1e}')
        assert difference < 1e-6


def check_supcon():
    """The vectorised loss against the formula written as loops."""
    torch.manual_seed(0)
    z = F.normalize(torch.randn(9, 5, dtype=torch.float64), dim=1)
    labels = torch.tensor([0, 1, 0, 2, 1, 1, 0, 3, 2])
    total, anchors = 0.0, 0
    for i in range(9):
        positives = [p for p in range(9) if p != i and labels[p] == labels[i]]
        if not positives:
            continue
        anchors += 1
        below = sum(torch.exp(z[i] @ z[a] / 0.1) for a in range(9) if a != i)
        total -= sum(torch.log(torch.exp(z[i] @ z[p] / 0.1) / below) for p in positives) \
            / len(positives)
    assert abs(total / anchors - measures.supcon(z, labels, 0.1)) < 1e-12


def make_maps():
    cases = [('cnn-small', 1), *((arch, 3) for arch in models.ARCHITECTURES)]
    for arch, channels in cases:
        wanted = maps_of(arch, channels, torch.float64)
        single = maps_of(arch, channels, torch.float32)
        for name, value in wanted.items():
            if name == 'gradient':
                share = relative_norm(single[name], value)
            elif name == 'logits':
                share = np.abs(single[name] - value).max() / np.abs(value).max() / 1e-4
            else:
                share = per_image(single[name], value) / 1e-3
            top = np.sort(wanted['logits'], axis=1)
            gap = ((top[:, -1] - top[:, -2]) / np.abs(wanted['logits']).max()).min()
            print(f'{arch} {channels} {name}: {share:.4f} of the bar, top-2 gap {gap:.1e}')
            assert share < 0.2 and gap > 5e-4
        save_file({name: value.astype(np.float32) for name, value in wanted.items()},
                  DATA / f'{arch}-{channels}.safetensors',
                  {'weights': models.digest(models.weights(arch, channels))})


def train(run, dtype):
    arch, channels, loss, images, batch, smoothing, _ = RUNS[run]
    x, labels = images_of(channels, dtype)
    net = network(arch, channels, dtype)
    losses = measures.train(net, x[:images], labels[:images], loss, batch, 3, smoothing)
    return losses, {name: value.double().numpy() for name, value in net.state_dict().items()
                    if not name.endswith('num_batches_tracked')}


def make_runs():
    """Trained tensors as 16-bit integers of a scale each (an error of 1.6e-5 of the largest)."""
    for run, (arch, channels, loss, images, batch, smoothing, most) in RUNS.items():
        losses, wanted = train(run, torch.float64)
        single_losses, single = train(run, torch.float32)
        untouched = 'head.' if loss == 'ce' else 'fc.'
        tensors, layout, share = {}, {}, 0
        for name, value in wanted.items():
            largest = np.abs(value).max()
            share = max(share, np.abs(single[name] - value).max() / largest / 1e-3)
            if name.startswith(untouched):
                continue
            stride = 1 if most is None else -(-value.size // most)
            scale = largest / 32767
            tensors[name] = np.rint(value.reshape(-1)[::stride] / scale).astype(np.int16)
            layout[name] = [stride, scale]
        loss_share = max(abs(a - b) for a, b in zip(losses, single_losses)) / 3e-4
        print(f'{run}: losses {losses}, {loss_share:.4f} of the bar; weights {share:.4f}')
        assert share < 0.2 and loss_share < 0.2
        save_file(tensors, DATA / f'{run}.trained.safetensors',
                  {'losses': json.dumps(losses), 'layout': json.dumps(layout),
                   'run': json.dumps({'arch': arch, 'channels': channels, 'loss': loss,
                                      'images': images, 'batch': batch,
                                      'label_smoothing': smoothing, 'untouched': untouched})})


if __name__ == '__main__':
    torch.set_num_threads(2)
    check_against_captum()
    check_supcon()
    make_maps()
    make_runs()
