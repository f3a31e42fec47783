"""A tuning from its first trial to its best; toys learn by the real loop, in milliseconds."""

import signal
import threading

import pandas as pd
import pytest
from PIL import Image
from tests.tune.toy import Counter, Toy

import recurra.tune.tuning as tuning
from recurra.errors import (
    DataError,
    OptionError,
    StorageError,
    TerminatedError,
    TrainingError,
    UnsupportedError,
)
from recurra.tasks import Forecaster
from recurra.tune import tune
from recurra.tune.study import alone_in, join_study, open_study

DATA = pd.DataFrame({"y": [1.0]})
QUIET = {"quiet": True, "epochs": 3, "learning_rate": 0.1}


@pytest.fixture(scope="module")
def tuned():
    return tune(Toy(**QUIET), DATA, trials=30, search=["far", "kind", "size"])


def test_the_default_comes_first_and_the_best_is_no_worse(tuned):
    first = tuned.trials[0]
    assert (first.number, first.default, first.state) == (0, True, "finished")
    assert first.fields == {"far": 3.0, "kind": "a", "size": 8}
    assert not any(trial.default for trial in tuned.trials[1:])
    assert tuned.winner.value < first.value
    share = 1 - tuned.winner.value / first.value
    assert tuned.verdict == (
        f"trial {tuned.winner.number} beats the default: its validation loss is "
        f"{tuned.winner.value:.4f} against {first.value:.4f}, {share:.1%} less"
    )


def test_the_best_learns_again_and_is_what_its_trial_was(tuned):
    assert tuned.best == Toy(**QUIET, **tuned.winner.fields)
    assert tuned.best.history_.best.valid_loss == tuned.winner.value
    assert tuned.best.kind == "b"


def test_a_trial_that_is_worse_than_others_is_pruned_and_the_first_epoch_is_spared(tuned):
    states = [trial.state for trial in tuned.trials]
    assert states.count("pruned") > 5
    assert states.count("pruned") + states.count("finished") == 30
    best = tuned.winner.value
    assert all(trial.value > best for trial in tuned.trials if trial.state == "pruned")


def test_what_matters_is_found(tuned):
    assert list(tuned.importances)[-1] == "size"  # changes nothing
    assert sum(tuned.importances.values()) == pytest.approx(1)


def test_one_seed_is_one_course(tuned):
    again = tune(Toy(**QUIET), DATA, trials=30, search=["far", "kind", "size"], refit=False)
    assert [t.fields for t in again.trials] == [t.fields for t in tuned.trials]
    assert [t.value for t in again.trials] == [t.value for t in tuned.trials]
    assert again.importances == tuned.importances
    other = tune(Toy(**QUIET, seed=1), DATA, trials=3, search=["far"], refit=False)
    assert other.trials[1].fields["far"] != tuned.trials[1].fields["far"]


def test_the_table_has_a_row_a_trial(tuned):
    table = tuned.table
    assert list(table.columns) == [
        "state",
        "valid_loss",
        "default",
        "seconds",
        *["far", "size", "kind"],
    ]
    assert table["valid_loss"].tolist() == [trial.value for trial in tuned.trials]
    assert (table["seconds"] > 0).all()


def test_the_pictures_are_drawn(tuned, tmp_path):
    drawn = tuned.plot(tmp_path)
    assert [path.name for path in drawn] == ["trials.png", "importances.png"]
    for path in drawn:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_where_nothing_beats_the_default_it_says_so():
    best = Toy(far=2.0, kind="b", **QUIET)
    tuned = tune(best, DATA, trials=4, search=["far"])
    assert tuned.verdict == "nothing tried beats the default"
    assert tuned.best == best
    assert tuned.importances == {}


def test_a_field_that_fit_finds_is_shown_as_found():
    tuned = tune(Toy(**QUIET), DATA, trials=6, search=["back"], refit=False)
    assert tuned.trials[0].fields == {"back": None}
    assert tuned.trials[0].tried == {"back": 10}
    assert {trial.tried["back"] for trial in tuned.trials} == {5, 10}


def test_a_trial_that_fails_is_told_and_is_not_the_end(capfd):
    tuned = tune(Toy(kind="c", epochs=2), DATA, trials=9, search=["kind"], refit=False)
    assert tuned.trials[0].state == "failed"
    assert tuned.trials[0].reason == "kind c fails always"
    assert tuned.winner.fields == {"kind": "b"}
    assert tuned.verdict.endswith("is the best; the default did not learn to the end")
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("trial")]
    assert len(told) == 9
    assert told[0].split(maxsplit=5) == [
        "trial",
        "0",
        "–",
        "best",
        "–",
        "failed: kind c fails always",
    ]


def test_where_all_fail_there_is_one_error():
    with pytest.raises(TrainingError, match="none of 3 trials learned to the end; the first: kind"):
        tune(Toy(kind="c", quiet=True), DATA, trials=3, search=["far"])


def test_it_goes_on_with_the_trials_that_are_missing(tmp_path):
    file = tmp_path / "deep" / "a.db"
    options = {"search": ["far", "kind"], "study": file, "refit": False}
    first = tune(Toy(**QUIET), DATA, trials=4, **options)
    second = tune(Toy(**QUIET), DATA, trials=7, **options)
    assert second.trials[:4] == first.trials
    assert len(second.trials) == 7
    assert tune(Toy(**QUIET), DATA, trials=5, **options).trials == second.trials
    drawn = [trial.fields["far"] for trial in second.trials]
    assert len(set(drawn)) == 7  # nothing is drawn twice


def test_a_trial_that_was_killed_does_not_count(tmp_path):
    file = tmp_path / "a.db"
    options = {"search": ["far"], "study": file, "refit": False}
    with open_study(file, {}, ()) as study:
        study.ask()  # the default, and nobody tells how it ended
    tuned = tune(Toy(**QUIET), DATA, trials=3, **options)
    assert [trial.state for trial in tuned.trials] == ["stopped", *["finished"] * 3]
    assert [trial.default for trial in tuned.trials] == [True, True, False, False]


def test_ctrl_c_ends_it_and_it_goes_on(tmp_path, monkeypatch):
    options = {"search": ["far"], "study": tmp_path / "a.db", "trials": 4}
    fit, calls = Toy.fit, []

    def interrupted(self, data, valid=None, course=None):
        calls.append(1)
        if len(calls) == 3:
            object.__setattr__(course, "watch", lambda _epoch: signal.raise_signal(signal.SIGINT))
        return fit(self, data, valid, course)

    monkeypatch.setattr(Toy, "fit", interrupted)
    tuned = tune(Toy(**QUIET), DATA, **options)
    assert tuned.interrupted
    assert [trial.state for trial in tuned.trials] == ["finished", "finished", "stopped"]
    assert not hasattr(tuned.best, "history_")
    tuned = tune(Toy(**QUIET), DATA, **options)
    assert not tuned.interrupted
    assert [t.state for t in tuned.trials] == ["finished"] * 2 + ["stopped"] + ["finished"] * 2


def test_sigterm_ends_it_at_once_and_is_handled_as_before_afterwards(tmp_path, monkeypatch):
    options = {"search": ["far"], "study": tmp_path / "a.db", "trials": 2, "refit": False}
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "fit", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(TerminatedError, match="the same command goes on"):
            tune(Toy(**QUIET), DATA, **options)
    assert signal.getsignal(signal.SIGTERM) is before
    tuned = tune(Toy(**QUIET), DATA, **options)
    assert [trial.state for trial in tuned.trials] == ["stopped", "finished", "finished"]


def test_no_trial_begins_when_the_time_is_up(monkeypatch):
    now = iter([0.0, 20.0, 40.0, 60.0])
    monkeypatch.setattr(tuning, "monotonic", lambda: next(now))
    tuned = tune(Toy(**QUIET), DATA, minutes=1, search=["far"], refit=False)
    assert len(tuned.trials) == 2


@pytest.mark.parametrize(
    ("changes", "data", "search", "message"),
    [
        ({"epochs": 4}, DATA, ["far"], r"a\.db: a study with another epochs \(3, now 4\)"),
        ({"name": "y"}, DATA, ["far"], r"another name \('x', now 'y'\)"),
        ({}, DATA + 1, ["far"], "another data "),
        ({}, DATA, ["far", "kind"], "another kind "),
        ({"far": 2.5}, DATA, ["far"], "another far "),
    ],
)
def test_a_study_about_something_else_is_refused(tmp_path, changes, data, search, message):
    options = {"trials": 1, "study": tmp_path / "a.db", "refit": False}
    tune(Toy(**QUIET), DATA, search=["far"], **options)
    with pytest.raises(OptionError, match=message):
        tune(Toy(**{**QUIET, **changes}), data, search=search, **options)
    # What changes nothing of a trial may change.
    tune(
        Toy(**{**QUIET, "quiet": True, "checkpoint_minutes": 1.0}),
        DATA,
        search=["far"],
        **options,
    )


def test_one_tuning_at_a_time_works_on_a_study(tmp_path):
    file = tmp_path / "a.db"
    with open_study(file, {}, ()), pytest.raises(OptionError, match="another tuning works on it"):
        tune(Toy(**QUIET), DATA, trials=1, study=file)


def test_each_process_that_asks_gets_a_trial_of_its_own(tmp_path):
    """SQLite alone would let several take the default, which waits for whoever asks first."""
    path, number = tmp_path / "a.db", 6
    together, got = threading.Barrier(number), []

    def ask():
        with join_study(path) as study:
            together.wait()
            with alone_in(path):
                got.append(study.ask().number)

    with open_study(path, {}, ()):
        threads = [threading.Thread(target=ask) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(got) == list(range(number))


def test_what_is_no_study_is_left_alone(tmp_path):
    import optuna

    text = tmp_path / "text.db"
    text.write_text("no database " * 100)
    with pytest.raises(StorageError, match=r"text\.db: no study can be kept there: file is not a"):
        tune(Toy(**QUIET), DATA, trials=1, study=text)
    assert text.read_text() == "no database " * 100
    with pytest.raises(StorageError, match="no study can be kept there"):
        tune(Toy(**QUIET), DATA, trials=1, study=tmp_path)
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'other.db'}")
    optuna.create_study(storage=storage, study_name="theirs")
    storage.remove_session()
    storage.engine.dispose()
    with pytest.raises(StorageError, match="it holds the study 'theirs'"):
        tune(Toy(**QUIET), DATA, trials=1, study=tmp_path / "other.db")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "--trials is 0; it is at least 1"),
        ({"minutes": 0}, "--minutes is 0; it is above 0"),
        ({"jobs": 0}, "--jobs is 0; it is at least 1"),
        ({"jobs": 2}, "several need a file to share, --study FILE"),
        ({"jobs": 2, "study": "a.db"}, "need an estimator of TASKS; Toy is none; use one job"),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=message):
        tune(Toy(**QUIET), DATA, **options)
    assert not list(tmp_path.iterdir())


def test_several_jobs_read_the_data_from_a_file(trained, tmp_path):
    frame = pd.read_csv(trained("forecast").data)
    with pytest.raises(OptionError, match="read the data from a file, not from a DataFrame"):
        tune(Forecaster(horizon=7, quiet=True), frame, jobs=2, study=tmp_path / "a.db")


def test_an_estimator_without_epochs_and_data_that_do_not_fit():
    with pytest.raises(UnsupportedError):
        tune(Counter(), DATA)
    with pytest.raises(DataError, match="--back is 20"):
        tune(Toy(), [1.0, 2.0])


def test_a_forecaster_is_tuned(trained):
    one = trained("forecast")
    base = Forecaster(**one.fields)
    tuned = tune(base, pd.read_csv(one.data), trials=3, search=["dropout", "context"])
    assert tuned.trials[0].value == one.estimator.history_.best.valid_loss
    assert tuned.best.history_.best.valid_loss == tuned.winner.value <= tuned.trials[0].value
    assert tuned.best.measures_.verdict
