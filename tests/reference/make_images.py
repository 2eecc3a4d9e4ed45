"""Makes the two small image sets of tests/data: gratings and spots with noise, ten classes."""
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'cli'))
import models  # noqa: E402


def picture(random, label, size, channels):
    """One image as floats around 0..1: orientation and frequency follow the label."""
    y, x = np.mgrid[:size, :size] / size
    angle = np.pi * label / 10 + random.normal(0, 0.1)
    wave = np.sin(2 * np.pi * (2 + label % 4) * (x * np.cos(angle) + y * np.sin(angle))
                  + random.uniform(0, 6))
    cy, cx = random.uniform(0.2, 0.8, 2)
    spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.02)
    colours = random.uniform(0.1, 0.4, (2, channels))
    image = 0.4 + wave[..., None] * colours[0] + spot[..., None] * colours[1]
    return image + random.normal(0, 0.08, image.shape)


def make(path, seed, count, size, channels):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 10).astype(np.int32)
    images = np.stack([picture(random, label, size, channels) for label in labels])
    images = np.clip(np.rint(images * 255), 0, 255).astype(np.uint8)
    save_file({'images': images, 'labels': labels}, path,
              {'classes': json.dumps(models.CLASSES), 'mean': json.dumps(models.MEAN[channels]),
               'std': json.dumps(models.STD[channels])})


if __name__ == '__main__':
    data = HERE.parent / 'data'
    make(data / 'images-28x28x1.safetensors', 1, 48, 28, 1)
    make(data / 'images-32x32x3.safetensors', 2, 24, 32, 3)
