"""Holds limn against results that PyTorch found in double precision (tests/reference).

    against_reference.py LIMN PART...     parts: those of PARTS below

Each part needs one subcommand: logits `eval`; gradient, gradcam, occlusion `explain`; the others
`train`.
"""
import functools
import json
import pathlib
import sys
import tempfile

import arrays
import models
import reference_cases as cases

IMAGES = {1: 'images-28x28x1.safetensors', 3: 'images-32x32x3.safetensors'}
SMALL = [('cnn-small', 1), ('cnn-small', 3)]
DEEP = [(arch, 3) for arch in models.ARCHITECTURES if arch != 'cnn-small']


def reference_file(arch, channels):
    return cases.DATA / f'{arch}-{channels}.safetensors'


class Session:
    """One program, and a folder where the weight files are made on demand."""

    def __init__(self, program, folder):
        self.program, self.folder, self.runs = program, folder, 0

    @functools.cache
    def weights(self, arch, channels):
        path = self.folder / f'{arch}-{channels}.weights.safetensors'
        _, metadata = arrays.read_safetensors(reference_file(arch, channels))
        if models.write(arch, channels, path) != metadata['weights']:
            raise cases.Failure(f'{arch}: models.py makes other weights than the reference had')
        return path

    def output(self):
        self.runs += 1
        return self.folder / f'out{self.runs}'

    def explain(self, arch, channels, count, method, *options):
        """The map file that `limn explain` writes for the first `count` images."""
        out = self.output()
        cases.limn(self.program, 'explain', self.weights(arch, channels),
                   cases.DATA / IMAGES[channels], '--method', method, '--index', f'0:{count}',
                   '-o', out, *options)
        return arrays.read_npy(out / f'{method}.npy')


def wanted(arch, channels):
    return arrays.read_safetensors(reference_file(arch, channels))[0]


def first_images(session, channels, count):
    """A data set of the first images only: `eval` reads all of what it is given."""
    tensors, metadata = arrays.read_safetensors(cases.DATA / IMAGES[channels])
    few = {name: arrays.Array((count, *tensor.shape[1:]),
                              tensor.values[:len(tensor.values) // len(tensor) * count])
           for name, tensor in tensors.items()}
    path = session.folder / f'first-{count}-{channels}.safetensors'
    arrays.write_safetensors(path, few, metadata)
    return path


def logits(session, selection=(*SMALL, *DEEP)):
    for arch, channels in selection:
        expected = wanted(arch, channels)['logits']
        out = session.output().with_suffix('.npy')
        text = cases.limn(session.program, 'eval', session.weights(arch, channels),
                          first_images(session, channels, len(expected)), '--logits', out,
                          '--json')
        found = arrays.read_npy(out)
        cases.compare_logits(f'{arch} {channels} logits', found, expected)
        images = json.loads(text)['images']
        if images != len(expected):
            raise cases.Failure(f'{arch}: eval --json counts {images} images, not {len(expected)}')


def gradient(session):
    for arch, channels in (*SMALL, *DEEP):
        expected = wanted(arch, channels).get('gradient')
        if expected:
            found = session.explain(arch, channels, len(expected), 'gradient')
            cases.compare_gradients(f'{arch} {channels} gradient', found, expected)


def gradcam(session):
    """Cases are named gradcam.LAYER[.classN][.signed]; the last block is the default layer too."""
    for arch, channels in (*SMALL, *DEEP):
        for name, expected in wanted(arch, channels).items():
            if not name.startswith('gradcam.'):
                continue
            parts = name.split('.')[1:]
            options = ['--no-relu'] if parts[-1] == 'signed' else []
            parts = [part for part in parts if part != 'signed']
            if parts[-1].startswith('class'):
                options += ['--target', parts.pop().removeprefix('class')]
            layer = '.'.join(parts)
            found = session.explain(arch, channels, len(expected), 'gradcam', '--layer', layer,
                                    *options)
            cases.compare_maps(f'{arch} {channels} {name}', found, expected)
    expected = wanted('cnn-small', 1)['gradcam.layer3']
    found = session.explain('cnn-small', 1, len(expected), 'gradcam')
    cases.compare_maps('cnn-small 1 gradcam of the default layer', found, expected)


def occlusion(session):
    """Cases are named occlusion.WINDOW.STRIDE[.classN]."""
    for arch, channels in SMALL:
        for name, expected in wanted(arch, channels).items():
            if not name.startswith('occlusion.'):
                continue
            _, window, stride, *target = name.split('.')
            options = ['--target', target[0].removeprefix('class')] if target else []
            found = session.explain(arch, channels, len(expected), 'occlusion', '--window', window,
                                    '--stride', stride, '--baseline', '0', *options)
            cases.compare_maps(f'{arch} {channels} {name}', found, expected)


def train(session, name):
    metadata = arrays.read_safetensors(cases.DATA / f'{name}.trained.safetensors')[1]
    run = json.loads(metadata['run'])
    init = session.weights(run['arch'], run['channels'])
    options = ['--temperature', '0.1', '--views', '2'] if run['loss'] == 'supcon' else []
    if run['label_smoothing']:
        options += ['--label-smoothing', run['label_smoothing']]
    out = session.output()
    data = first_images(session, run['channels'], run['images'])
    cases.limn(session.program, 'train', data, '-o', out,
               '--arch', run['arch'], '--init', init, '--loss', run['loss'], '--steps', '3',
               '--batch', run['batch'], '--optimizer', 'sgd', '--lr', '0.01', '--momentum', '0.9',
               '--weight-decay', '0.5', '--schedule', 'constant', '--warmup', '0',
               '--augment', 'none', '--no-shuffle', *options)
    cases.compare_run(name, out, init)


PARTS = {
    'logits': logits,
    'logits-small': functools.partial(logits, selection=SMALL),
    'gradient': gradient,
    'gradcam': gradcam,
    'occlusion': occlusion,
    **{name: functools.partial(train, name=name) for name in (
        'cnn-small-ce', 'cnn-small-ce-smooth', 'cnn-small-supcon', 'cifar-resnet20-ce',
        'cifar-resnet20-supcon')},
}


def main(program, *parts):
    with tempfile.TemporaryDirectory() as folder:
        session = Session(pathlib.Path(program), pathlib.Path(folder))
        failed = 0
        for part in parts:
            try:
                PARTS[part](session)
            except cases.Failure as failure:
                print(f'FAILED {part}: {failure}')
                failed += 1
    return 1 if failed else 0


if __name__ == '__main__':
    if len(sys.argv) < 3 or any(part not in PARTS for part in sys.argv[2:]):
        sys.exit(f'{__doc__}\nParts: {" ".join(PARTS)}')
    sys.exit(main(*sys.argv[1:]))
