"""What the site says, a line in one write: two threads' lines never mix."""

import sys


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
