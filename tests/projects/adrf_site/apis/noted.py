"""What watched.py noted of the hops since the last time somebody asked."""

hops: list[str] = []
# Functions whose source was read to see whether it is a known one.
hashed: list[str] = []
