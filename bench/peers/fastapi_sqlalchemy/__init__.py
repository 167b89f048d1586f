"""The counter in FastAPI and SQLAlchemy's ORM, as their documentation teaches it."""
