"""What hooks have made, for views."""

import contextvars

label = contextvars.ContextVar("label", default="none")
number = contextvars.ContextVar("number", default=0)
session = None
#: Asked and answered by a task in the background.
questions = None
#: The database connections that hooks have used, by the kind of the hook.
used = {}
