#!/usr/bin/env python3
"""Turns the state_dict in a PyTorch .pth file into a safetensors file: `pth-to-safetensors.py IN.pth OUT.safetensors`.

Contiguous f32 tensors only. Needs neither PyTorch nor any other package, and executes nothing from the file.
"""

import collections
import io
import json
import pickle
import struct
import sys
import zipfile


def rebuild_tensor(storage, offset, shape, stride, *_):
    contiguous = [1]
    for size in reversed(shape[1:]):
        contiguous.insert(0, contiguous[0] * size)
    if shape and list(stride) != contiguous:
        raise ValueError(f"a tensor of shape {shape} is not contiguous")
    count = contiguous[0] * shape[0] if shape else 1
    return shape, storage[4 * offset:4 * (offset + count)]


class StateDictUnpickler(pickle.Unpickler):
    def __init__(self, archive, root):
        super().__init__(io.BytesIO(archive.read(root + "/data.pkl")))
        self.archive, self.root = archive, root

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            ("torch", "FloatStorage"): "f32",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name}: only a state_dict of f32 tensors is understood")
        return known[module, name]

    def persistent_load(self, identifier):
        return self.archive.read(f"{self.root}/data/{identifier[2]}")


def main():
    source, target = sys.argv[1:]
    with zipfile.ZipFile(source) as archive:
        tensors = StateDictUnpickler(archive, archive.namelist()[0].split("/")[0]).load()
    header, offset = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(target, "wb") as out:
        out.write(struct.pack("<Q", len(encoded)) + encoded)
        for _, data in tensors.values():
            out.write(data)


main()
