"""`recurra demo`."""

import argparse
from pathlib import Path

from recurra.cli.flags import add_debug
from recurra.cli.status import INTERRUPTED

HELP = "forecast the carbon dioxide of Mauna Loa, week by week"
HORIZON = 26


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the results go."""
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("demo"))
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Train, print the table, write the run, the forecast and its picture."""
    from recurra.cli.show import show_measures
    from recurra.tasks import Forecaster
    from recurra.train import write_whole

    source = co2()
    print("Weekly CO2 at Mauna Loa, 1958 to 2001, parts per million (Keeling and Whorf).")
    forecaster = Forecaster(horizon=HORIZON).fit(source)
    forecast = forecaster.predict()
    out: Path = args.out
    forecaster.save(out / "run")
    write_whole(out / "forecast.csv", lambda path: forecast.to_csv(path, index=False))
    forecaster.plot(forecast, out / "forecast.png", source)
    show_measures(forecaster.measures_)
    print(f"forecast  {out / 'forecast.csv'}, drawn in {out / 'forecast.png'}")
    print(f"next      recurra predict {out / 'run'}")
    return INTERRUPTED if forecaster.interrupted_ else 0


def co2() -> Path:
    """The table that statsmodels brings, found without importing statsmodels."""
    import importlib.util

    from recurra.errors import MissingPackageError

    found = importlib.util.find_spec("statsmodels")
    if found is None or found.origin is None:
        raise MissingPackageError("the demo's data comes with statsmodels; pip install statsmodels")
    return Path(found.origin).parent / "datasets" / "co2" / "co2.csv"
