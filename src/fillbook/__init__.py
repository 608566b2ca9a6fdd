"""
Keeps a trading bot's record of orders, fills and positions reconciled with its broker.

    import fillbook as fb

    with fb.open("alpaca:paper", store="sqlite:///bot.db") as desk:
        desk.sync()
        order = desk.buy("AAPL", qty=10, limit_price="187.20", time_in_force="gtc")
"""

# Nothing is imported here: Ctrl-C before `fillbook.cli.main` runs would print a traceback.
TYPE_CHECKING = False  # a type checker takes it as true

if TYPE_CHECKING:
    from fillbook.public import *  # noqa: F403
    from fillbook.public import __all__ as __all__

__version__ = "0.1.0"

if not TYPE_CHECKING:  # a type checker sees every name, and no other

    def __getattr__(name: str) -> object:
        """
        Load the public names when one is used for the first time.

        So `import fillbook` is quick, and a command loads only the modules that it needs.
        """
        import importlib.util

        is_public = (
            not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}") is None
        )
        if is_public or name == "__all__":
            found = _load()
            if name in found:
                return found[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(_load())

    def _load() -> dict[str, object]:
        """Make the public names attributes of the package; return all attributes."""
        from fillbook import public

        names = globals()
        names.update({each: getattr(public, each) for each in public.__all__})
        names["__all__"] = public.__all__
        return names

    del TYPE_CHECKING
