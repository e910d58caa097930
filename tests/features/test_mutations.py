"""Break each rule on purpose, in a copy of the sources, and see the suite fail: a check of the checks.

Each mutation is one replacement of text in one file. The copy runs `test_rule_of_time.py`, or `test_key_graph.py`, in
its own process.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

KERNEL, REACH, REPLAY, FRAME, HISTORY, COLUMNS = (
    "features/kernel.py",
    "features/identity/reach.py",
    "features/identity/graph/replay.py",
    "features/frame.py",
    "features/history.py",
    "features/columns.py",
)
MUTATIONS = {
    "the cutoff itself counts": (KERNEL, "if at[row] >= newest:", "if at[row] > newest:"),
    "the older end is open": (KERNEL, "edges[band + 1] <= offset", "edges[band + 1] < offset"),
    "a later fact counts": (KERNEL, "newest = min(at_to[r], c + edges[n_bands])", "newest = at_to[r]"),
    "known at the cutoff counts": (KERNEL, "known[row] < v <= until[row]", "known[row] <= v <= until[row]"),
    "known_at is ignored": (KERNEL, "known[row] < v <= until[row]", "v <= until[row]"),
    "until is ignored": (KERNEL, "known[row] < v <= until[row]", "known[row] < v"),
    "until is one too early": (KERNEL, "known[row] < v <= until[row]", "known[row] < v < until[row]"),
    "the reach begins too early": (KERNEL, "oldest = max(at_from[r], c + edges[0])", "oldest = c + edges[0]"),
    "the reach never ends": (KERNEL, "newest = min(at_to[r], c + edges[n_bands])", "newest = c + edges[n_bands]"),
    "links not yet known are used": (FRAME, "(reach.known_from[row] < seen[pair]) &", "(seen[pair] == seen[pair]) &"),
    "links no longer believed are used": (FRAME, "& (seen[pair] <= reach.known_to[row])", ""),
    "a link reaches back for ever": (REPLAY, "free if back < 0 else max(at[row] - back, free)", "free"),
    "a reassigned number stays": (REPLAY, "out[n, 2] = holder, since, at[row]", "out[n, 2] = holder, since, FOREVER"),
    "a former parent is the present one": (FRAME, "& (cutoff[pair] <= parents.at_to[row])", ""),
    "the composed link forgets when it was known": (REACH, 'if name.endswith("from")', 'if name == "at_from"'),
    "no coverage is zero": (HISTORY, "low, cutoffs), values, np.nan)", "low, cutoffs), values, 0.0)"),
    "a half covered window counts": (FRAME, "(high <= bounds[np.maximum(index, 0), 1])", "(high > 0)"),
    "windows end at the visibility cut": (KERNEL, "c, v = cutoff[i], seen[i]", "c, v = seen[i], seen[i]"),
    "bands in the wrong order": (KERNEL, "else high - 1 - step", "else low + step"),
    "a missing value counts": (KERNEL, "if column >= 0 and np.isnan(values[column, row]):", "if column >= 1000:"),
    "a cleared case stays open": (KERNEL, "c and (last < 0 or _after(at[row], known[row], at[last], known[last])):", "c:"),
    "a case of a line given up stays open": (KERNEL, "case_to[slot] >= c and", ""),
    "what an unlinking freed is read by the next owner": (REPLAY, "            free = at[row]\n        elif", "            pass\n        elif"),
    "a key reached twice counts twice": (REACH, "Reach.of(disjoint(pd.concat(frames, ignore_index=True).astype(np.int64)))", "Reach.of(pd.concat(frames, ignore_index=True).astype(np.int64))"),
    "ties are broken by order of arrival": (COLUMNS, "rank=rank[order]", "rank=np.arange(len(rank), dtype=np.int64)[order]"),
}  # fmt: skip

GUARDS, LINKS, MERGES, GRAPH = (f"features/identity/graph/{name}.py" for name in ("guards", "links", "merges", "graph"))
OF_THE_GRAPH = {
    "one more may share a key": (GUARDS, "np.cumsum(change) > shared", "np.cumsum(change) > shared + 1"),
    "a guard is for ever": (GUARDS, "ends = np.flatnonzero(crowded[:-1] & ~crowded[1:])", "ends = np.full(len(starts), len(instants))"),
    "guards are ignored": (REPLAY, "if not _within(instant, guard):", "if instant > -1:"),
    "a candidate is a link": (LINKS, 'rows = rows[rows["linked"] >= 0]', 'rows = rows.assign(linked=rows["linked"].abs())'),
    "what was never so has ended": (LINKS, "        undone,\n", "        False,\n"),
    "the younger id stays": (MERGES, "min(group, key=age)", "max(group, key=age)"),
    "who is said to be apart is joined": (MERGES, "elif any((min(a, b), max(a, b)) in apart for a in one for b in other):", "elif False:"),
    "a chain has no end": (MERGES, "len(one) + len(other) > shared + 1", "len(one) + len(other) > shared + 1000"),
    "what was said of the latest time decides": (MERGES, '["known", "at", "linked", "rank"]', '["at", "known", "linked", "rank"]'),
    "guarded customers are merged": (MERGES, 'for side in ("low", "high"):', "for side in ():"),
    "an alias still reads": (REACH, 'members[members["parent"].isin(entities)]', 'members[members["parent"].isin(entities)].assign(known_to=FOREVER)'),
    "what belongs to an alias is lost": (REACH, "_same_as_child(compose(frame, level[link.parent]), graph.members(link.child))", "compose(frame, level[link.parent])"),
    "old links of a touched key stay": (GRAPH, "kept = frame[~frame[\"child\"].isin(touched)]", "kept = frame"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MUTATIONS, *OF_THE_GRAPH])
def test_the_suite_sees_the_broken_rule(name: str, tmp_path: Path) -> None:
    path, right, wrong = (MUTATIONS | OF_THE_GRAPH)[name]
    suite = "test_key_graph.py" if name in OF_THE_GRAPH else "test_rule_of_time.py"
    for folder in ("features", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (tmp_path / path).read_text()
    assert right in text, f"{path} no longer says: {right}"
    (tmp_path / path).write_text(text.replace(right, wrong))
    examples = "40" if name in OF_THE_GRAPH else "300"
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "TIELINE_EXAMPLES": examples, "TIELINE_SHRINK": "0"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "not hundred_thousand and not longer_than",  # without guards they would not end
        f"tests/features/{suite}",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1, f"survived: {name}\n{done.stdout[-2000:]}"
    assert "FAILED" in done.stdout, done.stdout[-2000:]
