"""Sequences of numbers: what classifying and predicting from them have in common."""
