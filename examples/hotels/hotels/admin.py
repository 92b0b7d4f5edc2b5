"""Searches in Django's admin."""

from django.contrib import admin

from .models import Search


@admin.register(Search)
class SearchAdmin(admin.ModelAdmin):
    list_display = ("at", "city", "nights", "way", "took_ms", "threads")
    list_filter = ("way", "city")
