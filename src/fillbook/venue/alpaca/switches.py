"""The behavior switches of the emulator."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Behavior:
    """Behavior of Alpaca that may change, that varies, or that Alpaca does not document."""

    enforces_intent: bool = True  #: `position_intent` has to fit the position; False: it is ignored
    one_stream: bool = True  #: a key has one stream; False: any number of streams
    easy_to_borrow: bool = True  #: assets have this field, announced to end in September 2026
    rate_headers: bool = True  #: replies have `X-RateLimit-Limit`, `-Remaining` and `-Reset`
    duplicate_code: int = 40010001  #: the error code of a used client order id; or 42210000
    recent_sip: bool = True  #: the feed `sip` has the last 15 minutes; False: 403
    lists_held: bool = True  #: the list of open orders contains `held` legs
    lists_filled_parents: bool = True  #: open and nested: filled parents while their legs work
