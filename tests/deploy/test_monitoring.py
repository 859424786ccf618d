# SPDX-License-Identifier: Apache-2.0
"""Alarms and dashboard: promtool accepts the rules, every alarm is shown to ring and to be silent,
every alarm has its section in the runbook, and rules, dashboard and daemon name the same metrics."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

from lib import DEPLOY, ROOT, run

HERE = pathlib.Path(__file__).resolve().parent
RULES = DEPLOY / "monitoring" / "alerts.yml"
DASHBOARD = DEPLOY / "monitoring" / "dashboard.json"
RUNBOOK = DEPLOY / "RUNBOOK.md"
NO_WITNESSES_YET = {"pledged_witness_lag_entries"}  # said once a witness is configured
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def alarms():
    return re.findall(r"^      - alert: (\w+)$", RULES.read_text(encoding="utf-8"), re.M)


def expressions():
    """Every query of the dashboard, with its variables filled in."""
    found = []
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            found.append((panel["title"], target["expr"].replace("$__rate_interval", "5m")
                          .replace("$instance", ".*")))
    return found


def metrics(text):
    return {SUFFIX.sub("", name) for name in re.findall(r"\bpledged_[a-z_]+\b", text)}


def runbook_metrics():
    """The table of metrics in the runbook: what the daemon is known to say."""
    part = RUNBOOK.read_text(encoding="utf-8").split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `(pledged_[a-z_]+)", part, re.M))


class Alarms(unittest.TestCase):
    def test_promtool_accepts_the_rules(self):
        said = run("promtool", "check", "rules", RULES).stdout
        self.assertIn(f"{len(alarms())} rules found", said)

    def test_each_rings_and_is_silent(self):
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(RULES, work)
            shutil.copy(HERE / "alerts_test.yml", work)
            run("promtool", "test", "rules", "alerts_test.yml", cwd=work)

    def test_no_alarm_is_untested(self):
        text = (HERE / "alerts_test.yml").read_text(encoding="utf-8")
        silent = set(re.findall(r"\{alertname: (\w+), eval_time: \S+ exp_alerts: \[\]\}", text))
        rings = set(re.findall(r"^      - alertname: (\w+)$", text, re.M))
        self.assertEqual((silent, rings), (set(alarms()), set(alarms())))

    def test_the_test_can_fail(self):
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(HERE / "alerts_test.yml", work)
            text = RULES.read_text(encoding="utf-8").replace("pledged_writable == 0",
                                                             "pledged_writable == 1")
            (pathlib.Path(work) / "alerts.yml").write_text(text, encoding="utf-8")
            run("promtool", "test", "rules", "alerts_test.yml", cwd=work, code=1)

    def test_every_alarm_has_its_section_in_the_runbook(self):
        part = RUNBOOK.read_text(encoding="utf-8").split("\n## Alarms\n", 1)[1]
        headings = re.findall(r"^### (\w+)$", part.split("\n## ", 1)[0], re.M)
        self.assertEqual(sorted(headings), sorted(alarms()))
        rules = RULES.read_text(encoding="utf-8")
        self.assertEqual(re.findall(r'runbook: "RUNBOOK.md#(\w+)"', rules),
                         [name.lower() for name in alarms()])

    def test_severity_is_one_of_two(self):
        rules = RULES.read_text(encoding="utf-8")
        found = re.findall(r"severity: (\w+)", rules)
        self.assertEqual(len(found), len(alarms()))
        self.assertEqual(set(found), {"critical", "warning"})


class Dashboard(unittest.TestCase):
    def test_prometheus_understands_every_query(self):
        rules = ["groups:", "  - name: dashboard", "    rules:"]
        for number, (_, expression) in enumerate(expressions()):
            rules += [f"      - record: panel:{number}", f"        expr: {json.dumps(expression)}"]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write("\n".join(rules) + "\n")
            file.flush()
            run("promtool", "check", "rules", file.name)

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
            at = panel["gridPos"]
            for x in range(at["x"], at["x"] + at["w"]):
                self.assertLess(x, 24, panel["title"])
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken[(x, y)] = panel["title"]

    def test_ids_are_unique(self):
        ids = [p["id"] for p in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


class Metrics(unittest.TestCase):
    def test_rules_and_dashboard_use_what_the_runbook_lists(self):
        known = runbook_metrics()
        self.assertTrue(known)
        self.assertEqual(metrics(RULES.read_text(encoding="utf-8")) - known, set())
        self.assertEqual(metrics(" ".join(e for _, e in expressions())) - known, set())

    def test_the_runbook_lists_what_the_daemon_says(self):
        source = (ROOT / "server" / "metrics.c").read_text(encoding="utf-8")
        said = set(re.findall(r'(?:family|single)\(page, "(pledged_[a-z_]+)"', source))
        self.assertGreater(len(said), 20, "metrics are written in another way now")
        self.assertEqual(said - runbook_metrics(), set())
        self.assertEqual(runbook_metrics() - said - NO_WITNESSES_YET, set())

    def test_codes_of_the_rules_are_the_daemons(self):
        source = (ROOT / "common" / "status.def").read_text(encoding="utf-8")
        known = set(re.findall(r"^PL_STATUS\((\w+),", source, re.M))
        for text in (RULES.read_text(encoding="utf-8"), " ".join(e for _, e in expressions())):
            for codes in re.findall(r'code[!=]~?"([^"]+)"', text):
                self.assertEqual(set(codes.split("|")) - known, set())


if __name__ == "__main__":
    unittest.main()
