from django.db import models


class Hotel(models.Model):
    name = models.CharField(max_length=50)
    stars = models.IntegerField(default=3)
    opened = models.DateField(null=True)

    class Meta:
        ordering = ("pk",)
