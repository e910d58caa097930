"""What the models read, of all the candidates the catalogue declares."""

from features.catalog.needs import NEEDS

RELATIONSHIP = (
    *(f"profile_{column}_last" for column in ("status", "active_since", "contract_end", "segment", "region")),
    *(f"profile_{column}_last" for column in ("plan", "monthly_value", "payment")),
    *(f"profile_consent_{what}_last" for what in ("marketing", "profiling")),
    "profile_status_notice_since_last_of_account",
)

FAULTS = (
    "faults_planned_false_state_opened_count_30d",
    "faults_planned_false_state_opened_count_90d",
    "faults_minutes_sum_90d",
    "faults_open_90d",
    "faults_open_age_90d",
    "faults_planned_false_state_opened_since_last",
    "faults_planned_false_state_opened_count_30d_via_site",
    "faults_minutes_sum_30d_via_site",
    "faults_minutes_sum_90d_via_site",
    "faults_planned_false_state_opened_count_90d_of_site",
)

PROMISES = (
    "sla_breached_true_count_90d",
    "sla_breached_true_since_last",
    "sla_credit_sum_90d",
)

JOURNEY = (
    "journey_phase_ask_count_30d",
    "journey_phase_ask_count_90d",
    "journey_action_complain_count_90d",
    "journey_sentiment_sum_90d",
    "journey_channel_distinct_30d",
    "journey_outcome_open_or_handed_off_count_30d",
    "journey_outcome_open_or_handed_off_count_90d",
    "journey_action_cancel_enquiry_count_60d",
    "journey_action_compare_count_60d",
    "journey_phase_engage_since_last",
    "journey_phase_use_or_ask_since_last",
    "journey_phase_discover_or_explore_count_30d",
    "journey_phase_discover_or_explore_topic_last_60d",
    "journey_topic_speed_or_faster_line_count_60d",
    "journey_topic_outage_or_coverage_or_reliable_line_count_60d",
    "journey_topic_price_or_plans_or_lower_price_count_60d",
    "journey_topic_billing_or_bill_clarity_count_60d",
    "journey_topic_device_count_60d",
    "journey_topic_roaming_count_60d",
    "journey_topic_extra_line_count_60d",
    "journey_topic_help_or_help_using_count_60d",
    "journey_topic_security_count_60d",
    *(f"journey_action_request_or_order_topic_{need}_since_last" for need in NEEDS),
)

USAGE = (
    "usage_metric_bill_value_sum_30d",
    "usage_metric_bill_value_sum_90d",
    "usage_metric_late_days_value_sum_90d",
    "usage_metric_bill_value_last",
    "usage_metric_gigabytes_value_sum_30d",
    "usage_metric_gigabytes_value_sum_90d",
    "usage_metric_minutes_value_sum_30d",
)

CAMPAIGNS = (
    "contact_count_90d",
    "contact_since_last",
)

SHORTLIST = (*RELATIONSHIP, *FAULTS, *PROMISES, *JOURNEY, *USAGE, *CAMPAIGNS)
