"""Cut the first digits out of the original IDX files: python tests/digits/make.py FOLDER_OF_THE_ORIGINALS."""

import gzip
import struct
import sys
from pathlib import Path

COUNTS = {"train": 1200, "t10k": 400}


def cut(original: Path, count: int) -> bytes:
    """The first entries of an IDX file of unsigned bytes, as gzip without a time, so that the same bytes come out."""
    content = original.read_bytes()
    shape = struct.unpack_from(f">{content[3]}I", content, offset=4)
    start = 4 + 4 * len(shape)
    entry_size = (len(content) - start) // shape[0]
    header = content[:4] + struct.pack(">I", count) + content[8:start]
    return gzip.compress(header + content[start : start + count * entry_size], compresslevel=9, mtime=0)


def main() -> None:
    """Write the four files beside this script."""
    for prefix, count in COUNTS.items():
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            name = f"{prefix}-{kind}"
            (Path(__file__).parent / f"{name}.gz").write_bytes(cut(Path(sys.argv[1]) / name, count))


if __name__ == "__main__":
    main()
