"""The behavior switches of the emulator: what Coinbase does not document, or does at times."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class ClientIds(StrEnum):
    """What a create with a used client order id does."""

    ECHO = "echo"  #: success, with the id of the old order and the terms of the new request
    REFUSE = "refuse"  #: failure, DUPLICATE_CLIENT_ORDER_ID
    FORGET = "forget"  #: a second order


class Once(StrEnum):
    """Replies that one request gets, by `Emulator.once`."""

    UNAUTHORIZED = "unauthorized"  #: 401 with a text, before anything is done
    HTML = "html"  #: 200 with a page, after the request was carried out
    CUT = "cut"  #: half of the reply, after the request was carried out
    SCOPES = "scopes"  #: 403: the key may not trade
    UNKNOWN_REASON = "unknown-reason"  #: `success` false without a reason; nothing was done


@frozen(kw_only=True)
class Behavior:
    """The switches; those with a time are in seconds of the exchange's clock."""

    client_ids: ClientIds = ClientIds.ECHO  #: what a create with a used client order id does
    ids_kept_s: float | None = None  #: a client order id is forgotten after this; None: never
    hidden_s: float = 0.0  #: a new order is in no read for so long: 404, and not listed
    cancel_shows_open: bool = False  #: an order with a pending cancel is shown as OPEN
    null_configuration: bool = False  #: `order_configuration` is null in replies
    errors_as_object: bool = False  #: `errors` of an edit is an object, not a list
    empty_cursor: bool = False  #: `has_next` is true although the cursor is empty
    extra_accounts: int = 0  #: wallets of other currencies, all empty
    page_max: int = 1000  #: the most rows in a page of orders and of fills
    flags: Mapping[str, frozenset[str]] = field(factory=dict)  #: of products, like `limit_only`
    checks_time: bool = True  #: a token outside its two minutes is refused

    # The stream
    subscribe_s: float = 5.0  #: without a subscription the connection is closed after this
    reject_word: str = "reject_reason"  #: the name of that field in frames; also `reject_Reason`
    names_client: bool = True  #: frames have a `client_id`
    sparse: bool = False  #: orders in frames have the fields of 2023 only
    zeroes_leaves: bool = True  #: `leaves_quantity` of an ended order is 0
    replays: bool = False  #: the last frames of the connection before are sent again
    heartbeat_s: float = 1.0  #: from one heartbeat to the next, in real time; 0: there are none
