"""A shop: customers, their orders, and the lines of each."""

from __future__ import annotations

import datetime
import os
from decimal import Decimal

from sqlalchemy import JSON, CheckConstraint, Engine, ForeignKey, Numeric, String, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Model(DeclarativeBase):
    pass


class Customer(Model):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(200), unique=True)
    likes: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    orders: Mapped[list[Order]] = relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Model):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE", name="orders_of_customer"))
    placed_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan")


class Line(Model):
    __tablename__ = "line"
    __table_args__ = (CheckConstraint("quantity > 0", name="line_quantity"),)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE", name="lines_of_order"), primary_key=True)
    article: Mapped[str] = mapped_column(String(100), primary_key=True)
    quantity: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))


def engine() -> Engine:
    return create_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)
