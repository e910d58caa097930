"""What docs/scheduling.md tells to install is read by the tools it is for, where they are there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

TOLD = Path("docs/scheduling.md").read_text()
UNITS = {name: re.search(rf"`\S*/{re.escape(name)}`:\n```ini\n(.*?)```", TOLD, re.DOTALL) for name in (
    "tieline-retrain.service", "tieline-retrain.timer"
)}  # fmt: skip


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, found in UNITS.items():
        assert found, name
        unit = (
            found[1]
            .replace("/opt/tieline/bin/tieline", shutil.which("true") or "")
            .replace("User=tieline", "User=root")
        )
        (tmp_path / name).write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cron_line_has_five_fields_and_the_cron_job_says_the_same() -> None:
    line = next(line for line in TOLD.splitlines() if "tieline retrain" in line and line[0].isdigit())
    (job,) = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TOLD, re.DOTALL)]
    schedule = " ".join(line.split()[:5])
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule)
    assert job["spec"]["schedule"] == schedule
    assert (job["kind"], job["apiVersion"], job["spec"]["concurrencyPolicy"]) == ("CronJob", "batch/v1", "Forbid")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["tieline", "retrain", "churn"]
