"""States as bytes: restored they go on with the same bits; what does not fit is refused."""

import copy
import hashlib
import json
import subprocess
import sys

import pytest
import torch
from tests.layers.networks import language

from recurra import GRU, Elman, Stream
from recurra.errors import SnapshotError
from recurra.layers import snapshot


def test_snapshots_carry_on():
    net = language()
    x = torch.randint(0, 11, (4, 20))
    whole, _ = net.sequence(x)
    stream = Stream(net, 4)
    stream.push(x[:, :9])
    kept = stream.snapshot()
    rest = stream.push(x[:, 9:])
    assert torch.equal(rest, whole[:, 9:])
    for other in (stream, Stream(net), Stream(copy.deepcopy(net), 7)):
        other.restore(kept)
        assert other.rows == 4
        assert torch.equal(other.push(x[:, 9:]), rest)


def damaged(kept):
    """Bytes that must be refused, and a word of why."""
    yield b"", "no snapshot"
    yield b"GIF89a" + bytes(100), "no snapshot"
    yield kept[:10], "cut short"
    yield kept[:-1], "cut short"
    yield kept[: len(kept) // 2], "cut short"
    yield kept + b"x", "damaged"
    yield kept[:8] + (2).to_bytes(4, "little") + kept[12:], "version 2"
    for at in (21, 30, len(kept) // 2, len(kept) - 1):
        yield kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :], "damaged"


def test_bytes_that_are_no_snapshot_of_this_model_leave_the_stream_as_it_is():
    net, x = language(), torch.randint(0, 11, (2, 20))
    whole, _ = net.sequence(x)
    stream = Stream(net, 2)
    stream.push(x[:, :9])
    other = language(seed=1)
    foreign = (
        (Stream(GRU(3, 4)).snapshot(), r"of another model, GRU\(3, 4\)"),
        (Stream(Elman(3, 4, nonlinearity="relu")).snapshot(), "of another model"),
        (Stream(language().double(), 2).snapshot(), "of another model"),
        (Stream(other, 2).snapshot(), "with other weights; same_weights=False"),
    )
    for bad, says in (*damaged(stream.snapshot()), *foreign):
        with pytest.raises(SnapshotError, match=says) as error:
            stream.restore(bad)
        assert "\n" not in str(error.value)
    assert torch.equal(stream.push(x[:, 9:]), whole[:, 9:])
    stream.restore(foreign[-1][0], same_weights=False)
    assert torch.equal(stream.push(x), whole)


def test_a_snapshot_with_a_foreign_header_is_checked_before_use():
    """Its checksum is no secret: what the header says is believed only where it fits."""
    FRONT, DIGEST, MAGIC = snapshot.FRONT, snapshot.DIGEST, snapshot.MAGIC
    stream = Stream(GRU(3, 4), 2)
    kept = stream.snapshot()
    length = FRONT.unpack_from(kept)[3]
    header = json.loads(kept[FRONT.size : FRONT.size + length])
    body = kept[FRONT.size + length : -DIGEST]
    for change, says in (
        ({"rows": 10**12}, "rows"),
        ({"rows": "2"}, "rows"),
        ({"rows": True}, "rows"),
        ({"rows": 3}, "bytes of states"),
        ({"type": "float64"}, "another model"),
        ({"outline": None}, "another model"),
    ):
        changed = json.dumps(header | change).encode()
        size = FRONT.size + len(changed) + len(body) + DIGEST
        whole = FRONT.pack(MAGIC, 1, size, len(changed)) + changed + body
        with pytest.raises(SnapshotError, match=says):
            stream.restore(whole + hashlib.sha256(whole).digest())
    with pytest.raises(SnapshotError, match="got a str"):
        snapshot._open("text")
    for text in (b"[1]", b"{", b"[" * 100_000):
        size = FRONT.size + len(text) + DIGEST
        whole = FRONT.pack(MAGIC, 1, size, len(text)) + text
        with pytest.raises(SnapshotError, match="header cannot be read"):
            stream.restore(whole + hashlib.sha256(whole).digest())


SENSOR = """
import sys, torch
from pathlib import Path
from recurra import GRU, Each, Stack, Stream
torch.manual_seed(0)
net = Stack([GRU(3, 16), GRU(16, 16), Each(torch.nn.Linear(16, 2))])
x = torch.randn(1, 4000, 3, generator=torch.Generator().manual_seed(5))
stream = Stream(net)
place, begin = Path(sys.argv[1]), int(sys.argv[2])
if begin:
    stream.restore(place.read_bytes())
for t in range(begin, x.shape[1]):
    y = stream.push(x[:, t])
    if t == 999:
        place.write_bytes(stream.snapshot())
        print("kept", flush=True)
        if sys.argv[3] == "wait":
            sys.stdin.read()
print(y.numpy().tobytes().hex())
"""


def test_a_stream_that_was_killed_goes_on_in_another_process(tmp_path):
    script = tmp_path / "sensor.py"
    script.write_text(SENSOR)

    def begin(*given, **how):
        command = [sys.executable, str(script), str(tmp_path / "state"), *given]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, **how)

    with begin("0", "wait") as killed:
        assert killed.stdout.readline() == "kept\n"
        killed.kill()
    assert killed.returncode < 0
    with begin("1000", "go") as restored:
        after = restored.communicate()[0]
    with begin("0", "go") as never:
        without = never.communicate()[0].replace("kept\n", "")
    assert len(after) > 10
    assert after == without
