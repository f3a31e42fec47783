"""From files to panels: series on one grid of time, their season and their scale."""

from recurra.data.buckets import buckets, padding
from recurra.data.grid import Grid
from recurra.data.labelled import Labelled, LabelOptions, check_classes, read_labelled, read_texts
from recurra.data.lexicon import Lexicon, split_words
from recurra.data.options import ReadOptions, Schema
from recurra.data.panel import Panel
from recurra.data.read import read_panel
from recurra.data.row_groups import RowGroups, each_series
from recurra.data.scale import Scaler
from recurra.data.season import Season, find_season
from recurra.data.shuffle import Pool, block_order, pools
from recurra.data.table import read_table
from recurra.data.tokens import Tokens, byte_tokens, read_tokens, token_type, write_tokens
from recurra.data.windows import Context, CovariateScaler, Targets, Windows, tail

__all__ = [
    "Context",
    "CovariateScaler",
    "Grid",
    "LabelOptions",
    "Labelled",
    "Lexicon",
    "Panel",
    "Pool",
    "ReadOptions",
    "RowGroups",
    "Scaler",
    "Schema",
    "Season",
    "Targets",
    "Tokens",
    "Windows",
    "block_order",
    "buckets",
    "byte_tokens",
    "check_classes",
    "each_series",
    "find_season",
    "padding",
    "pools",
    "read_labelled",
    "read_panel",
    "read_table",
    "read_texts",
    "read_tokens",
    "split_words",
    "tail",
    "token_type",
    "write_tokens",
]
