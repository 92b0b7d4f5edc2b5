"""Imports something that is not there."""

import a_package_nobody_has  # noqa: F401
