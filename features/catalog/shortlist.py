"""What the models read, of all the candidates the catalogue declares: forty variables over all of them together.

Chosen by `tieline select`, by what each task loses without them on later cutoffs, and by what a model fitted to the
simulator's truth reads (docs/decisions/012).
"""

from features.catalog.needs import NEEDS

RELATIONSHIP = tuple(
    f"profile_{column}_last"
    for column in ("active_since", "contract_end", "segment", "plan", "monthly_value", "payment")
)

FAULTS = (
    "faults_minutes_sum_90d",
    "faults_planned_false_state_opened_since_last",
    "faults_minutes_sum_30d_via_site",
    "faults_minutes_sum_90d_via_site",
    "sla_breached_true_since_last",
)

JOURNEY = (
    "journey_action_cancel_enquiry_count_60d",
    "journey_outcome_open_or_handed_off_count_30d",
    "journey_phase_discover_or_explore_count_30d",
    "journey_phase_discover_or_explore_topic_last_60d",
    "journey_phase_use_or_ask_since_last",
    "journey_topic_speed_or_faster_line_count_60d",
    "journey_topic_outage_or_coverage_or_reliable_line_count_60d",
    "journey_topic_price_or_plans_or_lower_price_count_60d",
    "journey_topic_billing_or_bill_clarity_count_60d",
)

USAGE = (
    "usage_metric_bill_value_last",
    "usage_metric_payment_since_last",
    "usage_metric_gigabytes_since_last",
    "usage_metric_gigabytes_value_sum_30d",
    "usage_metric_minutes_value_sum_30d",
)

OF_NEEDS = (
    "journey_topic_device_count_60d",
    "journey_topic_roaming_count_60d",
    "journey_topic_extra_line_count_60d",
    "journey_topic_help_or_help_using_count_60d",
    "journey_topic_security_count_60d",
    *(f"journey_action_request_or_order_topic_{need}_since_last" for need in NEEDS),
    "calendar_kind_season_value_last_of_market",
)
"""What foretells a need and nothing else: the season would tell churn one month from another, accidents included."""

CHURN = (*RELATIONSHIP, *FAULTS, *JOURNEY, *USAGE)
ALL = (*CHURN, *OF_NEEDS)
