"""gzip and tar as bytes of strangers: whatever they hold, bounded memory and an error in one line.

Python's tarfile follows links and expands sparse members, and its readers of sparse headers do not end on some broken
ones. All we need are regular files of a plain archive, so that is all that is read here; nothing is ever extracted.
"""

import re
import zlib

PIECE = 1 << 14
BLOCK = 512
"""Bytes of a tar header; content is padded to a multiple of them."""
REGULAR = (b"0", b"\0")
WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")
"""Links, devices, folders and FIFOs."""


class BrokenArchiveError(Exception):
    """The sentence's end: what is wrong with the gzip data or the archive."""


def is_gzip(content: bytes) -> bool:
    """Whether the content begins as gzip does."""
    return content.startswith(b"\x1f\x8b")


def gunzip(content: bytes, limit: int) -> bytes:
    """What gzip data of one or several members hold. Raises BrokenArchiveError; also beyond `limit` bytes."""
    unpacked, decoder, inside = bytearray(), zlib.decompressobj(wbits=31), False
    for start in range(0, len(content), PIECE):
        rest = content[start : start + PIECE]
        while rest := rest if inside else rest.lstrip(b"\0"):  # members may be padded with zeros
            try:
                unpacked += decoder.decompress(rest, limit + 1 - len(unpacked))
            except zlib.error as error:
                raise BrokenArchiveError(f"is broken ({error})") from None
            if len(unpacked) > limit:
                raise BrokenArchiveError(f"holds more than the {limit} bytes allowed")
            inside, rest = not decoder.eof, decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            if not inside:
                decoder = zlib.decompressobj(wbits=31)
    if inside:
        raise BrokenArchiveError("is broken (it ends too early)")
    return bytes(unpacked)


def tar_files(archive: bytes) -> dict[str, memoryview]:
    """The regular files of an uncompressed tar archive by name. Raises BrokenArchiveError."""
    files, start = {}, 0
    while any(header := archive[start : start + BLOCK]):
        kind, size = header[156:157], 0
        if len(header) < BLOCK or _number(header[148:156]) != _checksum(header):
            raise BrokenArchiveError(f"is broken (no header at byte {start})")
        if kind not in WITHOUT_CONTENT:
            size = _number(header[124:136])
        start += BLOCK
        if start + size > len(archive):
            raise BrokenArchiveError(f"is broken (it ends at byte {len(archive)}, within a file)")
        if kind in REGULAR:
            files[_name(header)] = memoryview(archive)[start : start + size]
        start += -(-size // BLOCK) * BLOCK
    return files


def _name(header: bytes) -> str:
    name, prefix = (part.split(b"\0")[0].decode(errors="replace") for part in (header[:100], header[345:500]))
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _number(field: bytes) -> int:
    """An octal number. Raises BrokenArchiveError if it is none; sizes of 8 GiB and more have another form."""
    if not (match := re.fullmatch(rb" *([0-7]+)[ \0]*", field)):
        raise BrokenArchiveError("is broken (a header holds no number where one belongs)")
    return int(match[1], 8)


def _checksum(header: bytes) -> int:
    """The sum of the header's bytes, with spaces in the place of the checksum itself."""
    return sum(header[:148]) + sum(b" " * 8) + sum(header[156:])
