"""Looking at Django's modules at the start changes nothing in them."""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.utils.functional import empty

from turnout.django.targets import provenance


def test_a_lazy_object_is_not_made_by_looking_at_it(monkeypatch):
    """A project may have no default storage, or one that connects when it is made."""
    monkeypatch.setattr(default_storage, "_wrapped", empty)
    assert provenance.foreign_in("django.db.models.fields.files") == ""
    assert object.__getattribute__(default_storage, "__dict__")["_wrapped"] is empty
