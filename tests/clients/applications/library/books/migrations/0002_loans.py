import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def found(apps, schema_editor):
    apps.get_model("books", "Book").objects.create(title="Principia", tags=["physics"], about={"language": "la"})


class Migration(migrations.Migration):
    dependencies = [("books", "0001_initial"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.AddField("Book", "about", models.JSONField(default=dict)),
        migrations.CreateModel(
            name="Loan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("begun_at", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("book", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="books.book")),
                ("reader", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddConstraint(
            "Loan", models.UniqueConstraint(condition=models.Q(("ended_at", None)), fields=("book",), name="book_is_lent_once")
        ),
        migrations.RunPython(found, migrations.RunPython.noop),
    ]
