"""Customers and orders."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table("customer", sa.Column("id", sa.Integer, primary_key=True), sa.Column("mail", sa.String(100), nullable=False))
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, nullable=False),
        sa.Column("placed_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="orders_of_customer", ondelete="CASCADE"),
    )
    op.bulk_insert(sa.table("customer", sa.column("mail")), [{"mail": "first@example.com"}])


def downgrade() -> None:
    op.drop_table("orders")
    op.drop_table("customer")
