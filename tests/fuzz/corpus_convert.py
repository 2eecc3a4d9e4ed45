"""Writes the small inputs of the targets archive, cifar10 and idx; needs only Python."""
import gzip
import io
import pathlib
import sys
import tarfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'cli'))
import pictures as p

CORPUS = pathlib.Path(__file__).parent / 'corpus'


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def tar(files, mode='w', links=()):
    """A tar file; a plain one without the zero blocks at its end."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, '/etc/passwd'
            archive.addfile(info)
    if mode != 'w':
        return out.getvalue()
    data = out.getvalue().rstrip(b'\0')
    return data + b'\0' * (-len(data) % 512)


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def write_idx():
    def write(name, images, labels):
        put('idx', name, len(images).to_bytes(2, 'big') + images + labels)
    images, labels = p.idx_images(3), p.idx_labels([2, 0, 1])
    packed = gzip.compress(images, mtime=0)
    write('good-plain', images, labels)
    write('good-gz', packed, gzip.compress(labels, mtime=0))
    write('good-members', gzip.compress(images[:7], mtime=0) + gzip.compress(images[7:], mtime=0),
          labels)
    write('good-colour', p.idx(8, (1, 2, 2, 3), bytes(12)), p.idx(12, (1,), b'\0\0\0\7'))
    write('bad-cut', images[:-1], labels)
    write('bad-gz-cut', packed[:-6], labels)
    write('bad-gz-garbage', packed + b'x', labels)
    write('bad-count', images, p.idx_labels([1, 2]))
    write('bad-label', images, p.idx(9, (3,), b'\0\xff\1'))
    write('bad-huge', p.idx(8, (2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1), b''), labels)
    write('bad-sides', gzip.compress(p.idx(8, (3, 65535, 65535), bytes(100)), mtime=0), labels)


def write_cifar10():
    record = p.record(9, (1, 2, 3))
    put('cifar10', 'good-two', record + p.record(0, (4, 5, 6)))
    put('cifar10', 'bad-label', b'\x0a' + record[1:])
    put('cifar10', 'bad-length', record[:-1])
    put('cifar10', 'bad-cifar100', p.record(9, (1, 2, 3), coarse=1))
    put('cifar10', 'bad-empty', b'')


def write_archive():
    one, two = ('b/1.png', p.png(5)), ('a/2.png', p.png((1, 2, 3)))
    idx = [('t10k-labels-idx1-ubyte', p.idx_labels([1])),
           ('t10k-images-idx3-ubyte', p.idx_images(1))]
    for name, data in (
            ('good-tar', tar([one, two])), ('good-tar-gz', tar([one, two], 'w:gz')),
            ('good-tar-xz', tar([two, one], 'w:xz')), ('good-zip', zipped([one, two])),
            ('good-idx', zipped(idx)), ('good-parts', zipped([('x/train/' + n, d)
                                                              for n, d in (one, two)])),
            ('good-cifar', zipped([('data_batch_2.bin', p.record(1, (1, 2, 3))),
                                   ('data_batch_1.bin', p.record(0, (3, 2, 1)))])),
            ('bad-outside', zipped([('../1.png', p.png(1))])),
            ('bad-absolute', tar([('/1.png', p.png(1))])),
            ('bad-twice', tar([one, one])), ('bad-empty', b''),
            ('bad-links', tar([], 'w:gz', [('a/1.png', tarfile.SYMTYPE),
                                           ('a/2.png', tarfile.LNKTYPE)])),
            ('bad-cut', tar([one, two])[:900])):
        put('archive', name, data)


if __name__ == '__main__':
    write_idx()
    write_cifar10()
    write_archive()
