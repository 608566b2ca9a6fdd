"""
The words under which classes and fields are stored: declared, so that a rename changes no store.

Other half: `codec`, which writes and reads them.
"""

from __future__ import annotations

from typing import Final

#: The stored words.  One row per class, ``Class=Word: attribute=word``; ``=word`` is left out if
#: the two are the same.  Former words may follow the word, ``=word/former``: they are read
#: (`upcast`) and no longer written.  A released word is never removed.
WORDS: Final = """
Bound: account clocked replace_cum base_fee currency reserve_rule duplicate_check
AccountId: broker host number
ReserveRule: market_collar short_collar stop_collars fee reads_fee notional_includes_fee
InstrumentListed=Listed: instrument
PairListed: pair
Pair: symbol base quote holding paid_from rate_symbol
Amount: value currency
Instrument: symbol asset_class aliases tradable fractionable shortable marginable
    qty_increment price_increment min_qty min_notional multiplier
SymbolName: name symbol renamed_at relisted
Intended: intent
Intent: client_order_id request at key reserve adjustments worth bid ask closes
OrderRequest: symbol side qty notional limit_price stop_price trail_price trail_percent
    take_profit stop_loss stop_loss_limit type time_in_force order_class extended_hours strategy
    good_for_s reference_price post_only reduce_only
Reserve: opens floor margin fee currency paid_from
Adjustment: field wished sent why
Instructed: client_order_id number asked authority good_until broker_order_id by
InstructionClosed: client_order_id number why broker_order_id done
Cancel:
Amend: change way
Instruction: number asked authority at good_until broker_order_id closed done by
Commanded: client_order_id command number broker_order_id change handed instruction
Change: client_order_id qty limit_price stop_price trail time_in_force
Answered: client_order_id number answer message kind broker_order_id hint
IntentDenied=Denied: client_order_id reason code
ChangeClosed=Settled: client_order_id number why
ConcludedAbsent: client_order_id answers
ResolvedAbsent: client_order_id
NotFoundAfterSeen: client_order_id broker_order_id
Reported: report source snapshot=look
OrderReport: broker_order_id terms status raw_status filled_qty client_order_id avg_price
    filled_value fill_count clock created_at last_fill_at expires_at replaces replaced_by reason
    legs executions busts=voids
Terms: symbol side type time_in_force order_class qty notional limit_price stop_price
    trail_price trail_percent extended_hours
Execution: source exec_id broker_order_id symbol side qty price at cum_qty fixes fee
    fee_currency in_quote fee_from
TradeBust=Void: source exec_id broker_order_id qty at
Executed: execution
Busted=Voided: bust=void
HistoryRead: broker_order_id
DisputeSettled: broker_order_id exec_ids
ActivityReported=Happened: activity
Activity: activity_id kind at symbol qty price cash ratio raw_kind description dated read_at
    group_id source in_opening currency
BalanceAdjusted=Anchored: symbol qty avg_price at reason
CashAdjusted=CashAnchored: amount currency at reason by_ids
Assigned: strategy client_order_id movement symbol
DriftFound: key drift notional
Phantom: symbol ours
Untracked: symbol theirs
WrongQty: symbol ours theirs
MissedFill: symbol client_order_id ours theirs
OrderStatusDiffers: symbol client_order_id ours theirs
OrderTermsDiffer: symbol client_order_id field ours theirs
UnknownToUs: symbol broker_order_id side qty filled_qty status
UnknownToBroker: symbol client_order_id
ExternalTrade: symbol broker_order_id exec_id qty price at
HappenedWithoutTrade: symbol kind qty ratio cash at
WrongCash: ours theirs currency
EndedUnitsDiffer: symbol difference
DriftCleared: key
Alerted: alert
Rebuilt: rules
Alert: kind about message resolved
Binding: account clocked replace_cum base_fee reserve_rule rules currency duplicate_check
OrderRecord: client_order_id origin terms created_at order intent strategy parent ids
    instructions requests verdict seen_at reservation assigned
Order: client_order_id broker_order_id origin terms status filled_qty filled_value
    leaves_qty leaves_notional avg_price fees is_final is_complete strategy key parent
    created_at reason pending proof anomalies adjustments
Proof: source broker_order_id at
Anomaly: oddity broker_order_id detail
Request: number command at broker_order_id answer message kind change handed instruction
    hint entry
Conclusion: status why at may_send resolved
Reservation: client_order_id symbol charge margin grown grown_at is_open currency paid_from
Evidence: broker_order_id client_order_id name terms terms_at echoed created_at replaces
    replaced_by expires_at word loose end working history stream chosen source amended quote_sized
    history_read not_found conflicts oddities busted_at=void_at upheld_at filled value gap gap_price
    gap_at complete odd_executions ignored settled
OrderSnapshot=Snap: status cum version avg value fills last_fill_at source read_at reason
Version: clock cum rank raw
Sums: rows gross net value cum uncounted_at latest_at base fees fee_pending
Movement: key symbol kind at cum qty price cash ratio fee fee_rate strategy owner reason
    from_qty follows_cost parts unmatched currency other_fee fee_from
Position: symbol account by_strategy=legs fee_due fee_absorbed anchored_at last
    dues adopted unmatched
Fee: key symbol at amount price absorbed_at
Holding: qty cost realized fees opened_at opened_by entered entry_value exit_value
    currency other_fees
Chapter: symbol number before moves trades closed
Trade: key symbol strategy side qty entry_price exit_price pnl fees opened_at closed_at
    revision currency other_fees
Cash: currency anchor anchored_at flows unknown fee_due dues posted absorbed adopted by_ids
    other opened_at
OpenDrift: key drift since notional
Event: cursor kind at symbol order fill drift alert locked plan protection
PlanMade: plan
PlanMoved: plan_id state why failed
StepMoved: plan_id step state why attempts share missing
ProtectionSet: protection
ProtectionEnded: symbol strategy why cooldown
TradesSettled: trades
OpenQuantity: symbol sums
OpenSum: side strategy leaves unlimited orders
SettledTrade: key symbol strategy at matched settled_at plan_id
Plan: plan_id kind occasion symbols steps fingerprint authority created_at valid_until state
    generation strategy begins_at impact moved_at why failed
PlanStep: action stage guard state attempts why share missing
CancelOrder: client_order_id
PlaceOrder: request fills within_s after filled_before leg step as_stop
ReplaceOrder: client_order_id stop_price limit_price collar beyond within_s
AwaitFunds: amount reserve keep margin currency
AdoptBalance: symbol ours theirs currency
EndOrder: client_order_id
HaltTrading: why
PlanImpact: orders cancels notional positions cost full_cost left_alone leftover tracking_error
    replaces currency
RebalanceCost: orders notional spread_cost
LeftAlone: symbol qty value reason
PositionChange: symbol before after strategy
PlanNews: plan_id what step why
Protection: symbol strategy policy number stop_price take_profit priced_at entered opened_by
    approved pending applied suspended cover since why set_at at_break_even trail_begun
    inherited
Cooldown: symbol strategy until order
ExitPolicy: stop_price stop_loss take_profit trail time_in_force on_add on_breach collar
    naked_max_s trail_after break_even max_age_s cooldown_s extended_hours
Level: value is_percent
AccountInstructed: action by about why
AccountInstructionClosed: number why done
AccountInstruction: number action by at about why closed done
TokenCreated: token
TokenRevoked: token_id
Token: token_id digest scopes created_at expires_at strategies revoked_at
Budget: limit timeline offset sent others others_until held_until burst leased
Lease: holder epoch process timeline until_ms wall_ms host
SavedMarks=Marks: timeline marks
LagFactor=Longer: factor=times until
Unsettled: rows
ActivityCursor: until trailing
CompleteSnapshot: at timeline elapsed missed
ForeignOwners: alerted
StreamStatus: state gaps since
DeskReport: stream funds requests histograms
BuyingPower: available non_marginable reported reserved read_at lag_s
Count: lane count
Histogram: name counts total_us
"""
