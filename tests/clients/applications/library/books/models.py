from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q


class Book(models.Model):
    title = models.CharField(max_length=200)
    tags = ArrayField(models.CharField(max_length=30), default=list)
    about = models.JSONField(default=dict)

    class Meta:
        indexes = [
            GinIndex(fields=["tags"], name="book_tags"),
            GinIndex(fields=["title"], opclasses=["gin_trgm_ops"], name="book_title"),
        ]


class Loan(models.Model):
    book = models.ForeignKey(Book, on_delete=models.PROTECT)
    reader = models.ForeignKey(User, on_delete=models.CASCADE)
    begun_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["book"], condition=Q(ended_at=None), name="book_is_lent_once")]
