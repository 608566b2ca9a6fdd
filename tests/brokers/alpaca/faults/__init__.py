"""The adapter's result for each fault; pytest rewrites the asserts of these modules too."""

import pytest

import fillbook.testing.broker_suite  # noqa: F401 - has pytest rewrite the asserts of its cases

pytest.register_assert_rewrite(
    *(f"{__name__}.{each}" for each in ("scenarios", "requests", "stream", "state", "orders"))
)
