"""From files to what is learned from: series on a grid of time, texts as token ids."""

from recurra.data.buckets import buckets, padding
from recurra.data.conll import Sentence, read_conll
from recurra.data.encode import encode_files
from recurra.data.grid import Grid
from recurra.data.labelled import Labelled, LabelOptions, check_classes, read_labelled, read_texts
from recurra.data.lexicon import Lexicon, split_words
from recurra.data.ngram import ngram_nats
from recurra.data.options import ReadOptions, Schema
from recurra.data.pairs import Pairs, read_lines, read_pairs
from recurra.data.panel import Panel
from recurra.data.read import read_panel
from recurra.data.row_groups import RowGroups, each_series
from recurra.data.scale import Scaler
from recurra.data.season import Season, find_season
from recurra.data.shuffle import Pool, block_order, pools
from recurra.data.split import Part, Parts, split_tokens
from recurra.data.table import read_table
from recurra.data.text import Text
from recurra.data.tokens import Tokens, byte_tokens, read_tokens, token_type, write_tokens
from recurra.data.vocabularies import VOCABULARIES, fit_vocabulary, vocabulary_from_json
from recurra.data.vocabulary import Decoder, Vocabulary
from recurra.data.windows import Context, CovariateScaler, Targets, Windows, tail

__all__ = [
    "VOCABULARIES",
    "Context",
    "CovariateScaler",
    "Decoder",
    "Grid",
    "LabelOptions",
    "Labelled",
    "Lexicon",
    "Pairs",
    "Panel",
    "Part",
    "Parts",
    "Pool",
    "ReadOptions",
    "RowGroups",
    "Scaler",
    "Schema",
    "Season",
    "Sentence",
    "Targets",
    "Text",
    "Tokens",
    "Vocabulary",
    "Windows",
    "block_order",
    "buckets",
    "byte_tokens",
    "check_classes",
    "each_series",
    "encode_files",
    "find_season",
    "fit_vocabulary",
    "ngram_nats",
    "padding",
    "pools",
    "read_conll",
    "read_labelled",
    "read_lines",
    "read_pairs",
    "read_panel",
    "read_table",
    "read_texts",
    "read_tokens",
    "split_tokens",
    "split_words",
    "tail",
    "token_type",
    "vocabulary_from_json",
    "write_tokens",
]
