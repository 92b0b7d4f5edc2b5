"""The table of vetted functions: what changes a hash, what does not, and that every entry is guarded."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import random
import textwrap
import types

import pytest

from turnout.django import vetting
from turnout.django.hooks import HOOKS, PACKAGE_HOOKS

KNOWN = {**vetting.table()[vetting.release()], **vetting.packages()}
# Some have moved to other modules since they were read.
NAMES = sorted(
    {name for functions in KNOWN.values() for name in functions if vetting.fingerprint(vetting.find(name), name)}
)


def test_the_installed_django_is_vetted_whole():
    assert vetting.verdict(list(vetting.table()[vetting.release()])) == ""


def test_the_installed_packages_are_vetted_whole():
    """The table has every hook of theirs, whatever Django's release is."""
    assert set(vetting.packages()) == set(PACKAGE_HOOKS)
    assert vetting.verdict(list(PACKAGE_HOOKS)) == ""


def test_every_release_in_the_table_vets_the_same_hooks():
    hooks = {release: set(found) for release, found in vetting.table().items()}
    assert len(hooks) == 3
    new = {f"django.middleware.csp.ContentSecurityPolicyMiddleware.process_{name}" for name in ("request", "response")}
    assert hooks["6.0"] == hooks["6.1"] == hooks["5.2"] | new
    assert hooks["6.1"] == set(HOOKS)


def mutated(source: str, seed: str) -> str:
    """The same function with one name or constant changed, or with a body if it had none."""
    tree = ast.parse(textwrap.dedent(source))
    function = tree.body[0]
    body = function.body[1:] if ast.get_docstring(function) else function.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    # Parts of an f-string are constants too, and some are formats.
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    spots = [
        node
        for node in nodes
        if isinstance(node, (ast.Name, ast.Attribute, ast.Constant))
        and getattr(node, "value", "") is not None
        and id(node) not in parts
    ]
    if not spots:
        # Nothing but `pass`.
        function.body = ast.parse("changed").body
        return ast.unparse(tree)
    spot = random.Random(seed).choice(spots)
    if isinstance(spot, ast.Name):
        spot.id += "_"
    elif isinstance(spot, ast.Attribute):
        spot.attr += "_"
    else:
        spot.value = (spot.value, "changed").__repr__()
    return ast.unparse(tree)


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_one_token_brings_the_thread_back(name, monkeypatch, tmp_path):
    function = vetting.plain_function(vetting.find(name))
    file = tmp_path / "changed.py"
    file.write_text(mutated(inspect.getsource(function.__code__), name))
    # The same function object with other code, as an editor of the installed file would leave it.
    changed = compile(file.read_text(), str(file), "exec")
    code = next(const for const in changed.co_consts if isinstance(const, types.CodeType))
    if code.co_freevars != function.__code__.co_freevars:
        code = code.replace(co_freevars=function.__code__.co_freevars)
    monkeypatch.setattr(function, "__code__", code)
    hooks = [hook for hook, functions in KNOWN.items() if name in functions]
    assert hooks
    assert all(vetting.verdict([hook]) for hook in hooks)


def test_a_function_of_a_package_may_have_been_read_in_several_versions(monkeypatch):
    hook = "waffle.middleware.WaffleMiddleware.process_response"
    functions = vetting.packages()[hook]
    here = vetting.fingerprint(vetting.find(hook), hook)
    known = {**functions, hook: ["another", here], "waffle.utils.what_another_version_calls": ["some"]}
    monkeypatch.setitem(vetting.packages(), hook, known)
    assert vetting.verdict([hook]) == ""
    # Defined here in one version, imported from where it is in this one.
    known["waffle.middleware.get_setting"] = ["that of another version"]
    assert vetting.verdict([hook]) == ""
    del known["waffle.utils.get_setting"]
    assert vetting.verdict([hook]) == "waffle.middleware.get_setting is not a function that was vetted"
    known[hook] = ["another"]
    assert vetting.verdict([hook]) == f"{hook} is not a function that was vetted"
    del known[hook]
    assert vetting.verdict([hook]) == f"{hook} is not the function that was vetted"


def test_docstrings_positions_and_annotations_change_nothing():
    plain = "def f(a, b=1):\n    return a[b]\n"
    other = '\n\n  # here\ndef f(a: int, b: "int" = 1) -> int:\n    """Says it."""\n    return a [ b ]  # there\n'
    assert vetting.hash_of_source(plain) == vetting.hash_of_source(textwrap.dedent(other))
    assert vetting.hash_of_source(plain) != vetting.hash_of_source(plain.replace("1", "2"))
    assert vetting.hash_of_source("def f(:") == ""


def test_what_was_read_is_kept_when_another_version_is_recorded(monkeypatch, tmp_path, capsys):
    """`--write` adds to the packages' functions, and says what it added."""
    packages, django = tmp_path / "packages.json", tmp_path / "django.json"
    known = json.loads(vetting.PACKAGES.read_text())
    hook = "waffle.middleware.WaffleMiddleware.process_response"
    here = known[hook].pop(hook)
    known[hook][hook] = ["another"]
    packages.write_text(json.dumps(known))
    django.write_text(vetting.TABLE.read_text())
    monkeypatch.setattr(vetting, "PACKAGES", packages)
    monkeypatch.setattr(vetting, "TABLE", django)
    assert vetting.main([]) == 0
    assert capsys.readouterr().out == f"{hook}: {hook} is another one\n"
    assert json.loads(packages.read_text()) == known
    assert vetting.main(["--write"]) == 0
    assert json.loads(packages.read_text())[hook][hook] == sorted([*here, "another"])
    assert json.loads(django.read_text()) == vetting.table()


def test_wrapped_and_unreadable_functions_are_not_vetted():
    import functools

    function = vetting.find("django.db.reset_queries")

    @functools.wraps(function)
    def wrapper(**kwargs):
        return function(**kwargs)

    assert vetting.fingerprint(wrapper, "django.db.reset_queries") == ""
    made: dict = {}
    exec("def reset_queries(**kwargs): pass", made)
    assert vetting.fingerprint(made["reset_queries"], "django.db.reset_queries") == ""


def test_an_unknown_release_is_not_vetted_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(vetting, "release", lambda: "2028.0")
    monkeypatch.setattr(vetting, "_said", set())
    with caplog.at_level(logging.WARNING, "turnout.django"):
        for _ in range(3):
            assert vetting.verdict([HOOKS[0]]) == "Django 2028.0 is not vetted"
    assert len(caplog.records) == 1
