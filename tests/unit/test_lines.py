from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.ingestion import lines
from openchronic_assets.ingestion.lines import Block, numbered

PIECE = st.sampled_from(
    [b"a;b", b"\n", b"\n", b"\r\n", b"\r", b"\n" * 40, b'"', b"\0", b"\xff", "é".encode(), b";"]
)


def read(data: bytes, block: int = 1 << 20, longest: int = 1 << 20) -> list[tuple[int, bytes]]:
    """Return (number, bytes without line end) of every line, and check the blocks' own counts."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_bytes(data)
        with mock.patch.multiple(lines, BLOCK=block, MAX_LINE=longest):
            for each in numbered(path):
                parts = each.data.split(b"\n")[:-1]
                assert len(each) == len(parts)
                found += [(each.first + place, part) for place, part in enumerate(parts)]
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECE, max_size=30), st.integers(1, 60))
def test_lines_are_numbered_as_an_editor_shows_them_whatever_the_blocks(
    pieces: list[bytes], block: int
) -> None:
    body = b"".join(pieces)
    kept = body.rstrip(b"\r\n")
    last = kept.rfind(b"\n") + 1
    expected = [
        (number, line.rstrip(b"\r"))
        for number, line in enumerate(kept.split(b"\n") if kept[last:] else [], 2)
    ]
    longest = max([len(line) for line in kept.split(b"\n")], default=0) + 20
    found = read(b"header\n" + body, block, longest)
    assert [(number, line.rstrip(b"\r")) for number, line in found] == expected


def test_blank_lines_before_the_header_are_counted() -> None:
    assert read(b"\xef\xbb\xbf\r\n\nheader\na\n") == [(4, b"a")]


def test_any_number_of_blank_lines_is_held_as_a_number() -> None:
    many = 5000
    with mock.patch.multiple(lines, BLOCK=100, MAX_LINE=300):
        held = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "f.csv"
            path.write_bytes(b"h\na\n" + b"\n" * many + b"b\n" + b"\n" * many)
            held = [(each.first, len(each), len(each.data)) for each in numbered(path)]
    assert sum(count for _, count, _ in held) == many + 2
    assert held[-1][0] == many + 3
    assert max(size for _, _, size in held) <= 400


def test_a_line_longer_than_the_limit_is_cut_and_the_next_one_is_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_bytes(b"h\na\n" + b"x" * 5000 + b"\nb\n")
        with mock.patch.multiple(lines, BLOCK=100, MAX_LINE=300, CUT_LINE=10):
            found = [(each.first, each.data, each.flaw) for each in numbered(path)]
    assert found == [
        (2, b"a\n", None),
        (3, b"x" * 10 + b"\n", "line_too_long"),
        (4, b"b\n", None),
    ]


def test_a_block_tells_the_lines_that_are_not_plain() -> None:
    data = b'1;2\n"1";2\n1;\x002\n\n1;2\r\n1\r;2\n\r\n1;\xff\n' + "1;é\n".encode()
    block = Block(2, data)
    assert block.irregular().tolist() == [False, False, True, True, False, True, True, True, False]
    assert block.holding(b'"').tolist() == [False, True] + [False] * 7


def test_some_lines_of_a_block_keep_their_bytes_and_numbers() -> None:
    block = Block(10, b"a\nb\r\n\xff\nd\n")
    chosen = block.irregular().nonzero()[0]
    assert block.batch(chosen).to_pydict() == {
        "line": [12],
        "text": ["\ufffd\n"],
        "flaw": ["undecodable_byte"],
    }
    assert block.only((~block.irregular()).nonzero()[0]) == b"a\nb\r\nd\n"
