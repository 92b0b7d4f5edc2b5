"""What watched.py noted of the hops since the last time somebody asked."""

hops: list[str] = []
