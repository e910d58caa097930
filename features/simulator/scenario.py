"""How the simulated operator behaves, as frozen declarations that check themselves."""

from dataclasses import dataclass, field, fields

from features.simulator.checks import check_numbers, check_pair, check_positive

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


@dataclass(frozen=True, slots=True)
class Effects:
    """What moves a customer towards leaving or staying: additions to the log of the daily voluntary hazard.

    ``downtime`` is per unit of ``log(1 + hours / 6)``; ``mood`` per unit of bad mood; the other effects of events
    are per remembered event. Memories fade with the half-lives of `Memory`.
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
        check_numbers(self, "effects.", signed=True)


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
        check_numbers(self, "needs.")


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
        check_numbers(self, "keys.")
        if self.handed_on_share + self.sold_on_share > 1:
            raise ValueError(
                "scenario: keys.handed_on_share and keys.sold_on_share are of the same handsets and must not exceed 1 "
                f"together; got {self.handed_on_share + self.sold_on_share}"
            )


@dataclass(frozen=True, slots=True)
class Memory:
    """After how many days half of what moves a customer is forgotten; ``sick_line``: half of a line's proneness."""

    downtime: float = 35.0
    breaches: float = 45.0
    shocks: float = 45.0
    rises: float = 75.0
    enquiries: float = 30.0
    offers: float = 90.0
    mood: float = 25.0
    kin: float = 45.0
    contacts: float = 30.0
    sway: float = 45.0
    sick_line: float = 10.0

    def __post_init__(self) -> None:
        check_numbers(self, "memory.")
        for item in fields(self):
            check_positive(f"memory.{item.name}", getattr(self, item.name))


@dataclass(frozen=True, slots=True)
class Feeds:
    """How well the systems deliver what they know; shares are of rows.

    ``revised_share`` are measured again later, ``void_share`` withdrawn. ``late_share`` become known days late:
    ``late_days`` is the median, one in a hundred of them takes ten times as long. ``resent_share`` come twice,
    ``damaged_share`` with an error in them.
    Each feed is down ``outages_yearly`` times a year, for ``outage_hours`` (shortest, longest); in ``loss_share`` of
    these outages what happens is never delivered, in the others it comes when the feed is back.
    """

    revised_share: float = 0.01
    void_share: float = 0.001
    late_share: float = 0.015
    late_days: float = 3.0
    resent_share: float = 0.0
    damaged_share: float = 0.0
    outages_yearly: float = 0.67
    loss_share: float = 0.5
    outage_hours: tuple[float, float] = (6.0, 48.0)

    def __post_init__(self) -> None:
        check_numbers(self, "feeds.")
        check_pair("feeds.outage_hours", self.outage_hours)
        shortest, longest = self.outage_hours
        check_positive("feeds.outage_hours", shortest)
        if shortest > longest:
            raise ValueError(f"scenario: feeds.outage_hours must be (shortest, longest); got {self.outage_hours}")


_GROUPS = {"effects": Effects, "needs": NeedRates, "memory": Memory, "feeds": Feeds, "keys": KeyHabits}


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
    frailty_variance: float = 0.25
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
    line_faults_yearly: float = 0.29
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
    login_share: float = 0.4
    complaints_yearly: float = 1.5
    complaint_open_share: float = 0.4
    enquiries_yearly: float = 0.22
    campaigns_yearly: float = 0.9
    # ends
    churn_monthly: float = 0.0158
    moved_away_yearly: float = 0.012
    deaths_yearly: float = 0.006
    rival_campaigns_yearly: float = 3.0
    # the rest
    warm_up_days: int = 240
    effects: Effects = field(default_factory=Effects)
    needs: NeedRates = field(default_factory=NeedRates)
    memory: Memory = field(default_factory=Memory)
    feeds: Feeds = field(default_factory=Feeds)
    # keys
    keys: KeyHabits = field(default_factory=KeyHabits)

    def __post_init__(self) -> None:
        check_numbers(self)
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"scenario: name must be a word; got {self.name!r}")
        if self.sites is not None and (not isinstance(self.sites, int) or self.sites < 1):
            raise ValueError(f"scenario: sites must be at least 1, or None to follow the customers; got {self.sites!r}")
        if self.household_share + self.enterprise_share >= 1:
            raise ValueError(
                "scenario: household_share and enterprise_share must leave room for consumers; "
                f"got {self.household_share} + {self.enterprise_share}"
            )
        if self.availability_target > 100:
            raise ValueError(f"scenario: availability_target is in percent; got {self.availability_target}")
        self._check_storm()
        for name, kind in _GROUPS.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"scenario: {name} must be {kind.__name__}(...); got {getattr(self, name)!r}")

    def _check_storm(self) -> None:
        check_pair("storm_days", self.storm_days, whole=True)
        begin, end = self.storm_days
        if begin <= end and (begin, end) != (0, 0):
            raise ValueError(f"scenario: storm_days are (from, to) days before the end, from > to; got {begin, end}")

    @property
    def last_days(self) -> int:
        """How many of the last days something is declared for (a storm, a price rise); 0: the end is like the rest."""
        storm = self.storm_days[0] if self.storm_factor != 1 else 0
        return max(storm, self.surge_days if self.surge else 0)

    def check_length(self, days: int) -> None:
        """Raises `ValueError` when a simulation of so many days is too short for what the scenario declares."""
        if self.last_days > days:
            raise ValueError(
                f"scenario '{self.name}' changes what happens in the last {self.last_days} days, and only {days} are "
                "simulated: more months are needed"
            )

    def site_count(self, customers: int) -> int:
        """How many sites serve that many customers."""
        return self.sites or max(1, round(customers / self.customers_per_site))


DEFAULT = Scenario()
