"""Forecasting: what comes next in one or many series."""

from recurra.tasks.forecast.forecaster import Forecaster

__all__ = ["Forecaster"]
