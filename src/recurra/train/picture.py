"""Pictures that appear whole, with the same bytes each time."""

from pathlib import Path
from typing import TYPE_CHECKING

from recurra.errors import OptionError
from recurra.train.whole import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What each format would tell of the day on which it was drawn.
FORMATS: dict[str, dict[str, None]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def check_picture(path: Path) -> None:
    """Refuse a name that says no format, before anything is computed for it.

    Raises:
        OptionError: its ending is none of a picture.
    """
    if path.suffix not in FORMATS:
        raise OptionError(f"{path}: what fits is a picture's name with {', '.join(FORMATS)}")


def save_picture(figure: "Figure", path: Path) -> None:
    """Write a figure.

    Args:
        path: its ending says the format: .png, .svg or .pdf.

    Raises:
        OptionError: it has another ending.
        StorageError: the picture could not be written.
    """
    import matplotlib as mpl

    check_picture(path)
    unsaid = FORMATS[path.suffix]
    # A fixed salt and no date: the same picture has the same bytes.
    with mpl.rc_context({"svg.hashsalt": "recurra"}):
        write_whole(path, lambda part: figure.savefig(part, dpi=120, metadata=unsaid))
