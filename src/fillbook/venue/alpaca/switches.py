"""How this Alpaca does what the real one may do in several ways."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Behavior:
    """What may change at Alpaca, what has been seen both ways, and what nobody has said."""

    one_stream: bool = True  #: a second connection of a key is refused; else any number is taken
    easy_to_borrow: bool = True  #: assets bear this word, announced to end in September 2026
    rate_headers: bool = True  #: answers bear `X-RateLimit-Limit`, `-Remaining` and `-Reset`
    duplicate_code: int = 40010001  #: what a client order id that was used gets; or 42210000
    lists_held: bool = True  #: legs that are `held` are listed among the open orders
    lists_filled_parents: bool = True  #: open and nested: a filled entry while its legs work
