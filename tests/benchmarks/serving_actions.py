"""Fifty actions: those of the built-in catalogue, and variants of them that each have rules of their own."""

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import yaml

ACTIONS = 50

Rule = dict[str, Any]


def _rule(feature: str, operator: str, value: object) -> Rule:
    return {"feature": feature, "operator": operator, "value": value}


NARROWER: tuple[tuple[Rule, ...], ...] = (
    (_rule("profile_monthly_value_last", "at_least", 30),),
    (_rule("profile_monthly_value_last", "below", 45), _rule("journey_count_90d", "at_least", 2)),
    (_rule("profile_segment_last", "is", "consumer"),),
    (_rule("profile_segment_last", "is_not", "consumer"),),
    (_rule("usage_metric_gigabytes_value_sum_30d", "at_least", 5),),
    (_rule("usage_metric_gigabytes_value_sum_30d", "below", 60), _rule("contact_count_30d", "below", 4)),
    (_rule("usage_metric_late_days_count_365d", "below", 3),),
    (_rule("contact_response_declined_count_90d", "below", 2),),
    (_rule("journey_channel_call_center_count_90d", "at_least", 1),),
    (_rule("journey_channel_app_count_90d", "at_least", 1), _rule("contact_count_7d", "below", 2)),
    (_rule("profile_payment_last", "is", "postpaid"),),
    (_rule("usage_metric_bill_value_max_90d", "at_least", 20),),
    (_rule("journey_action_complain_count_90d", "below", 2), _rule("profile_monthly_value_last", "at_least", 15)),
)
"""What variants ask for besides, one after another: features of six sources, numbers and words."""


def fifty(built_in: Path) -> str:
    """An ``actions.yaml`` of `ACTIONS` actions, made from another's."""
    catalogue = yaml.safe_load(built_in.read_text())
    actions = catalogue["actions"]
    wanted = ACTIONS - len(actions)
    # A service message more would be said to everybody; variants are of what is chosen among.
    chosen_among = [action for action in actions if action["kind"] != "service_message"]
    rules = cycle(NARROWER)
    variants = [_variant(action, i, next(rules)) for i, action in enumerate(islice(cycle(chosen_among), wanted), 1)]
    return yaml.safe_dump({**catalogue, "actions": [*actions, *variants]}, sort_keys=False)


def _variant(action: dict[str, Any], number: int, rules: tuple[Rule, ...]) -> dict[str, Any]:
    scale = 1 + number % 7 / 10
    money = {name: round(action[name] * scale, 2) for name in ("margin", "cost", "discount") if name in action}
    effect = action["prior_effect"]
    stay = round(effect["stay"] * (0.7 + number % 5 / 10), 3)
    words = {who: f"{said} (variant {number})" if said else said for who, said in action["words"].items()}
    return {
        **action,
        **money,
        "id": f"{action['id']}_{number}",
        "words": words,
        "prior_effect": {**effect, "stay": stay},
        "eligibility": [*action.get("eligibility", ()), *rules],
    }
