"""The entries of tokens and of instructions of other processes."""

from fillbook import model as m
from fillbook.model.account.instruction import (
    AccountAction,
    AccountInstructed,
    AccountInstruction,
    AccountInstructionClosed,
)
from fillbook.model.account.token import Scope, Token, TokenCreated, TokenRevoked
from fillbook.model.journal.kinds import BY_TYPE
from tests.core.records import AT, Records, intended

TOKEN = Token(
    token_id="a1", digest="d", scopes=(Scope.READ,), created_at=AT, expires_at=AT, strategies=("s",)
)


def test_a_token_is_created_once_and_stays_revoked():
    records = Records()
    records.take(TokenCreated(TOKEN))
    assert records.get(Token, "a1") == TOKEN
    assert not records.take(TokenCreated(TOKEN))
    records.take(TokenRevoked("a1"))
    assert records.get(Token, "a1").revoked_at is not None
    assert not records.take(TokenRevoked("a1"))
    assert not records.take(TokenRevoked("unknown"))
    assert not records.take(TokenCreated(TOKEN))


def test_an_instruction_is_numbered_by_its_entry_and_closed_once():
    records = Records()
    records.take(AccountInstructed(AccountAction.APPROVE_PLAN, "a1", about="p1"))
    (given,) = records.all(AccountInstruction)
    assert (given.number, given.about, given.closed) == (2, "p1", None)
    records.take(AccountInstructionClosed(2, "plan p1 is done", done=True))
    assert records.get(AccountInstruction, given.key).done
    assert not records.take(AccountInstructionClosed(2, "again"))
    assert not records.take(AccountInstructionClosed(9, "there is none"))


def test_a_second_cancel_by_a_token_is_attributed_to_it():
    """The cancel of the bot stays one instruction, and the first token is its giver."""
    records = Records()
    records.take(intended())
    for by in (None, "a1", "b2"):
        records.take(m.Instructed("c1", 1, m.Cancel(), m.Authority.ORDER, by=by))
    assert [x.by for x in records.get(m.OrderRecord, "c1").instructions] == ["a1"]
    assert BY_TYPE[m.OrderRecord].indexes["canceled_by"](records.get(m.OrderRecord, "c1")) == "a1"
