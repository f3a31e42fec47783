"""Who wins, in a sentence."""

from recurra.tasks.classes.verdict import verdict


def test_the_verdict_says_who_wins():
    def said(model, bayes):
        rows = {"model": model, "network": 1.0, "naive bayes": bayes, "majority": 0.3}
        table = {name: {"macro_f1": value} for name, value in rows.items()}
        return verdict(table, beside={"network"})

    best = "of the best baseline, naive bayes"
    assert said(0.9, 0.8) == f"the model wins: macro F1 0.900 against 0.800 {best}"
    lost = "the baseline naive bayes wins: macro F1 0.800 against the model's 0.700"
    assert said(0.7, 0.8) == lost
    assert "naive bayes, are level: macro F1 0.800" in said(0.8001, 0.8)


def test_of_errors_the_smaller_wins():
    table = {"model": {"rmse": 12.04}, "mean": {"rmse": 41.7}, "linear": {"rmse": 20.5}}
    best = "of the best baseline, linear"
    assert verdict(table, "rmse") == f"the model wins: RMSE 12.04 against 20.5 {best}"
    table["model"]["rmse"] = 30.0
    assert verdict(table, "rmse") == "the baseline linear wins: RMSE 20.5 against the model's 30"
    table["model"]["rmse"] = 20.5001
    assert verdict(table, "rmse").endswith("linear, are level: RMSE 20.5")
