"""Sentences of Multi30k from English into German and French, and texts rewritten by characters.

The model learns from the 29,000 pairs, stops by the 1,014 of validation, and translates the test
file of 2016 once. BLEU is sacreBLEU's, of raw text with its capitals; its signature is printed.

Published figures are of text lower-cased and cut by another tool, which makes them larger by one
to three points. Source: Caglayan et al., "LIUM-CVC Submissions for WMT17 Multimodal Translation
Task", 2017, arXiv:1707.04481 (networks that see the text alone).
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.deciding import step_rows
from bench.rewriting import CASES, rewritten
from bench.rows import Row, wanted
from recurra.data import read_lines
from recurra.tasks import Translator
from recurra.tasks.rewriting.scores import bleu

FOLDER = Path("translation") / "multi30k"
SOURCE, TEST = "en", "test_2016_flickr"
PUBLISHED = {"de": 38.1, "fr": 53.0}
PEER = "attentive GRU, lower-cased, tokenised"
# The minutes end it: in 22 of them, on one thread, German came to 36.4 BLEU.
RECIPE: dict[str, Any] = {
    "minutes": 25,
    "epochs": 60,
    "patience": 1000,
    "schedule": "cosine",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--data` of `ett` and `--minutes`, `--seed` of `capability` say where, how long and how."""


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    folder = args.data.parent / FOLDER
    for target in PUBLISHED:
        case = f"{SOURCE}-{target}"
        if wanted(case, args.only):
            if folder.exists():
                yield from _shown(_translated(case, folder, target, args))
            else:
                print(f"{case}: {folder} is not there; --data FOLDER says where it is")
    for case in CASES:
        if wanted(case, args.only):
            yield from _shown(rewritten(case, args.seed))
    if wanted("decoder step", args.only):
        yield from _shown(step_rows())


def _translated(case: str, folder: Path, target: str, args: argparse.Namespace) -> Iterator[Row]:
    """What is reached in so many minutes, by a beam and without."""
    train, valid, test = (
        [folder / f"{part}.{side}.gz" for side in (SOURCE, target)]
        for part in ("train", "val", TEST)
    )
    model = Translator(seed=args.seed, **RECIPE)
    model.minutes = args.minutes or model.minutes
    begun = time.monotonic()
    # A fit stops by the first half and measures on the second: so all of it is given twice.
    model.fit(train, _twice(valid))
    minutes = (time.monotonic() - begun) / 60
    sources, references = (read_lines(path) for path in test)
    beam, seconds = _answers(model, sources, 5)
    greedy, _ = _answers(model, sources, 1)
    found, without = bleu(beam, references), bleu(greedy, references)
    print(f"{case}: {found.signature}", flush=True)
    yield Row(case, "BLEU, beam 5", found.value, "", PEER, PUBLISHED[target])
    yield Row(case, "BLEU, beam 5", found.value, "", "greedy", without.value)
    yield Row(case, "sentences, beam 5", len(sources) / seconds, "/s")
    last = model.history_.epochs[-1]
    yield Row(case, "validation", model.history_.best.valid_loss, "100 - BLEU")
    yield Row(case, "minutes of the whole fit", minutes, f"min, {last.epoch} epochs")


def _answers(model: Translator, sources: list[str], beam: int) -> tuple[list[str], float]:
    """What is said, and the seconds that it took."""
    begun = time.monotonic()
    answer = model.predict(sources, beam=beam, n_best=1)
    return answer["target"].tolist(), time.monotonic() - begun


def _twice(paths: list[Path]) -> list[tuple[str, str]]:
    pairs = list(zip(*map(read_lines, paths), strict=True))
    return [*pairs, *pairs]


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        row.show()
        yield row
