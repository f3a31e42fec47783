"""The loss of a training, drawn over its epochs."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recurra.train import History, save_picture

TRAINING, VALIDATION = "#30343b", "#c2410c"


def draw_history(path: Path, history: History, loss: str, training: str = "") -> None:
    """Training and validation loss over the epochs, the kept one marked.

    Args:
        path: a file that ends in .png, .svg or .pdf.
        history: the epochs.
        loss: what it is, with its unit.
        training: what that of the training is, where it is another; each then has a scale.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history.epochs]
    other = axes.twinx() if training else axes
    learned = [epoch.train_loss for epoch in history.epochs]
    lines = other.plot(epochs, learned, color=TRAINING, label="training")
    held = [epoch.valid_loss for epoch in history.epochs]
    lines += axes.plot(epochs, held, color=VALIDATION, label="validation")
    best = history.best
    kept = f"kept: epoch {best.epoch}"
    lines += axes.plot(best.epoch, best.valid_loss, "o", color=VALIDATION, label=kept)
    axes.set_xlabel("epoch")
    axes.set_ylabel(loss)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if training:
        other.set_ylabel(training)
        other.spines["top"].set_visible(False)
    axes.legend(handles=lines, frameon=False, fontsize=8)
    save_picture(figure, path)
