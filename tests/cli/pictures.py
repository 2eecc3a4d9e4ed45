"""Makes the files that test_convert reads: pictures, IDX, CIFAR records, archives; and reads what
limn wrote.  Standard library only."""

import base64
import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib

# 12 x 8 pixels of one colour, (200, 60, 20) and grey 90.
JPEG_COLOUR = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL"
    "EBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAIAAwDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEA"
    "AAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAABwj/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIR"
    "AxEAPwCWAApYb//Z")
JPEG_GREY = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL"
    "EBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAIAAwBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAA"
    "AAAAAAAAAAAA/9oACAEBAAA/AI0P/9k=")


def png(value, height=4, width=6):
    """A picture of one grey value, or of one (red, green, blue)."""
    colour = bytes(value) if isinstance(value, tuple) else bytes([value])

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if len(colour) == 3 else 0, 0, 0, 0)
    rows = (b"\0" + colour * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def idx(kind, sizes, data):
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data


def idx_images(count, height=3, width=2, start=0):
    return idx(8, (count, height, width),
               bytes((start + i) % 256 for i in range(count) for _ in range(height * width)))


def idx_labels(labels):
    return idx(8, (len(labels),), bytes(labels))


def record(label, rgb, coarse=None):
    """One CIFAR record of one colour; its first pixel is 1, 2, 3."""
    planes = b"".join(bytes([i + 1]) + bytes([v]) * 1023 for i, v in enumerate(rgb))
    return (b"" if coarse is None else bytes([coarse])) + bytes([label]) + planes


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def folder(path, files):
    for name, data in files.items():
        write(os.path.join(path, name), data)
    return path


def tar(path, files, mode="w"):
    """`files`: pairs of name and bytes, or TarInfo and None, in the order of the archive."""
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            info = name
            if isinstance(name, str):
                info = tarfile.TarInfo(name)
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data or b""))
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def packed(path, data):
    return write(path, gzip.compress(data, mtime=0))


class Data:
    """A data set as limn wrote it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        size = struct.unpack("<Q", raw[:8])[0]
        head = json.loads(raw[8:8 + size])
        self.meta = head["__metadata__"]
        self.classes = json.loads(self.meta["classes"])
        self.shape = tuple(head["images"]["shape"])
        first, last = head["images"]["data_offsets"]
        self.pixels = raw[8 + size + first:8 + size + last]
        first, last = head["labels"]["data_offsets"]
        self.labels = list(struct.unpack(f"<{(last - first) // 4}i",
                                         raw[8 + size + first:8 + size + last]))

    def image(self, index):
        size = self.shape[1] * self.shape[2] * self.shape[3]
        return self.pixels[index * size:(index + 1) * size]

    def firsts(self):
        """The first byte of each image."""
        return [self.image(i)[0] for i in range(self.shape[0])]
