# The standard library's types: what these return is called and asked in the same ways.
from functools import cache as cache
from functools import lru_cache as lru_cache

__all__ = ["cache", "lru_cache"]
