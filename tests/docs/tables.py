"""Small tables and texts under the names that the pages use."""

import wave
from pathlib import Path

import numpy as np
import pandas as pd

from recurra.tasks import (
    LanguageModel,
    SequenceClassifier,
    SequenceRegressor,
    Tagger,
    TextClassifier,
    Transducer,
    Translator,
)

HOURS, DAYS, AHEAD = 960, 240, 14
SHOPS = ("north", "south", "west")


def write_tables(folder: Path) -> None:
    """Write every table and text that a page names."""
    random = np.random.default_rng(0)
    load = _load(random)
    load.to_csv(folder / "load.csv", index=False)
    later = _load(random, begin="2024-02-10", hours=480)
    later.to_csv(folder / "newer.csv", index=False)
    _sales(random).to_csv(folder / "sales.csv", index=False)
    load.rename(columns={"load": "wind"}).to_csv(folder / "wind.csv", index=False)
    gaps = load.copy()
    gaps.loc[100:300, "load"] = np.nan
    gaps.to_csv(folder / "gaps.csv", index=False)
    pd.concat([load, load.iloc[40:41]]).to_csv(folder / "twice.csv", index=False)
    load.assign(load=load["load"].astype("str").where(load.index != 70, "fault")).to_csv(
        folder / "fault.csv", index=False
    )
    _tagged(folder)
    _labelled(folder)
    _sequences(folder)
    _write_texts(folder)
    _write_pairs(folder)


def _write_texts(folder: Path) -> None:
    novel = LanguageModel.sample(folder).read_text().splitlines(keepends=True)
    (folder / "novel.txt").write_text("".join(novel[:100]))
    (folder / "chat.txt").write_text("".join(novel[150:250]))
    (folder / "letter.txt").write_text("".join(novel[250:255]))
    (folder / "other.txt").write_text("".join([*novel[260:290], "The heron forgets Straße.\n"]))


def _write_pairs(folder: Path) -> None:
    """Sentences with translations, dates with their standard form, and files that do not fit."""
    toy = Translator.sample(folder).read_text().splitlines(keepends=True)
    (folder / "pairs.tsv").write_text("".join(toy[:100]))
    parts = {"train": toy[:150], "newer": toy[150:180], "valid": toy[180:200]}
    for name, lines in parts.items():
        sides = zip(*(line.rstrip("\n").split("\t") for line in lines), strict=True)
        for language, texts in zip(("en", "de"), sides, strict=True):
            (folder / f"{name}.{language}").write_text("".join(f"{text}\n" for text in texts))
    dates = Transducer.sample(folder).read_text().splitlines(keepends=True)
    (folder / "newer-dates.tsv").write_text("".join(dates[:40]))
    texts = [line.partition("\t")[0] for line in dates[:3]]
    (folder / "newer-dates.txt").write_text("".join(f"{text}\n" for text in texts))
    (folder / "blank.tsv").write_text("a\tb\n\tb\na\tb\n")
    (folder / "columns.tsv").write_text("a\tb\na\tb\tc\n")


def _load(
    random: np.random.Generator, begin: str = "2024-01-01", hours: int = HOURS
) -> pd.DataFrame:
    """One hourly series with a daily season."""
    hour = np.arange(hours)
    load = 500 + 80 * np.sin(2 * np.pi * hour / 24) + random.normal(0, 10, hours)
    return pd.DataFrame(
        {"date": pd.date_range(begin, periods=hours, freq="h"), "load": load.round(1)}
    )


def _sales(random: np.random.Generator) -> pd.DataFrame:
    """Three daily series in a long table; the last days have a promotion's plan and no sales."""
    day = np.arange(DAYS + AHEAD)
    parts = []
    for number, shop in enumerate(SHOPS):
        promo = (random.random(len(day)) < 0.2).astype(int)
        visitors = 300 + 50 * number + 60 * (day % 7 == 5) + random.normal(0, 15, len(day))
        sales = (visitors / 10 + 8 * promo + random.normal(0, 2, len(day))).round(1)
        part = pd.DataFrame(
            {
                "unique_id": shop,
                "ds": pd.date_range("2024-01-01", periods=len(day)),
                "y": sales,
                "visitors": visitors.round(),
                "promo": promo,
            }
        )
        part.loc[day >= DAYS, ["y", "visitors"]] = np.nan
        parts.append(part)
    return pd.concat(parts)


def _tagged(folder: Path) -> None:
    """Sentences with parts of speech and with names, and files that do not fit."""
    bakery = Tagger.sample(folder)
    sentences = bakery.read_text().split("\n\n")
    (folder / "newer.conllu").write_text("\n\n".join([*sentences[::4][:30], ""]))
    names = "Ada B-PER\nBerg I-PER\nsees O\nNew B-LOC\nYork I-LOC\n\nEmil B-PER\nwalks O\n\n"
    (folder / "names.conll").write_text(names * 6)
    (folder / "broken.conll").write_text("Ada B-PER\nsees O\n\nNew York B-LOC\n")
    (folder / "words.conll").write_text("Ada\nsees\n")


def _labelled(folder: Path) -> None:
    """Reviews and tickets with labels, of which a few are missing."""
    reviews = pd.read_csv(TextClassifier.sample(folder))
    reviews[::4].to_csv(folder / "newer-reviews.csv", index=False)
    queues = np.arange(120) % 3
    asks = ("pay the bill", "mend the door", "send the parcel")
    tickets = pd.DataFrame(
        {
            "queue": [("money", "house", "post")[queue] for queue in queues],
            "story": [f"Please {asks[queue]} of room {k}." for k, queue in enumerate(queues)],
        }
    )
    tickets.loc[[10, 50, 90], "queue"] = None
    tickets.to_csv(folder / "tickets.tsv", index=False, sep="\t")


def _sequences(folder: Path) -> None:
    """Gestures, some with holes; batteries; machines that wear down; tones in folders."""
    gestures = pd.read_csv(SequenceClassifier.sample(folder))
    gestures[gestures["id"].isin([f"g{number}" for number in range(60, 90)])].to_csv(
        folder / "newer-gestures.csv", index=False
    )
    holes = gestures.copy()
    holes.loc[::7, "x"] = np.nan
    holes.to_csv(folder / "holes.csv", index=False)
    SequenceRegressor.sample(folder)
    steps = [
        {"id": f"m{machine}", "time": t, "heat": round(t / length + machine % 3 / 50, 3),
         "left": length - t}
        for machine in range(20)
        for length in [6 + machine % 5]
        for t in range(length)
    ]  # fmt: skip
    pd.DataFrame(steps).to_csv(folder / "wear.csv", index=False)
    for number in range(16):
        place = folder / "tones" / ("low", "high")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        tone = 0.5 * np.sin(np.arange(1200) * (0.1, 0.5)[number % 2] * (1 + number / 100))
        with wave.open(str(place / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((tone * 32767).astype("<i2").tobytes())
