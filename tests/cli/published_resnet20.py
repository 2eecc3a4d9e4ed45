"""The published CIFAR ResNet-20: accuracy, logits, gradients and maps that others found for it.

    published_resnet20.py LIMN [PART...]     parts: accuracy jpeg logits explain (default: all)

Needs the shared data ($LIMN_SHARED, default ../shared beside the source tree) and exits 77 without
it.  `jpeg`, 10,000 images, runs only with LIMN_SLOW=1 and exits 77 otherwise.
"""
import json
import os
import pathlib
import sys
import tempfile

import arrays
import reference_cases as cases

MODEL = ('--arch', 'cifar-resnet20', '--mean', '.485,.456,.406', '--std', '.229,.224,.225')
# What PyTorch finds, in single and in double precision.  Pillow and Debian 12's libjpeg-turbo
# decode all 10,000 pictures of the JPEG set alike, and the closest two classes are 0.0016 apart.
SAMPLE_IMAGES, SAMPLE_RIGHT = 1017, 932
JPEG_IMAGES, JPEG_RIGHT = 10000, 8103


class Skipped(Exception):
    """What a part needs is not here."""


def convert(program, folder, shared, form, source):
    out = folder / f'{form}.safetensors'
    if not out.exists():
        cases.limn(program, 'convert', form, shared / source, '--split', 'test', '-o', out)
    return out


def sample(program, folder, shared):
    return convert(program, folder, shared, 'cifar10', 'cifar10-binary-sample.tar.gz')


def check_right(what, program, shared, data, images, right):
    found = json.loads(cases.limn(program, 'eval', shared / 'resnet20-cifar10.safetensors', data,
                                  *MODEL, '--json'))
    found_right = found['accuracy'] * found['images']
    text = f'{what}: {found_right:.3f} of {found["images"]} right'
    print(text)
    if found['images'] != images or abs(found_right - right) > 0.01:
        raise cases.Failure(f'{text}, should be {right} of {images}')


def accuracy(program, folder, shared):
    check_right('binary sample', program, shared, sample(program, folder, shared), SAMPLE_IMAGES,
                SAMPLE_RIGHT)


def jpeg(program, folder, shared):
    if os.environ.get('LIMN_SLOW') != '1':
        raise Skipped('the JPEG test set takes minutes: set LIMN_SLOW=1')
    data = convert(program, folder, shared, 'imagefolder', 'cifar10-jpeg.tar.zst')
    check_right('JPEG test set', program, shared, data, JPEG_IMAGES, JPEG_RIGHT)


def logits(program, folder, shared):
    wanted = arrays.read_safetensors(cases.DATA / 'published-resnet20.safetensors')[0]['logits']
    out = folder / 'logits.npy'
    cases.limn(program, 'eval', shared / 'resnet20-cifar10.safetensors',
               sample(program, folder, shared), *MODEL, '--logits', out)
    found = arrays.read_npy(out)
    if found.shape != (SAMPLE_IMAGES, 10):
        raise cases.Failure(f'logits: shape {found.shape}, should be ({SAMPLE_IMAGES}, 10)')
    first = arrays.Array(wanted.shape, found.values[:len(wanted.values)])
    cases.compare_logits('published logits', first, wanted)


def explain(program, folder, shared):
    data = sample(program, folder, shared)
    for name, wanted in arrays.read_safetensors(
            cases.DATA / 'published-resnet20.safetensors')[0].items():
        method, *rest = name.split('.')
        if method == 'logits':
            continue
        options = {
            'gradient': [],
            'gradcam': ['--layer', rest[0], *(['--no-relu'] if 'signed' in rest else [])]
                       if rest else [],
            'occlusion': ['--window', rest[0], '--stride', rest[-1], '--baseline', '0']
                         if rest else [],
        }[method]
        out = folder / name
        cases.limn(program, 'explain', shared / 'resnet20-cifar10.safetensors', data, *MODEL,
                   '--method', method, '--index', f'0:{len(wanted)}', '-o', out, *options)
        compare = cases.compare_gradients if method == 'gradient' else cases.compare_maps
        compare(f'published {name}', arrays.read_npy(out / f'{method}.npy'), wanted)


PARTS = {'accuracy': accuracy, 'jpeg': jpeg, 'logits': logits, 'explain': explain}


def main(program, *parts):
    shared = cases.shared_data()
    if shared is None:
        print('skipped: no shared data (set LIMN_SHARED)')
        return cases.SKIPPED
    failed = done = 0
    with tempfile.TemporaryDirectory() as folder:
        for part in parts or PARTS:
            try:
                PARTS[part](pathlib.Path(program), pathlib.Path(folder), shared)
                done += 1
            except Skipped as reason:
                print(f'skipped {part}: {reason}')
            except cases.Failure as failure:
                print(f'FAILED {part}: {failure}')
                failed += 1
    if failed:
        return 1
    return 0 if done else cases.SKIPPED


if __name__ == '__main__':
    if len(sys.argv) < 2 or any(part not in PARTS for part in sys.argv[2:]):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
