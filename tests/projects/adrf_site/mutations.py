"""Changes one token of each function that ADRF's judges stand on, in turn, and prints which changes were not seen."""

import ast
import importlib
import inspect
import random
import sys
import tempfile
import textwrap
import types
from pathlib import Path

import django

from turnout.django import vetting


def mutated(source, seed):
    tree = ast.parse(textwrap.dedent(source))
    function = tree.body[0]
    body = function.body[1:] if ast.get_docstring(function) else function.body
    spots = [
        node
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Constant)) and not isinstance(node, ast.FormattedValue)
    ]
    spots = [node for node in spots if not (isinstance(node, ast.Constant) and isinstance(node.value, str))]
    spot = random.Random(seed).choice(spots) if spots else None
    if spot is None:
        # A body of nothing but `pass`.
        function.body = ast.parse("'changed'\nreturned = 1").body
    elif isinstance(spot, ast.Name):
        spot.id += "_"
    elif isinstance(spot, ast.Attribute):
        spot.attr += "_"
    else:
        spot.value = "changed"
    function.decorator_list = []
    return ast.unparse(tree)


def changes(read, name, folder):
    """Whether a change of one token in a function makes all its groups unread."""
    function = vetting.plain_function(vetting.find(name))
    file = folder / "changed.py"
    file.write_text(mutated(inspect.getsource(function.__code__), name))
    usual, changed = function.__code__, compile(file.read_text(), str(file), "exec")
    code = next(const for const in changed.co_consts if isinstance(const, types.CodeType))
    function.__code__ = code.replace(co_freevars=usual.co_freevars) if code.co_freevars != usual.co_freevars else code
    read.forget()
    vetting.hash_of_code.cache_clear()
    try:
        return all(read.unread(group) for group, names in read.GROUPS.items() if name in names)
    finally:
        function.__code__ = usual
        read.forget()


def main():
    django.setup()
    importlib.import_module("apis.urls")
    # Not before the project is set up.
    from turnout.django.targets import drf
    from turnout.django.targets.drf import read

    drf.install()
    unread = [group for group in read.GROUPS if read.unread(group)]
    names = sorted({name for names in read.GROUPS.values() for name in names})
    with tempfile.TemporaryDirectory() as folder:
        unseen = [name for name in names if not changes(read, name, Path(folder))]
    print(f"{len(names)} functions, unread: {unread}, changes that were not seen: {unseen}")
    return bool(unread or unseen or set(names) != set(read.table()))


if __name__ == "__main__":
    sys.exit(main())
