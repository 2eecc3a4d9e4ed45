"""Reads .npy and safetensors files and writes safetensors, with the standard library alone.

Tests use it so that the suite needs no numpy.  It shares nothing with the library's own reader.
"""
import array
import ast
import json
import math
import struct
import sys

NPY_CODES = {'<f4': 'f', '<f8': 'd', '<i4': 'i', '<i8': 'q', '|u1': 'B'}
SAFETENSORS_CODES = {'F32': 'f', 'F64': 'd', 'I16': 'h', 'I32': 'i', 'I64': 'q', 'U8': 'B'}
SAFETENSORS_NAMES = {code: name for name, code in SAFETENSORS_CODES.items()}


class Array:
    """Values in row-major order and their shape."""

    def __init__(self, shape, values):
        self.shape = tuple(shape)
        self.values = values
        if math.prod(self.shape) != len(values):
            raise ValueError(f'shape {self.shape} does not hold {len(values)} values')

    def __len__(self):
        return self.shape[0] if self.shape else 1

    def row(self, index):
        """Values of one index of the first dimension."""
        size = len(self.values) // self.shape[0]
        return self.values[index * size:(index + 1) * size]


def little_endian(code, data):
    """An array of the type `code` from little-endian bytes."""
    values = array.array(code)
    values.frombytes(data)
    if sys.byteorder == 'big':
        values.byteswap()
    return values


def little_endian_bytes(values):
    if sys.byteorder == 'big':
        values = array.array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def read_npy(path):
    """An Array from a .npy file of version 1 to 3, C order."""
    with open(path, 'rb') as file:
        if file.read(6) != b'\x93NUMPY':
            raise ValueError(f'{path}: not a .npy file')
        major = file.read(2)[0]
        size = struct.unpack('<H', file.read(2))[0] if major == 1 \
            else struct.unpack('<I', file.read(4))[0]
        header = ast.literal_eval(file.read(size).decode('utf-8' if major == 3 else 'latin-1'))
        data = file.read()
    if header['fortran_order']:
        raise ValueError(f'{path}: Fortran order')
    if header['descr'] not in NPY_CODES:
        raise ValueError(f'{path}: unexpected type {header["descr"]}')
    return Array(header['shape'], little_endian(NPY_CODES[header['descr']], data))


def read_safetensors(path):
    """(tensors by name, metadata) of a safetensors file."""
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    metadata = header.pop('__metadata__', {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        if entry['dtype'] not in SAFETENSORS_CODES:
            raise ValueError(f'{path}: {name} has the unexpected type {entry["dtype"]}')
        tensors[name] = Array(entry['shape'],
                              little_endian(SAFETENSORS_CODES[entry['dtype']], data[begin:end]))
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    """Writes Arrays by name; widest types first, so that every tensor is aligned."""
    header = {'__metadata__': metadata}
    order = sorted(tensors, key=lambda name: (-tensors[name].values.itemsize, name))
    offset = 0
    for name in order:
        values = tensors[name].values
        end = offset + len(values) * values.itemsize
        header[name] = {'dtype': SAFETENSORS_NAMES[values.typecode],
                        'shape': list(tensors[name].shape), 'data_offsets': [offset, end]}
        offset = end
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for name in order:
            file.write(little_endian_bytes(tensors[name].values))
