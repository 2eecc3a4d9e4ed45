"""A network and a picture for both programs."""

import json
import os
import struct
import sys

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import nets  # noqa: E402


def write_safetensors(path, tensors, metadata):
    """Eight bytes of length, a header of names, types, shapes and places, then the values."""
    header, at = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().tobytes())


def make(folder, arch, side=224):
    """limn's weights, PyTorch's weights, a picture."""
    torch.manual_seed(0)
    net = nets.build(arch, 3)
    paths = [os.path.join(folder, name) for name in ("net.safetensors", "net.pt", "picture.png")]
    state = net.state_dict()
    torch.save(state, paths[1])
    write_safetensors(paths[0], {name: value for name, value in state.items()
                                 if "num_batches_tracked" not in name},
                      {"arch": arch, "classes": json.dumps([str(i) for i in range(10)]),
                       "mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"})
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(paths[2])
    return paths
