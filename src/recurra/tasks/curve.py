"""The loss of a training, drawn over its epochs."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recurra.train import History, save_picture

TRAINING, VALIDATION = "#30343b", "#c2410c"


def draw_history(path: Path, history: History, loss: str) -> None:
    """Training and validation loss over the epochs, the kept one marked.

    Args:
        path: a file that ends in .png, .svg or .pdf.
        history: the epochs.
        loss: what it is, with its unit.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    epochs = [epoch.epoch for epoch in history.epochs]
    axes.plot(epochs, [e.train_loss for e in history.epochs], color=TRAINING, label="training")
    axes.plot(epochs, [e.valid_loss for e in history.epochs], color=VALIDATION, label="validation")
    best = history.best
    axes.plot(best.epoch, best.valid_loss, "o", color=VALIDATION, label=f"kept: epoch {best.epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(loss)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    save_picture(figure, path)
