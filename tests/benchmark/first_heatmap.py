#!/usr/bin/env python3
"""Grad-CAM of one picture by PyTorch, from the start of the program to the PNG.

    first_heatmap.py ARCH WEIGHTS.pt PICTURE FOLDER THREADS
"""

import os
import sys

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import nets  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def gradcam(net, x):
    kept = {}
    net.layer4.register_forward_hook(lambda module, inputs, output: kept.update(value=output))
    logits = net(x)
    score = logits[0, logits[0].argmax()]
    gradient, = torch.autograd.grad(score, kept["value"])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam = F.relu((weights * kept["value"]).sum(1, keepdim=True))
    return F.interpolate(cam, size=x.shape[2:], mode="bilinear")[0, 0].detach().numpy()


def colours(heat):
    """Blue, green, red."""
    return np.clip(1.5 - np.abs(4 * heat[..., None] - np.array([3.0, 2.0, 1.0])), 0, 1)


def main():
    arch, weights, picture, folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    net = nets.build(arch, 3).eval()
    net.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float32) / 255
    x = torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None]
    heat = gradcam(net, x.contiguous().requires_grad_())
    os.makedirs(folder)
    np.save(os.path.join(folder, "gradcam.npy"), heat)
    shown = 0.5 * pixels + 0.5 * colours(heat / (heat.max() + 1e-12))
    Image.fromarray((255 * shown).astype(np.uint8)).save(os.path.join(folder, "00000.png"))


main()
