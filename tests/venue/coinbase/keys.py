"""Key sets of the service's replies in 2026."""

ACCOUNT = {
    "active", "available_balance", "created_at", "currency", "default", "deleted_at", "hold",
    "name", "platform", "ready", "retail_portfolio_id", "type", "updated_at", "uuid",
}  # fmt: skip
#: Those that every recorded answer has, whatever its year.
ORDER = {
    "average_filled_price", "cancel_message", "client_order_id", "completion_percentage",
    "created_time", "fee", "filled_size", "filled_value", "number_of_fills",
    "order_configuration", "order_id", "order_type", "pending_cancel", "product_id",
    "product_type", "reject_message", "reject_reason", "settled", "side",
    "size_in_quote", "size_inclusive_of_fees", "status", "time_in_force", "total_fees",
    "total_value_after_fees", "trigger_status", "user_id",
}  # fmt: skip
NEWER_ORDER = {
    "order_placement_source", "outstanding_hold_amount", "is_liquidation", "last_fill_time",
    "edit_history", "leverage", "margin_type", "retail_portfolio_id", "originating_order_id",
    "attached_order_id", "attached_order_configuration", "current_pending_replace",
    "commission_detail_total", "workable_size", "workable_size_completion_percentage",
    "last_update_time",
}  # fmt: skip
FILL = {
    "commission", "commission_detail_total", "entry_id", "fillSource", "liquidity_indicator",
    "order_id", "price", "product_id", "retail_portfolio_id", "sequence_timestamp", "side", "size",
    "size_in_quote", "trade_id", "trade_time", "trade_type", "user_id",
}  # fmt: skip
PRODUCT = {
    "about_description", "alias", "alias_to", "approximate_quote_24h_volume", "auction_mode",
    "base_cbrn", "base_currency_id", "base_display_symbol", "base_increment", "base_max_size",
    "base_min_size", "base_name", "best_ask_price", "best_bid_price", "cancel_only",
    "display_name", "display_name_overwrite", "fcm_trading_session_details", "icon_color",
    "icon_url", "is_alpha_testing", "is_disabled", "limit_only", "market_cap",
    "mid_market_price", "new", "new_at", "post_only", "price", "price_increment",
    "price_percentage_change_24h", "product_cbrn", "product_id", "product_type", "product_venue",
    "quote_cbrn", "quote_currency_id", "quote_display_symbol", "quote_increment",
    "quote_max_size", "quote_min_size", "quote_name", "status", "trading_disabled", "view_only",
    "volume_24h", "volume_percentage_change_24h", "watched",
}  # fmt: skip
SUMMARY = {
    "advanced_trade_only_fees", "advanced_trade_only_volume", "coinbase_pro_fees",
    "coinbase_pro_volume", "fee_tier", "goods_and_services_tax", "has_cost_plus_commission",
    "has_promo_fee", "margin_rate", "total_balance", "total_fees", "total_volume",
    "volume_breakdown",
}  # fmt: skip
FEE_TIER = {
    "aop_from", "aop_to", "futures_vol_from", "futures_vol_to", "maker_fee_rate", "perps_vol_from",
    "perps_vol_to", "pricing_tier", "taker_fee_rate", "usd_from", "usd_to",
    "volume_types_and_range",
}  # fmt: skip
PREVIEW = {
    "base_size", "best_ask", "best_bid", "commission_total", "current_liquidation_buffer", "errs",
    "est_average_filled_price", "is_max", "leverage", "long_leverage", "max_leverage",
    "order_margin_total", "order_total", "preview_id", "projected_liquidation_buffer",
    "quote_size", "short_leverage", "slippage", "warning",
}  # fmt: skip
EDIT_PREVIEW = {
    "average_filled_price", "base_size", "best_ask", "best_bid", "commission_detail_total",
    "commission_total", "errors", "order_margin_total", "order_total", "pnl_configuration",
    "quote_size", "slippage",
}  # fmt: skip
BREAKDOWN = {
    "futures_positions", "perp_positions", "portfolio", "portfolio_balances", "spot_positions",
}  # fmt: skip
BALANCES = {
    "futures_unrealized_pnl", "perp_unrealized_pnl", "total_balance",
    "total_cash_equivalent_balance", "total_crypto_balance", "total_futures_balance",
}  # fmt: skip
