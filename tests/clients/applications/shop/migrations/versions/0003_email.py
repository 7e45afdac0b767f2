"""A customer's mail is the email: longer, and nobody else's; and what a customer likes."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.alter_column(
        "customer", "mail", new_column_name="email", existing_type=sa.String(100), type_=sa.String(200), existing_nullable=False
    )
    op.create_unique_constraint("customer_email", "customer", ["email"])
    op.add_column("customer", sa.Column("likes", sa.JSON, nullable=True))
    op.execute("update customer set likes = '{}'")
    op.alter_column("customer", "likes", existing_type=sa.JSON, nullable=False)


def downgrade() -> None:
    op.drop_column("customer", "likes")
    op.drop_constraint("customer_email", "customer", type_="unique")
    op.alter_column(
        "customer", "email", new_column_name="mail", existing_type=sa.String(200), type_=sa.String(100), existing_nullable=False
    )
