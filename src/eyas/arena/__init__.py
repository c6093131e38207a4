"""Battles between models, and the ratings that follow from them (docs/arena.md)."""
