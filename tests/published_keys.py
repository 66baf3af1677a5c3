"""Lists of a checkpoint's keys and shapes, stored with one line for all layers, and small checkpoints from them."""

import json

import golden
from safetensors.torch import save_file


def read(name):
    """The file `NAME.keys.json`."""
    return json.loads((golden.FOLDER / f"{name}.keys.json").read_text(encoding="utf-8"))


def spread(rows):
    """Key -> shape, a line for each layer."""
    return {
        row["key"].replace("{}", str(layer)): tuple(row["shape"])
        for row in rows
        for layer in range(row.get("layers", 1))
    }


def folder(path, config, tensors, shards=1):
    """A checkpoint with these keys, as on the hub."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, path / "model.safetensors")
        return path
    parts = [names[index::shards] for index in range(shards)]
    files = [f"model-{index + 1:05d}-of-{shards:05d}.safetensors" for index in range(shards)]
    for file, part in zip(files, parts, strict=True):
        save_file({name: tensors[name] for name in part}, path / file)
    index = {"weight_map": {name: file for file, part in zip(files, parts, strict=True) for name in part}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


def places(layout, shapes, tensor_of):
    """The place of each tensor by a layout: (part, name) -> shape; fails for an unknown key."""
    found = {}
    for key, shape in shapes.items():
        placed = layout.place(key)
        assert placed, key
        for part, name, taken_of in placed:
            assert (part, name) not in found, key
            found[part, name] = tuple(taken_of(tensor_of(shape)).shape)
    return found
