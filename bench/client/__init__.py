"""turnout.http beside its rivals: see __main__.py."""
