"""What is kept of a search."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from django.db import models

from .question import WAYS, Question
from .threads import Watch
from .upstreams import Reply


class Search(models.Model):
    """One search, done one way. The searches of one tour share the token `comparison`."""

    city = models.CharField(max_length=60)
    nights = models.PositiveSmallIntegerField()
    way = models.CharField(max_length=20, choices=[(way.name, way.title) for way in WAYS.values()])
    took_ms = models.FloatField()
    threads = models.PositiveIntegerField()
    offers = models.JSONField()
    upstreams = models.JSONField()
    comparison = models.CharField(max_length=32, blank=True, db_index=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name_plural = "searches"

    def __str__(self) -> str:
        return f"{self.city}, {self.nights} nights, {self.get_way_display()}"

    @classmethod
    def of(cls, way: str, question: Question, replies: list[Reply], watch: Watch) -> Search:
        """A search as it is about to be saved."""
        return cls(
            way=way,
            city=question.city,
            nights=question.nights,
            comparison=question.comparison,
            took_ms=round(watch.took_ms, 1),
            threads=watch.threads,
            offers=cheapest_first(replies),
            upstreams=[
                {
                    "name": reply.upstream.name,
                    "title": reply.upstream.title,
                    "began_ms": round(reply.began_ms, 1),
                    "took_ms": round(reply.took_ms, 1),
                    "offers": len(reply.offers),
                    "problem": reply.problem,
                }
                for reply in replies
            ],
        )

    def as_json(self) -> dict:
        """The answer to a program."""
        return {
            "city": self.city,
            "nights": self.nights,
            "way": self.way,
            "took_ms": self.took_ms,
            "threads": self.threads,
            "complete": not self.missing,
            "offers": self.offers,
            "upstreams": self.upstreams,
        }

    @property
    def missing(self) -> list[dict]:
        """The sites that did not answer with offers."""
        return [upstream for upstream in self.upstreams if upstream["problem"]]


def cheapest_first(replies: list[Reply]) -> list[dict]:
    """One line a hotel: its cheapest offer, who has it, and what the others ask."""
    by_hotel: dict[str, list[dict]] = defaultdict(list)
    for reply in replies:
        for offer in reply.offers:
            by_hotel[offer["hotel"]].append({**offer, "at": reply.upstream.title})
    lines = []
    for offers in by_hotel.values():
        cheapest, *others = sorted(offers, key=lambda offer: Decimal(offer["price"]))
        lines.append({**cheapest, "others": [{"at": other["at"], "price": other["price"]} for other in others]})
    return sorted(lines, key=lambda offer: Decimal(offer["price"]))
