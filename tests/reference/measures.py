"""What the reference scripts compute, in double precision: maps, gradients, losses, training."""
import numpy as np
import torch
from captum.attr import Occlusion
from torch.nn import functional as F


def normalised(images, mean, std, dtype=torch.float64):
    """[N,C,H,W] from bytes [N,H,W,C]."""
    x = torch.from_numpy(images.astype(np.float64) / 255)
    x = (x - torch.tensor(mean, dtype=torch.float64)) / torch.tensor(std, dtype=torch.float64)
    return x.permute(0, 3, 1, 2).contiguous().to(dtype)


def logits(net, x):
    with torch.no_grad():
        return net(x)


def chosen(scores, target):
    """Class per image: `target` is 'predicted' or a class number."""
    if target == 'predicted':
        return scores.argmax(dim=1)
    return torch.full((len(scores),), target)


def score_sum(net, x, target):
    scores = net(x)
    return scores.gather(1, chosen(scores, target)[:, None]).sum()


def input_gradient(net, x, target='predicted'):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(score_sum(net, x, target), x)[0]


def gradcam(net, x, layer, target, relu):
    """Selvaraju et al. 2017, at the layer's resolution, then bilinear to the input's."""
    kept = []
    hook = net.get_submodule(layer).register_forward_hook(lambda _m, _i, out: kept.append(out))
    gradient = torch.autograd.grad(score_sum(net, x.clone().requires_grad_(), target), kept[0])[0]
    hook.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    small = (weights * kept[0]).sum(dim=1, keepdim=True)
    if relu:
        small = F.relu(small)
    large = F.interpolate(small, size=x.shape[2:], mode='bilinear', align_corners=False)
    return large[:, 0].detach()


def starts(size, window, stride):
    """Multiples of the stride that fit; where that leaves a rest, one more flush with the end."""
    found = list(range(0, size - window + 1, stride))
    if found[-1] + window < size:
        found.append(size - window)
    return found


def occlusion(net, x, window, stride, target='predicted'):
    """Score drop averaged over the windows that cover a pixel; all channels at once, baseline 0."""
    scores = logits(net, x)
    classes = chosen(scores, target)
    rows = torch.arange(len(x))
    base = scores[rows, classes]
    total = torch.zeros(len(x), *x.shape[2:], dtype=x.dtype)
    cover = torch.zeros(x.shape[2:], dtype=x.dtype)
    for top in starts(x.shape[2], window, stride):
        for left in starts(x.shape[3], window, stride):
            part = (slice(top, top + window), slice(left, left + window))
            y = x.clone()
            y[(slice(None), slice(None)) + part] = 0
            total[(slice(None),) + part] += (base - logits(net, y)[rows, classes])[:, None, None]
            cover[part] += 1
    return total / cover


def captum_occlusion(net, x, window, stride, target='predicted'):
    """Captum's own: its last window starts at a multiple of the stride and is cut at the border."""
    classes = chosen(logits(net, x), target)
    channels = x.shape[1]
    maps = Occlusion(net).attribute(x, (channels, window, window), (channels, stride, stride),
                                    baselines=0, target=classes)
    return maps[:, 0].detach()


def supcon(z, labels, temperature):
    """Khosla et al. 2020, equation 2 (L_out), averaged over the anchors; z is normalised."""
    similar = z @ z.T / temperature
    itself = torch.eye(len(z), dtype=torch.bool)
    log_p = similar - torch.logsumexp(similar.masked_fill(itself, -torch.inf), 1, keepdim=True)
    positive = (labels[:, None] == labels[None]) & ~itself
    count = positive.sum(dim=1)
    anchors = count > 0
    per_anchor = -log_p.masked_fill(~positive, 0).sum(dim=1)[anchors] / count[anchors]
    return per_anchor.mean()


def train(net, x, labels, loss, batch, steps, smoothing=0.0, temperature=0.1):
    """SGD in file order, the last partial batch used; the loss of every step."""
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.5)
    losses, begin = [], 0
    for _ in range(steps):
        part = slice(begin, min(begin + batch, len(x)))
        begin = part.stop % len(x)
        optimiser.zero_grad(set_to_none=True)
        if loss == 'ce':
            value = F.cross_entropy(net(x[part]), labels[part], label_smoothing=smoothing)
        else:
            two = torch.cat([x[part], x[part]])
            value = supcon(net.embed(two), torch.cat([labels[part]] * 2), temperature)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses
