"""What the published CIFAR ResNet-20 gives for the first test images of CIFAR-10.

    make_published.py SHARED-DATA-FOLDER

The folder holds resnet20-cifar10.safetensors and cifar10-binary-sample.tar.gz.  Only results are
kept in tests/data; neither weights nor images.
"""
import pathlib
import sys
import tarfile

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import measures
import nets

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data'
MEAN, STD = (.485, .456, .406), (.229, .224, .225)


def main(folder):
    weights = {name.replace('linear.', 'fc.'): torch.from_numpy(value.copy()) for name, value
               in load_file(folder / 'resnet20-cifar10.safetensors').items()}
    net = nets.load('cifar-resnet20', 3, weights)
    with tarfile.open(folder / 'cifar10-binary-sample.tar.gz') as archive:
        records = archive.extractfile('cifar-10-batches-bin/test_batch.bin').read()
    records = np.frombuffer(records, np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    x = measures.normalised(images, MEAN, STD)
    right = (measures.logits(net, x).argmax(dim=1).numpy() == records[:, 0]).sum()
    print(f'{right} of {len(x)} right')
    x = x[:16]
    results = {
        'logits': measures.logits(net, x),
        'gradient': measures.input_gradient(net, x),
        'gradcam.layer3': measures.gradcam(net, x, 'layer3', 'predicted', True),
        'gradcam.layer3.signed': measures.gradcam(net, x[:4], 'layer3', 'predicted', False),
        'occlusion.4.2': measures.occlusion(net, x[:2], 4, 2),
    }
    for name, value in results.items():
        if name != 'gradient':
            largest = value.abs().amax(dim=tuple(range(1, value.ndim)))
            print(name, 'largest per image', largest.numpy().round(4))
    save_file({name: value.numpy().astype(np.float32) for name, value in results.items()},
              DATA / 'published-resnet20.safetensors')


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
