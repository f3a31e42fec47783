"""`recurra generate RUN`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from recurra.cli.complain import complain
from recurra.cli.flags import add_debug
from recurra.cli.status import INTERRUPTED

if TYPE_CHECKING:
    from recurra.tasks.language import LanguageModel, Writer

HELP = "write text with what a language model has learned"
LENGTH = 400
COMMANDS = "type a line and it goes on; an empty line goes on as it is; /new forgets; Ctrl-D ends"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, how tokens are chosen, and where they go."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder of a language model")
    text = parser.add_argument_group("the text")
    text.add_argument("--prompt", metavar="TEXT", default="", help="what the text begins with")
    text.add_argument(
        "--length", metavar="N", type=int, default=LENGTH, help="most tokens; 0 for no end (400)"
    )
    text.add_argument("--samples", metavar="N", type=int, default=1, help="how many texts (1)")
    text.add_argument(
        "--no-stop", action="store_true", help="go on with a new document after the end of one"
    )
    text.add_argument(
        "--errors", choices=("strict", "replace"), default="strict",
        help="replace takes unknown characters of the prompt as U+FFFD",
    )  # fmt: skip
    choice = parser.add_argument_group("the choice of a token")
    choice.add_argument(
        "--temperature", metavar="X", type=float, default=1.0,
        help="scores are divided by it; 0 takes the likeliest (1)",
    )  # fmt: skip
    choice.add_argument(
        "--top-k", metavar="N", type=int, default=0, help="of the N likeliest; 0: all"
    )
    choice.add_argument(
        "--top-p",
        metavar="X",
        type=float,
        default=1.0,
        help="of those with this share together (1)",
    )
    choice.add_argument(
        "--min-p", metavar="X", type=float, default=0.0,
        help="of those at least X times as likely as the likeliest (0)",
    )  # fmt: skip
    choice.add_argument(
        "--seed", metavar="N", type=int, default=0, help="of the first text; each next has one more"
    )
    choice.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32",
        help="bfloat16 rounds the matrices; wide models write twice as fast",
    )  # fmt: skip
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--show-surprise", action="store_true",
        help="nats of each token, as colours on a terminal and else as numbers",
    )  # fmt: skip
    shown.add_argument("--interactive", action="store_true", help="go on with lines that you type")
    shown.add_argument("-o", "--out", metavar="FILE", type=Path, help="instead of printing")
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    """Write, token by token as they come, or whole into a file."""
    from recurra.tasks.language import LanguageModel

    _check(args)
    if args.errors == "replace":  # bytes that a shell gave and that are no UTF-8
        args.prompt = args.prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    model = LanguageModel.load(args.run)
    if args.out is not None:
        return _write_file(args, model)
    try:
        if args.interactive:
            _converse(args, model)
        elif args.samples > 1:
            sys.stdout.write(_several(args, model))
        else:
            writer = _writer(args, model)
            if not args.show_surprise:
                sys.stdout.write(args.prompt)
            _show(args, model, writer)
    except KeyboardInterrupt:
        print(flush=True)
        return INTERRUPTED
    return 0


def _check(args: argparse.Namespace) -> None:
    from recurra.errors import OptionError

    if args.samples < 1:
        raise OptionError(f"--samples is {args.samples}; it is at least 1")
    if args.length < 0:
        raise OptionError(f"--length is {args.length}; it is at least 1 token, or 0 for no end")
    alone = {"--interactive": args.interactive, "--show-surprise": args.show_surprise}
    for flag in (flag for flag, given in alone.items() if given and args.samples > 1):
        raise OptionError(f"{flag} shows one text; leave out --samples {args.samples}")
    if args.interactive and args.out is not None:
        raise OptionError("--interactive writes to the terminal; leave out --out")


def _writer(args: argparse.Namespace, model: "LanguageModel", more: int = 0) -> "Writer":
    """What has read the prompt; `more` is added to the seed."""
    from recurra.models import Choice

    return model.writer(
        args.prompt,
        samples=args.samples,
        choice=Choice(args.temperature, args.top_k, args.top_p, args.min_p),
        seed=args.seed + more,
        errors=args.errors,
        precision=args.precision,
    )


def _show(args: argparse.Namespace, model: "LanguageModel", writer: "Writer") -> None:
    """Print one text as it comes, to the end of a line."""
    from recurra.cli.surprise import show_surprise

    if args.show_surprise:
        scored = writer.surprises(args.length or None, stop=not args.no_stop)
        show_surprise(scored, model.vocabulary_.decoder())
        return
    last = args.prompt
    for last in _pieces(args, writer):
        sys.stdout.write(last)
        sys.stdout.flush()
    if not last.endswith("\n"):
        print(flush=True)


def _pieces(args: argparse.Namespace, writer: "Writer") -> Iterator[str]:
    return writer.write(args.length or None, stop=not args.no_stop)


def _several(args: argparse.Namespace, model: "LanguageModel") -> str:
    """All samples, each under a line that says its seed."""
    texts = _writer(args, model).write_all(args.length or None, stop=not args.no_stop)
    return "".join(
        f"--- sample {number}, seed {args.seed + number - 1}\n{_ended(args.prompt + text)}"
        for number, text in enumerate(texts, start=1)
    )


def _write_file(args: argparse.Namespace, model: "LanguageModel") -> int:
    from recurra.cli.surprise import line
    from recurra.train import write_whole

    if args.samples > 1:
        text = _several(args, model)
    elif args.show_surprise:
        scored = _writer(args, model).surprises(args.length or None, stop=not args.no_stop)
        text = "".join(f"{line(one)}\n" for one in scored)
    else:
        text = _ended(args.prompt + "".join(_pieces(args, _writer(args, model))))
    write_whole(args.out, lambda path: path.write_text(text, encoding="utf-8", newline=""))
    print(f"written   {args.out}", file=sys.stderr)
    return 0


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _converse(args: argparse.Namespace, model: "LanguageModel") -> None:
    """Read a line, go on from it, and again; what was said and written is remembered."""
    from recurra.errors import DataError

    print(COMMANDS, file=sys.stderr)
    ask = "> " if sys.stdin.isatty() else ""
    begun, said = 0, False
    writer = _writer(args, model)
    while True:
        try:
            line = input(ask)
        except EOFError:
            print(flush=True)
            return
        if line == "/new":
            begun, said = begun + 1, False
            writer = _writer(args, model, begun)
            continue
        # On the terminal a line stands below what was written before it.
        above = "\n" if line and said and model.vocabulary_.newline is not None else ""
        try:
            writer.read(above + line, args.errors)
        except DataError as error:
            complain(str(error))
            continue
        _show(args, model, writer)
        said = True
