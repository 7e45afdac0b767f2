import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200)),
                ("tags", django.contrib.postgres.fields.ArrayField(models.CharField(max_length=30), default=list, size=None)),
            ],
        ),
        migrations.AddIndex("Book", django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="book_tags")),
        migrations.AddIndex(
            "Book", django.contrib.postgres.indexes.GinIndex(fields=["title"], name="book_title", opclasses=["gin_trgm_ops"])
        ),
    ]
