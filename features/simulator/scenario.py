"""How the simulated operator behaves, as frozen declarations that check themselves."""

import math
from dataclasses import asdict, dataclass, field, fields

NEEDS = (
    "faster_line",
    "reliable_line",
    "lower_price",
    "bill_clarity",
    "device",
    "roaming",
    "extra_line",
    "help_using",
    "security",
)


def _check(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"scenario: {name} must be a finite number, zero or more; got {value}")
    if name.endswith("_share") and value > 1:
        raise ValueError(f"scenario: {name} is a share and must lie in 0..1; got {value}")


@dataclass(frozen=True, slots=True)
class Effects:
    """What moves a customer towards leaving or staying: additions to the log of the daily voluntary hazard.

    ``downtime`` is per unit of ``log(1 + hours / 6)``; ``mood`` per unit of bad mood; the other effects of events
    are per remembered event. Memories fade with the half-lives of `Scenario`.
    """

    bound: float = -1.6
    contract_ending: float = 1.25
    out_of_contract: float = 0.35
    newcomer: float = 0.6
    downtime: float = 0.9
    breach: float = 0.45
    open_complaint: float = 1.2
    bill_shock: float = 1.0
    price_rise: float = 0.9
    enquiry: float = 0.9
    unmet_need: float = 0.45
    mood: float = 0.35
    extra_line: float = -0.5
    accepted_offer: float = -0.4
    youth: float = 0.5
    family: float = -0.3
    senior: float = -0.8
    enterprise: float = -0.1
    kin: float = 0.8
    rival: float = 0.2
    announced_rise: float = 0.25
    season: float = 0.05

    def __post_init__(self) -> None:
        for item in fields(self):
            if not math.isfinite(getattr(self, item.name)):
                raise ValueError(
                    f"scenario: effects.{item.name} must be a finite number; got {getattr(self, item.name)}"
                )


@dataclass(frozen=True, slots=True)
class NeedRates:
    """How often each need arises per customer and year before the customer's own circumstances multiply it."""

    faster_line: float = 0.22
    reliable_line: float = 0.14
    lower_price: float = 0.22
    bill_clarity: float = 0.18
    device: float = 0.16
    roaming: float = 0.18
    extra_line: float = 0.2
    help_using: float = 0.20
    security: float = 0.16

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


@dataclass(frozen=True, slots=True)
class KeyHabits:
    """How people and systems handle keys: shares of the occasions at which each thing happens.

    ``typo_share`` and ``written_share`` are of rows that a person types; ``mixed_up_share`` of typos, those that name
    somebody else; ``national_share`` of written numbers, those without the country's code.
    """

    number_ageing_days: float = 90.0
    ported_in_share: float = 0.2
    ported_out_share: float = 0.5
    reassigned_share: float = 0.6
    unlinked_share: float = 0.7
    handed_on_share: float = 0.25
    sold_on_share: float = 0.25
    secondhand_share: float = 0.15
    app_by_device_share: float = 0.4
    second_browser_share: float = 0.35
    home_browser_share: float = 0.3
    home_line_share: float = 0.3
    tablet_share: float = 0.12
    written_share: float = 0.5
    national_share: float = 0.0
    typo_share: float = 0.012
    mixed_up_share: float = 0.1
    corrected_share: float = 0.6
    card_share: float = 0.35
    card_shown_share: float = 0.6
    card_linked_share: float = 0.45

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operator. ``*_share`` are probabilities, ``*_yearly`` rates per customer (line, site) and year,
    ``*_hours`` and ``*_days`` medians or means as their use says. ``sites=None``: one site per ``customers_per_site``.

    Raises `ValueError` naming the field that cannot be.
    """

    name: str = "default"
    sites: int | None = None
    customers_per_site: float = 100.0
    # people
    household_share: float = 0.33
    enterprise_share: float = 0.14
    prepaid_share: float = 0.18
    frailty_variance: float = 0.18
    marketing_consent_share: float = 0.62
    profiling_consent_share: float = 0.8
    moves_yearly: float = 0.085
    visitors_yearly: float = 1.2
    # network
    site_outages_yearly: float = 2.2
    site_outage_hours: float = 2.0
    planned_work_yearly: float = 3.0
    storm_factor: float = 1.0
    storm_days: tuple[int, int] = (0, 0)
    bad_spell_factor: float = 5.0
    bad_spell_days: float = 40.0
    good_spell_days: float = 200.0
    line_faults_yearly: float = 0.36
    line_fault_hours: float = 17.0
    resolution_target_hours: float = 48.0
    availability_target: float = 99.0
    # money
    bill_shocks_yearly: float = 0.45
    price_rises_yearly: float = 0.25
    general_rises_yearly: float = 0.6
    surge: float = 0.0
    surge_days: int = 60
    insolvencies_yearly: float = 0.05
    # touches
    touches: float = 1.0
    control_share: float = 0.1
    explore_share: float = 0.5
    login_share: float = 0.3
    complaints_yearly: float = 1.8
    complaint_open_share: float = 0.4
    enquiries_yearly: float = 0.22
    campaigns_yearly: float = 0.9
    # ends
    churn_monthly: float = 0.0145
    moved_away_yearly: float = 0.012
    deaths_yearly: float = 0.006
    rival_campaigns_yearly: float = 3.0
    # memory: half-lives
    downtime_memory_days: float = 35.0
    breach_memory_days: float = 45.0
    shock_memory_days: float = 45.0
    price_memory_days: float = 75.0
    enquiry_memory_days: float = 30.0
    offer_memory_days: float = 90.0
    mood_memory_days: float = 25.0
    kin_memory_days: float = 45.0
    contact_memory_days: float = 30.0
    sway_memory_days: float = 45.0
    sick_line_days: float = 10.0
    # feeds
    revised_share: float = 0.01
    void_share: float = 0.001
    warm_up_days: int = 240
    effects: Effects = field(default_factory=Effects)
    needs: NeedRates = field(default_factory=NeedRates)
    # keys
    keys: KeyHabits = field(default_factory=KeyHabits)

    def __post_init__(self) -> None:
        if self.sites is not None and self.sites < 1:
            raise ValueError(f"scenario: sites must be at least 1, or None to follow the customers; got {self.sites}")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | float):
                _check(item.name, value)
            if (
                isinstance(value, int | float) and item.name.endswith(("_days", "_hours"))
            ) or item.name == "customers_per_site":
                self._positive(item.name, value)

    def _positive(self, name: str, value: float) -> None:
        if value <= 0:
            raise ValueError(f"scenario: {name} must be greater than zero; got {value}")

    def site_count(self, customers: int) -> int:
        """How many sites serve that many customers."""
        return self.sites or max(1, round(customers / self.customers_per_site))


DEFAULT = Scenario()


def describe(scenario: Scenario = DEFAULT) -> dict[str, object]:
    """Every rate of a scenario by name, nested ones with a dot: what `tieline simulate --describe` prints."""
    flat: dict[str, object] = {}
    for name, value in asdict(scenario).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": rate for inner, rate in value.items()}
        else:
            flat[name] = value
    return flat
