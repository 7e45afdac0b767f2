import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, ProtectedError
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from books.models import Book, Loan


class BookTests(TestCase):
    def setUp(self):
        self.ada = User.objects.create_user("ada", password="engine")
        self.book = Book.objects.get(title="Principia")

    def test_what_is_asked_of_arrays_and_json(self):
        Book.objects.create(title="Organon", tags=["logic", "greek"], about={"language": "el", "parts": [1, 2]})
        assert [book.title for book in Book.objects.filter(tags__contains=["logic"])] == ["Organon"]
        assert [book.title for book in Book.objects.filter(about__language="la")] == ["Principia"]
        assert [book.title for book in Book.objects.filter(title__trigram_similar="Principa")] == ["Principia"]

    def test_a_book_is_lent_once(self):
        loan = Loan.objects.create(book=self.book, reader=self.ada)
        with pytest.raises(IntegrityError), transaction.atomic():
            Loan.objects.create(book=self.book, reader=self.ada)
        loan.ended_at = timezone.now()
        loan.save()
        Loan.objects.create(book=self.book, reader=self.ada)
        assert Book.objects.annotate(loans=Count("loan")).get(pk=self.book.pk).loans == 2
        with pytest.raises(ProtectedError):
            self.book.delete()

    def test_a_user_and_a_password(self):
        assert User.objects.get(username="ada").check_password("engine")


class LockTests(TransactionTestCase):
    def test_rows_that_are_locked_are_skipped(self):
        Book.objects.bulk_create(Book(title=str(number)) for number in range(200))
        with transaction.atomic():
            assert len(Book.objects.select_for_update(skip_locked=True)[:50]) == 50
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from books_book")
            assert cursor.fetchone()[0] >= 200
