"""Classes and values of sequences of numbers, on sets of eleven kinds, by their own splits.

japanese_vowels   nine speakers by twelve cepstra a frame; UEA's split
basic_motions     four activities by a watch; UEA's split
pendigits         digits as strokes of eight points; other writers in the test part
fsdd              spoken digits from WAV files; the source's split, which shares speakers
fsdd_speakers     the same with one of six speakers left out, in turn
movement_aal      whether a walker changes rooms, by radio: homogeneous, a third of each path of
                  environments 1 and 2 tested; heterogeneous, environment 3 tested
hmp_adl           activities by a wrist's acceleration, five folds of volunteers
jhmdb_pose        actions by joints of a body, the three official splits
cmapss_fd001      cycles that an engine has left, capped at 125 in what is learned
splice            junctions in DNA, ten folds
ecoli_promoters   promoters in DNA, five folds
mnist             digits by rows of pixels, in ten minutes
missing           japanese_vowels with half of all values deleted, in training and test: cells that
                  are told what is missing beside a GRU over means
moving_shapes     six motions as MP4 files, made here
one_hour_clip     memory of an answer to an hour of video beside one to a minute
invariance        how far a score moves by company, by padding and by order

Each case learns from its training part alone, of which a tenth ends the learning, and is measured
once a seed, or once a fold where folds are the protocol. Fields that are no defaults stand in
`bench/signals_table.py`; they were chosen on parts of the training data.
"""

import argparse
from collections.abc import Iterator
from statistics import mean, pstdev

from bench.rows import Row, wanted
from bench.signals_cases import Case, Outcome
from bench.signals_claims import CLAIMS
from bench.signals_table import CASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--data` and `--seeds` are those of `ett`; the sets lie beside the forecasting data."""
    parser.add_argument(
        "--epochs", type=int, help="of signals, in place of each case's own, for a quick look"
    )


def run(args: argparse.Namespace) -> Iterator[Row]:
    """The rows of every case that is wanted."""
    folder = args.data.parent
    for name, case in CASES.items():
        if not wanted(name, args.only):
            continue
        if case.needs is not None and not (folder / case.needs).exists():
            print(f"{name}: {folder / case.needs} is not there; --data FOLDER says where it is")
            continue
        yield from _shown(rows(name, case, list(case.run(folder, args.seeds, args.epochs))))
    for name, claim in CLAIMS.items():
        if wanted(name, args.only):
            yield from _shown(claim(name))


def rows(name: str, case: Case, outcomes: list[Outcome]) -> Iterator[Row]:
    """What several trainings came to: mean, spread, and the longest."""
    values = [one.value for one in outcomes]
    yield Row(name, case.metric, mean(values), case.unit, *(case.quoted or (None, None)))
    yield Row(name, f"spread of {len(values)}", pstdev(values), case.unit)
    if case.bar is not None:
        yield Row(name, "asked for", case.bar, case.unit, "aim", case.aim)
    for beside in dict.fromkeys(key for one in outcomes for key in one.beside):
        found = mean(one.beside[beside] for one in outcomes if beside in one.beside)
        yield Row(name, beside, found, case.unit)
    yield Row(name, "minutes, longest", max(one.minutes for one in outcomes), "min")


def _shown(found: Iterator[Row]) -> Iterator[Row]:
    for row in found:
        row.show()
        yield row
