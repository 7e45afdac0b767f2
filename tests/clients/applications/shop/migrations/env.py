from alembic import context
from models import Model, engine

with engine().connect() as connection:
    context.configure(connection=connection, target_metadata=Model.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
