"""The shop's own tests: `python -m unittest shop_tests`, with DATABASE_URL, after `alembic upgrade head`."""

from __future__ import annotations

import threading
import unittest
from decimal import Decimal

import pytest
from models import Customer, Line, Order, engine
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

ENGINE = engine()


class ShopTests(unittest.TestCase):
    def setUp(self) -> None:
        with Session(ENGINE) as session:
            session.execute(text("delete from customer where email like 'test-%'"))
            session.commit()

    def test_the_first_customer_came_with_the_migrations(self) -> None:
        with Session(ENGINE) as session:
            assert session.scalars(select(Customer.likes).where(Customer.email == "first@example.com")).one() == {}

    def test_an_order_and_its_sum(self) -> None:
        with Session(ENGINE) as session:
            lines = [Line(article="Tee", quantity=3, price=Decimal("1.10")), Line(article="Käse", quantity=1, price=Decimal("7.99"))]
            session.add(Customer(email="test-a@example.com", likes={"colours": ["grün", 1]}, orders=[Order(lines=lines)]))
            session.commit()
            total = select(func.sum(Line.quantity * Line.price)).join(Order).join(Customer).where(Customer.email == "test-a@example.com")
            assert session.scalars(total).one() == Decimal("11.29")
            ada = session.scalars(select(Customer).where(Customer.email == "test-a@example.com")).one()
            assert ada.likes == {"colours": ["grün", 1]}
            session.delete(ada)
            session.commit()
            assert session.scalars(select(func.count()).select_from(Line)).one() == 0

    def test_constraints(self) -> None:
        for wrong in (
            Customer(email="first@example.com"),
            Customer(email="test-b@example.com", orders=[Order(lines=[Line(article="Tee", quantity=0, price=Decimal(1))])]),
        ):
            with Session(ENGINE) as session, pytest.raises((IntegrityError, OperationalError)):  # (a check is the latter in MySQL)
                session.add(wrong)
                session.commit()

    def test_a_rollback_and_a_savepoint(self) -> None:
        with Session(ENGINE) as session:
            session.add(Customer(email="test-c@example.com"))
            session.flush()
            with pytest.raises(IntegrityError), session.begin_nested():
                session.add(Customer(email="test-c@example.com"))
                session.flush()
            session.rollback()
            assert session.scalars(select(Customer).where(Customer.email.like("test-%"))).all() == []

    def test_a_row_that_is_locked(self) -> None:
        with Session(ENGINE) as session:
            session.add(Customer(email="test-d@example.com", likes={"visits": 0}))
            session.commit()

        def visit() -> None:
            for _ in range(10):
                with Session(ENGINE) as session:
                    row = session.scalars(select(Customer).where(Customer.email == "test-d@example.com").with_for_update()).one()
                    row.likes = {"visits": int(str(row.likes["visits"])) + 1}
                    session.commit()

        threads = [threading.Thread(target=visit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Session(ENGINE) as session:
            assert session.scalars(select(Customer.likes).where(Customer.email == "test-d@example.com")).one() == {"visits": 40}
