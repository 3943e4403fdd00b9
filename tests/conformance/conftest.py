"""The services that the programs need, started once."""

from services import postgresql, redis

__all__ = ["postgresql", "redis"]
