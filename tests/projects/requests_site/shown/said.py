"""What happens to a request, told to its test."""

import sys


def say(*words):
    """A line in one write: `print` writes word by word, and another thread's line may come between."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()
