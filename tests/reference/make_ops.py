"""Small known answers for single ops, forward and backward, from PyTorch's double precision.

ops.safetensors holds, for every case, inputs, output `y`, output gradient `dy` and the gradients
`dNAME` of the inputs; metadata: CASE -> "op parameter=value ...".  Inputs are multiples of 1/64 so
that they are exact in every precision.  Layout NCHW.
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional as F

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data'

CONVS = [  # name, x, w, bias, stride, padding, dilation, groups
    ('plain', (2, 3, 6, 5), (4, 3, 3, 3), False, (1, 1), (1, 1), (1, 1), 1),
    ('stride', (1, 4, 9, 8), (5, 4, 3, 3), True, (2, 2), (1, 1), (1, 1), 1),
    ('uneven', (2, 2, 7, 9), (3, 2, 2, 4), True, (1, 2), (0, 2), (2, 1), 1),
    ('groups', (2, 6, 5, 5), (8, 3, 3, 3), False, (1, 1), (1, 1), (1, 1), 2),
    ('depthwise', (1, 5, 7, 7), (5, 1, 5, 5), False, (2, 2), (2, 2), (1, 1), 5),
    ('dilation', (1, 2, 11, 10), (3, 2, 3, 3), True, (1, 1), (2, 2), (2, 2), 1),
    ('point', (2, 7, 4, 3), (9, 7, 1, 1), False, (2, 2), (0, 0), (1, 1), 1),
    ('stem', (1, 3, 15, 14), (2, 3, 7, 7), False, (2, 2), (3, 3), (1, 1), 1),
]
POOLS = [  # kind, name, x, window, stride, padding
    ('max', 'two', (2, 3, 6, 8), 2, 2, 0), ('max', 'stem', (1, 2, 9, 8), 3, 2, 1),
    ('avg', 'two', (2, 3, 6, 8), 2, 2, 0), ('avg', 'padded', (1, 2, 7, 7), 3, 2, 1),
]
RESIZES = [('up', (2, 2, 4, 3), (9, 7)), ('down', (1, 3, 8, 9), (5, 4)),
           ('one', (1, 2, 1, 1), (3, 4))]

random = np.random.default_rng(3)
tensors, metadata = {}, {}


def exact(*shape, low=-2.0, high=2.0):
    values = np.rint(random.uniform(low, high, shape) * 64) / 64
    return torch.tensor(values, requires_grad=True)


def distinct(*shape):
    """No two values alike, so that a maximum is never tied."""
    count = int(np.prod(shape))
    values = (random.permutation(count) - count / 2) / 64
    return torch.tensor(values.reshape(shape), requires_grad=True)


def case(name, text, inputs, outputs):
    """`outputs['y']` is differentiated; further outputs are only kept."""
    y = outputs['y']
    dy = exact(*y.shape).detach()
    gradients = torch.autograd.grad(y, list(inputs.values()), dy)
    kept = {**inputs, **outputs, 'dy': dy,
            **{f'd{key}': value for key, value in zip(inputs, gradients)}}
    metadata[name] = text
    for key, value in kept.items():
        tensors[f'{name}.{key}'] = np.ascontiguousarray(value.detach().numpy(), np.float32)


for name, x, w, bias, stride, padding, dilation, groups in CONVS:
    inputs = {'x': exact(*x), 'w': exact(*w, low=-1, high=1)}
    if bias:
        inputs['b'] = exact(w[0])
    y = F.conv2d(inputs['x'], inputs['w'], inputs.get('b'), stride, padding, dilation, groups)
    case(f'conv.{name}', f'conv stride={stride[0]}x{stride[1]} pad={padding[0]}x{padding[1]} '
         f'dilation={dilation[0]}x{dilation[1]} groups={groups}', inputs, {'y': y})

for kind, name, x, window, stride, padding in POOLS:
    inputs = {'x': distinct(*x)}
    pool = F.max_pool2d if kind == 'max' else F.avg_pool2d
    note = ' count_include_pad=1' if kind == 'avg' else ''
    case(f'pool_{kind}.{name}', f'pool_{kind} window={window} stride={stride} pad={padding}{note}',
         inputs, {'y': pool(inputs['x'], window, stride, padding)})

for name, x, size in RESIZES:
    inputs = {'x': exact(*x)}
    y = F.interpolate(inputs['x'], size=size, mode='bilinear', align_corners=False)
    case(f'resize.{name}', f'resize height={size[0]} width={size[1]} align_corners=0', inputs,
         {'y': y})

for training in (True, False):
    inputs = {'x': exact(3, 4, 3, 2), 'weight': exact(4), 'bias': exact(4)}
    mean, var = exact(4).detach(), exact(4, low=0.5, high=2).detach()
    new_mean, new_var = mean.clone(), var.clone()
    y = F.batch_norm(inputs['x'], new_mean, new_var, inputs['weight'], inputs['bias'], training,
                     0.1, 1e-5)
    case('batch_norm.' + ('train' if training else 'eval'),
         f'batch_norm train={int(training)} momentum=0.1 eps=1e-5', inputs,
         {'y': y, 'running_mean': mean, 'running_var': var, 'new_running_mean': new_mean,
          'new_running_var': new_var})

inputs = {'x': exact(5, 7), 'w': exact(3, 7), 'b': exact(3)}
case('linear.plain', 'linear', inputs, {'y': F.linear(inputs['x'], inputs['w'], inputs['b'])})
inputs = {'x': exact(4, 9)}
case('log_softmax.rows', 'log_softmax', inputs, {'y': F.log_softmax(inputs['x'], dim=1)})
inputs = {'x': exact(4, 9)}
case('softmax.rows', 'softmax', inputs, {'y': F.softmax(inputs['x'], dim=1)})
inputs = {'x': exact(4, 9)}
case('l2_normalize.rows', 'l2_normalize', inputs, {'y': F.normalize(inputs['x'], dim=1)})
inputs = {'x': exact(2, 4, 5, 6)}
y = F.pad(inputs['x'][:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
case('shortcut.odd', 'shortcut stride=2 pad_channels=2', inputs, {'y': y})

save_file(tensors, DATA / 'ops.safetensors', metadata)
