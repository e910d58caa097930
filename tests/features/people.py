"""Small people registers: everyone another person, and the same people as somebody else wrote them down."""

import numpy as np
import pandas as pd

FIRST = ("Anna", "Bruno", "Chloe", "Dirk", "Elise", "Farid", "Greta", "Hugo", "Ines", "Joris", "Karim", "Lotte")
LAST = ("Maes", "Peeters", "Janssens", "Willems", "Claes", "Goossens", "Wouters", "Dubois", "Lambert", "Aerts")
STREETS = ("Kerkstraat", "Stationsstraat", "Molenweg", "Schoolstraat", "Dorpsplein", "Parklaan", "Nieuwstraat")
TOWNS = {"9000": "Gent", "2000": "Antwerpen", "3000": "Leuven", "8000": "Brugge", "0400": "Liège"}


def people(n: int = 150, seed: int = 5) -> pd.DataFrame:
    """Customers ``C000``, ``C001``, ... with every column known."""
    rng = np.random.default_rng(seed)
    postcode = rng.choice(list(TOWNS), n)
    born = np.datetime64("1940-01-01") + rng.integers(0, 25_000, n)
    frame = pd.DataFrame(
        {
            "customer": [f"C{i:03d}" for i in range(n)],
            "first_name": rng.choice(FIRST, n),
            "last_name": rng.choice(LAST, n),
            "street": rng.choice(STREETS, n),
            "number": rng.integers(1, 200, n).astype(str),
            "postcode": postcode,
            "city": [TOWNS[code] for code in postcode],
            "birth_date": born.astype(str),
        }
    )
    return frame.assign(email=frame["customer"].str.lower() + "@mail.example").astype(object)


def holders(known: pd.DataFrame, n: int = 100, strangers: int = 20, seed: int = 6) -> pd.DataFrame:
    """Cards of the first ``n`` of these people (card ``L007`` is ``C007``'s) and of strangers, some fields empty."""
    rng = np.random.default_rng(seed)
    theirs = known.head(n).assign(loyalty=known["customer"].str.replace("C", "L"))
    others = people(max(strangers, 1), seed=seed + 1).head(strangers)
    others = others.assign(loyalty="S" + others["customer"], email="s" + others["email"])
    cards = pd.concat([theirs, others], ignore_index=True).drop(columns="customer")
    for column, share in {"birth_date": 0.3, "email": 0.7, "number": 0.1, "street": 0.1}.items():
        cards.loc[rng.random(len(cards)) < share, column] = None
    return cards
