"""What a roll-up's table says of accounts that have unlike numbers of reasons."""

import pandas as pd

from commands.level_tables import main_reasons


def test_an_account_with_one_reason_stands_beside_others_with_two_or_none() -> None:
    for kind in ("str", "object"):
        frame = pd.DataFrame(
            {
                "reason_1": pd.Series(["its bills", "its faults", None], dtype=kind),
                "reason_2": pd.Series([None, "its bills", None], dtype=kind),
            }
        )
        told = [main_reasons(row) for row in frame.to_dict(orient="records")]
        assert told == [["its bills"], ["its faults", "its bills"], []]
    assert main_reasons({"reason_1": "its bills"}) == ["its bills"]
