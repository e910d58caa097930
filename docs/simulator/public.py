"""Public figures of the trade and where they were read."""

SOURCES: dict[str, tuple[str, str]] = {
    "T-Mobile US 2024": (
        "Converge Digest on T-Mobile US, Q1 2024",
        "https://convergedigest.blogspot.com/2024/04/t-mobile-us-posts-strong-q1-raises.html",
    ),
    "Verizon 2023": (
        "PhoneArena on Verizon, Q2 2023",
        "https://www.phonearena.com/news/verizon-shows-rebound-q2_id149213",
    ),
    "US carriers 2018": (
        "Market Realist, March 2019",
        "https://marketrealist.com/2019/03/how-verizon-is-working-to-keep-its-churn-rate-low/",
    ),
    "Frontier 2025": (
        "Frontier Communications, release for Q2 2025",
        "http://archive.fast-edgar.com/20250729/A222662CZM22HZLZ272W2Z4235U78C22Z272/ef20052617_ex99-1.htm",
    ),
    "Ofcom 2021 switching": (
        "Which? on Ofcom's Switching Tracker",
        "https://www.which.co.uk/policy-and-insight/article/customer-switching-in-mobile-and-broadband-aFPQs5Q439Td",
    ),
    "CNMC 2017": (
        "Faro de Vigo on the CNMC household panel, May 2018",
        "https://www.farodevigo.es/economia/2018/05/19/diez-clientes-movil-cambia-compania/1894197.html",
    ),
    "Ofcom 2020 arrears": (
        "ConnectivityUK on Ofcom, December 2020",
        "https://www.connectivityuk.org/2020/12/18/ofcoms-initial-findings-on-affordability-of-communications-services/",
    ),
    "Ofcom 2023 debt": (
        "UKFCF on Ofcom",
        "https://www.ukfcf.org.uk/ofcom-find-uk-people-turn-to-telecoms-providers-for-debt-advice/",
    ),
    "Ofcom 2021 contracts": (
        "Wiggin on Ofcom, 2021",
        "https://wiggin.co.uk/insight/ofcom-publishes-review-of-the-impact-of-end-of-contract-notifications-and-pricing-commitments-by-broadband-and-mobile-providers/",
    ),
    "SQM": (
        "SQM Group, first call resolution by sector",
        "https://sqmgroup.com/resources/library/blog/fcr-customer-satisfaction-comparison-industry-and-call-reason",
    ),
    "Which? 2014": (
        "Which? press release",
        "https://press.which.co.uk/whichpressreleases/13-million-households-in-broadband-slow-lane/",
    ),
    "Zanthus 2003": (
        "The Wise Marketer, October 2003",
        "https://thewisemarketer.com/customer-service-is-key-to-broadband-profits/",
    ),
    "Sprint 2007": (
        "Fierce Wireless, July 2007",
        "https://www.fiercewireless.com/wireless/sprint-defends-cutting-1-000-subscribers",
    ),
    "Ofcom 2016 complaints": (
        "Mobile News on Ofcom, 2016",
        "https://mobilenewscwp.co.uk/News/article/ofcom-tells-industry-game-customer-service",
    ),
    "Ofcom 2022 channels": (
        "Mobile News on Ofcom, 2022",
        "https://mobilenewscwp.co.uk/News/article/three-quickest-customer-call-waiting-times-says-ofcom-report?amp=true",
    ),
    "short outages 2016": (
        "Lorincz, Chiaraviglio and Cuomo, Computer Communications 2016",
        "https://doi.org/10.1016/j.comcom.2015.12.006",
    ),
    "Uswitch 2023": ("Uswitch, September 2023", "https://www.uswitch.com/media-centre/2023/09/outage-outrage/"),
    "ENISA 2011": (
        "on ENISA's report for 2011",
        "https://omnisecure.berlin/first-annual-report-of-cyber-incidents-in-the-eu-51-severe-outages-reported-over-2011",
    ),
    "eircom 2008": (
        "Irish Times, 2008",
        "https://www.irishtimes.com/business/comreg-concern-over-eircom-decline-1.933830",
    ),
    "ACCC 2024": (
        "ACCC, December quarter 2024",
        "https://www.accc.gov.au/by-industry/telecommunications-and-internet/service-quality-and-network-performance-record-keeping-rule-for-superfast-broadband-networks/december-quarter-2024-data",
    ),
    "Openreach 2018": (
        "Openreach, repairs within agreed time",
        "https://www.homeandbusiness.openreach.co.uk/regulated-kpis/KPI_overview?kpi=8",
    ),
    "eir 2016": (
        "Irish Times, 2016",
        "https://irishtimes.com/business/technology/eir-may-have-to-speed-up-fault-repair-times-or-face-more-fines-1.2658091",
    ),
    "Sweepr 2020": (
        "Engage Customer on Sweepr",
        "https://engagecustomer.com/new-survey-reveals-challenges-for-broadband-users-during-lockdown/",
    ),
    "US Census 2021": (
        "on the US Census Bureau, 2021",
        "https://ignoble-experiment.blogspot.com/2022/03/us-migration-continued-to-decline-from.html",
    ),
    "movers 2022": (
        "POTs and PANs, July 2022",
        "https://potsandpansbyccg.com/2022/07/22/planning-for-churn/",
    ),
    "US connections 2018": (
        "Light Reading, January 2019",
        "https://www.lightreading.com/services/mobile-services/t-mobile-breaks-records-again-with-24m-new-connections/d/d-id/748700",
    ),
    "Ofcom Q1 2024": (
        "Ofcom, market data Q1 2024",
        "https://ofcom.org.uk/phones-and-broadband/telecoms-infrastructure/telecommunications-market-data-update-q1-2024",
    ),
    "Eurostat 2022": (
        "EU Reporter on Eurostat, October 2024",
        "https://www.eureporter.co/business/2024/10/30/micro-and-small-businesses-make-up-99-of-enterprises-in-the-eu/",
    ),
    "CNMC 2018": (
        "Spain's News on CNMC, 2018",
        "https://spainsnews.com/the-changes-of-mobile-operator-reach-a-historical-record-in-2018-and-exceed-10-million/",
    ),
    "uSwitch 2009": (
        "uSwitch polls of switchers",
        "https://www.easier.com/68002-switching-mobile-phone-networks.html",
    ),
    "FCC 2020": (
        "FCC DA 20-706, reprinted",
        "https://www.cloudcommunications.com/consumer-and-governmental-affairs-bureau-announces-compliance-date-for-reassigned-numbers-database-rules/",
    ),
    "ATIS": ("ATIS glossary, aging numbers", "https://glossary.atis.org/glossary/aging-numbers/"),
    "UVEK": (
        "Swiss department UVEK",
        "https://www.uvek.egov.swiss/en/faq_30/when_is_an_individual_number_available",
    ),
    "KISSmetrics": ("KISSmetrics glossary", "http://www.kissmetrics.io:3000/glossary/anonymous-user"),
    "DMA 2012": (
        "MediaPost on the DMA Response Rate Report, July 2012",
        "https://www.mediapost.com/publications/article/179285/direct-mail-hanging-in.html",
    ),
    "Peru": (
        "Mobile advertising in Peru, abstract",
        "https://discovery.researcher.life/article/mobile-advertising-in-peru-the-impact-of-sms-advertising-on-sales-and-customer-experience/a35bc3e3675138ef9b0c16b67fda7acc",
    ),
    "OpenVault 2025": (
        "Advanced Television on OpenVault, August 2025",
        "https://www.advanced-television.com/2025/08/21/openvault-historic-shift-in-qoq-broadband-usage/",
    ),
    "OpenVault 2021": (
        "Advanced Television on OpenVault, August 2021",
        "https://advanced-television.com/2021/08/17/report-faster-speed-tiers-driving-higher-broadband-usage/",
    ),
    "Ofcom 2017 use": (
        "Ofcom, Connected Nations 2017",
        "http://technodocbox.com/Computer_Networking/81195478-Connected-nations-data-analysis.html",
    ),
    "UK mobile 2025": (
        "Mobile News on Ofcom, November 2025",
        "https://mobilenewscwp.co.uk/news/article/uk-mobile-data-use-exceeds-1-2-billion-gigabytes-a-month-says-ofcom/",
    ),
}


def cited(*names: str) -> str:
    """Links to sources, in Markdown."""
    return "; ".join(f"[{SOURCES[name][0]}]({SOURCES[name][1]})" for name in names)


SURVEYS = {
    "postpaid": (
        "9 to 16 % a year, that is 0.8 to 1.3 (people who switched, however they pay)",
        cited("Ofcom 2021 switching", "CNMC 2017"),
    ),
    "prepaid": ("", ""),
}
"""Of people who switched: what was found, and where."""

LINES = {
    "postpaid": (
        "0.76 to 1.10 %; 0.82 to 1.84 % in 2018; fibre 1.29 %",
        cited("T-Mobile US 2024", "Verizon 2023", "US carriers 2018", "Frontier 2025"),
    ),
    "prepaid": ("2.75 to 4.24 %", cited("T-Mobile US 2024", "Verizon 2023")),
    "enterprise": ("1.10 %", cited("Verizon 2023")),
}
"""Of lines that ended for any reason: what was found, and where."""
