"""What is compared, and the bar of each row: limn's speed over PyTorch's, at least."""

SPEED, SHARE, LINEAR = "at least", "under", "linear"  # kinds of bars


def conv(batch, side, inputs, outputs, kernel, stride=1):
    """One layer, as `limn bench conv2d --cases` reads it."""
    pad = kernel // 2
    words = [f"stride={stride}"] if stride > 1 else []
    words += [f"pad={pad}"] if pad else []
    words += [f"f32[{batch},{side},{side},{inputs}]", f"f32[{outputs},{inputs},{kernel},{kernel}]"]
    return " ".join(words)


def layers(name, bars, cases):
    return {"name": name, "kind": "conv", "bars": bars, "cases": cases}


def step(name, bar, **work):
    return {"name": name, "kind": "step", "bars": {"": bar}, **work}


# All that the issue asks for.  Sides and channels are those of the networks at 224 x 224.
ROWS = [
    layers("3x3 layers of resnet18, batch 32", {"forward": 2, "backward": 1.8},
           [conv(32, side, width, width, 3)
            for side, width in ((56, 64), (28, 128), (14, 256), (7, 512))]),
    layers("1x1 layers of resnet50, batch 16", {"forward": 1.05, "backward": 1.05},
           [conv(16, side, inputs, outputs, 1) for side, inputs, outputs in (
               (56, 64, 64), (56, 64, 256), (56, 256, 64), (28, 512, 128), (14, 1024, 256),
               (7, 512, 2048))]),
    layers("strided layers of resnet50, batch 16", {"forward": 1.05, "backward": 1.05},
           [conv(16, 56, 128, 128, 3, 2), conv(16, 28, 256, 256, 3, 2),
            conv(16, 14, 512, 512, 3, 2), conv(16, 56, 256, 512, 1, 2),
            conv(16, 14, 1024, 2048, 1, 2), conv(16, 224, 3, 64, 7, 2)]),
    step("cifar-resnet18 inference, batch 128", 2, arch="cifar-resnet18", batch=128, size=32,
         inference=True),
    step("cifar-resnet18 training by cross-entropy, batch 128", 1.7, arch="cifar-resnet18",
         batch=128, size=32, loss="ce"),
    step("cifar-resnet18 training by supcon, two views, batch 128", 1.7, arch="cifar-resnet18",
         batch=128, size=32, loss="supcon", views=2),
    step("resnet50 inference, 224, batch 16", 1.3, arch="resnet50", batch=16, size=224,
         inference=True),
    {"name": "RISE resnet18, 224", "kind": "rise", "bars": {"": 2}, "arch": "resnet18"},
    {"name": "RISE resnet50, 224", "kind": "rise", "bars": {"": 1.4}, "arch": "resnet50"},
    {"name": "start to first heatmap, resnet18", "kind": "start", "bars": {"": 0.3},
     "arch": "resnet18"},
    {"name": "supcon loss over 65,536 embeddings of 128", "kind": "supcon", "bars": {"": 1.1},
     "counts": (16384, 32768, 65536)},
]
