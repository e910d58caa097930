"""Break each rule on purpose, in a copy of the sources, and see the suite fail: a check of the checks.

Each mutation is one replacement of text in one file, and the tests that see it: test files, or single tests of them.
Where none are named, `test_rule_of_time.py` does. The copy runs them in its own process.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from features import history

ROOT = Path(history.__file__).parents[1]


class Mutation(NamedTuple):
    """In ``path``, ``right`` becomes ``wrong``."""

    path: str
    right: str
    wrong: str
    seen_by: str = "test_rule_of_time.py"
    """test ids below `tests/features`, separated by spaces"""


KERNEL, RULE, CELLS, CASES, STRETCHES, OUTPUTS, EXACT, PLAN, LOOKUPS, COLUMNS, BLOCK = (
    f"features/engine/{name}.py"
    for name in (
        "kernel", "rule", "cells", "cases", "stretches", "outputs", "exact", "plan", "lookups", "columns", "block"
    )
)  # fmt: skip
BUCKETS = "features/buckets.py"
AGGREGATES, PARITY, MANY = "test_aggregates.py", "test_parity.py", "test_many_cutoffs.py"
MUTATIONS = {
    "the cutoff itself counts": (RULE, "return c + offset if", "return c + offset + 1 if"),
    "the older end is open": (RULE, "if i64(at, middle) < instant:", "if i64(at, middle) <= instant:"),
    "the older end of an inner window is open": (KERNEL, "while bounds[s + 1] <= at:", "while bounds[s + 1] < at:"),
    "a later fact counts": (RULE, "return c + offset if", "return c + offset + 60_000_000 if"),
    "a later clearing counts": (CASES, "newest = min(i64(step[AT_TO], r), high)", "newest = i64(step[AT_TO], r)"),
    "known at the cutoff counts": (RULE, "return since < v <= until", "return since <= v <= until"),
    "known_at is ignored": (RULE, "return since < v <= until", "return v <= until"),
    "until is ignored": (RULE, "if step[REVISED] == 0 or", "if True or"),
    "until is one too early": (RULE, "return since < v <= until", "return since < v < until"),
    "the reach begins too early": (KERNEL, "oldest = max(i64(step[AT_FROM], r), bounds[0])", "oldest = bounds[0]"),
    "the reach never ends": (KERNEL, "newest = min(i64(step[AT_TO], r), bounds[stretches])", "newest = bounds[stretches]"),
    "links not yet known are used": (KERNEL, "max(i64(known, row), known_from)", "i64(known, row)"),
    "links no longer believed are used": (KERNEL, "min(held_until(step, row), known_to)", "held_until(step, row)"),
    "cases of links not yet known are open": (RULE, "return seen_at(i64(step[KNOWN_FROM], r),", "return seen_at(v - 1,"),
    "a former parent is the present one": (LOOKUPS, "< cutoff[i] <= at_to[r]", "< cutoff[i]"),
    "no coverage is zero": (KERNEL, "if nobody[i] or untold[o - out0, i]:", "if nobody[i]:"),
    "a half covered window counts": (OUTPUTS, "return first > begin and high <= coverage[first - 1, 1]", "return first > begin"),
    "what no parent was known of is zero": (KERNEL, "< 0 or step[NEEDS_REACH] != 0", "< 0"),
    "windows end at the visibility cut": (KERNEL, "c, v, k = cutoff[i:end],", "c, v, k = seen[i:end],"),
    "bands in the wrong order": (OUTPUTS, "s = high - distance if last else low + 1 + distance", "s = low + 1 + distance"),
    "a missing number counts": (CELLS, "if not np.isnan(amount):", "if True:"),
    "a missing number is the last": (CELLS, "if np.isnan(amount):", "if False:", AGGREGATES),
    "a missing category counts": (CELLS, "if code >= 0:", "if True:", AGGREGATES),
    "a cleared case stays open": (CASES, "and (cleared < 0 or _after(step, row, cleared))", ""),
    "a case of a line given up stays open": (CASES, "and case_to[slot] >= c", ""),
    "a case is as old as the window": (PLAN, "return {EVER_AGO} if any(e.aggregate == OPEN_AGE for e in emissions) else set()", "return set()", AGGREGATES),
    "ties are broken by order of arrival": (CELLS, "return i64(step[RANK], row) > i64(step[RANK], than)", "return True"),
    "what is less than one is not added": (EXACT, "int64((amount - float64(whole)) * float64(UNIT))", "int64(0)", AGGREGATES),
    "a change looks back one window": (PLAN, "-2 * window if aggregate == CHANGE", "-window if aggregate == CHANGE", AGGREGATES),
    "a share is of all rows": (PLAN, "return together(self.conditions, self.among), self.among", "return together(self.conditions, self.among), ()", AGGREGATES),
    "the last cutoff sees what the first does": (KERNEL, "seen_at(since, until, seen[a]) and seen_at(since, until, seen[z])", "seen_at(since, until, seen[a])", MANY),
    "the first cutoff sees what the last does": (KERNEL, "seen_at(since, until, seen[a]) and seen_at(since, until, seen[z])", "seen_at(since, until, seen[z])", MANY),
    "who disagrees sees nothing": (KERNEL, "for i in range(a, z + 1):", "for i in range(0):", MANY),
    "the bands of a cutoff hold what another left": (KERNEL, "if not own[i]:", "if False:", MANY),
    "another pair's windows are used": (KERNEL, "steps.shape[0] > 1 or not _alike(cutoff, i, end, before, before_end)", "steps.shape[0] > 1 or i == 0", MANY),
    "cuts that fall are folded together": (KERNEL, "seen[end] >= seen[end - 1]", "True", MANY),
    "the oldest row of a window is not kept": (COLUMNS, "np.flatnonzero((at >= self._within[0])", "np.flatnonzero((at > self._within[0])", PARITY),
    "the longest window is not kept": (PLAN, "found[step.plan.source] = min(", "found[step.plan.source] = max(-1, ", PARITY),
    "the live call sees what is not known yet": (BLOCK, "cutoff if seen is None else seen], np.int64)", "cutoff], np.int64)", PARITY),
    "a bucket keeps half the readers of a key": (BUCKETS, "low = np.searchsorted(key, run_keys, \"left\")\n    count = np.searchsorted(key, run_keys, \"right\") - low", "low = np.searchsorted(key, run_keys, \"left\")\n    count = np.minimum(np.searchsorted(key, run_keys, \"right\") - low, 1)", PARITY),
}  # fmt: skip

REACH = "features/identity/reach.py"
GUARDS, LINKS, REPLAY, MERGES, GRAPH = (
    f"features/identity/graph/{name}.py" for name in ("guards", "links", "replay", "merges", "graph")
)
OF_THE_GRAPH = {
    "a link reaches back for ever": (REPLAY, "free if back < 0 else max(at[row] - back, free)", "free", "test_key_graph.py::test_a_browser_of_two_reaches_back_only_as_far_as_its_key_type_says"),
    "a reassigned number stays": (REPLAY, "out[n, 2] = holder, since, at[row]", "out[n, 2] = holder, since, FOREVER", "test_rule_of_time.py::test_a_reassigned_number_leaves_its_former_owner"),
    "the composed link forgets when it was known": (REACH, 'if name.endswith("from")', 'if name == "at_from"', "test_key_graph.py::test_an_account_reads_a_key_of_its_customer_once_both_links_are_known"),
    "what an unlinking freed is read by the next owner": (REPLAY, "            free = at[row]\n        elif", "            pass\n        elif", "test_rule_of_time.py::test_who_gets_a_line_does_not_read_what_came_before_it_was_given_up"),
    "a key reached twice counts twice": (REACH, "Reach.of(disjoint(pd.concat(frames, ignore_index=True).astype(np.int64)))", "Reach.of(pd.concat(frames, ignore_index=True).astype(np.int64))", "test_rule_of_time.py::test_a_key_reached_over_two_paths_counts_once"),
    "one more may share a key": (GUARDS, "np.cumsum(change) > shared", "np.cumsum(change) > shared + 1", "test_shared_keys.py::test_a_key_that_too_many_share_is_read_by_nobody_from_when_that_is_known"),
    "a guard is for ever": (GUARDS, "ends = np.flatnonzero(crowded[:-1] & ~crowded[1:])", "ends = np.full(len(starts), len(instants))", "test_shared_keys.py::test_a_guard_ends_when_it_turns_out_that_fewer_share_the_key"),
    "guards are ignored": (REPLAY, "if not _within(instant, guard):", "if instant > -1:", "test_shared_keys.py::test_a_key_that_too_many_share_is_read_by_nobody_from_when_that_is_known"),
    "a candidate is a link": (LINKS, 'rows = rows[rows["linked"] >= 0]', 'rows = rows.assign(linked=rows["linked"].abs())', "test_candidates.py::test_a_candidate_links_nothing_and_is_named_with_its_probability"),
    "what was never so has ended": (LINKS, "        undone,\n", "        False,\n", "test_merges.py::test_what_was_never_so_gives_the_address_back_to_whom_it_belonged"),
    "the younger id stays": (MERGES, "min(group, key=age)", "max(group, key=age)", "test_merges.py::test_the_older_id_stays_and_the_younger_becomes_its_alias"),
    "who is said to be apart is joined": (MERGES, "elif any((min(a, b), max(a, b)) in apart for a in one for b in other):", "elif False:", "test_merges.py::test_a_merge_against_what_is_said_to_be_apart_joins_nothing_and_is_told"),
    "a chain has no end": (MERGES, "len(one) + len(other) > shared + 1", "len(one) + len(other) > shared + 1000", "test_merges.py::test_a_chain_of_merges_longer_than_may_be_is_not_joined_and_is_told"),
    "what was said of the latest time decides": (MERGES, '["known", "at", "linked", "rank"]', '["at", "known", "linked", "rank"]', "test_merges.py::test_a_correction_counts_from_when_it_is_known_whatever_time_it_speaks_of"),
    "guarded customers are merged": (MERGES, 'for side in ("low", "high"):', "for side in ():", "test_merges.py::test_a_customer_said_to_be_the_same_as_too_many_is_merged_with_none"),
    "an alias still reads": (REACH, 'members[members["parent"].isin(entities)]', 'members[members["parent"].isin(entities)].assign(known_to=FOREVER)', "test_merges.py::test_an_unmerge_restores_both"),
    "what belongs to an alias is lost": (REACH, "_same_as_child(compose(frame, level[link.parent]), graph.members(link.child))", "compose(frame, level[link.parent])", "test_key_graph.py::test_an_account_reads_the_alias_of_its_customer_from_when_the_merge_is_known"),
    "old links of a touched key stay": (GRAPH, "kept = frame[~frame[\"child\"].isin(touched)]", "kept = frame", "test_key_graph.py::test_a_key_that_turns_out_to_be_someone_elses_is_no_more_the_firsts"),
}  # fmt: skip
ALL = {name: Mutation(*entry) for name, entry in (MUTATIONS | OF_THE_GRAPH).items()}


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.compiling) for name in MUTATIONS),
        *(pytest.param(name, marks=pytest.mark.slow) for name in OF_THE_GRAPH),
    ],
)
def test_the_suite_sees_the_broken_rule(name: str, tmp_path: Path) -> None:
    mutation = ALL[name]
    copy_sources(tmp_path, changed=mutation.path)
    file = tmp_path / mutation.path
    text = file.read_text()
    assert mutation.right in text, f"{mutation.path} no longer says: {mutation.right}"
    file.write_text(text.replace(mutation.right, mutation.wrong))
    done = run(tmp_path, mutation.seen_by.split())
    assert done.returncode, f"survived: {name}\n{done.stdout[-2000:]}"
    crashed = done.returncode < 0  # a kernel that reads what was never written may
    assert crashed or (done.returncode == 1 and "FAILED" in done.stdout), done.stdout[-2000:]


@pytest.mark.slow
def test_the_suite_sees_nothing_wrong_in_a_true_copy(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    tests = {test for name in OF_THE_GRAPH for test in ALL[name].seen_by.split()}
    done = run(tmp_path, sorted(tests), examples=5)
    assert done.returncode == 0, done.stdout[-2000:]


def run(copy: Path, tests: Sequence[str], examples: int = 300) -> subprocess.CompletedProcess:
    env = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of what a short run costs
        "TIELINE_EXAMPLES": str(examples),
        "TIELINE_SHRINK": "0",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", *(f"tests/features/{test}" for test in tests)]
    return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=600, check=False)


def copy_sources(copy: Path, changed: str | None = None) -> None:
    """The sources and tests, and of the compiled code what does not read the changed file (a stale copy of its
    constants or functions would hide the mutation)."""
    for folder in ("features", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("*.pyc", "*.tmp.*"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file in (copy / "features").rglob("*.py"):
        if "njit" in file.read_text() and changed in read_by(file, copy):
            for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
                compiled.unlink()


def read_by(file: Path, root: Path) -> set[str]:
    """The file itself and all of ours that it imports, or that those do, relative to the root."""
    found, waiting = set(), [file]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(root))
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                above = getattr(node, "module", None) or ""
                names = [above, *(f"{above}.{alias.name}" for alias in node.names)]
                modules = [root.joinpath(*name.strip(".").split(".")) for name in names]
                waiting += [p for m in modules for p in (m.with_suffix(".py"), m / "__init__.py") if p.is_file()]
    return found
