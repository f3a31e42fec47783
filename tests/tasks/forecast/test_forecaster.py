"""The forecaster as a user meets it in Python."""

import hashlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.engine.subjects import FEW

from recurra.errors import DataError, OptionError
from recurra.tasks import Forecaster
from recurra.tasks.forecast.setting import MODELS

COLUMNS = ["unique_id", "ds", "y_hat", "lo-80", "hi-80", "lo-95", "hi-95"]
FAST = {"hidden_size": 4, "batch_size": 2, "epochs": 1, "quiet": True}


@pytest.fixture(scope="session")
def bakery(trained):
    return pd.read_csv(trained("forecast").data, parse_dates=["date"])


@pytest.fixture(scope="session")
def forecaster(trained):
    return trained("forecast").estimator


def short(bakery, rows=120, **more):
    return bakery.iloc[:rows].assign(**more).reset_index(drop=True)


def close(left, right, tolerance=1e-6):
    pd.testing.assert_frame_equal(
        left.reset_index(drop=True), right.reset_index(drop=True), rtol=0, atol=tolerance
    )


def test_the_answer_is_a_long_frame_after_the_end_of_every_series(forecaster, bakery):
    answer = forecaster.predict()
    assert list(answer.columns) == COLUMNS
    assert answer["unique_id"].tolist() == ["bread"] * 7 + ["cake"] * 7
    ahead = pd.date_range(bakery["date"].iloc[-1], periods=8)[1:]
    assert answer["ds"].tolist() == [*ahead, *ahead]
    assert answer.notna().all(axis=None)
    ordered = answer[["lo-95", "lo-80", "y_hat", "hi-80", "hi-95"]].to_numpy()
    assert (np.diff(ordered, axis=1) > 0).all()
    for name in ("bread", "cake"):
        mine = answer.loc[answer["unique_id"] == name, "y_hat"]
        assert bakery[name].min() < mine.min()
        assert mine.max() < bakery[name].max() + 5


def test_every_make_of_table_gives_the_same_answer(forecaster, bakery, trained):
    answer = forecaster.predict()
    for table in (trained("forecast").data, str(trained("forecast").data), bakery):
        close(forecaster.predict(table), answer, 0)
    close(forecaster.predict(pl.from_pandas(bakery)), answer, 0)
    close(forecaster.predict(bakery.set_index("date")), answer, 0)


def test_the_order_of_rows_means_nothing(forecaster, bakery):
    mixed = bakery.sample(frac=1, random_state=0)
    close(forecaster.predict(mixed), forecaster.predict(), 0)


def test_a_table_is_not_changed(forecaster, bakery):
    before = bakery.copy()
    forecaster.predict(bakery)
    forecaster.measure(bakery)
    pd.testing.assert_frame_equal(bakery, before)


def test_only_what_is_looked_back_on_counts(forecaster, bakery):
    close(forecaster.predict(bakery.iloc[-14:]), forecaster.predict(), 0)


def test_a_series_with_another_name_is_a_stranger(forecaster, bakery):
    """It is scaled by its own history and has the mean of the known series' vectors."""
    named = bakery.rename(columns={"bread": "rolls"})
    answer = forecaster.predict(named, target=("rolls",))
    assert answer["unique_id"].tolist() == ["rolls"] * 7
    known = forecaster.predict(bakery)
    difference = answer["y_hat"].to_numpy() - known["y_hat"].to_numpy()[:7]
    assert 0 < np.abs(difference).max() < 5
    scaled = forecaster.predict(named.assign(rolls=named["rolls"] * 100 + 7), target=("rolls",))
    numbers = COLUMNS[2:]
    np.testing.assert_allclose(scaled[numbers], answer[numbers] * 100 + 7, rtol=1e-4)


@pytest.fixture(scope="module")
def many(bakery):
    """A forecaster that learned ten series of a long table."""
    random = np.random.default_rng(0)
    rows = []
    for k in range(10):
        part = short(bakery, 90)[["date", "bread"]].rename(columns={"date": "ds", "bread": "y"})
        part["y"] = part["y"] * (k + 1) + random.normal(size=90)
        rows.append(part.assign(unique_id=f"shop {k}"))
    table = pd.concat(rows, ignore_index=True)
    return Forecaster(horizon=3, **FAST).fit(table), table


@pytest.mark.parametrize("names", [["shop 3"], ["shop 7", "shop 2"], ["new"], ["new", "shop 0"]])
def test_a_series_alone_and_among_others(many, names):
    fitted, table = many
    table = pd.concat([table, table[table["unique_id"] == "shop 4"].assign(unique_id="new")])
    among = fitted.predict(table)
    alone = fitted.predict(table[table["unique_id"].isin(names)])
    for name in names:
        one = alone[alone["unique_id"] == name]
        scale = max(1.0, table.loc[table["unique_id"] == name, "y"].std())
        close(one, among[among["unique_id"] == name], 1e-6 * scale)


def test_a_series_may_end_earlier_or_be_short(many):
    fitted, table = many
    early = table[~((table["unique_id"] == "shop 1") & (table["ds"] >= "2024-03-01"))]
    answer = fitted.predict(early)
    first = answer.groupby("unique_id")["ds"].min()
    assert first["shop 1"] == pd.Timestamp("2024-03-01")
    assert first["shop 0"] == pd.Timestamp("2024-03-31")
    tiny = table[table["unique_id"] == "shop 1"].iloc[:2]
    assert fitted.predict(tiny)["y_hat"].notna().all()


@pytest.mark.parametrize("cell", FEW)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_and_cell_learns(bakery, model, cell):
    fitted = Forecaster(horizon=3, season=7, context=7, model=model, cell=cell, **FAST)
    fitted.fit(short(bakery))
    assert fitted.predict().notna().all(axis=None)
    assert fitted.learned_.setting.cell == cell
    assert fitted.learned_.setting.model == model
    assert fitted.measures_.metrics["mae"] < 10


def test_one_of_several_columns_may_be_the_target(bakery):
    fitted = Forecaster(horizon=3, target=("cake",), **FAST).fit(short(bakery))
    assert set(fitted.predict()["unique_id"]) == {"cake"}


def holes(bakery, share, rows=160):
    table = short(bakery, rows)
    gone = np.random.default_rng(0).random(rows - 2) < share
    table.loc[1 : rows - 2, "bread"] = table.loc[1 : rows - 2, "bread"].where(~gone)
    return table


def test_a_few_missing_values_are_bridged_and_told_to_the_network(bakery):
    fitted = Forecaster(horizon=3, **FAST).fit(holes(bakery, 0.05))
    assert fitted.learned_.setting.gaps
    assert fitted.predict()["y_hat"].notna().all()


def test_many_missing_values_need_a_choice(bakery):
    table = holes(bakery, 0.2)
    with pytest.raises(DataError, match=r"more than 10 % needs --missing interpolate or drop"):
        Forecaster(horizon=3, **FAST).fit(table)
    for missing in ("interpolate", "drop"):
        fitted = Forecaster(horizon=2, context=4, missing=missing, **FAST).fit(table)
        assert fitted.predict()["y_hat"].notna().all()
    with pytest.raises(DataError, match="--missing refuse allows none"):
        Forecaster(horizon=3, missing="refuse", **FAST).fit(holes(bakery, 0.05))


def test_a_constant_series_is_refused_or_left_out(bakery):
    table = short(bakery, flat=3.0)
    with pytest.raises(DataError, match='series "flat": all values are equal'):
        Forecaster(horizon=3, **FAST).fit(table)
    fitted = Forecaster(horizon=3, skip_constant=True, **FAST).fit(table)
    assert fitted.learned_.names == ("bread", "cake")


def test_a_short_series_is_left_out_of_learning_and_still_forecast(bakery):
    table = short(bakery, late=np.nan)
    table.loc[115:, "late"] = [1.0, 2.0, 1.5, 2.5, 2.0]
    with pytest.raises(DataError, match='series "late" has 0 steps before'):
        Forecaster(horizon=12, missing="interpolate", **FAST).fit(table)
    fitted = Forecaster(horizon=12, skip_short=True, **FAST).fit(table)
    assert fitted.learned_.names == ("bread", "cake")
    answer = fitted.predict()
    assert set(answer["unique_id"]) == {"bread", "cake", "late"}
    assert answer.notna().all(axis=None)


def covariates(bakery, rows=120, ahead=3):
    """Bread depends on the weather of the day, known ahead, and on yesterday's visitors."""
    random = np.random.default_rng(0)
    table = bakery[["date", "bread"]].iloc[: rows + ahead].reset_index(drop=True)
    table["weather"] = random.normal(size=len(table))
    table["visitors"] = random.normal(size=len(table))
    table["bread"] += 8 * table["weather"]
    table.loc[rows:, ["bread", "visitors"]] = np.nan
    return table


@pytest.mark.parametrize("model", MODELS)
def test_covariates_are_learned_from_by_name(bakery, model):
    table = covariates(bakery)
    fields = {**FAST, "epochs": 3, "hidden_size": 16, "learning_rate": 0.01}
    fitted = Forecaster(
        horizon=3, context=7, past=("visitors",), future=("weather",), model=model, **fields
    ).fit(table)
    answer = fitted.predict()
    assert set(answer["unique_id"]) == {"bread"}
    close(fitted.predict(table), answer, 0)
    sunny = table.copy()
    sunny.loc[120:, "weather"] += 5
    # The linear part does not see the weather, so only the network's share may move.
    share = float(fitted.learned_.network.share)
    moved = (fitted.predict(sunny)["y_hat"] - answer["y_hat"]).abs()
    assert (moved > 0).all() if share < 1 else (moved == 0).all()


def test_covariates_known_ahead_must_reach_the_horizon(bakery, tmp_path):
    table = covariates(bakery, ahead=2)
    fitted = Forecaster(horizon=3, future=("weather",), target=("bread",), **FAST).fit(table)
    with pytest.raises(
        DataError, match=r"known for 2 steps after its end, the horizon is 3; add r"
    ):
        fitted.predict()
    fitted.save(tmp_path / "run")
    assert not (tmp_path / "run" / "forecast.png").exists()
    back = Forecaster.load(tmp_path / "run")
    assert len(back.predict(covariates(bakery))) == 3


def test_a_table_to_validate_on_follows_in_time(bakery):
    first, rest = short(bakery, 150), bakery.iloc[150:250]
    fitted = Forecaster(horizon=3, **FAST).fit(first, valid=rest)
    assert (fitted.learned_.split.valid, fitted.learned_.split.test) == (150, 200)
    scale = fitted.learned_.scaler
    assert scale.mean[0] == pytest.approx(first["bread"].mean())
    assert fitted.predict()["ds"].iloc[0] == rest["date"].iloc[-1] + pd.Timedelta(days=1)
    with pytest.raises(DataError, match="--valid begins before the data ends; it must follow"):
        Forecaster(horizon=3, **FAST).fit(rest, valid=first)
    with pytest.raises(OptionError, match="--valid needs dates"):
        Forecaster(horizon=3, no_time=True, target=("bread",), **FAST).fit(first, valid=rest)


def test_minutes_end_the_learning(bakery):
    fitted = Forecaster(horizon=3, minutes=1e-6, **{**FAST, "epochs": 99}).fit(short(bakery))
    assert fitted.history_.ended == "minutes"
    assert len(fitted.history_.epochs) == 1
    assert not fitted.interrupted_
    assert fitted.predict()["y_hat"].notna().all()


def test_rows_may_be_numbered(bakery):
    table = short(bakery)[["bread"]]
    fitted = Forecaster(horizon=3, no_time=True, **FAST).fit(table)
    assert fitted.predict()["ds"].tolist() == [120, 121, 122]
    assert fitted.predict(table.iloc[:50])["ds"].tolist() == [50, 51, 52]


def test_wrong_columns_at_predict_are_named(forecaster, bakery):
    with pytest.raises(
        DataError, match=r"expects 2 columns \(bread, cake\); missing cake; add them"
    ):
        forecaster.predict(bakery[["date", "bread"]])
    table = bakery.astype({"cake": object})
    table.loc[3, "cake"] = "none"
    with pytest.raises(DataError, match=r'column "cake": .* row 3: "none"; .* say --na "none"'):
        forecaster.predict(table)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"batch_size": 10**9}, "--batch-size is 1000000000; it is 1 … 65536"),
        ({"seed": -1}, "--seed is -1; it is 0 …"),
        ({"seed": 2**70}, "--seed is 118"),
        ({"context": 0}, "--context is 0; it is at least 1"),
        ({"horizon": 0}, "--horizon is 0; it is at least 1"),
        ({"season": -1}, "--season is -1; it is at least 1"),
        ({"cell": "nope"}, '--cell is "nope"; what fits: elman, gru, lstm'),
        ({"hidden_size": 0}, "--hidden-size is 0"),
        ({"dropout": 1.0}, "--dropout is 1.0"),
        ({"learning_rate": 0.0}, "--learning-rate is 0.0"),
        ({"epochs": 0}, "--epochs is 0"),
        ({"minutes": -1.0}, "--minutes is -1.0"),
        ({"horizon": 100}, "--horizon 38 fits"),
        ({"horizon": 3, "context": 110}, "a shorter --context may"),
    ],
)
def test_an_option_that_does_not_fit_is_named(bakery, fields, said):
    with pytest.raises((OptionError, DataError), match=said):
        Forecaster(**{**FAST, "horizon": 3, **fields}).fit(short(bakery))


def test_the_same_values_have_the_same_hash(forecaster, bakery):
    """Of a file and of the frame read from it; another value gives another."""
    fields = {"horizon": 3, **FAST}
    one, two = (Forecaster(**fields).fit(short(bakery)) for _ in range(2))
    other = short(bakery)
    other.loc[5, "cake"] += 1e-9
    three = Forecaster(**fields).fit(other)
    assert one.data_ == two.data_ != three.data_
    assert len(one.data_["sha256"]) == hashlib.sha256().digest_size * 2
    assert forecaster.data_["name"] == "bakery.csv"


# --- judged on data


def test_what_was_learned_from_is_not_judged(forecaster, bakery):
    measures = forecaster.measure(bakery)
    # The test part of `fit`, and the same numbers as there, but for the intervals' last step.
    for name in ("mase", "mae", "rmse"):
        assert measures.metrics[name] == pytest.approx(forecaster.measures_.metrics[name], rel=1e-5)
    for name, row in forecaster.measures_.baselines.items():
        assert measures.baselines[name] == pytest.approx(row, rel=1e-5)
    assert forecaster.evaluate(bakery) == measures.metrics
    with pytest.raises(DataError, match="nothing to measure on: it takes 14 steps to look back"):
        forecaster.measure(bakery.iloc[:300])


def test_a_stranger_is_judged_everywhere(many):
    fitted, table = many
    one = table[table["unique_id"] == "shop 4"].assign(unique_id="new")
    context, horizon = fitted.learned_.setting.context, fitted.learned_.setting.horizon
    measures = fitted.measure(one)
    count = len(one) - context - horizon + 1
    assert measures.about == f"on {count} forecasts of 3 steps of 1 series, 1 of them new"


def test_metrics_are_those_of_the_forecasts_themselves(forecaster, bakery):
    """By asking `predict` on the first and on the last day that can be judged."""
    errors, held = {}, {}
    for day in (340, 393):
        answer = forecaster.predict(bakery.iloc[:day])
        true = bakery[["bread", "cake"]].iloc[day : day + 7].to_numpy().T.ravel()
        errors[day] = np.abs(answer["y_hat"].to_numpy() - true)
        held[day] = (answer["lo-80"] <= true) & (true <= answer["hi-80"])
    last, both = (forecaster.backtest(bakery, windows=count).loc["model"] for count in (1, 2))
    assert last["mae"] == pytest.approx(errors[393].mean(), rel=1e-5)
    assert last["coverage_80"] == pytest.approx(held[393].mean())
    every = np.concatenate(list(errors.values()))
    assert both["mae"] == pytest.approx(every.mean(), rel=1e-5)
    assert both["rmse"] == pytest.approx(np.sqrt((every**2).mean()), rel=1e-5)
    assert both["coverage_80"] == pytest.approx(np.concatenate(list(held.values())).mean())


def test_a_backtest_has_a_row_each_method(forecaster, bakery):
    frame = forecaster.backtest(bakery, windows=5)
    assert list(frame.index) == ["model", "naive", "seasonal naive", "nlinear"]
    assert frame[["mase", "mae", "rmse"]].notna().all(axis=None)
    assert frame.loc["model", ["coverage_80", "coverage_95"]].between(0, 1).all()
    for windows in (0, 10_000):
        with pytest.raises(OptionError, match=r"windows is \d+; the held-out part has 1 … 54"):
            forecaster.backtest(bakery, windows=windows)


def test_coverage_is_measured_not_assumed(forecaster, bakery):
    wild = bakery.copy()
    wild.loc[340:, ["bread", "cake"]] *= 10
    assert forecaster.measure(wild).metrics["coverage_95"] < 0.5
    assert forecaster.measure(bakery).metrics["coverage_95"] > 0.8


def test_a_single_name_may_stand_without_its_tuple(bakery, tmp_path):
    alone = Forecaster(target="cake", horizon=3, **FAST).fit(short(bakery))
    assert alone.learned_.names == ("cake",)
    renamed = short(bakery).rename(columns={"bread": "rolls"})
    assert set(alone.predict(renamed, target="rolls")["unique_id"]) == {"rolls"}
    alone.save(tmp_path / "run")
    assert Forecaster.load(tmp_path / "run").target == ("cake",)
