"""Raises while it is imported."""


def prepare():
    raise ValueError("the weather is bad")


prepare()
