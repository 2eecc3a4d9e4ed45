"""Writes the small inputs of the targets dataset, npy and safetensors; needs only Python."""
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / 'corpus'


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def safetensors(header, data=b'', length=None):
    if not isinstance(header, bytes):
        header = json.dumps(header, separators=(',', ':')).encode()
    return struct.pack('<Q', len(header) if length is None else length) + header + data


def entry(dtype, shape, begin, end):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


def text_and_data(header, data=b''):
    """Second form of the target safetensors: the header ends at the first NUL."""
    return json.dumps(header, separators=(',', ':')).encode() + b'\0' + data


def npy(header, data=b'', version=(1, 0)):
    length = struct.pack('<H' if version[0] == 1 else '<I', len(header))
    return b'\x93NUMPY' + bytes(version) + length + header.encode() + data


def write_safetensors():
    def write(name, *args, **kwargs):
        put('safetensors', name, safetensors(*args, **kwargs))
    two = {'__metadata__': {'format': 'pt'}, 'b': entry('F32', [1, 2], 0, 8),
           'a': entry('I64', [], 8, 16)}
    write('good-two', two, bytes(16))
    put('safetensors', 'text-two', text_and_data(two, bytes(16)))
    put('safetensors', 'text-hole', text_and_data({'a': entry('U8', [1], 1, 2)}, bytes(2)))
    write('good-empty', {})
    write('good-zero-extents', {'a': entry('F16', [2**62, 0, 2**62], 0, 0),
                                'b': entry('F4', [2], 0, 1)}, b'\1')
    write('good-white-space', b' \n{} \t\r')
    write('bad-hole', {'a': entry('U8', [1], 1, 2)}, bytes(2))
    write('bad-overlap', {'a': entry('U8', [2], 0, 2), 'b': entry('U8', [2], 1, 3)}, bytes(3))
    write('bad-trailing', two, bytes(17))
    write('bad-short', two, bytes(15))
    write('bad-dtype', {'a': entry('f32', [1], 0, 4)}, bytes(4))
    write('bad-overflow', {'a': entry('F64', [2**61], 0, 0)})
    write('bad-rank', {'a': entry('U8', [1] * 9, 0, 1)}, bytes(1))
    write('bad-real', b'{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}', bytes(1))
    write('bad-duplicate', b'{"a":{},"a":{}}')
    write('bad-metadata', {'__metadata__': {'a': 1}})
    write('bad-length', {}, length=2**63)
    write('bad-nesting', b'[' * 3000)


def write_npy():
    def write(name, *args, **kwargs):
        put('npy', name, npy(*args, **kwargs))
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }          \n"
    write('good-f4', text % ('<f4', 'False', '(2, 3)'), bytes(24))
    write('good-f8-v2', text % ('<f8', 'False', '(1,)'), struct.pack('<d', 1e300), (2, 0))
    write('good-i4-v3', text % ('<i4', 'False', '()'), bytes(4), (3, 0))
    write('good-u1', text % ('|u1', 'False', '(1, 1, 1, 2)'), b'\0\xff')
    write('good-none', text % ('<f4', 'False', '(0, 9)'))
    write('bad-object', text % ('|O', 'False', '(1,)'), bytes(8))
    write('bad-fortran', text % ('<f4', 'True', '(1, 1)'), bytes(4))
    write('bad-overflow', text % ('<f4', 'False', '(4611686018427387904,)'))
    write('bad-size', text % ('<f4', 'False', '(3,)'), bytes(8))
    write('bad-rank', text % ('<f4', 'False', '(1,1,1,1,1)'), bytes(4))
    write('bad-key', "{'descr': '<f4', 'order': 1}")
    write('bad-open', "{'descr': '<f4', 'shape': (1, ")
    put('npy', 'bad-magic', b'\x93NUMPX\1\0\0\0')


def write_dataset():
    def write(name, metadata=None, labels=(0, 1, -1), with_masks=True, **changed):
        tensors = {'images': ('U8', [3, 2, 2, 1], bytes(range(12))),
                   'labels': ('I32', [3], struct.pack('<3i', *labels))}
        if with_masks:
            tensors['masks'] = ('U8', [3, 2, 2], bytes(12))
        tensors.update(changed)
        header, data = {'__metadata__': metadata or {}}, b''
        for key, (dtype, shape, values) in tensors.items():
            header[key] = entry(dtype, shape, len(data), len(data) + len(values))
            data += values
        put('dataset', name, safetensors(header, data))
    full = {'classes': '["cat","dog"]', 'mean': '[0.5]', 'std': '[0.25]'}
    write('good-full', full)
    write('good-plain', with_masks=False)
    write('bad-label', full, labels=(0, 2, 1))
    write('bad-negative', full, labels=(0, -2, 1))
    write('bad-huge-label', labels=(0, 2**31 - 1, 0))
    write('bad-classes', dict(full, classes='["cat",1]'))
    write('bad-classes-json', dict(full, classes='["cat"'))
    write('bad-mean', dict(full, mean='[0.5,0.5]'))
    write('bad-std', dict(full, std='[0]'))
    write('bad-only-mean', {'mean': '[0]'})
    write('bad-images', full, images=('F32', [3, 1, 1, 1], bytes(12)))
    write('bad-channels', full, images=('U8', [3, 1, 1, 5], bytes(15)))
    write('bad-none', full, images=('U8', [0, 1, 1, 1], b''))
    write('bad-masks', full, masks=('U8', [3, 4, 1], bytes(12)))


if __name__ == '__main__':
    write_safetensors()
    write_npy()
    write_dataset()
