"""What recurrent layers hear: spectra of sound, whole or as it comes."""

from recurra.layers.sound.deltas import Deltas
from recurra.layers.sound.features import MFCC, LogMel
from recurra.layers.sound.hearing import Hearing, HearingState
from recurra.layers.sound.mel import hertz_of, mel_filters, mel_of
from recurra.layers.sound.power import PowerSpectrum

__all__ = [
    "MFCC",
    "Deltas",
    "Hearing",
    "HearingState",
    "LogMel",
    "PowerSpectrum",
    "hertz_of",
    "mel_filters",
    "mel_of",
]
