"""Key sets of real payloads."""

ORDER = {
    "asset_class", "asset_id", "canceled_at", "client_order_id", "created_at", "expired_at",
    "extended_hours", "failed_at", "filled_at", "filled_avg_price", "filled_qty", "hwm", "id",
    "legs", "limit_price", "notional", "order_class", "order_type", "qty", "replaced_at",
    "replaced_by", "replaces", "side", "source", "status", "stop_price", "submitted_at", "subtag",
    "symbol", "time_in_force", "trail_percent", "trail_price", "type", "updated_at",
    "expires_at",  # documented, and in the legs of the samples
}  # fmt: skip
POSITION = {
    "asset_class", "asset_id", "asset_marginable", "avg_entry_price", "change_today", "cost_basis",
    "current_price", "exchange", "lastday_price", "market_value", "qty", "qty_available", "side",
    "symbol", "unrealized_intraday_pl", "unrealized_intraday_plpc", "unrealized_pl",
    "unrealized_plpc",
}  # fmt: skip
ACCOUNT = {
    "account_blocked", "account_number", "accrued_fees", "admin_configurations", "balance_asof",
    "buying_power", "cash", "created_at", "crypto_status", "crypto_tier", "currency",
    "effective_buying_power", "equity", "id", "initial_margin", "intraday_adjustments",
    "last_equity", "last_maintenance_margin", "long_market_value", "maintenance_margin",
    "multiplier", "non_marginable_buying_power", "options_buying_power", "options_trading_level",
    "pending_reg_taf_fees", "pending_transfer_in", "portfolio_value", "position_market_value",
    "regt_buying_power", "short_market_value", "shorting_enabled", "sma", "status",
    "trade_suspended_by_user", "trading_blocked", "transfers_blocked", "user_configurations",
}  # fmt: skip
FILL = {
    "activity_type", "cum_qty", "id", "leaves_qty", "order_id", "order_status", "price", "qty",
    "side", "symbol", "transaction_time", "type",
}  # fmt: skip
FEE = {
    "id", "activity_type", "date", "net_amount", "description", "symbol", "qty", "price", "status",
}  # fmt: skip
SHARE = {
    "attributes", "borrow_status", "class", "easy_to_borrow", "exchange", "fractionable", "id",
    "marginable", "name", "shortable", "status", "symbol", "tradable",
}  # fmt: skip
COIN = (SHARE - {"attributes", "borrow_status"}) | {
    "min_order_size",
    "min_trade_increment",
    "price_increment",
}
DAY = {"date", "open", "close", "session_open", "session_close", "settlement_date"}
CLOCK = {"is_open", "next_close", "next_open", "timestamp"}
EVENT = {"event", "execution_id", "order", "timestamp"}
FIGURES = {"position_qty", "price", "qty"}
